// Package attribute stores what was measured of every document and what was decided, so that "why was this dropped?" has an
// answer, and other thresholds can be tried without reading the text again.
//
// A blob is one line of JSON and then records (docs/curation.md draws the bytes). Documents, kept or not, stand in the
// order they were decided on: that in which they were read, but when duplicates are found at the end.
package attribute

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"

	"millrace/curator/corpus"
	"millrace/curator/measure"
	"millrace/event"
)

// Format is the version of a blob's form.
const Format = "millrace.attributes/1"

// ErrAttributes is wrapped by every error about bytes that are no attributes.
var ErrAttributes = errors.New("damaged attributes")

// Header is the first line of a blob. It says what the records refer to.
type Header struct {
	Format  string       `json:"format"`
	Recipe  event.Digest `json:"recipe"`  // digest of the recipe that decided
	Sources []string     `json:"sources"` // names
	Values  []string     `json:"values"`  // what was measured, in the order of a record's values
	// Languages are what the value "language" numbers, from 1.
	Languages []string `json:"languages,omitempty"`
}

// NewHeader is the header of blobs whose values are those that are counted in texts.
func NewHeader(recipe event.Digest, sources []string) Header {
	h := Header{Format: Format, Recipe: recipe, Sources: sources}
	for v := range measure.Counted {
		h.Values = append(h.Values, v.String())
	}
	return h
}

// WithScores is the header of blobs that have what lists and models were asked, too.
func (h Header) WithScores(languages []string) Header {
	h.Languages = languages
	for v := measure.Value(len(h.Values)); v < measure.Count; v++ {
		h.Values = append(h.Values, v.String())
	}
	return h
}

// Language is what a record's value "language" stands for; "" for none.
func (h Header) Language(v measure.Values) string {
	if at := v[measure.Language]; at >= 1 && at <= int64(len(h.Languages)) {
		return h.Languages[at-1]
	}
	return ""
}

// Record is one document.
type Record struct {
	Source int
	ID     string
	// Digest is the sha256 of the text as it was read; zero for a file or record that gave no text.
	Digest [32]byte
	Bytes  int64 // of the text as it was read, or of the file
	// Why is empty for a document that was kept.
	Why corpus.Why
	// Measured tells whether there are values: not if the text is not UTF-8 or white space only.
	Measured bool
	Values   measure.Values
}

// Writer collects records into a blob.
type Writer struct {
	buf     []byte
	values  int // of a record
	reasons map[string]uint64
	n       int64
}

// NewWriter begins a blob.
func NewWriter(h Header) *Writer {
	line, err := json.Marshal(h)
	if err != nil {
		panic(err) // names and digests can always be written
	}
	return &Writer{buf: append(line, '\n'), values: len(h.Values), reasons: map[string]uint64{}}
}

// Documents and Bytes are what is in the blob.
func (w *Writer) Documents() int64 { return w.n }
func (w *Writer) Bytes() []byte    { return w.buf }

// Flags of a record.
const (
	measured = 1 << iota // values follow
	repeats              // the text that it repeats follows
)

// Add appends a record.
func (w *Writer) Add(r Record) {
	w.n++
	b := w.buf
	b = append(b, r.Digest[:]...)
	b = binary.AppendUvarint(b, uint64(r.Source))
	b = binary.AppendUvarint(b, uint64(len(r.ID)))
	b = append(b, r.ID...)
	b = binary.AppendUvarint(b, uint64(r.Bytes))
	if r.Why.Reason == "" {
		b = append(b, 0)
	} else {
		at, known := w.reasons[r.Why.Reason]
		if !known {
			at = uint64(len(w.reasons)) + 1
			w.reasons[r.Why.Reason] = at
		}
		b = binary.AppendUvarint(b, at)
		if !known {
			b = binary.AppendUvarint(b, uint64(len(r.Why.Reason)))
			b = append(b, r.Why.Reason...)
		}
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(r.Why.Value))
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(r.Why.Limit))
	}
	var flags byte
	if r.Measured {
		flags |= measured
	}
	if r.Why.Repeats != nil {
		flags |= repeats
	}
	b = append(b, flags)
	if r.Measured {
		for _, v := range r.Values[:w.values] {
			b = binary.AppendUvarint(b, uint64(v))
		}
	}
	if of := r.Why.Repeats; of != nil {
		for _, text := range []string{of.Source, of.Document, of.Text} {
			b = binary.AppendUvarint(b, uint64(len(text)))
			b = append(b, text...)
		}
	}
	w.buf = b
}

