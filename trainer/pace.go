package trainer

import (
	"fmt"
	"math/bits"
	"sort"
)

// BatchRamp lets the batch grow in the beginning, as GPT-3's did (Brown et al. 2020): from From sequences a step to
// batch_size · grad_accum, by whole micro-batches, linearly over Tokens tokens. The zero BatchRamp is none.
type BatchRamp struct {
	From   int   `json:"from"`   // sequences of the first step, a multiple of batch_size
	Tokens int64 `json:"tokens"` // after which the batch is whole
}

const maxRamp = 1 << 50 // tokens

func (c Config) checkRamp() error {
	r := c.BatchRamp
	if r == (BatchRamp{}) {
		return nil
	}
	if whole := c.BatchSize * c.GradAccum; r.From < 1 || r.From%c.BatchSize != 0 || r.From > whole {
		return fmt.Errorf("batch_ramp.from: %d sequences; use a multiple of batch_size %d, up to batch_size · grad_accum = %d", r.From, c.BatchSize, whole)
	}
	if r.Tokens < 1 || r.Tokens > maxRamp {
		return fmt.Errorf("batch_ramp.tokens: %d is not between 1 and %d", r.Tokens, int64(maxRamp))
	}
	return nil
}

// pace tells which samples each step learns from. It is a function of the Config alone, so that a resumed training needs no state for it.
type pace struct {
	levels []level
}

// level is a stretch of steps of one size.
type level struct {
	step   int64 // done before its first
	sample int64 // shown before its first
	size   int64 // samples of a step
}

func (c Config) pace() pace {
	b, t := int64(c.BatchSize), int64(c.window())
	full := int64(c.GradAccum)
	at := level{size: full * b}
	if c.BatchRamp == (BatchRamp{}) {
		return pace{[]level{at}}
	}
	var p pace
	from := int64(c.BatchRamp.From) / b
	for n := from; n < full; n++ {
		at.size = n * b
		p.levels = append(p.levels, at)
		// With n+1 micro-batches begins the first step before which so many tokens were shown.
		until := portion(c.BatchRamp.Tokens, n+1-from, full-from)
		if steps := ceil(until-at.sample*t, at.size*t); steps > 0 {
			at.step, at.sample = at.step+steps, at.sample+steps*at.size
		}
	}
	at.size = full * b
	p.levels = append(p.levels, at)
	return p
}

// before is how many samples are shown before a step counted from 1, and size how many it shows.
func (p pace) before(step int64) (samples, size int64) {
	i := sort.Search(len(p.levels), func(i int) bool { return p.levels[i].step > step-1 }) - 1
	l := p.levels[i]
	return l.sample + (step-1-l.step)*l.size, l.size
}

// portion is x·a/b rounded up, for 0 < a ≤ b.
func portion(x, a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(x), uint64(a))
	q, r := bits.Div64(hi, lo, uint64(b))
	if r > 0 {
		q++
	}
	return int64(q)
}

// ceil is a/b rounded up, for b > 0.
func ceil(a, b int64) int64 {
	if a <= 0 {
		return 0
	}
	return (a + b - 1) / b
}

// Tokens is how many targets the first steps learn from.
func (c Config) Tokens(steps int64) int64 {
	samples, _ := c.pace().before(steps + 1)
	return samples * int64(c.window())
}
