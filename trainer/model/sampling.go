package model

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"millrace/trainer/random"
)

// Sampling says how the next token is drawn. The zero value takes the likeliest.
//
// The logits are changed and tokens left out in the order of Hugging Face's transformers: repetition penalty; frequency and
// presence penalty; temperature; top-k; top-p; min-p. (llama.cpp applies the temperature last, so that there top-p and min-p
// see the distribution of temperature 1.)
type Sampling struct {
	Temperature float64 // divides the logits; 0 takes the likeliest (the first of equals), after the penalties
	TopK        int     // draws among so many of the likeliest; 0 among all
	TopP        float64 // draws among the fewest that have this much probability together (Holtzman et al. 2020); 0 or 1 among all
	MinP        float64 // leaves out what is less likely than this times the likeliest (Nguyen et al. 2024); 0 nothing
	// RepetitionPenalty divides positive logits of tokens that were seen, in the prompt or after it, and multiplies negative ones
	// (Keskar et al. 2019); 0 or 1 leaves them.
	RepetitionPenalty float64
	// FrequencyPenalty is subtracted for every time a token was drawn, PresencePenalty once if it was at all (OpenAI's; prompts
	// do not count).
	FrequencyPenalty, PresencePenalty float64
	Seed                              uint64
	Stop                              []int32 // tokens that end the text; not returned
}

// Validate names the first setting that makes no sense.
func (s Sampling) Validate() error {
	for _, f := range []struct {
		name        string
		value       float64
		least, most float64
	}{
		{"temperature", s.Temperature, 0, 1e4}, {"top_p", s.TopP, 0, 1}, {"min_p", s.MinP, 0, 1},
		{"repetition_penalty", s.RepetitionPenalty, 0, 1e4}, {"frequency_penalty", s.FrequencyPenalty, -100, 100},
		{"presence_penalty", s.PresencePenalty, -100, 100},
	} {
		if !(f.value >= f.least && f.value <= f.most) {
			return fmt.Errorf("%s %g is not between %g and %g", f.name, f.value, f.least, f.most)
		}
	}
	if s.TopK < 0 {
		return fmt.Errorf("top_k %d is negative; 0 draws among all tokens", s.TopK)
	}
	return nil
}

// Sampler draws the tokens of one text. The same Sampling gives the same tokens for the same logits. It is used by one goroutine.
type Sampler struct {
	s       Sampling
	key     uint64
	drawn   uint64
	seen    map[int32]int // tokens of the prompt are there, with how often each was drawn
	logits  []float32     // changed by penalties
	ids     []int32
	weights []float64
}

// NewSampler returns the sampler of a text that begins with prompt.
func NewSampler(s Sampling, prompt []int32) *Sampler {
	d := &Sampler{s: s, key: random.Key(s.Seed, "sample"), seen: map[int32]int{}}
	for _, id := range prompt {
		d.seen[id] = 0
	}
	return d
}

// Draw picks the next token. The logits stay as they are.
func (d *Sampler) Draw(logits []float32) int32 {
	id := d.pick(d.penalized(logits), random.Float64(d.key, d.drawn))
	d.drawn++
	d.seen[id]++
	return id
}

// penalized is a copy of the logits with the penalties of what was seen.
func (d *Sampler) penalized(logits []float32) []float32 {
	s := d.s
	repeated := s.RepetitionPenalty != 0 && s.RepetitionPenalty != 1
	if !repeated && s.FrequencyPenalty == 0 && s.PresencePenalty == 0 {
		return logits
	}
	d.logits = append(d.logits[:0], logits...)
	for id, times := range d.seen {
		v := float64(d.logits[id])
		if repeated && v > 0 {
			v /= s.RepetitionPenalty
		} else if repeated {
			v *= s.RepetitionPenalty
		}
		v -= s.FrequencyPenalty * float64(times)
		if times > 0 {
			v -= s.PresencePenalty
		}
		d.logits[id] = float32(v)
	}
	return d.logits
}

