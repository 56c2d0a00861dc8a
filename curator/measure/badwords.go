package measure

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// badWords finds words and phrases where no letter, number or underscore adjoins them.
type badWords struct {
	first  map[string][]string // by the first run of letters, numbers and underscores: the phrases
	others []string            // phrases that begin with something else
}

func newBadWords(list []string) badWords {
	b := badWords{first: map[string][]string{}}
	for _, phrase := range list {
		phrase = strings.ToLower(phrase)
		head := phrase[:wordEnd(phrase, 0)]
		b.first[head] = append(b.first[head], phrase)
	}
	b.others = b.first[""]
	return b
}

func wordRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

func wordEnd(s string, i int) int {
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !wordRune(r) {
			break
		}
		i += n
	}
	return i
}

// count is at how many places of text one of the phrases stands, whatever its case.
func (b badWords) count(text string) int64 {
	text = strings.ToLower(text)
	var n int64
	place := func(at int, phrases []string) {
		for _, p := range phrases {
			end := at + len(p)
			if strings.HasPrefix(text[at:], p) {
				if r, _ := utf8.DecodeRuneInString(text[end:]); end == len(text) || !wordRune(r) {
					n++
					return
				}
			}
		}
	}
	for i := 0; i < len(text); {
		if end := wordEnd(text, i); end > i {
			place(i, b.first[text[i:end]])
			i = end
			continue
		}
		if r, _ := utf8.DecodeLastRuneInString(text[:i]); i == 0 || !wordRune(r) {
			place(i, b.others)
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		i += size
	}
	return n
}
