package dedup

import (
	"encoding/binary"
	"fmt"
	"strings"

	"millrace/curator/corpus"
	"millrace/curator/words"

	"github.com/cespare/xxhash/v2"
)

// Substrings removes runs of words that were there before, in an earlier document, or in the same one without overlapping. Words
// are words.Simple's, and compared as they are; white space between them is not compared. With n = Words:
//
//   - nothing is removed that is not in a run of n words that was there before;
//   - of every run of n+15 words or more that was there before, all is removed but at most 15 words at each end.
//
// Of the runs of n words a document has, those are looked at that winnowing chooses (Schleimer, Wilkerson and Aiken, 2003, with
// their rule for equal hashes): of any 16 that begin at words in a row, at least one, by hashes of their words alone, so that equal
// runs choose equal ones. In natural text that is 2 in 17.
type Substrings struct {
	// Words is the shortest run that is removed.
	Words int64 `json:"words"`
	// MinDocWords is how many words must be left of a document that lost some; 0 is no limit.
	MinDocWords int64 `json:"min_doc_words"`
}

// winnow is of how many runs at least one is chosen.
const winnow = 16

// DefaultSubstrings removes runs of 50 words, about as long as the 50 tokens of Lee et al. (2022).
func DefaultSubstrings() Substrings { return Substrings{Words: 50, MinDocWords: 50} }

// UnmarshalJSON takes keys that are not said from DefaultSubstrings, and refuses those that are not known.
func (s *Substrings) UnmarshalJSON(data []byte) error {
	type plain Substrings
	p := plain(DefaultSubstrings())
	err := strict(data, &p)
	*s = Substrings(p)
	return err
}

// Check tells what is wrong with its numbers.
func (s Substrings) Check() error {
	if s.Words < winnow || s.Words > 10_000 { // chosen runs are up to winnow words apart, and must touch
		return fmt.Errorf("words is %d: want %d to 10000", s.Words, winnow)
	}
	return checkLeft("min_doc_words", s.MinDocWords)
}

// rollBase is the base of the rolling hash, any odd number without a pattern.
const rollBase = 0x9e3779b97f4a7c15

func (s Substrings) seeker() func(string, func(uint64, int, int)) {
	n := int(s.Words)
	type word struct {
		hash       uint64
		start, end int
	}
	room := 1 // of a ring of words, a power of two
	for room < n+winnow {
		room *= 2
	}
	ring, mask := make([]word, room), room-1
	top := uint64(1) // rollBase to the power of n-1
	for range n - 1 {
		top *= rollBase
	}
	var runs [winnow]uint64 // hashes of the last runs, a ring
	hashes := make([]byte, 8*n)
	return func(text string, found func(uint64, int, int)) {
		roll := uint64(0)
		least, said := -1, -1 // the run of the least hash, and the last that was chosen
		for count, at := 0, 0; ; count++ {
			start, end := simple.Next(text, at)
			if start == len(text) {
				return
			}
			at = end
			w := word{xxhash.Sum64String(text[start:end]), start, end}
			if count >= n {
				roll -= ring[(count-n)&mask].hash * top
			}
			roll = roll*rollBase + w.hash
			ring[count&mask] = w
			run := count - n + 1
			if run < 0 {
				continue
			}
			hash := mix(roll)
			runs[run%winnow] = hash
			switch {
			case least < 0 || hash < runs[least%winnow] && least > run-winnow:
				least = run
			case least <= run-winnow: // it is out of sight
				least = run
				for i := run - 1; i > run-winnow; i-- {
					if runs[i%winnow] < runs[least%winnow] {
						least = i
					}
				}
			}
			if run < winnow-1 || least == said {
				continue
			}
			said = least
			for i := range n {
				binary.LittleEndian.PutUint64(hashes[8*i:], ring[(least+i)&mask].hash)
			}
			found(xxhash.Sum64(hashes), ring[least&mask].start, ring[(least+n-1)&mask].end)
		}
	}
}

// mix spreads a hash whose low bits are weak (the finalizer of MurmurHash3).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func (Substrings) repeats(first, later place) bool {
	return later.document != first.document || later.start >= first.end
}

// fit joins ranges with nothing but white space between, and lets the white space on one side of each go with it: before it, or
// after it if fewer lines end there.
func (Substrings) fit(text string, ranges []Range) []Range {
	var out []Range
	for _, r := range ranges {
		if last := len(out) - 1; last >= 0 && words.Trim(text[out[last].End:r.Start]) == "" {
			out[last].End = r.End
		} else {
			out = append(out, r)
		}
	}
	for i, r := range out {
		before := text[:r.Start]
		before = before[len(words.TrimRight(before)):]
		after := text[r.End:]
		after = after[:len(after)-len(words.TrimLeft(after))]
		if strings.Count(before, "\n") <= strings.Count(after, "\n") {
			out[i].Start -= len(before)
		} else {
			out[i].End += len(after)
		}
	}
	return out
}

func (s Substrings) judge(left string) corpus.Why {
	return short(SubstringsKey, left, s.MinDocWords, 0)
}
