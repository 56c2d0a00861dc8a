package metric

import (
	"strings"
	"unicode"
)

// Tokenizer is how BLEU cuts a text into words, by its name in sacreBLEU.
type Tokenizer string

// The tokenizers.
const (
	Tokenize13a  Tokenizer = "13a"  // mteval-v13a's, which WMT uses
	TokenizeIntl Tokenizer = "intl" // mteval-v14's: punctuation and symbols by Unicode
	TokenizeChar Tokenizer = "char" // every character that is no white space
	TokenizeZh   Tokenizer = "zh"   // every Chinese character, the rest as 13a
	TokenizeNone Tokenizer = "none" // white space
)

// Tokenizers are all of them.
func Tokenizers() []Tokenizer {
	return []Tokenizer{Tokenize13a, TokenizeIntl, TokenizeChar, TokenizeZh, TokenizeNone}
}

// tokens cuts a line.
func (t Tokenizer) tokens(line string) []string {
	switch t {
	case "", Tokenize13a:
		return fields(western(unescape(line)))
	case TokenizeIntl:
		return fields(international(line))
	case TokenizeChar:
		var out []string
		for i, r := range line {
			if !isSpace(r) {
				out = append(out, line[i:i+len(string(r))])
			}
		}
		return out
	case TokenizeZh:
		return fields(western(apart(line)))
	}
	return fields(line)
}

// unescape is the part of mteval-v13a that no language changes: markup is taken out, a word cut at a line's end is joined, lines
// are joined, and a space is put at both ends.
func unescape(line string) string {
	line = strings.ReplaceAll(line, "<skipped>", "")
	line = strings.ReplaceAll(line, "-\n", "")
	line = strings.ReplaceAll(line, "\n", " ")
	if strings.Contains(line, "&") {
		for _, e := range [][2]string{{"&quot;", "\""}, {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}} { // one after the other: &amp;lt; is <
			line = strings.ReplaceAll(line, e[0], e[1])
		}
	}
	return " " + line + " "
}

// western is mteval-v13a's tokenization of languages of the West, four passes: punctuation but . , - ' stands alone; . and , do so
// unless a digit comes before, and unless a digit comes after; a - does after a digit. A pass does not look again at what it has
// replaced, which is why "a.." is cut as it is.
func western(s string) string {
	var b strings.Builder
	b.Grow(len(s) + len(s)/2)
	for _, r := range s {
		if ' ' <= r && r <= '~' && r != '\'' && r != ',' && r != '-' && r != '.' && !isDigit(r) && !('a' <= r|0x20 && r|0x20 <= 'z') {
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
		} else {
			b.WriteRune(r)
		}
	}
	point := func(r rune) bool { return r == '.' || r == ',' }
	s = pairs(b.String(), func(a, b rune) bool { return !isDigit(a) && point(b) }, "", " ", " ")
	s = pairs(s, func(a, b rune) bool { return point(a) && !isDigit(b) }, " ", " ", "")
	return pairs(s, func(a, b rune) bool { return isDigit(a) && b == '-' }, "", " ", " ")
}

// international is mteval-v14's: punctuation stands alone unless between digits (which are characters of category N), symbols always.
func international(s string) string {
	number := func(r rune) bool { return unicode.Is(unicode.N, r) }
	mark := func(r rune) bool { return unicode.Is(unicode.P, r) }
	s = pairs(s, func(a, b rune) bool { return !number(a) && mark(b) }, "", " ", " ")
	s = pairs(s, func(a, b rune) bool { return mark(a) && !number(b) }, " ", " ", "")
	var b strings.Builder
	for _, r := range s {
		if unicode.Is(unicode.S, r) {
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// pairs writes before, between and after around two characters that match, from the left, none of them twice.
func pairs(s string, match func(a, b rune) bool, before, between, after string) string {
	var b strings.Builder
	b.Grow(len(s) + len(s)/4)
	last, have := rune(0), false
	for _, r := range s {
		if have && match(last, r) {
			b.WriteString(before)
			b.WriteRune(last)
			b.WriteString(between)
			b.WriteRune(r)
			b.WriteString(after)
			have = false
			continue
		}
		if have {
			b.WriteRune(last)
		}
		last, have = r, true
	}
	if have {
		b.WriteRune(last)
	}
	return b.String()
}

// chinese are the characters that sacreBLEU's zh sets apart. Its tables give the characters beyond U+FFFF by four digits and a
// letter, so that they are compared as strings of two: U+2001 to U+2A6D and U+2F81 to U+2FA1 are what that comes to.
var chinese = [][2]rune{
	{0x3400, 0x4db5}, {0x4e00, 0x9fa5}, {0x9fa6, 0x9fbb}, {0xf900, 0xfa2d}, {0xfa30, 0xfa6a}, {0xfa70, 0xfad9}, {0x2001, 0x2a6d}, {0x2f81, 0x2fa1},
	{0xff00, 0xffef}, {0x2e80, 0x2eff}, {0x3000, 0x303f}, {0x31c0, 0x31ef}, {0x2f00, 0x2fdf}, {0x2ff0, 0x2fff}, {0x3100, 0x312f}, {0x31a0, 0x31bf},
	{0xfe10, 0xfe1f}, {0xfe30, 0xfe4f}, {0x2600, 0x26ff}, {0x2700, 0x27bf}, {0x3200, 0x32ff}, {0x3300, 0x33ff},
}

// apart puts spaces around Chinese characters.
func apart(line string) string {
	var b strings.Builder
	for _, r := range strings.TrimFunc(line, isSpace) {
		in := false
		for _, c := range chinese {
			in = in || c[0] <= r && r <= c[1]
		}
		if in {
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
