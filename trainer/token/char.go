package token

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// charFormat marks the file of a Char tokenizer:
//
//	{"format":"millrace.tokenizer.char/1","chars":"\n !$&'…"}
//
// chars holds every character of the vocabulary once, in ascending order of code point; the id of a character is its
// position in characters (not bytes), and <|endoftext|> is the id after the last.
const charFormat = "millrace.tokenizer.char/1"

// Char is nanoGPT's character tokenizer: the vocabulary is the sorted set of the characters of a text.
type Char struct {
	ids   map[rune]int32
	bytes [][]byte
}

// NewChar makes the tokenizer of a set of characters; order and repeats do not matter. It refuses an empty set and
// characters that are not Unicode scalar values.
func NewChar(chars []rune) (*Char, error) {
	set := slices.Compact(slices.Sorted(slices.Values(chars)))
	if len(set) == 0 {
		return nil, fmt.Errorf("%w: char tokenizer without characters", ErrInvalid)
	}
	t := &Char{ids: make(map[rune]int32, len(set)), bytes: make([][]byte, len(set))}
	for i, r := range set {
		if !utf8.ValidRune(r) {
			return nil, fmt.Errorf("%w: char tokenizer: %#x is not a Unicode character", ErrInvalid, r)
		}
		t.ids[r] = int32(i)
		t.bytes[i] = utf8.AppendRune(nil, r)
	}
	return t, nil
}

// Kind is KindChar.
func (t *Char) Kind() Kind { return KindChar }

// VocabSize is the number of characters plus one.
func (t *Char) VocabSize() int { return len(t.bytes) + 1 }

// EndOfText is the id after the last character.
func (t *Char) EndOfText() int32 { return int32(len(t.bytes)) }

// Special is <|endoftext|> alone.
func (t *Char) Special() []Special { return []Special{{EndOfText, t.EndOfText()}} }

// Append appends one id a character. It returns ErrUnknownText, and dst as it was, for a character that is not in the
// vocabulary or a byte that is not UTF-8.
func (t *Char) Append(dst []int32, text string) ([]int32, error) {
	out := slices.Grow(dst, len(text))
	for i, r := range text {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				return dst, fmt.Errorf("%w: byte %#x at %d is not UTF-8", ErrUnknownText, text[i], i)
			}
		}
		id, ok := t.ids[r]
		if !ok {
			return dst, fmt.Errorf("%w: character %q at byte %d is none of the %d of this char tokenizer", ErrUnknownText, r, i, len(t.bytes))
		}
		out = append(out, id)
	}
	return out, nil
}

// Bytes is the UTF-8 form of id's character, or nothing.
func (t *Char) Bytes(id int32) []byte {
	if id < 0 || int(id) >= len(t.bytes) {
		return nil
	}
	return t.bytes[id]
}

type charFile struct {
	Format string `json:"format"`
	Chars  string `json:"chars"`
}

// JSON is the file described at charFormat, newline at the end.
func (t *Char) JSON() []byte {
	f := charFile{Format: charFormat}
	for _, b := range t.bytes {
		f.Chars += string(b)
	}
	data, err := json.Marshal(f)
	if err != nil { // two valid strings: cannot happen
		panic(err)
	}
	return append(data, '\n')
}

func parseChar(data []byte) (*Char, error) {
	var f charFile
	if err := strictJSON(data, &f); err != nil {
		return nil, err
	}
	runes := []rune(f.Chars)
	for i := 1; i < len(runes); i++ {
		if runes[i] <= runes[i-1] {
			return nil, fmt.Errorf("%w: char tokenizer: chars must ascend, %q follows %q", ErrInvalid, runes[i], runes[i-1])
		}
	}
	return NewChar(runes)
}
