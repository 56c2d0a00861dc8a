package classify

import (
	"math"
	"strings"
	"sync"

	"millrace/curator/words"

	"github.com/cespare/xxhash/v2"
)

// Model scores texts. Any number of goroutines may use it.
type Model struct {
	splitter string
	next     words.Splitter
	ngrams   int
	bits     int
	bias     float32
	weights  []float32
	scratch  sync.Pool // of *features
}

// features are those of one text.
type features struct {
	list []uint32
	seen []uint64 // bits by feature
	word []byte
	last []uint64 // hashes of the words before, newest first
}

// init makes what is not stored.
func (m *Model) init() error {
	next, err := words.ByName(m.splitter)
	m.next = next
	m.scratch.New = func() any { return &features{seen: make([]uint64, max(1, 1<<m.bits/64))} }
	return err
}

// Words is the name of the splitter, NGrams the longest run of words that is a feature.
func (m *Model) Words() string { return m.splitter }
func (m *Model) NGrams() int   { return m.ngrams }

// Weights are how many features have a weight.
func (m *Model) Weights() int {
	n := 0
	for _, w := range m.weights {
		if w != 0 {
			n++
		}
	}
	return n
}

// of fills f.list with a text's features, each once, in the order they first stand in the text.
func (m *Model) of(f *features, text string) {
	f.list, f.last = f.list[:0], f.last[:0]
	for i := 0; ; {
		start, end := m.next.Next(text, i)
		if start == len(text) {
			break
		}
		i = end
		f.word = appendLower(f.word[:0], text[start:end])
		h := xxhash.Sum64(f.word)
		m.add(f, h)
		pair := h
		for k, before := range f.last {
			pair = (pair ^ before>>uint(k+1)) * 0x9e3779b97f4a7c15
			m.add(f, pair)
		}
		if m.ngrams > 1 {
			if len(f.last) < m.ngrams-1 {
				f.last = append(f.last, 0)
			}
			copy(f.last[1:], f.last)
			f.last[0] = h
		}
	}
	for _, at := range f.list {
		f.seen[at/64] = 0
	}
	const most = 1 << 20 // features that are worth keeping room for
	if cap(f.word) > most {
		f.word = nil
	}
}

func (m *Model) add(f *features, hash uint64) {
	at := uint32(hash >> (64 - m.bits))
	if bit := uint64(1) << (at % 64); f.seen[at/64]&bit == 0 {
		f.seen[at/64] |= bit
		f.list = append(f.list, at)
	}
}

func appendLower(dst []byte, word string) []byte {
	for i := range len(word) {
		c := word[i]
		if c >= 0x80 {
			return append(dst[:len(dst)-i], strings.ToLower(word)...)
		}
		if c-'A' < 26 {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// Score is how probable it is that a text is good, if as many texts are good as bad: 0 to 1. A text without words has the
// score that the bias alone gives.
func (m *Model) Score(text string) float64 {
	f := m.scratch.Get().(*features)
	defer m.scratch.Put(f)
	m.of(f, text)
	return m.score(f.list)
}

func (m *Model) score(list []uint32) float64 {
	sum := 0.0
	for _, at := range list {
		sum += float64(m.weights[at])
	}
	if len(list) > 0 {
		sum /= math.Sqrt(float64(len(list)))
	}
	return sigmoid(sum + float64(m.bias))
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
