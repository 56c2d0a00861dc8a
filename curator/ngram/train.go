package ngram

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/bits"

	"millrace/curator/words"
)

// Options say how a model is trained.
type Options struct {
	// Order is how many words an n-gram has at most; 0 is 5.
	Order int
	// Prune leaves out n-grams of three words and more that were counted so often or less: 1 leaves out half of a model or
	// more, and little of what it knows.
	Prune int
	// Words is the splitter, by its name in package words; words.Simple when empty.
	Words string
	// Case keeps upper and lower case apart.
	Case bool
	// MaxNGrams bounds memory, some 30 bytes an n-gram; 0 is 2²⁷.
	MaxNGrams int
}

// Counts say what a model was trained on.
type Counts struct {
	Texts     int64
	Sentences int64
	Words     int64 // ends of lines not counted
	NGrams    []int // counted, by length less one
}

var (
	// ErrTooMany is returned when there are more n-grams than Options.MaxNGrams.
	ErrTooMany = errors.New("too many n-grams")
	// ErrNothing is returned for texts without words.
	ErrNothing = errors.New("no words to learn from")
)

const (
	defaultOrder  = 5
	defaultNGrams = 1 << 27
)

// Train trains a model. The same texts in the same order give the same model. Its errors are ctx's, ErrTooMany and ErrNothing,
// and those of options that are out of range.
func Train(ctx context.Context, o Options, texts iter.Seq[string]) (*Model, Counts, error) {
	o.Order = cmp.Or(o.Order, defaultOrder)
	o.Words = cmp.Or(o.Words, words.Simple)
	o.MaxNGrams = cmp.Or(o.MaxNGrams, defaultNGrams)
	if o.Order < 1 || o.Order > MaxOrder || o.Prune < 0 || o.MaxNGrams < 1 || o.MaxNGrams > 1<<31 {
		return nil, Counts{}, fmt.Errorf("ngram: order %d, prune %d, at most %d n-grams: want 1 to %d, 0 or more, 1 to 2³¹", o.Order, o.Prune, o.MaxNGrams, MaxOrder)
	}
	next, err := words.ByName(o.Words)
	if err != nil {
		return nil, Counts{}, err
	}
	c := newCounter(o.Order)
	var seen Counts
	for text := range texts {
		if err := ctx.Err(); err != nil {
			return nil, seen, err
		}
		seen.Texts++
		sentences(text, next, !o.Case, func() {
			seen.Sentences++
			c.start()
		}, func(word uint64) bool {
			if word != end {
				seen.Words++
			}
			c.push(word)
			return c.n <= o.MaxNGrams
		})
		if c.n > o.MaxNGrams {
			return nil, seen, fmt.Errorf("%w: %d after %d words: train on less text, or with a smaller order", ErrTooMany, c.n, seen.Words)
		}
	}
	if seen.Words == 0 {
		return nil, seen, ErrNothing
	}
	for _, g := range c.grams {
		seen.NGrams = append(seen.NGrams, len(g.keys))
	}
	seen.NGrams[0]-- // that of the beginning
	m := c.estimate(o.Prune)
	m.splitter, m.next, m.lower = o.Words, next, !o.Case
	return m, seen, nil
}

// grams are the n-grams of one order that were seen.
type grams struct {
	keys []uint64
	// counts are how often an n-gram was seen if it is of the highest order or begins a sentence, else after how many
	// different words: Kneser and Ney's continuation counts.
	counts []uint32
	// context and suffix are the indexes, one order below, of the n-gram without its last and without its first word.
	context, suffix []uint32
	index           []uint32 // by open addressing: index into keys, and 1
	shift           int
}

// add gives the index of an n-gram, and whether it is new.
func (g *grams) add(key uint64) (at uint32, isNew bool) {
	if len(g.index)*2 <= len(g.keys)*3 {
		g.grow()
	}
	mask := uint64(len(g.index) - 1)
	for i := key * 0x9e3779b97f4a7c15 >> g.shift; ; i = (i + 1) & mask {
		switch at := g.index[i]; {
		case at == 0:
			g.keys = append(g.keys, key)
			g.counts = append(g.counts, 0)
			g.context, g.suffix = append(g.context, 0), append(g.suffix, 0)
			g.index[i] = uint32(len(g.keys))
			return uint32(len(g.keys) - 1), true
		case g.keys[at-1] == key:
			return at - 1, false
		}
	}
}

func (g *grams) grow() {
	width := max(10, bits.Len(uint(len(g.index))))
	g.index, g.shift = make([]uint32, 1<<width), 64-width
	mask := uint64(len(g.index) - 1)
	for n, key := range g.keys {
		i := key * 0x9e3779b97f4a7c15 >> g.shift
		for g.index[i] != 0 {
			i = (i + 1) & mask
		}
		g.index[i] = uint32(n + 1)
	}
}

// counter counts n-grams.
type counter struct {
	*window
	grams []grams
	n     int
	// places are the indexes of the n-grams that ended at the word before.
	places, now []uint32
}

