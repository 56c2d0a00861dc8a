package dedup

import (
	"iter"
	"unicode"
	"unicode/utf8"

	"millrace/curator/corpus"
)

// Duplicate is the reason of a document that is equal to an earlier one: value is the number of bytes.
const Duplicate = "duplicate"

// Exact drops every document whose key an earlier one had: the first in order wins. The key is the beginning of the sha256 of the
// text as Normalize has it; two different texts fall together with probability below 10⁻²⁰ in a corpus of 10⁹ documents. It
// remembers 16 bytes a kept document.
func Exact(key func(corpus.Doc) [16]byte, dropped func(corpus.Drop)) corpus.Step {
	return func(docs iter.Seq[corpus.Doc]) iter.Seq[corpus.Doc] {
		return func(yield func(corpus.Doc) bool) {
			seen := map[[16]byte]struct{}{}
			for d := range docs {
				key := key(d)
				if _, ok := seen[key]; ok {
					if dropped != nil {
						dropped(corpus.Drop{Why: corpus.Why{Reason: Duplicate, Value: float64(len(d.Text))}, Source: d.Source, ID: d.ID, Bytes: int64(len(d.Text))})
					}
					continue
				}
				seen[key] = struct{}{}
				if !yield(d) {
					return
				}
			}
		}
	}
}

// Normalize appends text to dst as duplicates are compared: every run of white space is one space, none at the ends.
// Letters keep their case.
func Normalize(dst []byte, text string) []byte {
	start := len(dst)
	space := false
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			i++
			if c == ' ' || c >= '\t' && c <= '\r' {
				space = true
				continue
			}
			if space && len(dst) > start {
				dst = append(dst, ' ')
			}
			space = false
			dst = append(dst, c)
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		if unicode.IsSpace(r) {
			space = true
		} else {
			if space && len(dst) > start {
				dst = append(dst, ' ')
			}
			space = false
			dst = append(dst, text[i:i+n]...)
		}
		i += n
	}
	return dst
}
