package dedup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"millrace/curator/corpus"
	"millrace/curator/words"

	"github.com/cespare/xxhash/v2"
)

// LinesKey, SentencesKey and SubstringsKey are the keys of the levels in recipes, and begin the reasons of drops.
const (
	LinesKey      = "dedup_lines"
	SentencesKey  = "dedup_sentences"
	SubstringsKey = "dedup_substrings"
)

// Lines removes every line that an earlier document has, end of line included. Lines are compared as Normalize has them: equal
// but for white space. What a document repeats of itself alone stays.
type Lines struct {
	// MinChars is how many characters a line must have, white space counted as Normalize leaves it; shorter ones stay.
	MinChars int64 `json:"min_chars"`
	// MinDocWords is how many words must be left of a document that lost lines; 0 is no limit.
	MinDocWords int64 `json:"min_doc_words"`
}

// DefaultLines is what a recipe that says no more has.
func DefaultLines() Lines { return Lines{MinChars: 20, MinDocWords: 50} }

// UnmarshalJSON takes keys that are not said from DefaultLines, and refuses those that are not known.
func (l *Lines) UnmarshalJSON(data []byte) error {
	type plain Lines
	p := plain(DefaultLines())
	err := strict(data, &p)
	*l = Lines(p)
	return err
}

// Check tells what is wrong with its numbers.
func (l Lines) Check() error {
	if l.MinChars < 1 || l.MinChars > 1<<20 {
		return fmt.Errorf("min_chars is %d: want 1 to %d", l.MinChars, 1<<20)
	}
	return checkLeft("min_doc_words", l.MinDocWords)
}

func (l Lines) seeker() func(string, func(uint64, int, int)) {
	var buf []byte
	return func(text string, found func(uint64, int, int)) {
		for rest := text; rest != ""; {
			start := len(text) - len(rest)
			var line string
			line, rest = words.Line(rest)
			if int64(len(line)) < l.MinChars {
				continue
			}
			if cap(buf) > maxKeptBytes {
				buf = nil
			}
			buf = Normalize(buf[:0], line)
			if int64(utf8.RuneCount(buf)) >= l.MinChars {
				found(xxhash.Sum64(buf), start, len(text)-len(rest))
			}
		}
	}
}

func (Lines) repeats(first, later place) bool      { return later.document != first.document }
func (Lines) fit(_ string, ranges []Range) []Range { return ranges }
func (l Lines) judge(left string) corpus.Why       { return short(LinesKey, left, l.MinDocWords, 0) }

func checkLeft(key string, n int64) error {
	if n < 0 || n > 1<<30 {
		return fmt.Errorf("%s is %d: want 0 for no limit, to %d", key, n, 1<<30)
	}
	return nil
}

// strict refuses keys that are not known.
func strict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
