package model

import (
	"context"
	"fmt"
	"slices"

	"millrace/trainer/engine"
)

// Generate continues prompt by up to n tokens and returns those. The same arguments give the same tokens. An empty prompt is an
// error: the model has to start from something.
//
// An encoder-decoder reads the prompt (its last tokens, of a context) and writes a text of its own, from StartToken on, which is what
// penalties count.
//
// A model sees at most the context's last tokens. Until the context is full a token costs one reading of the weights; from then on every
// token has another place than before, and costs a pass over the whole context.
func (m *Model) Generate(ctx context.Context, prompt []int32, n int, s Sampling) ([]int32, error) {
	if m.writer == nil {
		g, err := NewGenerator(m, engine.FormF32)
		if err != nil {
			return nil, err
		}
		m.writer = g
	} else {
		m.writer.refresh() // the model may have learnt since
	}
	return m.writer.Generate(ctx, prompt, n, s)
}

// Generate is the model's Generate with the weights as this generator keeps them.
func (g *Generator) Generate(ctx context.Context, prompt []int32, n int, s Sampling) ([]int32, error) {
	if len(prompt) == 0 {
		return nil, fmt.Errorf("model: an empty prompt has nothing to continue; give a token such as the end of text")
	}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if err := checkIDs(prompt, nil, g.config.VocabSize); err != nil {
		return nil, err
	}
	feed := &Feed{Sequence: g.NewSequence()}
	if g.Reads() {
		if err := feed.Sequence.Read(prompt[max(0, len(prompt)-g.Context()):]); err != nil {
			return nil, err
		}
		prompt = []int32{StartToken}
	}
	text := slices.Clone(prompt)
	sampler := NewSampler(s, prompt)
	feed.Tokens = text[max(0, len(text)-g.Context()):]
	for range n {
		if err := ctx.Err(); err != nil {
			return text[len(prompt):], err
		}
		if err := g.Step([]*Feed{feed}); err != nil {
			return text[len(prompt):], err
		}
		id := sampler.Draw(feed.Logits[0])
		if slices.Contains(s.Stop, id) {
			break
		}
		text = append(text, id)
		feed.Tokens = text[len(text)-1:]
		if feed.Sequence.Len() == g.Context() {
			feed.Sequence.Truncate(0)
			feed.Tokens = text[len(text)-g.Context():]
		}
	}
	return text[len(prompt):], nil
}