// pick inverts the distribution at u in [0, 1).
func (d *Sampler) pick(logits []float32, u float64) int32 {
	best := likeliest(logits)
	if d.s.Temperature == 0 {
		return best
	}
	top := float64(logits[best])
	weight := func(id int32) float64 { return math.Exp((float64(logits[id]) - top) / d.s.Temperature) }
	ids := d.candidates(logits, weight)
	d.weights = slices.Grow(d.weights[:0], len(ids))[:len(ids)]
	total := 0.0
	for i, id := range ids {
		d.weights[i] = weight(id)
		total += d.weights[i]
	}
	u *= total
	for i, w := range d.weights {
		if u -= w; u < 0 {
			return ids[i]
		}
	}
	return ids[len(ids)-1]
}

// candidates are the tokens that the filters leave: in the vocabulary's order without any, else the likeliest first, the first
// of equals before the others. There is always one.
func (d *Sampler) candidates(logits []float32, weight func(int32) float64) []int32 {
	s := d.s
	d.ids = d.ids[:0]
	for id := range logits {
		d.ids = append(d.ids, int32(id))
	}
	ids := d.ids
	nucleus, least := s.TopP > 0 && s.TopP < 1, s.MinP > 0
	if s.TopK > 0 && s.TopK < len(ids) {
		ids = likeliestOf(ids, logits, s.TopK)
	}
	if !nucleus && !least {
		return ids
	}
	total := 0.0
	for _, id := range ids {
		total += weight(id)
	}
	// What is less likely than (1-p)/n is not among the fewest: all such together have less than 1-p.
	limit := s.MinP
	if nucleus {
		limit = max(limit, (1-s.TopP)/float64(len(ids))*total)
	}
	kept := ids[:0]
	for _, id := range ids {
		if weight(id) >= limit {
			kept = append(kept, id)
		}
	}
	if len(kept) == 0 { // of 1.0 equal tokens and rounding
		kept = append(kept, likeliest(logits))
	}
	if ids = kept; nucleus {
		sortByLogit(ids, logits)
		sum := 0.0
		for i, id := range ids {
			if sum += weight(id); sum >= s.TopP*total {
				ids = ids[:i+1]
				break
			}
		}
	}
	return ids
}

// Likeliest are the n likeliest tokens, in order; of equals the first comes first.
func Likeliest(logits []float32, n int) []int32 {
	n = min(n, len(logits))
	if n <= 0 {
		return nil
	}
	ids := make([]int32, len(logits))
	for i := range ids {
		ids[i] = int32(i)
	}
	return likeliestOf(ids, logits, n)
}

func sortByLogit(ids []int32, logits []float32) {
	sort.Slice(ids, func(i, j int) bool { return before(logits, ids[i], ids[j]) })
}

// before orders tokens: the likelier first, of equals the first. A NaN is last.
func before(logits []float32, a, b int32) bool {
	x, y := logits[a], logits[b]
	switch {
	case x != y:
		return x > y || y != y && x == x
	default:
		return a < b
	}
}

// likeliestOf puts the k likeliest of ids in order and returns them. It keeps the best k in a heap whose root is the worst of them.
func likeliestOf(ids []int32, logits []float32, k int) []int32 {
	heap := ids[:k]
	down := func(i int) {
		for {
			worst := i
			for c := 2*i + 1; c <= 2*i+2 && c < k; c++ {
				if before(logits, heap[worst], heap[c]) {
					worst = c
				}
			}
			if worst == i {
				return
			}
			heap[i], heap[worst] = heap[worst], heap[i]
			i = worst
		}
	}
	for i := k/2 - 1; i >= 0; i-- {
		down(i)
	}
	for _, id := range ids[k:] {
		if before(logits, id, heap[0]) {
			heap[0] = id
			down(0)
		}
	}
	sortByLogit(heap, logits)
	return heap
}
