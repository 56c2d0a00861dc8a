package model

import (
	"context"
	"fmt"
)

// Score says how well a token was predicted from those before it.
type Score struct {
	LogProb float64 // natural logarithm of its probability
	Greedy  bool    // whether it was the likeliest (the first of equals)
}

// Score returns the scores of tokens[from:], each given all tokens before it. from is at least 1, and tokens at most one more
// than the context. The result is the same to the bit whatever else is scored before, after or beside it.
func (m *Model) Score(ctx context.Context, tokens []int32, from int) ([]Score, error) {
	if from < 1 || from > len(tokens) {
		return nil, fmt.Errorf("model: cannot score from position %d of %d tokens: the first has nothing before it", from, len(tokens))
	}
	if from == len(tokens) {
		return []Score{}, ctx.Err()
	}
	if err := checkIDs(nil, tokens[1:], m.config.VocabSize); err != nil {
		return nil, err
	}
	last := len(tokens) - 1
	f, err := m.run(ctx, tokens[:last])
	if err != nil {
		return nil, err
	}
	scores := make([]Score, last-from+1)
	for i := range scores {
		scores[i].Greedy = likeliest(m.row(f, from-1+i)) == tokens[from+i]
	}
	for i := range f.targets {
		f.targets[i] = -1
		if i+1 >= from && i < last {
			f.targets[i] = tokens[i+1]
		}
	}
	out := f.program.Output()
	m.k.CrossEntropy(f.losses, out, out, f.targets, len(f.targets), m.config.VocabSize)
	m.k.Download(f.host, f.losses)
	for i := range scores {
		scores[i].LogProb = -float64(f.host[from-1+i])
	}
	return scores, nil
}

func likeliest(logits []float32) int32 {
	best := 0
	for i, x := range logits {
		if x > logits[best] {
			best = i
		}
	}
	return int32(best)
}
