// Package clean makes text of what a file holds: it finds the encoding, and mends line ends, control characters and
// combining characters. What was there before is in the source; every change is counted by kind.
package clean

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The values of Options.Encoding.
const (
	// UTF8: text is UTF-8.
	UTF8 = "utf8"
	// Detect: a byte-order mark decides between UTF-8 and UTF-16; without one, text that is not UTF-8 is Latin-1 (the bytes
	// 80 to 9F as windows-1252 has them, as browsers do), unless it has more well-formed UTF-8 characters beyond ASCII
	// than broken bytes: then it is damaged UTF-8, and left as it is.
	Detect = "detect"
)

// Options say what to mend. As JSON, what is not said is on.
type Options struct {
	Encoding    string `json:"encoding"`
	LineEndings bool   `json:"line_endings"` // \r\n, \r, U+0085, U+2028 and U+2029 become \n
	Controls    bool   `json:"controls"`     // U+FEFF and control characters but \t, \n and \r go
	NFC         bool   `json:"nfc"`          // Unicode's normal form C
}

// Default is everything.
func Default() Options { return Options{Detect, true, true, true} }

// UnmarshalJSON starts from Default. An unknown key is an error.
func (o *Options) UnmarshalJSON(data []byte) error {
	type plain Options
	p := plain(Default())
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(&p)
	*o = Options(p)
	return err
}

// Check tells what is wrong.
func (o Options) Check() error {
	if o.Encoding != UTF8 && o.Encoding != Detect {
		return fmt.Errorf("encoding is %q: want %q or %q", o.Encoding, UTF8, Detect)
	}
	return nil
}

// Kind is a kind of change.
type Kind uint8

// The kinds of change.
const (
	ByteOrderMarks Kind = iota // taken off UTF-8
	UTF16                      // documents decoded
	Latin1                     // documents decoded
	LineEndings                // replaced
	Controls                   // taken out
	NFC                        // documents composed
	Kinds                      // how many kinds there are
)

var kinds = [Kinds]string{"byte_order_mark", "utf16", "latin1", "line_ending", "control", "nfc"}

// String is the kind in manifests.
func (k Kind) String() string { return kinds[k] }

// Counts are changes by kind.
type Counts [Kinds]int64

// Text mends raw and adds to counts.
func (o Options) Text(raw string, counts *Counts) string {
	text := raw
	if o.Encoding == Detect {
		text = decode(text, counts)
	}
	if o.LineEndings || o.Controls {
		text = o.mend(text, counts)
	}
	if o.NFC && utf8.ValidString(text) && !norm.NFC.IsNormalString(text) {
		counts[NFC]++
		text = norm.NFC.String(text)
	}
	return text
}

func decode(raw string, counts *Counts) string {
	switch {
	case strings.HasPrefix(raw, "\ufeff"):
		counts[ByteOrderMarks]++
		return raw[3:]
	case HasUTF16Mark(raw):
		counts[UTF16]++
		return decodeUTF16(raw)
	case utf8.ValidString(raw):
		return raw
	}
	good, broken := 0, 0
	for i := 0; i < len(raw); {
		r, n := utf8.DecodeRuneInString(raw[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			broken++
		case n > 1:
			good++
		}
		i += n
	}
	if good > broken {
		return raw
	}
	counts[Latin1]++
	var b strings.Builder
	b.Grow(len(raw) + broken)
	for i := range len(raw) {
		if c := raw[i]; c >= 0x80 && c < 0xa0 {
			b.WriteRune(windows1252[c-0x80])
		} else {
			b.WriteRune(rune(c))
		}
	}
	return b.String()
}

// windows1252 are the characters of the bytes 80 to 9F (https://encoding.spec.whatwg.org/#windows-1252).
var windows1252 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8d, 'Ž', 0x8f,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9d, 'ž', 'Ÿ',
}

// HasUTF16Mark tells whether data begins with a byte-order mark of UTF-16.
func HasUTF16Mark[T string | []byte](data T) bool {
	return len(data) >= 2 && (data[0] == 0xff && data[1] == 0xfe || data[0] == 0xfe && data[1] == 0xff)
}

func decodeUTF16(raw string) string {
	var order binary.ByteOrder = binary.LittleEndian
	if raw[0] == 0xfe {
		order = binary.BigEndian
	}
	data := []byte(raw[2:])
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	text := string(utf16.Decode(units))
	if len(data)%2 == 1 {
		text += "\ufffd"
	}
	return text
}

// mend replaces line ends and takes controls out. Bytes that are not UTF-8 stay.
func (o Options) mend(text string, counts *Counts) string {
	var out []byte
	done := 0
	for i := 0; i < len(text); {
		kind, n := o.change(text[i:])
		if kind == Kinds {
			i += n
			continue
		}
		counts[kind]++
		out = append(out, text[done:i]...)
		if kind == LineEndings {
			out = append(out, '\n')
		}
		i += n
		done = i
	}
	if done == 0 {
		return text
	}
	return string(append(out, text[done:]...))
}

// change is what happens to the beginning of s: nothing (Kinds) to its first n bytes, or a change of them.
func (o Options) change(s string) (kind Kind, n int) {
	c := s[0]
	switch {
	case c >= ' ' && c < 0x7f || c == '\n' || c == '\t':
		for n = 1; n < len(s) && (s[n] >= ' ' && s[n] < 0x7f || s[n] == '\n'); n++ {
		}
		return Kinds, n
	case c == '\r':
		if !o.LineEndings {
			return Kinds, 1
		}
		if len(s) > 1 && s[1] == '\n' {
			return LineEndings, 2
		}
		return LineEndings, 1
	case c < utf8.RuneSelf:
		if o.Controls {
			return Controls, 1
		}
		return Kinds, 1
	}
	r, n := utf8.DecodeRuneInString(s)
	switch {
	case o.LineEndings && (r == 0x85 || r == 0x2028 || r == 0x2029):
		return LineEndings, n
	case o.Controls && (r >= 0x80 && r < 0xa0 || r == 0xfeff):
		return Controls, n
	}
	return Kinds, n
}
