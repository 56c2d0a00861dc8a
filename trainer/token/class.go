package token

import (
	_ "embed"
	"math/bits"
	"unicode/utf8"
)

// The classes of characters that the patterns tell apart. Every character has exactly one; a set of classes is their sum.
const (
	classOther    = 1 << iota // anything else: punctuation, symbols, controls, unassigned, bytes that are not UTF-8
	classSpace                // White_Space but for \r and \n
	classNewline              // \r and \n
	classNumber               // \p{N}
	classUpper                // \p{Lu} and \p{Lt}
	classLower                // \p{Ll}
	classCaseless             // \p{Lm} and \p{Lo}
	classMark                 // \p{M}

	setSpaces  = classSpace | classNewline                         // \s
	setLetters = classUpper | classLower | classCaseless           // \p{L}
	setOthers  = classOther | classMark                            // [^\s\p{L}\p{N}]
	setCapital = classUpper | classCaseless | classMark            // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
	setSmall   = classLower | classCaseless | classMark            // [\p{Ll}\p{Lm}\p{Lo}\p{M}]
	setPrefix  = 0xFF &^ (classNewline | classNumber | setLetters) // [^\r\n\p{L}\p{N}]
)

// classPages is the class of every character of Unicode 16, the version of tiktoken's and Hugging Face's regular
// expressions: 4,352 bytes that give the page of each 256 code points, then the pages. It is a file, and not a question
// to package unicode, so that the ids of a text depend neither on the Go release nor on its older Unicode tables.
// testdata/peers/classes.py makes it; TestClassesAreUnicode compares it with package unicode.
//
//go:embed classes.bin
var classPages string

const (
	classPageCount = 0x110000 >> 8

	// asciiClass is the first half page again: a constant, so that look-ups need no bounds check.
	asciiClass = "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x02\x04\x02\x02\x04\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01" +
		"\x02\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\x01\x01\x01\x01\x01\x01" +
		"\x01\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x01\x01\x01\x01\x01" +
		"\x01\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x01\x01\x01\x01\x01"
)

// class gives the class of the character at s[i] and its length in bytes.
func class(s string, i int) (c byte, size int) {
	if b := s[i]; b < utf8.RuneSelf {
		return asciiClass[b], 1
	}
	return wideClass(s[i:])
}

// wideClass is class for a character that is not ASCII. A byte that is not UTF-8 is a character of its own.
func wideClass(s string) (c byte, size int) {
	r, size := utf8.DecodeRuneInString(s)
	return classPages[classPageCount+int(classPages[r>>8])<<8+int(r&0xFF)], size // U+FFFD is classOther too
}

// runEnd is where the run of characters of set that reaches up to i ends.
func runEnd(s string, i int, set byte) int {
	if set == setLetters {
		i += asciiLetters(s[i:])
	}
	for i < len(s) {
		if b := s[i]; b < utf8.RuneSelf {
			if asciiClass[b]&set == 0 {
				return i
			}
			i++
			continue
		}
		c, n := wideClass(s[i:])
		if c&set == 0 {
			return i
		}
		i += n
	}
	return i
}

// asciiLetters is how many ASCII letters s begins with, found eight at a time.
func asciiLetters(s string) int {
	const (
		ones = 0x0101010101010101
		high = 0x80 * ones
	)
	n := 0
	for ; len(s)-n >= 8; n += 8 {
		w := load8(s[n:])
		// Byte by byte: the sums set a high bit from 'a' up and from '{' up, and carry nothing, as their high bits are cleared.
		small := (w | 0x20*ones) &^ high
		letter := (small + (0x80-'a')*ones) &^ (small + (0x80-'{')*ones) &^ w & high
		if other := letter ^ high; other != 0 {
			return n + bits.TrailingZeros64(other)/8
		}
	}
	return n
}

// upTo3Numbers is where \p{N}{1,3} ends that begins before i with one number.
func upTo3Numbers(s string, i int) int {
	for range 2 {
		if i == len(s) {
			return i
		}
		c, n := class(s, i)
		if c != classNumber {
			return i
		}
		i += n
	}
	return i
}

// spaceRun describes the run of \s at the start of s: where it ends, where its last character begins, and the end of its
// last newline (0 when it has none).
func spaceRun(s string) (end, last, newline int) {
	for end < len(s) {
		c, n := class(s, end)
		if c&setSpaces == 0 {
			break
		}
		last = end
		end += n
		if c == classNewline {
			newline = end
		}
	}
	return end, last, newline
}

// spacesBefore is the length of \s+(?!\S)|\s+ for a run of spaces: all of it at the end of the text, and all but its last
// character before something else, unless that one is all there is.
func spacesBefore(s string, end, last int) int {
	if end < len(s) && last > 0 {
		return last
	}
	return end
}
