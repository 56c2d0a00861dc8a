package model

import (
	"context"
	"fmt"
	"slices"
)

// Score says how well a token was predicted.
type Score struct {
	LogProb float64 // natural logarithm of its probability
	Greedy  bool    // whether it was the likeliest (the first of equals)
}

// Score returns the scores of tokens[from:]. from is at least 1, and tokens at most one more than the context. What a score is
// given depends on the kind of model:
//
//   - A decoder tells each token from all before it.
//   - An encoder tells each token from those around it, before and behind: in maskStride passes every maskStride-th token is masked, so that
//     each is told once, from six sevenths of the text, about as it is trained. The sum is no probability of the text, and is not
//     comparable with a decoder's (it is the pseudo-log-likelihood of Salazar et al. 2020 with a seventh of its passes).
//   - An encoder-decoder reads tokens[:from] and writes tokens[from:], each told from all before it: ScoreTarget.
//
// The result is the same to the bit whatever else is scored before, after or beside it.
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
	switch m.config.Arch.Kind() {
	case Encoder:
		return m.scoreMasked(ctx, tokens, from)
	case EncoderDecoder:
		return m.ScoreTarget(ctx, tokens[:from], tokens[from:])
	}
	last := len(tokens) - 1
	f, err := m.run(ctx, tokens[:last], nil)
	if err != nil {
		return nil, err
	}
	return m.scores(f, tokens[from:], from-1), nil
}

// ScoreTarget returns the scores of every token of target, each told from source and all tokens of target before it. Only an
// encoder-decoder can.
func (m *Model) ScoreTarget(ctx context.Context, source, target []int32) ([]Score, error) {
	if m.config.Arch.Kind() != EncoderDecoder {
		return nil, fmt.Errorf("model: a %s model has no encoder beside a decoder; use Score", m.config.Arch)
	}
	if len(source) == 0 || len(target) == 0 {
		return nil, fmt.Errorf("model: a source of %d tokens and a target of %d; neither may be empty", len(source), len(target))
	}
	if err := checkIDs(nil, target, m.config.VocabSize); err != nil {
		return nil, err
	}
	f, err := m.run(ctx, append([]int32{StartToken}, target[:len(target)-1]...), source)
	if err != nil {
		return nil, err
	}
	return m.scores(f, target, 0), nil
}

// maskStride is how far apart the tokens are that are masked at a time: 14% of them, as BERT masks 15%.
const maskStride = 7

// scoreMasked tells tokens[from:] from what is around them.
func (m *Model) scoreMasked(ctx context.Context, tokens []int32, from int) ([]Score, error) {
	if len(tokens) > m.config.Context {
		// A window of one more than the context, as decoders take: the first token is only context, and goes.
		tokens, from = tokens[1:], from-1
	}
	scores := make([]Score, len(tokens)-from)
	for first := from; first < min(from+maskStride, len(tokens)); first++ {
		masked := slices.Clone(tokens)
		for i := first; i < len(tokens); i += maskStride {
			masked[i] = int32(m.config.MaskToken)
		}
		f, err := m.run(ctx, masked, nil)
		if err != nil {
			return nil, err
		}
		told := m.scores(f, tokens[first:], first)
		for i := first; i < len(tokens); i += maskStride {
			scores[i-from] = told[i-first]
		}
	}
	return scores, nil
}

// scores are those of targets, the first of which is told at a position of what f computed.
func (m *Model) scores(f *forward, targets []int32, at int) []Score {
	scores := make([]Score, len(targets))
	for i := range f.targets {
		f.targets[i] = -1
	}
	out, v := f.program.Output(), m.config.VocabSize
	best := make([]int32, len(targets))
	m.k.ArgMax(best, out[at*v:(at+len(targets))*v], len(targets), v)
	for i, id := range targets {
		scores[i].Greedy = best[i] == id
		f.targets[at+i] = id
	}
	m.k.CrossEntropy(f.losses, out, out, f.targets, len(f.targets), v)
	m.k.Download(f.host, f.losses)
	for i := range scores {
		scores[i].LogProb = -float64(f.host[at+i])
	}
	return scores
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
