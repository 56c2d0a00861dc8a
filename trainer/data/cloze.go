package data

import (
	"math"

	"millrace/trainer/random"
)

// Cloze takes tokens out of a window for a model to tell (Devlin et al. 2019, section 3.1): of those chosen eight in ten become the mask, one in
// ten any token, and one in ten stays. The choice is a function of the seed and the sample's number: another in every epoch, and the same
// after a resume.
type Cloze struct {
	t, count    int
	mask, vocab int32
	key         uint64
}

// NewCloze takes the share rate of t tokens out, at least one, out of a vocabulary of which mask is one.
func NewCloze(t int, rate float64, mask, vocab int32, seed uint64) Cloze {
	return Cloze{t, min(t, max(1, int(math.Round(rate*float64(t))))), mask, vocab, random.Key(seed, "cloze")}
}

// Count is how many tokens of a window are taken out.
func (c Cloze) Count() int64 { return int64(c.count) }

// Apply takes tokens out of ids, the i-th sample. targets become what was there, and -1 elsewhere.
func (c Cloze) Apply(ids, targets []int32, i int64) {
	for p := range targets {
		targets[p] = -1
	}
	key := random.Mix(c.key, uint64(i))
	for n := range uint64(c.count) {
		p := random.Permute(key, n, uint64(c.t))
		targets[p] = ids[p]
		switch u := random.Float64(random.Mix(key, 1), n); {
		case u < 0.8:
			ids[p] = c.mask
		case u < 0.9:
			ids[p] = int32(random.Below(random.Mix(key, 2), n, uint64(c.vocab)))
		}
	}
}
