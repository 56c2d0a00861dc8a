package token

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// byteFormat marks the file of a Byte tokenizer:
//
//	{"format":"millrace.tokenizer.byte/1","end_of_text":256}
const byteFormat = "millrace.tokenizer.byte/1"

// Byte is the tokenizer without a vocabulary to learn: id = byte, and 256 is <|endoftext|>.
type Byte struct{ bytes [256]byte }

// NewByte returns the byte tokenizer.
func NewByte() *Byte {
	t := new(Byte)
	for i := range t.bytes {
		t.bytes[i] = byte(i)
	}
	return t
}

// Kind is KindByte.
func (t *Byte) Kind() Kind { return KindByte }

// VocabSize is 257.
func (t *Byte) VocabSize() int { return 257 }

// EndOfText is 256.
func (t *Byte) EndOfText() int32 { return 256 }

// Special is <|endoftext|> alone.
func (t *Byte) Special() []Special { return []Special{{EndOfText, t.EndOfText()}} }

// Append appends one id a byte; it never fails.
func (t *Byte) Append(dst []int32, text string) ([]int32, error) {
	for i := range len(text) {
		dst = append(dst, int32(text[i]))
	}
	return dst, nil
}

// Bytes is the one byte of id, or nothing.
func (t *Byte) Bytes(id int32) []byte {
	if id < 0 || id > 255 {
		return nil
	}
	return t.bytes[id : id+1 : id+1]
}

type byteFile struct {
	Format    string `json:"format"`
	EndOfText int32  `json:"end_of_text"`
}

// JSON is the constant file of the byte tokenizer.
func (t *Byte) JSON() []byte {
	return []byte(`{"format":"` + byteFormat + `","end_of_text":256}` + "\n")
}

func parseByte(data []byte) (*Byte, error) {
	var f byteFile
	if err := strictJSON(data, &f); err != nil {
		return nil, err
	}
	if f.EndOfText != 256 {
		return nil, fmt.Errorf("%w: byte tokenizer: end_of_text is %d, want 256", ErrInvalid, f.EndOfText)
	}
	return NewByte(), nil
}

// strictJSON decodes the one JSON value in data into v; a key v does not know is an error.
func strictJSON(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if d.More() {
		return fmt.Errorf("%w: more than one JSON value", ErrInvalid)
	}
	return nil
}
