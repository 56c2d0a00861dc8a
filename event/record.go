package event

import (
	"encoding/binary"
	"fmt"
)

// Record is a fact as it lies in the log, not decoded: also one that this version does not know. An archive is a row of records.
type Record struct {
	Seq        uint64
	Subject    string
	Attributes []Attribute // by name
	Body       []byte
}

// Attribute is one header of a fact.
type Attribute struct{ Name, Value string }

// Header looks an attribute up, "" when the record has none of that name.
func (r Record) Header(name string) string {
	for _, a := range r.Attributes {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// ID is the fact's id.
func (r Record) ID() string { return r.Header(HeaderID) }

// Decode reads the fact: ErrUnknownType, ErrMalformed.
func (r Record) Decode() (Envelope, error) {
	env, err := Decode(r.Subject, r.Header, r.Body)
	if err != nil {
		return Envelope{}, err
	}
	env.Seq = r.Seq
	return env, nil
}

const (
	// maxRecord bounds a record in bytes: a body and what stands before it.
	maxRecord = MaxBody + 64<<10
	// maxAttributes bounds how many attributes a record has.
	maxAttributes = 64
)

// AppendRecord writes a record: its length, place, subject, attributes and body, texts with their lengths before them
// (docs/formats/archive.md).
func AppendRecord(b []byte, r Record) []byte {
	head := binary.AppendUvarint(nil, r.Seq)
	head = appendText(head, r.Subject)
	head = binary.AppendUvarint(head, uint64(len(r.Attributes)))
	for _, a := range r.Attributes {
		head = appendText(appendText(head, a.Name), a.Value)
	}
	b = binary.AppendUvarint(b, uint64(len(head)+len(r.Body)))
	return append(append(b, head...), r.Body...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func cutText(b []byte) (s string, rest []byte, ok bool) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return "", nil, false
	}
	return string(b[k : k+int(n)]), b[k+int(n):], true
}

// ParseRecord reads what AppendRecord wrote and returns the bytes after it. The record's body shares b. ErrMalformed.
func ParseRecord(b []byte) (r Record, rest []byte, err error) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > maxRecord || n > uint64(len(b)-k) {
		return Record{}, nil, fmt.Errorf("event: a record of %d bytes, %d are there: %w", n, len(b), ErrMalformed)
	}
	at, rest := b[k:k+int(n)], b[k+int(n):]
	if r.Seq, k = binary.Uvarint(at); k <= 0 {
		return Record{}, nil, fmt.Errorf("event: a record without its place: %w", ErrMalformed)
	}
	ok := false
	if r.Subject, at, ok = cutText(at[k:]); !ok {
		return Record{}, nil, fmt.Errorf("event: record %d: no subject: %w", r.Seq, ErrMalformed)
	}
	count, k := binary.Uvarint(at)
	if k <= 0 || count > maxAttributes {
		return Record{}, nil, fmt.Errorf("event: record %d: %d attributes: %w", r.Seq, count, ErrMalformed)
	}
	at = at[k:]
	for range count {
		var a Attribute
		if a.Name, at, ok = cutText(at); ok {
			a.Value, at, ok = cutText(at)
		}
		if !ok {
			return Record{}, nil, fmt.Errorf("event: record %d: attribute %q is cut off: %w", r.Seq, a.Name, ErrMalformed)
		}
		r.Attributes = append(r.Attributes, a)
	}
	r.Body = at
	return r, rest, nil
}