func newCounter(order int) *counter {
	c := &counter{window: newWindow(order), grams: make([]grams, order), places: make([]uint32, order), now: make([]uint32, order)}
	c.grams[0].add(begin) // index 0: a context, but no word
	return c
}

func (c *counter) start() {
	c.window.start()
	c.places[0] = 0
}

func (c *counter) push(word uint64) {
	c.window.push(word)
	counted := false
	for k := len(c.window.now) - 1; k >= 0; k-- {
		g := &c.grams[k]
		at, isNew := g.add(c.window.now[k])
		c.now[k] = at
		if !counted {
			g.counts[at] = uint32(min(uint64(g.counts[at])+1, math.MaxUint32))
			counted = !isNew // an n-gram that is new is a new word before the next shorter one
		}
		if isNew {
			c.n++
			if k > 0 {
				g.context[at] = c.places[k-1]
			}
		}
	}
	for k := 1; k < len(c.window.now); k++ {
		c.grams[k].suffix[c.now[k]] = c.now[k-1]
	}
	c.places, c.now = c.now, c.places
}

// discounts are what modified Kneser-Ney takes from counts of 1, 2, and 3 and more.
type discounts [4]float64

func (d *discounts) of(count uint32) float64 { return d[min(count, 3)] }

// discountsOf are Chen and Goodman's estimates, or where counts are too few for them, the numbers KenLM falls back to.
func discountsOf(g *grams) discounts {
	var t [5]float64 // how many n-grams have a count
	for _, c := range g.counts {
		if c < 5 {
			t[c]++
		}
	}
	fallback := discounts{0, 0.5, 1, 1.5}
	if t[1] == 0 || t[2] == 0 || t[3] == 0 || t[4] == 0 {
		return fallback
	}
	y := t[1] / (t[1] + 2*t[2])
	var d discounts
	for k := 1; k <= 3; k++ {
		d[k] = float64(k) - float64(float64(k+1)*y*t[k+1]/t[k])
		if d[k] < 0 || d[k] > float64(k) {
			return fallback
		}
	}
	return d
}

// estimate turns counts into probabilities, from the shortest n-grams on.
func (c *counter) estimate(prune int) *Model {
	m := &Model{orders: make([]table, len(c.grams))}
	probs := make([][]float64, len(c.grams))
	backoffs := make([][]float64, len(c.grams)+1) // backoffs[k]: of contexts of k words
	vocabulary := float64(len(c.grams[0].keys))   // the beginning counts for the word that was never seen
	for k := range c.grams {
		g := &c.grams[k]
		d := discountsOf(g)
		contexts := 1
		if k > 0 {
			contexts = len(c.grams[k-1].keys)
		}
		total, given := make([]float64, contexts), make([]float64, contexts)
		for i, n := range g.counts {
			total[g.context[i]] += float64(n)
		}
		dropped := func(n uint32) bool { return k >= 2 && int64(n) <= int64(prune) }
		for i, n := range g.counts {
			if n > 0 && !dropped(n) {
				given[g.context[i]] += (float64(n) - d.of(n)) / total[g.context[i]]
			}
		}
		left := make([]float64, contexts)
		for i := range left {
			left[i] = 1 - given[i]
		}
		p := make([]float64, len(g.keys))
		for i, n := range g.counts {
			lower := 1 / vocabulary
			if k > 0 {
				lower = probs[k-1][g.suffix[i]]
			}
			p[i] = float64(left[g.context[i]] * lower)
			if n > 0 && !dropped(n) {
				p[i] += (float64(n) - d.of(n)) / total[g.context[i]]
			}
		}
		if k == 0 {
			m.unknown = float32(math.Log(left[0] / vocabulary))
		}
		probs[k], backoffs[k] = p, left
	}
	for k := len(c.grams) - 1; k >= 0; k-- {
		c.keep(m, k, prune, probs[k], backoffs[k+1])
	}
	return m
}

// least is ln of what stands for a probability of 0.
const least = -99 * math.Ln10

// keep puts into the model the n-grams that are not pruned, and those that are the context of one that is not.
func (c *counter) keep(m *Model, k, prune int, p, left []float64) {
	g := &c.grams[k]
	kept := make([]bool, len(g.keys))
	for i := range g.keys {
		kept[i] = k < 2 || int64(g.counts[i]) > int64(prune)
	}
	if k+1 < len(c.grams) {
		above := &c.grams[k+1]
		for i := range above.keys {
			if k+1 < 2 || int64(above.counts[i]) > int64(prune) {
				kept[above.context[i]] = true
			}
		}
	}
	n := 0
	for _, yes := range kept {
		if yes {
			n++
		}
	}
	m.orders[k] = newTable(n)
	for i, key := range g.keys {
		if !kept[i] {
			continue
		}
		s := slot{key: key, prob: ln(p[i])}
		if k == 0 && key == begin {
			s.prob = least // it is never predicted
		}
		if left != nil {
			s.backoff = ln(left[i])
		}
		m.orders[k].put(s)
	}
}

func ln(p float64) float32 { return float32(max(math.Log(p), least)) }
