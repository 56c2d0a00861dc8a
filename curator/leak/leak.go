// Package leak finds the texts of evaluations in a corpus: a model that was trained on the questions is not measured by
// them.
//
// An Index holds the hashes of all runs of n words of the evaluations' texts, as dedup.Simplify divides and writes words;
// a document that has one of them has leaked. GPT-3 took n = 13, datatrove takes 12. Texts of fewer than n words cannot be
// found; an Index says how many there were.
package leak

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"sync"
	"unicode/utf8"

	"millrace/curator/corpus"
	"millrace/curator/dedup"

	"github.com/cespare/xxhash/v2"
)

// Contaminated is the reason of a document that has n-grams of an evaluation: value is how many of its n-grams are, limit
// is 0, and it repeats the evaluation's text with the first of them.
const Contaminated = "contaminated"

// ErrTooMany is returned for evaluations of more n-grams than an Index holds.
var ErrTooMany = errors.New("the evaluations have too many n-grams")

// maxGrams bounds an Index: 1 GiB, some 400 MB of English.
const maxGrams = 1 << 26

// maxShown is how many bytes of an n-gram are shown.
const maxShown = 300

// Text is one text of an evaluation.
type Text struct {
	Source   string
	Document string
	Text     string
}

// Index finds n-grams of evaluations. It is safe for concurrent use.
type Index struct {
	n     int
	texts []corpus.Repeated // that have n-grams; without Text
	short int64
	grams []gram // by hash, each once
	// probe has the bit of each hash's upper bits set, so that most lookups end after one.
	probe []uint64
	shift int

	buffers sync.Pool // of *buffer
}

// gram is the hash of an n-gram, and the first text that has it.
type gram struct {
	hash uint64
	text uint32
}

// buffer is room to simplify a text in.
type buffer struct {
	text   []byte
	starts []int
}

// NewIndex makes an Index of all n-grams of the texts. Its errors are those of texts, and ErrTooMany.
func NewIndex(n int, texts iter.Seq2[Text, error]) (*Index, error) {
	x := &Index{n: n}
	var b buffer
	for t, err := range texts {
		if err != nil {
			return nil, err
		}
		b.text = dedup.Simplify(b.text[:0], t.Text)
		before := len(x.grams)
		for shingle := range dedup.Shingles(b.text, n, &b.starts) {
			x.grams = append(x.grams, gram{xxhash.Sum64(shingle), uint32(len(x.texts))})
		}
		if len(x.grams) == before {
			x.short++
			continue
		}
		if len(x.grams) > maxGrams {
			return nil, fmt.Errorf("%w: above %d at %s of %s: give fewer, or decontaminate in several runs", ErrTooMany, maxGrams, t.Document, t.Source)
		}
		x.texts = append(x.texts, corpus.Repeated{Source: t.Source, Document: t.Document})
	}
	slices.SortFunc(x.grams, func(a, b gram) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.text, b.text)) })
	x.grams = slices.CompactFunc(x.grams, func(a, b gram) bool { return a.hash == b.hash })
	width := max(6, bits.Len(uint(len(x.grams)))+4) // 16 to 32 bits an n-gram
	x.probe, x.shift = make([]uint64, 1<<(width-6)), 64-width
	for _, g := range x.grams {
		bit := g.hash >> x.shift
		x.probe[bit/64] |= 1 << (bit % 64)
	}
	return x, nil
}

// Texts is how many texts have n-grams, Short how many have too few words, NGrams how many different n-grams there are.
func (x *Index) Texts() int64  { return int64(len(x.texts)) }
func (x *Index) Short() int64  { return x.short }
func (x *Index) NGrams() int64 { return int64(len(x.grams)) }

// find is the text that has the n-gram of a hash.
func (x *Index) find(hash uint64) (text uint32, ok bool) {
	if bit := hash >> x.shift; x.probe[bit/64]>>(bit%64)&1 == 0 {
		return 0, false
	}
	i, ok := slices.BinarySearchFunc(x.grams, hash, func(g gram, h uint64) int { return cmp.Compare(g.hash, h) })
	if !ok {
		return 0, false
	}
	return x.grams[i].text, true
}

// Judge drops documents that have an n-gram of an evaluation. Hashes are of 64 bits: a corpus of 10¹² words meets one of
// 10⁶ n-grams by chance with probability 0.05.
func (x *Index) Judge() corpus.Judge {
	return func(d corpus.Doc) (corpus.Why, bool) {
		b, ok := x.buffers.Get().(*buffer)
		if !ok {
			b = &buffer{}
		}
		defer x.buffers.Put(b)
		b.text = dedup.Simplify(b.text[:0], d.Text)
		var why corpus.Why
		for shingle := range dedup.Shingles(b.text, x.n, &b.starts) {
			text, ok := x.find(xxhash.Sum64(shingle))
			if !ok {
				continue
			}
			if why.Repeats == nil {
				repeats := x.texts[text]
				repeats.Text = shown(shingle)
				why.Reason, why.Repeats = Contaminated, &repeats
			}
			why.Value++
		}
		return why, why.Repeats == nil
	}
}

// shown is an n-gram for people: not without end.
func shown(gram []byte) string {
	if len(gram) > maxShown {
		end := maxShown
		for end > 0 && !utf8.RuneStart(gram[end]) {
			end--
		}
		return string(gram[:end]) + "…"
	}
	return string(gram)
}
