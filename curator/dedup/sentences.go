package dedup

import (
	"errors"
	"fmt"

	"millrace/curator/corpus"
	"millrace/curator/words"

	"github.com/cespare/xxhash/v2"
)

// Sentences removes every span of some sentences in a row that was there before, in an earlier document or the same one, as C4
// did (Raffel et al., 2020) and datatrove's sentence_dedup does: every sentence goes that is in such a span, with the white space
// before it. Sentences are words.SentenceEnd's, and compared as Simplify has them.
type Sentences struct {
	// Span is how many sentences in a row.
	Span int64 `json:"span"`
	// MinDocWords and MinDocSentences are how much must be left of a document that lost some; 0 is no limit.
	MinDocWords     int64 `json:"min_doc_words"`
	MinDocSentences int64 `json:"min_doc_sentences"`
}

// DefaultSentences is C4's span, with datatrove's limits.
func DefaultSentences() Sentences { return Sentences{Span: 3, MinDocWords: 50, MinDocSentences: 3} }

// UnmarshalJSON takes keys that are not said from DefaultSentences, and refuses those that are not known.
func (s *Sentences) UnmarshalJSON(data []byte) error {
	type plain Sentences
	p := plain(DefaultSentences())
	err := strict(data, &p)
	*s = Sentences(p)
	return err
}

// Check tells what is wrong with its numbers.
func (s Sentences) Check() error {
	if s.Span < 1 || s.Span > 100 {
		return fmt.Errorf("span is %d: want 1 to 100 sentences", s.Span)
	}
	return errors.Join(checkLeft("min_doc_words", s.MinDocWords), checkLeft("min_doc_sentences", s.MinDocSentences))
}

func (s Sentences) seeker() func(string, func(uint64, int, int)) {
	span := int(s.Span)
	type sentence struct {
		start  int // in the text: where the one before ends
		simple int // in buf
	}
	last := make([]sentence, span) // the last ones, a ring
	var buf []byte                 // the last ones, simplified, each with a space behind it
	return func(text string, found func(uint64, int, int)) {
		buf = buf[:0]
		if cap(buf) > maxKeptBytes {
			buf = nil
		}
		for n, at := 0, 0; ; n++ {
			end := words.SentenceEnd(text, at)
			if end == at {
				return
			}
			if n >= span && len(buf) > 64<<10 { // let those go that are not needed any more
				from := last[(n+1)%span].simple
				if span == 1 {
					from = len(buf)
				}
				buf = append(buf[:0], buf[from:]...)
				for i := range last {
					last[i].simple -= from
				}
			}
			last[n%span] = sentence{at, len(buf)}
			buf = Simplify(buf, text[at:end])
			buf = append(buf, ' ')
			at = end
			if n < span-1 {
				continue
			}
			first := last[(n+1)%span]
			joined := buf[first.simple : len(buf)-1]
			if len(joined) < span { // nothing but the spaces between
				continue
			}
			found(xxhash.Sum64(joined), first.start, end)
		}
	}
}

func (Sentences) repeats(first, later place) bool      { return true }
func (Sentences) fit(_ string, ranges []Range) []Range { return ranges }
func (s Sentences) judge(left string) corpus.Why {
	return short(SentencesKey, left, s.MinDocWords, s.MinDocSentences)
}
