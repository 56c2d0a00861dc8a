package ngram

import (
	"math"
	"math/bits"
	"strings"

	"millrace/curator/words"

	"github.com/cespare/xxhash/v2"
)

// MaxOrder is the longest n-gram of a model.
const MaxOrder = 8

// Model gives the probabilities of words after words. Any number of goroutines may use it.
type Model struct {
	splitter string
	next     words.Splitter
	lower    bool
	unknown  float32 // ln p of a word that was never seen
	orders   []table // by n-1
}

// table holds the n-grams of one order, by open addressing.
type table struct {
	slots []slot
	shift int
	n     int
}

type slot struct {
	key     uint64 // 0: nothing
	prob    float32
	backoff float32 // ln of what a longer n-gram that is not there leaves for the shorter one
}

func newTable(n int) table {
	width := max(4, bits.Len(uint(n+n/2)))
	return table{slots: make([]slot, 1<<width), shift: 64 - width}
}

// put adds an n-gram, once; false if it was there.
func (t *table) put(s slot) bool {
	at := t.find(s.key)
	if at.key != 0 {
		return false
	}
	*at = s
	t.n++
	return true
}

func (t *table) find(key uint64) *slot {
	mask := uint64(len(t.slots) - 1)
	for at := key * 0x9e3779b97f4a7c15 >> t.shift; ; at = (at + 1) & mask {
		if s := &t.slots[at]; s.key == key || s.key == 0 {
			return s
		}
	}
}

// Order is how many words an n-gram has at most, NGrams how many of each length there are, Words the name of the splitter.
func (m *Model) Order() int    { return len(m.orders) }
func (m *Model) Words() string { return m.splitter }
func (m *Model) NGrams() (list []int) {
	for _, t := range m.orders {
		list = append(list, t.n)
	}
	return list
}

// The hashes of what is no word, and of no n-gram.
const (
	begin = 0xb5297a4d3f84d5b5
	end   = 0x68e31da4c7a3f0d3
)

// wordHash is the hash of a word; never 0.
func wordHash(word []byte) uint64 {
	return max(1, xxhash.Sum64(word))
}

// before is the hash of an n-gram with a word put before it.
func before(gram, word uint64) uint64 {
	hi, lo := bits.Mul64(gram^0x9e3779b97f4a7c15, word^0xe7037ed1a0b428db)
	return max(1, hi^lo)
}

// window is the n-grams that end at a word, by length less one, and those that ended at the word before.
type window struct {
	order    int
	words    []uint64 // the last, newest first
	now, old []uint64
}

func newWindow(order int) *window {
	return &window{order: order, words: make([]uint64, 0, order), now: make([]uint64, 0, order), old: make([]uint64, 0, order)}
}

// start begins a sentence.
func (w *window) start() {
	w.words = append(w.words[:0], begin)
	w.now, w.old = append(w.now[:0], begin), w.old[:0]
}

// push moves on by a word.
func (w *window) push(word uint64) {
	w.now, w.old = w.old[:0], w.now
	if len(w.words) < w.order {
		w.words = append(w.words, 0)
	}
	copy(w.words[1:], w.words)
	w.words[0] = word
	w.now = append(w.now, word)
	for _, earlier := range w.words[1:] {
		w.now = append(w.now, before(w.now[len(w.now)-1], earlier))
	}
}

// sentences calls each with the hash of every word of a text, and at the end of each line that has one, with end, until it
// says no.
func sentences(text string, next words.Splitter, lower bool, start func(), each func(word uint64) bool) {
	var buf []byte
	for line := range strings.Lines(text) {
		begun := false
		for i := 0; ; {
			from, to := next.Next(line, i)
			if from == len(line) {
				break
			}
			i = to
			if !begun {
				start()
				begun = true
			}
			if word := line[from:to]; lower {
				buf = appendLower(buf[:0], word)
			} else {
				buf = append(buf[:0], word...)
			}
			if !each(wordHash(buf)) {
				return
			}
		}
		if begun && !each(end) {
			return
		}
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

// Score is the natural logarithm of a text's probability, and how many words and ends of lines that is of.
func (m *Model) Score(text string) (ln float64, n int64) {
	w := newWindow(len(m.orders))
	sentences(text, m.next, m.lower, w.start, func(word uint64) bool {
		w.push(word)
		ln += m.last(w)
		n++
		return true
	})
	return ln, n
}

// last is ln p of the last word of a window.
func (m *Model) last(w *window) float64 {
	sum := 0.0
	for k := len(w.now) - 1; k >= 0; k-- {
		if s := m.orders[k].find(w.now[k]); s.key != 0 {
			return sum + float64(s.prob)
		}
		if k > 0 {
			if s := m.orders[k-1].find(w.old[k-1]); s.key != 0 {
				sum += float64(s.backoff)
			}
		}
	}
	return sum + float64(m.unknown)
}

// Perplexity is how many words a text has the model choose from at each, in the mean: e to the minus mean of ln p. It is 0
// for a text without words.
func (m *Model) Perplexity(text string) float64 {
	ln, n := m.Score(text)
	if n == 0 {
		return 0
	}
	return math.Exp(-ln / float64(n))
}
