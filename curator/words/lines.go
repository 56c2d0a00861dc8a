package words

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line takes the first line off text, as Python's str.splitlines does: lines end at \n, \r, \r\n, \v, \f, U+001C to U+001E,
// U+0085, U+2028 and U+2029, and there is no empty line after the last end. Call it until rest is empty.
func Line(text string) (line, rest string) {
	for i := 0; i < len(text); i++ {
		if !lineEnd[text[i]] {
			continue
		}
		switch c := text[i]; {
		case c >= '\n' && c <= '\r':
			if c == '\r' && i+1 < len(text) && text[i+1] == '\n' {
				return text[:i], text[i+2:]
			}
			return text[:i], text[i+1:]
		case c >= 0x1c && c <= 0x1e:
			return text[:i], text[i+1:]
		case c == 0xc2 && strings.HasPrefix(text[i:], "\u0085"):
			return text[:i], text[i+2:]
		case c == 0xe2 && (strings.HasPrefix(text[i:], "\u2028") || strings.HasPrefix(text[i:], "\u2029")):
			return text[:i], text[i+3:]
		}
	}
	return text, ""
}

// lineEnd are the bytes that a line's end may begin with.
var lineEnd = [256]bool{'\n': true, '\v': true, '\f': true, '\r': true, 0x1c: true, 0x1d: true, 0x1e: true, 0xc2: true, 0xe2: true}

// Trim takes white space off both ends, TrimLeft and TrimRight off one.
func Trim(s string) string      { return TrimRight(TrimLeft(s)) }
func TrimLeft(s string) string  { return s[skip(s, 0):] }
func TrimRight(s string) string { return strings.TrimRightFunc(s, IsSpace) }

// IsTerminal tells the marks that end a sentence in any script: Unicode's Sentence_Terminal, and the Khmer signs U+17D4 to
// U+17D6, U+17D9 and U+17DA.
func IsTerminal(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '.' || r == '!' || r == '?'
	}
	return unicode.Is(unicode.Sentence_Terminal, r) || r >= 0x17d4 && r <= 0x17d6 || r == 0x17d9 || r == 0x17da
}

// EndsTerminal tells whether the last character IsTerminal.
func EndsTerminal(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return IsTerminal(r)
}

// closing tells what may stand between a sentence's mark and the white space after it.
func closing(r rune) bool {
	switch r {
	case '"', '\'', ')', ']', '’', '”', '»', '」', '』', '）':
		return true
	}
	return false
}

// Sentences counts the sentences of one line (SentenceEnd).
func Sentences(line string) int64 {
	var n int64
	for i := 0; ; n++ {
		end := SentenceEnd(line, i)
		if end == i {
			return n
		}
		i = end
	}
}

// SentenceEnd is where the first sentence of text[from:] ends, or from when there is nothing but white space. A sentence ends
// after a run of marks that are IsTerminal or …, and of closing quotes and brackets behind them, where white space or the text's
// end follows, or at once when the last mark is a full-width one (U+3000 and above); what is left at the end is a sentence if
// it is not white space only, and goes to the end.
func SentenceEnd(text string, from int) int {
	for i := from; ; {
		if i += unmarked(text[i:]); i == len(text) {
			break
		}
		if text[i] < utf8.RuneSelf {
			i++
		} else {
			r, size := utf8.DecodeRuneInString(text[i:])
			i += size
			if r != '…' && !IsTerminal(r) {
				continue
			}
		}
		last, _ := utf8.DecodeLastRuneInString(text[:i])
		ends := last >= 0x3000
		for i < len(text) {
			r, size := utf8.DecodeRuneInString(text[i:])
			if r != '…' && !IsTerminal(r) && !closing(r) {
				ends = ends || IsSpace(r)
				break
			}
			ends = ends || r >= 0x3000
			i += size
		}
		if ends || i == len(text) {
			return i
		}
	}
	if TrimLeft(text[from:]) == "" {
		return from
	}
	return len(text)
}
