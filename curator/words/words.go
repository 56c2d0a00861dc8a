package words

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// The splitters by name. A name stands for one rule for ever: a better rule gets a new name.
const (
	// Simple: a word is a run of letters, marks and numbers, an apostrophe (' or ’) between two letters and a full stop or
	// comma between two digits included; every Han and Hiragana character is a word; any other character but white space is
	// a word together with its repeats ("...", "--").
	Simple = "simple"
	// Whitespace: a word is a run of anything but white space.
	Whitespace = "whitespace"
)

// Splitter finds words.
type Splitter struct {
	next func(text string, from int) (start, end int)
	all  func(dst []Span, text string) []Span
}

// Span is a word's place in a text: text[Start:End].
type Span struct{ Start, End uint32 }

// ByName finds a splitter.
func ByName(name string) (Splitter, error) {
	switch name {
	case Simple:
		return Splitter{nextSimple, appendSimple}, nil
	case Whitespace:
		return Splitter{NextField, appendFields}, nil
	}
	return Splitter{}, fmt.Errorf("words is %q: want %q or %q", name, Simple, Whitespace)
}

// Next is the first word at or after from: text[start:end]. start is len(text) when there is none. A word never holds white
// space, so a line's words are the same in the line and in the text.
func (s Splitter) Next(text string, from int) (start, end int) { return s.next(text, from) }

// Append appends the places of all words. text must be shorter than 4 GiB.
func (s Splitter) Append(dst []Span, text string) []Span { return s.all(dst, text) }

// Count is the number of words.
func (s Splitter) Count(text string) int64 {
	var n int64
	for i := 0; ; n++ {
		start, end := s.next(text, i)
		if start == len(text) {
			return n
		}
		i = end
	}
}

// Classes of ASCII characters.
const (
	other = iota
	space
	letter
	digit
)

var ascii = func() (class [utf8.RuneSelf]uint8) {
	for c := range class {
		switch {
		case c >= '\t' && c <= '\r' || c >= 0x1c && c <= ' ':
			class[c] = space
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			class[c] = letter
		case c >= '0' && c <= '9':
			class[c] = digit
		}
	}
	return class
}()

// IsSpace tells white space as Python's str.isspace does: unicode.IsSpace and the four separators U+001C to U+001F.
func IsSpace(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 0 && ascii[r] == space
	}
	return unicode.IsSpace(r)
}

// skip is the offset of the first character at or after i that is not white space.
func skip(text string, i int) int {
	for i < len(text) {
		c := text[i]
		if c < utf8.RuneSelf {
			if ascii[c] != space {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		if !unicode.IsSpace(r) {
			return i
		}
		i += n
	}
	return i
}

// NextField is Splitter.Next of Whitespace.
func NextField(text string, from int) (int, int) {
	i := from
	if i < len(text) && text[i] == ' ' {
		i++ // mostly the only one
	}
	if i == len(text) || text[i] <= ' ' || text[i] >= utf8.RuneSelf {
		if i = skip(text, i); i == len(text) {
			return i, i
		}
	}
	start := i
	for {
		i += graphic(text[i:])
		if i == len(text) {
			return start, i
		}
		if c := text[i]; c < utf8.RuneSelf {
			if ascii[c] == space {
				return start, i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		if unicode.IsSpace(r) {
			return start, i
		}
		i += n
	}
}

// appendFields is NextField from one end to the other.
func appendFields(dst []Span, text string) []Span {
	for i := 0; ; {
		start, end := NextField(text, i)
		if start == len(text) {
			return dst
		}
		dst = append(dst, Span{uint32(start), uint32(end)})
		i = end
	}
}

// appendSimple is nextSimple from one end to the other.
func appendSimple(dst []Span, text string) []Span {
	for i := 0; ; {
		start, end := nextSimple(text, i)
		if start == len(text) {
			return dst
		}
		dst = append(dst, Span{uint32(start), uint32(end)})
		i = end
	}
}

// class of the character at i, and its length.
func classAt(text string, i int) (class uint8, size int) {
	if c := text[i]; c < utf8.RuneSelf {
		return ascii[c], 1
	}
	r, n := utf8.DecodeRuneInString(text[i:])
	switch {
	case unicode.IsSpace(r):
		return space, n
	case alone(r):
		return other, n
	case unicode.IsLetter(r) || unicode.IsMark(r):
		return letter, n
	case unicode.IsNumber(r):
		return digit, n
	}
	return other, n
}

// alone tells the letters that are words by themselves.
func alone(r rune) bool {
	return r >= 0x2e80 && (unicode.Is(unicode.Han, r) || unicode.Is(unicode.Hiragana, r))
}

func nextSimple(text string, from int) (int, int) {
	start := from
	if start < len(text) && text[start] == ' ' {
		start++ // mostly the only one
	}
	if start == len(text) || text[start] >= utf8.RuneSelf || ascii[text[start]] == space {
		if start = skip(text, start); start == len(text) {
			return start, start
		}
	}
	if i := start; ascii[text[i]&(utf8.RuneSelf-1)] >= letter { // the beginning of most words
		for i < len(text) && text[i] < utf8.RuneSelf && ascii[text[i]] >= letter {
			i++
		}
		if i > start && (i == len(text) || text[i] == ' ' || text[i] == '\n') {
			return start, i
		}
	}
	class, n := classAt(text, start)
	i := start + n
	if class == other {
		first := text[start:i]
		if r, _ := utf8.DecodeRuneInString(first); alone(r) {
			return start, i
		}
		for len(text)-i >= n && text[i:i+n] == first {
			i += n
		}
		return start, i
	}
	for i < len(text) {
		c := text[i]
		if c < utf8.RuneSelf {
			switch at := ascii[c]; {
			case at >= letter:
				class = at
				i++
				continue
			case c == '\'' && class == letter || (c == '.' || c == ',') && class == digit:
				if i+1 < len(text) {
					if after, size := classAt(text, i+1); after == class {
						i += 1 + size
						continue
					}
				}
			}
			return start, i
		}
		at, size := classAt(text, i)
		if at >= letter {
			class = at
			i += size
			continue
		}
		if class == letter && size == 3 && text[i:i+3] == "’" && i+3 < len(text) {
			if after, more := classAt(text, i+3); after == letter {
				i += 3 + more
				continue
			}
		}
		return start, i
	}
	return start, i
}
