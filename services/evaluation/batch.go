package evaluation

import (
	"context"
	"fmt"
	"slices"

	"millrace/evaluator"
	"millrace/trainer/engine"
	"millrace/trainer/model"
)

// Model is a model as the evaluator asks it: many things at once, if it continues texts. It is used by one goroutine at a time.
func Model(net *model.Model) evaluator.Model {
	if net.Config().Arch.Kind() == model.Decoder {
		if g, err := model.NewGenerator(net, engine.FormF32); err == nil {
			return batched{judged{net}, g}
		}
	}
	return judged{net}
}

// batched is a decoder that reads what texts have in common once. No answer depends, to the bit, on what else is asked: a generator's
// sequences do not (see model.Generator), and which way a request goes is decided by the request alone.
type batched struct {
	judged
	g *model.Generator
}

// together is how many texts are in one step.
const together = 16

// ScoreAll is Score of every request. One that scores most of its tokens is a whole pass; of the others the contexts are read once.
func (b batched) ScoreAll(ctx context.Context, requests []evaluator.Request) ([][]evaluator.TokenScore, error) {
	out := make([][]evaluator.TokenScore, len(requests))
	var order []int
	for i, r := range requests {
		if last := len(r.Tokens) - 1; last > b.g.Context() || 2*(last-r.From) >= last {
			var err error
			if out[i], err = b.Score(ctx, r.Tokens, r.From); err != nil {
				return nil, err
			}
			continue
		}
		if r.From < 1 || r.From >= len(r.Tokens) {
			return nil, fmt.Errorf("%w: scores from token %d of %d", evaluator.ErrModel, r.From, len(r.Tokens))
		}
		order = append(order, i)
	}
	// Neighbours begin alike; those with one context stand together.
	context := func(i int) []int32 { return requests[i].Tokens[:requests[i].From-1] }
	slices.SortStableFunc(order, func(x, y int) int { return slices.Compare(context(x), context(y)) })
	base := b.g.NewSequence()
	var read []int32 // what base has
	for len(order) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		before := context(order[0])
		n := 1
		for n < len(order) && n < together && slices.Equal(context(order[n]), before) {
			n++
		}
		same := 0
		for same < min(len(read), len(before)) && read[same] == before[same] {
			same++
		}
		base.Truncate(same)
		if same < len(before) {
			if err := b.g.Step([]*model.Feed{{Sequence: base, Tokens: before[same:]}}); err != nil {
				return nil, err
			}
		}
		read = before
		feeds := make([]*model.Feed, n)
		for j, i := range order[:n] {
			r := requests[i]
			feeds[j] = &model.Feed{Sequence: base.Fork(), Tokens: r.Tokens[r.From-1 : len(r.Tokens)-1], Next: r.Tokens[r.From:]}
		}
		if err := b.g.Step(feeds); err != nil {
			return nil, err
		}
		for j, i := range order[:n] {
			for _, s := range feeds[j].Scores {
				out[i] = append(out[i], evaluator.TokenScore(s))
			}
		}
		order = order[n:]
	}
	return out, nil
}

// Generate continues a prompt.
func (b batched) Generate(ctx context.Context, prompt []int32, n int, s evaluator.Sampling) ([]int32, error) {
	out, err := b.GenerateAll(ctx, [][]int32{prompt}, n, []evaluator.Sampling{s})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// GenerateAll is Generate of every prompt.
func (b batched) GenerateAll(ctx context.Context, prompts [][]int32, n int, samplings []evaluator.Sampling) ([][]int32, error) {
	out := make([][]int32, len(prompts))
	for from := 0; from < len(prompts); from += together {
		to := min(from+together, len(prompts))
		if err := b.write(ctx, prompts[from:to], n, samplings[from:to], out[from:to]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// text is one that is being written.
type text struct {
	at      int
	ids     []int32 // with the prompt
	prompt  int
	feed    *model.Feed
	sampler *model.Sampler
}

// write continues some prompts, token by token, beside each other.
func (b batched) write(ctx context.Context, prompts [][]int32, n int, samplings []evaluator.Sampling, out [][]int32) error {
	size := b.g.Context()
	var texts []*text
	for i, prompt := range prompts {
		if len(prompt) == 0 {
			return fmt.Errorf("%w: an empty prompt has nothing to continue", evaluator.ErrModel)
		}
		s := sampling(samplings[i])
		if err := s.Validate(); err != nil {
			return err
		}
		t := &text{at: i, ids: slices.Clone(prompt), prompt: len(prompt), sampler: model.NewSampler(s, prompt)}
		t.feed = &model.Feed{Sequence: b.g.NewSequence(), Tokens: t.ids[max(0, len(t.ids)-size):]}
		texts = append(texts, t)
	}
	for range n {
		if err := ctx.Err(); err != nil || len(texts) == 0 {
			return err
		}
		feeds := make([]*model.Feed, len(texts))
		for i, t := range texts {
			feeds[i] = t.feed
		}
		if err := b.g.Step(feeds); err != nil {
			return err
		}
		texts = slices.DeleteFunc(texts, func(t *text) bool {
			s := samplings[t.at]
			id := t.sampler.Draw(t.feed.Logits[0])
			if slices.Contains(s.Stop, id) {
				return true
			}
			t.ids = append(t.ids, id)
			out[t.at] = t.ids[t.prompt:]
			t.feed.Tokens = t.ids[len(t.ids)-1:]
			if t.feed.Sequence.Len() == size {
				t.feed.Sequence.Truncate(0)
				t.feed.Tokens = t.ids[len(t.ids)-size:]
			}
			return s.Done != nil && s.Done(out[t.at])
		})
	}
	return nil
}

// sampling is the model's word for how tokens are drawn.
func sampling(s evaluator.Sampling) model.Sampling {
	return model.Sampling{Temperature: s.Temperature, TopK: s.TopK, TopP: s.TopP, MinP: s.MinP, Seed: s.Seed, Stop: s.Stop}
}
