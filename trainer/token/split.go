package token

import (
	"iter"
	"unicode"
	"unicode/utf8"
)

// Split yields the pre-tokens of text by GPT-2's pattern; joined they are text again:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// Go's regexp has no look-ahead, hence the scanner. \s is Unicode's White_Space, \p{L} and \p{N} are as in the unicode
// package. A byte that is not UTF-8 counts as a character of its own that is neither space, letter nor number.
func Split(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for len(text) > 0 {
			n := pieceLen(text)
			if !yield(text[:n]) {
				return
			}
			text = text[n:]
		}
	}
}

// Chunks cuts text into parts of at least size bytes (the last may be shorter) such that encoding the parts one by one
// gives the ids of the whole, for every Tokenizer: it cuts only where a non-space is followed by a space, and no
// pre-token of GPT-2's pattern goes across that. A text without such a place comes back whole.
func Chunks(text string, size int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for len(text) > 0 {
			n := chunkLen(text, max(size, 1))
			if !yield(text[:n]) {
				return
			}
			text = text[n:]
		}
	}
}

func chunkLen(s string, size int) int {
	for i := size; i < len(s); i++ {
		// Only ASCII is looked at: a continuation byte before the space is the end of some character, which may itself be
		// a space (U+00A0), so that one is passed over.
		if asciiSpace(s[i]) && s[i-1] < utf8.RuneSelf && !asciiSpace(s[i-1]) {
			return i
		}
	}
	return len(s)
}

func asciiSpace(c byte) bool { return c < utf8.RuneSelf && asciiClass[c] == classSpace }

// The classes of the pattern. Letters, numbers and others join with their like; spaces have rules of their own.
const (
	classOther  = 'o'
	classSpace  = 's'
	classNumber = 'n'
	classLetter = 'l'

	asciiClass = "ooooooooosssssoooooooooooooooooo" + // control characters; \t \n \v \f \r
		"sooooooooooooooonnnnnnnnnnoooooo" + // space, punctuation, digits
		"ollllllllllllllllllllllllllooooo" + // @, capitals
		"ollllllllllllllllllllllllllooooo" // `, small letters, DEL
)

// class gives the class of the character at s[i] and its length in bytes.
func class(s string, i int) (byte, int) {
	if c := s[i]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, size := utf8.DecodeRuneInString(s[i:])
	switch {
	case r == utf8.RuneError: // also U+FFFD itself, which is a symbol
		return classOther, size
	case unicode.IsLetter(r):
		return classLetter, size
	case unicode.IsNumber(r):
		return classNumber, size
	case unicode.IsSpace(r):
		return classSpace, size
	}
	return classOther, size
}

// pieceLen is the length of the first pre-token of s, which must not be empty.
func pieceLen(s string) int {
	if s[0] == '\'' {
		if n := contractionLen(s); n > 0 {
			return n
		}
	}
	c, n := class(s, 0)
	if c != classSpace {
		return runEnd(s, n, c)
	}
	if s[0] == ' ' && len(s) > 1 { // " ?" takes the one space before a word, a number or a run of others
		if c, n := class(s, 1); c != classSpace {
			return runEnd(s, 1+n, c)
		}
	}
	return spaceLen(s)
}

// contractionLen is the length of 's 't 're 've 'm 'll 'd at the start of s, whatever follows; otherwise 0.
func contractionLen(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(s) > 2 && s[2] == 'e' {
			return 3
		}
	case 'l':
		if len(s) > 2 && s[2] == 'l' {
			return 3
		}
	}
	return 0
}

// runEnd is where the run of characters of class c that reaches up to i ends.
func runEnd(s string, i int, c byte) int {
	for i < len(s) {
		if b := s[i]; b < utf8.RuneSelf {
			if asciiClass[b] != c {
				return i
			}
			i++
			continue
		}
		k, n := class(s, i)
		if k != c {
			return i
		}
		i += n
	}
	return i
}

// spaceLen is the length of \s+(?!\S)|\s+ at the start of s: the whole run of spaces at the end of the text, and all but
// the last character of it before something else, unless that one is all there is.
func spaceLen(s string) int {
	last, i := 0, 0
	for i < len(s) {
		c, n := class(s, i)
		if c != classSpace {
			if last > 0 {
				return last
			}
			return i
		}
		last = i
		i += n
	}
	return i
}
