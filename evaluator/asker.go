package evaluator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"millrace/trainer/token"
)

// pair is what a likelihood is asked of: a continuation behind a context.
type pair struct{ context, continuation string }

// told is the likelihood of a continuation. A pair that the model cannot be asked has an error, and the others are told.
type told struct {
	sum    float64 // Σ ln p of its tokens
	greedy bool    // every one of them was the likeliest
	err    error
}

// said is one continuation of a prompt.
type said struct {
	text string
	err  error
}

// asker is a model as tasks ask it: by text.
type asker interface {
	// likelihoods answers every pair, in order.
	likelihoods(ctx context.Context, pairs []pair) ([]told, error)
	// rolling is -Σ ln p of a document's tokens, the first told from the end of text, and how many they are: at most so many, or errOverBudget.
	// ErrUnable and token.ErrUnknownText are about this document.
	rolling(ctx context.Context, text string, stride int, most int64) (nats float64, tokens int64, err error)
	// complete continues every prompt, in order. document says that prompts stand at the beginning of one.
	complete(ctx context.Context, prompts []string, n int, s []Sampling, document bool) ([]said, error)
}

// byTokens asks a Model.
type byTokens struct {
	model Model
	tok   token.Tokenizer
}

// split moves spaces at the end of the context to the continuation, as lm-eval does.
func (p pair) split() pair {
	trimmed := strings.TrimRightFunc(p.context, func(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f })
	return pair{trimmed, p.context[len(trimmed):] + p.continuation}
}

// encode is the split of lm-eval's _encode_pair: spaces at the end of the context go to the continuation; the continuation's ids are those
// of both together behind as many as the context has alone. An empty context is the end of text.
func (a byTokens) encode(p pair) (context, continuation []int32, err error) {
	p = p.split()
	if p.context == "" {
		continuation, err = token.Encode(a.tok, p.continuation)
		return []int32{a.tok.EndOfText()}, continuation, err
	}
	if context, err = token.Encode(a.tok, p.context); err != nil {
		return nil, nil, err
	}
	whole, err := token.Encode(a.tok, p.context+p.continuation)
	if err != nil {
		return nil, nil, err
	}
	return context, whole[min(len(context), len(whole)):], nil
}

func (a byTokens) likelihoods(ctx context.Context, pairs []pair) ([]told, error) {
	out := make([]told, len(pairs))
	var requests []Request
	var of []int
	room := a.model.Context() + 1
	for i, p := range pairs {
		context, continuation, err := a.encode(p)
		switch {
		case err != nil:
			out[i].err = err
		case len(continuation) == 0:
			out[i].err = fmt.Errorf("%.80q has no token of its own", p.continuation)
		case len(continuation) >= room:
			out[i].err = fmt.Errorf("a continuation of %d tokens; the model sees %d", len(continuation), room-1)
		default:
			tokens := append(context, continuation...)
			tokens = tokens[max(0, len(tokens)-room):]
			requests, of = append(requests, Request{tokens, len(tokens) - len(continuation)}), append(of, i)
		}
	}
	answers, err := scoreAll(ctx, a.model, requests)
	if err != nil {
		return nil, err
	}
	for i, scores := range answers {
		t := told{greedy: true}
		for _, s := range scores {
			t.sum += s.LogProb
			t.greedy = t.greedy && s.Greedy
		}
		out[of[i]] = t
	}
	return out, nil
}

// scoreAll asks a model at once, or one by one.
func scoreAll(ctx context.Context, m Model, requests []Request) ([][]TokenScore, error) {
	if len(requests) == 0 {
		return nil, ctx.Err()
	}
	var all [][]TokenScore
	if b, ok := m.(Batcher); ok {
		var err error
		if all, err = b.ScoreAll(ctx, requests); err != nil {
			return nil, err
		}
	} else {
		for _, r := range requests {
			scores, err := m.Score(ctx, r.Tokens, r.From)
			if err != nil {
				return nil, err
			}
			all = append(all, scores)
		}
	}
	if len(all) != len(requests) {
		return nil, fmt.Errorf("%w: asked for the scores of %d texts, it gave %d", ErrModel, len(requests), len(all))
	}
	for i, r := range requests {
		if len(all[i]) != len(r.Tokens)-r.From {
			return nil, fmt.Errorf("%w: asked for %d scores, it gave %d", ErrModel, len(r.Tokens)-r.From, len(all[i]))
		}
	}
	return all, nil
}

