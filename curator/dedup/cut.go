package dedup

import (
	"errors"
	"strings"

	"millrace/curator/corpus"
	"millrace/curator/words"
)

// ErrOtherText says that ranges are not of the text that is to be cut.
var ErrOtherText = errors.New("duplicate search: this is not the text that was searched")

// Cut takes ranges of a Removal out of the text they were found in. White space goes too at an end of the text that is cut. A
// text of which too little is left has a reason to be dropped (see the Level); one from which nothing is cut has none.
func Cut(level Level, text string, ranges []Range) (left string, why corpus.Why, err error) {
	if len(ranges) == 0 {
		return text, corpus.Why{}, nil
	}
	at, size := 0, len(text)
	for _, r := range ranges {
		if r.Start < at || r.End <= r.Start || r.End > len(text) {
			return "", corpus.Why{}, ErrOtherText
		}
		at = r.End
		size -= r.End - r.Start
	}
	ranges = level.fit(text, ranges)
	var b strings.Builder
	b.Grow(size)
	at = 0
	for _, r := range ranges {
		b.WriteString(text[at:r.Start])
		at = r.End
	}
	b.WriteString(text[at:])
	left = b.String()
	if ranges[0].Start == 0 || words.Trim(text[:ranges[0].Start]) == "" {
		left = words.TrimLeft(left)
	}
	if words.Trim(text[at:]) == "" {
		left = words.TrimRight(left)
	}
	return left, level.judge(left), nil
}

// short says why a text is too short, for levels with these limits: words as words.Simple divides them, and sentences. The
// reason is the level's key in recipes and the limit's.
func short(key, left string, minWords, minSentences int64) corpus.Why {
	if words.Trim(left) == "" {
		return corpus.Why{Reason: key + ".nothing_left"}
	}
	if minWords > 0 {
		if n := simple.Count(left); n < minWords {
			return corpus.Why{Reason: key + ".min_doc_words", Value: float64(n), Limit: float64(minWords)}
		}
	}
	if minSentences > 0 {
		if n := words.Sentences(left); n < minSentences {
			return corpus.Why{Reason: key + ".min_doc_sentences", Value: float64(n), Limit: float64(minSentences)}
		}
	}
	return corpus.Why{}
}

var simple = func() words.Splitter {
	s, err := words.ByName(words.Simple)
	if err != nil {
		panic(err) // it is there
	}
	return s
}()