// Limits of a blob that is read.
const (
	maxHeader = 1 << 20
	maxText   = 64 << 10 // of an id or a reason
)

// Read reads a blob. An error ends the records; it wraps ErrAttributes.
func Read(blob []byte) (Header, iter.Seq2[Record, error], error) {
	var h Header
	end := bytes.IndexByte(blob[:min(len(blob), maxHeader)], '\n')
	if end < 0 {
		return h, nil, fmt.Errorf("%w: no header in the first %d bytes", ErrAttributes, maxHeader)
	}
	d := json.NewDecoder(bytes.NewReader(blob[:end]))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return h, nil, fmt.Errorf("%w: header: %w", ErrAttributes, err)
	}
	if h.Format != Format {
		return h, nil, fmt.Errorf("%w: format %.80q: this version reads %q", ErrAttributes, h.Format, Format)
	}
	if len(h.Values) > int(measure.Count) {
		return h, nil, fmt.Errorf("%w: %d values a document: this version knows %d", ErrAttributes, len(h.Values), measure.Count)
	}
	for i, name := range h.Values {
		if want := measure.Value(i).String(); name != want {
			return h, nil, fmt.Errorf("%w: value %d is %.80q: this version has %q there", ErrAttributes, i, name, want)
		}
	}
	return h, func(yield func(Record, error) bool) {
		r := reader{header: h, in: bytes.NewReader(blob[end+1:])}
		for n := 0; r.in.Len() > 0; n++ {
			record, err := r.next()
			if err != nil {
				yield(Record{}, fmt.Errorf("%w: document %d: %w", ErrAttributes, n, err))
				return
			}
			if !yield(record, nil) {
				return
			}
		}
	}, nil
}

type reader struct {
	header  Header
	in      *bytes.Reader
	reasons []string
}

func (r *reader) next() (Record, error) {
	var d Record
	if _, err := io.ReadFull(r.in, d.Digest[:]); err != nil {
		return d, err
	}
	source, err := r.number(uint64(len(r.header.Sources)) - 1)
	if err != nil || len(r.header.Sources) == 0 {
		return d, fmt.Errorf("source %d of %d: %w", source, len(r.header.Sources), errors.Join(err, errors.ErrUnsupported))
	}
	d.Source = int(source)
	if d.ID, err = r.text(); err != nil {
		return d, err
	}
	if size, err := r.number(math.MaxInt64); err != nil {
		return d, err
	} else {
		d.Bytes = int64(size)
	}
	if err := r.why(&d.Why); err != nil {
		return d, err
	}
	flags, err := r.in.ReadByte()
	if err != nil || flags > measured|repeats || flags&repeats != 0 && d.Why.Reason == "" {
		return d, fmt.Errorf("flags %d: %w", flags, errors.Join(err, errors.ErrUnsupported))
	}
	if d.Measured = flags&measured != 0; d.Measured {
		for i := range r.header.Values {
			v, err := r.number(math.MaxInt64)
			if err != nil {
				return d, err
			}
			d.Values[i] = int64(v)
		}
	}
	if flags&repeats != 0 {
		var of corpus.Repeated
		for _, text := range []*string{&of.Source, &of.Document, &of.Text} {
			if *text, err = r.text(); err != nil {
				return d, err
			}
		}
		d.Why.Repeats = &of
	}
	return d, nil
}

func (r *reader) why(w *corpus.Why) error {
	at, err := r.number(uint64(len(r.reasons)) + 1)
	if err != nil || at == 0 {
		return err
	}
	if at > uint64(len(r.reasons)) {
		reason, err := r.text()
		if err != nil {
			return err
		}
		if reason == "" {
			return errors.New("an empty reason")
		}
		r.reasons = append(r.reasons, reason)
	}
	w.Reason = r.reasons[at-1]
	var raw [16]byte
	if _, err := io.ReadFull(r.in, raw[:]); err != nil {
		return err
	}
	w.Value = math.Float64frombits(binary.LittleEndian.Uint64(raw[:]))
	w.Limit = math.Float64frombits(binary.LittleEndian.Uint64(raw[8:]))
	return nil
}

func (r *reader) number(most uint64) (uint64, error) {
	n, err := binary.ReadUvarint(r.in)
	if err != nil {
		return 0, err
	}
	if n > most {
		return 0, fmt.Errorf("%d where at most %d can be", n, most)
	}
	return n, nil
}

func (r *reader) text() (string, error) {
	n, err := r.number(maxText)
	if err != nil {
		return "", err
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r.in, b)
	return string(b), err
}