func (a byTokens) complete(ctx context.Context, prompts []string, n int, s []Sampling, document bool) ([]said, error) {
	out := make([]said, len(prompts))
	var ids [][]int32
	var samplings []Sampling
	var of []int
	eot := a.tok.EndOfText()
	for i, prompt := range prompts {
		var text []int32
		if document || prompt == "" {
			text = append(text, eot)
		}
		text, err := a.tok.Append(text, prompt)
		if err != nil {
			if !errors.Is(err, token.ErrUnknownText) {
				return nil, err
			}
			out[i].err = err
			continue
		}
		if room := a.model.Context() - n; room > 0 && !document {
			text = text[max(0, len(text)-room):]
		}
		one := s[i]
		one.Stop = []int32{eot}
		if len(one.StopText) > 0 {
			one.Done = a.stops(one.StopText)
		}
		ids, samplings, of = append(ids, text), append(samplings, one), append(of, i)
	}
	answers, errs, err := generateAll(ctx, a.model, ids, n, samplings)
	if err != nil {
		return nil, err
	}
	for i, tokens := range answers {
		if errs[i] != nil {
			out[of[i]].err = errs[i]
			continue
		}
		if len(tokens) > n {
			return nil, fmt.Errorf("%w: asked for %d tokens, it gave %d", ErrModel, n, len(tokens))
		}
		text, err := token.Decode(a.tok, tokens)
		if err != nil {
			return nil, fmt.Errorf("%w: it generated a token that is none: %w", ErrModel, err)
		}
		// A token may end inside a character.
		out[of[i]].text = cut(strings.ToValidUTF8(string(text), "\uFFFD"), samplings[i].StopText)
	}
	return out, nil
}

// generateAll asks a model at once, or one by one. An answer that the model is unable to give has an error.
func generateAll(ctx context.Context, m Model, prompts [][]int32, n int, s []Sampling) ([][]int32, []error, error) {
	errs := make([]error, len(prompts))
	if len(prompts) == 0 {
		return nil, nil, ctx.Err()
	}
	if b, ok := m.(Batcher); ok {
		all, err := b.GenerateAll(ctx, prompts, n, s)
		if errors.Is(err, ErrUnable) {
			return make([][]int32, len(prompts)), slices.Repeat([]error{err}, len(prompts)), nil
		}
		if err == nil && len(all) != len(prompts) {
			err = fmt.Errorf("%w: asked to continue %d texts, it gave %d", ErrModel, len(prompts), len(all))
		}
		return all, errs, err
	}
	all := make([][]int32, len(prompts))
	for i, prompt := range prompts {
		out, err := m.Generate(ctx, prompt, n, s[i])
		if err != nil && !errors.Is(err, ErrUnable) {
			return nil, nil, err
		}
		all[i], errs[i] = out, err
	}
	return all, errs, nil
}

// stops tells of tokens whether they say a stop text yet.
func (a byTokens) stops(texts []string) func([]int32) bool {
	var said []byte
	seen, longest := 0, 0
	for _, s := range texts {
		longest = max(longest, len(s))
	}
	return func(tokens []int32) bool {
		from := max(0, len(said)-longest)
		for ; seen < len(tokens); seen++ {
			said = append(said, a.tok.Bytes(tokens[seen])...)
		}
		return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(string(said[from:]), s) })
	}
}

// cut is text up to the first stop text.
func cut(text string, stops []string) string {
	for _, s := range stops {
		if i := strings.Index(text, s); i >= 0 {
			text = text[:i]
		}
	}
	return text
}
