package model

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"

	"millrace/trainer/random"
)

// Sampling says how the next token is drawn.
type Sampling struct {
	Temperature float64 // 0 takes the likeliest
	TopK        int     // draws among so many of the likeliest; 0 among all
	Seed        uint64
	Stop        []int32 // tokens that end the text; not returned
}

// Generate continues prompt by up to n tokens and returns those. It sees at most the context's last tokens. The same
// arguments give the same tokens. An empty prompt is an error: the model has to start from something.
func (m *Model) Generate(ctx context.Context, prompt []int32, n int, s Sampling) ([]int32, error) {
	if kind := m.config.Arch.Kind(); kind != Decoder {
		return nil, fmt.Errorf("model: a %s model is an %s and does not continue texts", m.config.Arch, kind)
	}
	if len(prompt) == 0 {
		return nil, fmt.Errorf("model: an empty prompt has nothing to continue; give a token such as the end of text")
	}
	if !(s.Temperature >= 0) || math.IsInf(s.Temperature, 0) || s.TopK < 0 {
		return nil, fmt.Errorf("model: temperature %g and top-k %d must not be negative", s.Temperature, s.TopK)
	}
	key := random.Key(s.Seed, "sample")
	text := slices.Clone(prompt)
	for i := range n {
		seen := text[max(0, len(text)-m.config.Context):]
		f, err := m.run(ctx, seen, nil)
		if err != nil {
			return text[len(prompt):], err
		}
		id := s.draw(m.row(f, len(seen)-1), random.Float64(key, uint64(i)))
		if slices.Contains(s.Stop, id) {
			break
		}
		text = append(text, id)
	}
	return text[len(prompt):], nil
}

// draw picks a token by inverting the distribution at u in [0, 1).
func (s Sampling) draw(logits []float32, u float64) int32 {
	if s.Temperature == 0 {
		return likeliest(logits)
	}
	ids := make([]int32, len(logits))
	for i := range ids {
		ids[i] = int32(i)
	}
	if s.TopK > 0 && s.TopK < len(ids) {
		sort.SliceStable(ids, func(i, j int) bool { return logits[ids[i]] > logits[ids[j]] })
		ids = ids[:s.TopK]
	}
	top := float64(logits[likeliest(logits)])
	weights := make([]float64, len(ids))
	total := 0.0
	for i, id := range ids {
		weights[i] = math.Exp((float64(logits[id]) - top) / s.Temperature)
		total += weights[i]
	}
	u *= total
	for i, w := range weights {
		if u -= w; u < 0 {
			return ids[i]
		}
	}
	return ids[len(ids)-1]
}
