package dedup

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Simplify appends text to dst in the form in which near duplicates are compared: words of lower-case letters without
// diacritics, numbers as 0, no punctuation, one space between words, none at the ends. It is datatrove's simplify_text
// (lower; numbers; punctuation to space; white space; NFD without Mn), with one addition: in scripts that do not divide
// words (Han, kana, Thai, Lao, Khmer, Myanmar) every character is a word, so that such a text has any.
func Simplify(dst []byte, text string) []byte {
	s := simplifier{dst: dst, start: len(dst), word: len(dst), ascii: true}
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			switch class := asciiClass[c]; class {
			case ascSpace:
				s.endWord()
				i++
			case ascDigit:
				i = s.number(text, i)
			default:
				s.dst = append(s.dst, class)
				i++
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case ideograph(r): // has no case
			s.ascii = false
			s.dst = append(s.dst, text[i:i+n]...)
			i += n
		case unicode.IsSpace(r) || widePunctuation(r):
			s.endWord()
			i += n
		case unicode.Is(unicode.Nd, r):
			i = s.number(text, i)
		default:
			s.ascii = false
			s.dst = utf8.AppendRune(s.dst, lower(text, i, r, n))
			i += n
		}
	}
	s.endWord()
	if len(s.dst) > s.start && s.dst[len(s.dst)-1] == ' ' {
		s.dst = s.dst[:len(s.dst)-1]
	}
	return s.dst
}

// Classes of ASCII bytes; every other value is the lower-case letter itself. Both are control characters, which are spaces.
const (
	ascSpace byte = 0
	ascDigit byte = 1
)

// asciiClass: letters are words, digits are numbers, and all else, control characters included, divides words.
var asciiClass = func() (table [utf8.RuneSelf]byte) {
	for c := range byte(utf8.RuneSelf) {
		switch {
		case c >= '0' && c <= '9':
			table[c] = ascDigit
		case c >= 'a' && c <= 'z':
			table[c] = c
		case c >= 'A' && c <= 'Z':
			table[c] = c + 'a' - 'A'
		}
	}
	return table
}()

// widePunctuation is what datatrove's PUNCTUATION has beyond ASCII; other punctuation is part of a word there, so it is here.
func widePunctuation(r rune) bool {
	switch r {
	case '«', '´', '»', '–', '—', '’', '“', '”', '„', '…', '∶', '━', '►', '、', '。', '〈', '〉', '《', '》', '「', '」', '【', '】', '！', '％', '（', '）', '＊', '，', '．', '：', '；', '？', '～':
		return true
	}
	return r < 0xa0 // U+0080 to U+009F, control characters
}

// decimalPoints may stand between the digits of one number.
const decimalPoints = ".,،٫⎖⎗⎘"

// simplifier holds the text that is being made.
type simplifier struct {
	dst   []byte
	start int  // of everything
	word  int  // of the current word
	ascii bool // the current word is
	apart []byte
}

// number replaces a run of digits, or two with a decimal point between them, that starts at text[i]. It returns where it ends.
func (s *simplifier) number(text string, i int) int {
	i = digits(text, i)
	if r, n := utf8.DecodeRuneInString(text[i:]); strings.ContainsRune(decimalPoints, r) {
		if end := digits(text, i+n); end > i+n {
			i = end
		}
	}
	s.dst = append(s.dst, '0')
	return i
}

// digits is the end of the run of decimal digits, of any script, at text[i].
func digits(text string, i int) int {
	for i < len(text) {
		if c := text[i]; c < utf8.RuneSelf {
			if c < '0' || c > '9' {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		if !unicode.Is(unicode.Nd, r) {
			return i
		}
		i += n
	}
	return i
}

// endWord ends the current word, if there is one, with a space.
func (s *simplifier) endWord() {
	if len(s.dst) == s.word {
		return
	}
	if s.ascii {
		s.dst = append(s.dst, ' ')
		s.word = len(s.dst)
		return
	}
	s.takeApart()
	word := s.apart
	s.dst = s.dst[:s.word]
	for len(word) > 0 {
		r, n := utf8.DecodeRune(word)
		switch {
		case r < utf8.RuneSelf:
			s.dst = append(s.dst, byte(r))
		case !ideograph(r) && unicode.Is(unicode.Mn, r):
		case r >= 0xe00 && (ideograph(r) || unicode.In(r, undivided...)):
			s.space()
			s.dst = append(s.dst, word[:n]...)
			s.space()
		default:
			s.dst = append(s.dst, word[:n]...)
		}
		word = word[n:]
	}
	s.space()
	s.ascii = true
}

// takeApart makes s.apart the NFD of the current word, but for the order of marks, which will be dropped. It goes letter by
// letter, which is far faster than norm.NFD; that is asked when there are Hangul syllables, which no table has, or marks
// that have an order and stay (U+302E, U+302F, and those of musical notes).
func (s *simplifier) takeApart() {
	word := s.dst[s.word:]
	s.apart = s.apart[:0]
	for rest := word; len(rest) > 0; {
		if rest[0] < utf8.RuneSelf {
			s.apart = append(s.apart, rest[0])
			rest = rest[1:]
			continue
		}
		r, n := utf8.DecodeRune(rest)
		if r >= 0xac00 && r <= 0xd7a3 || r == 0x302e || r == 0x302f || r >= 0x16ff0 && r < 0x1d200 {
			s.apart = norm.NFD.Append(s.apart[:0], word...)
			return
		}
		if d := norm.NFD.Properties(rest).Decomposition(); d != nil {
			s.apart = append(s.apart, d...)
		} else {
			s.apart = append(s.apart, rest[:n]...)
		}
		rest = rest[n:]
	}
}

// space ends the word that has letters.
func (s *simplifier) space() {
	if len(s.dst) > s.word {
		s.dst = append(s.dst, ' ')
		s.word = len(s.dst)
	}
}

// ideograph tells the common ones of Han, without looking into a table.
func ideograph(r rune) bool { return r >= 0x4e00 && r <= 0x9fff }

// undivided are the scripts without spaces between words.
var undivided = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

// lower is the lower-case form of r = text[i:i+n]. A capital sigma at the end of a word becomes ς (Unicode's Final_Sigma,
// the one rule of lower-casing that looks at neighbours).
func lower(text string, i int, r rune, n int) rune {
	if r != 'Σ' {
		return unicode.ToLower(r)
	}
	before := false
	for rest := text[:i]; rest != ""; {
		r, n := utf8.DecodeLastRuneInString(rest)
		if !caseIgnorable(r) {
			before = cased(r)
			break
		}
		rest = rest[:len(rest)-n]
	}
	if !before {
		return 'σ'
	}
	for _, r := range text[i+n:] {
		if !caseIgnorable(r) {
			if cased(r) {
				return 'σ'
			}
			break
		}
	}
	return 'ς'
}

func cased(r rune) bool {
	return unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r) || unicode.In(r, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

func caseIgnorable(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) || strings.ContainsRune("'.:··՟״‘’․‧︓﹒﹕＇．：", r)
}
