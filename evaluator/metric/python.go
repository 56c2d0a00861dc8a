package metric

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The references were made by Python's tools: these are what its strings call white space and lower case.

// isSpace is str.isspace: Unicode's white space, and the four separators of ASCII.
func isSpace(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }

func fields(s string) []string { return strings.FieldsFunc(s, isSpace) }

// lower is str.lower: İ becomes two characters, and Σ at a word's end is ς.
func lower(s string) string {
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	if ascii {
		return strings.ToLower(s)
	}
	var b strings.Builder
	b.Grow(len(s))
	for i, r := range s {
		switch {
		case r == 'İ':
			b.WriteString("i̇")
		case r == 'Σ' && endsWord(s[:i], s[i+len("Σ"):]):
			b.WriteRune('ς')
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// endsWord tells whether what is between two texts ends a word, by Unicode's rule Final_Sigma: a cased letter before, none after,
// what case ignores apart.
func endsWord(before, after string) bool {
	last := strings.TrimRightFunc(before, caseIgnores)
	r, n := utf8.DecodeLastRuneInString(last)
	if n == 0 || !cased(r) {
		return false
	}
	r, n = utf8.DecodeRuneInString(strings.TrimLeftFunc(after, caseIgnores))
	return n == 0 || !cased(r)
}

// cased is Unicode's property Cased.
func cased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

// caseIgnores is Unicode's property Case_Ignorable: marks, formats, modifiers, and what stands within words.
func caseIgnores(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) || strings.ContainsRune("'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a", r)
}

// valid makes every text a sequence of code points.
func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

// punctuation is Python's string.punctuation.
const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

func isPunctuation(r rune) bool {
	return r < utf8.RuneSelf && strings.IndexByte(punctuation, byte(r)) >= 0
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }
