// Package filter judges documents one by one: whether they are text at all, and whether their size is wanted.
package filter

import (
	"strings"
	"unicode/utf8"

	"millrace/curator/corpus"
)

// The reasons of this package, as they appear in manifests.
const (
	// NotUTF8: value is the offset of the first byte that is not UTF-8.
	NotUTF8 = "not_utf8"
	// Empty: nothing but white space; value is the number of bytes.
	Empty = "empty"
	// TooShort and TooLong: value is the number of characters, limit the recipe's.
	TooShort = "too_short"
	TooLong  = "too_long"
)

// UTF8 drops what is not valid UTF-8.
func UTF8() corpus.Judge {
	return func(d corpus.Doc) (corpus.Why, bool) {
		if utf8.ValidString(d.Text) {
			return corpus.Why{}, true
		}
		at := 0
		for at < len(d.Text) {
			r, n := utf8.DecodeRuneInString(d.Text[at:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		return corpus.Why{Reason: NotUTF8, Value: float64(at)}, false
	}
}

// NotEmpty drops what is white space only.
func NotEmpty() corpus.Judge {
	return func(d corpus.Doc) (corpus.Why, bool) {
		return corpus.Why{Reason: Empty, Value: float64(len(d.Text))}, strings.TrimSpace(d.Text) != ""
	}
}

// Chars drops what has fewer than least or more than most characters; 0 is no bound.
func Chars(least, most int64) corpus.Judge {
	return func(d corpus.Doc) (corpus.Why, bool) {
		if least <= 0 && most <= 0 {
			return corpus.Why{}, true
		}
		n := int64(utf8.RuneCountInString(d.Text))
		switch {
		case least > 0 && n < least:
			return corpus.Why{Reason: TooShort, Value: float64(n), Limit: float64(least)}, false
		case most > 0 && n > most:
			return corpus.Why{Reason: TooLong, Value: float64(n), Limit: float64(most)}, false
		}
		return corpus.Why{}, true
	}
}
