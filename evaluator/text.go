package evaluator

import (
	"context"
	"errors"
	"strings"
)

// ScoreText asks a model that is only reachable by text. Tasks that need the probabilities of a text's tokens fail (CodeUnable), those of
// multiple choice only when the model is no TextScorer. Errors of the model come as they are.
func (e Evaluator) ScoreText(ctx context.Context, m TextModel, s Suite) (Result, error) {
	if err := s.Check(); err != nil {
		return Result{}, err
	}
	w := &work{Evaluator: e}
	w.ask = byText{m, &w.result}
	for _, t := range s.Tasks {
		if t.Kind != Perplexity {
			w.total += w.cost(t)
		}
	}
	return w.all(ctx, s, func(ctx context.Context, t Task) error {
		switch t.Kind {
		case Generate:
			return w.generate(ctx, t)
		case MultipleChoice:
			if _, ok := m.(TextScorer); ok {
				return w.choose(ctx, t)
			}
		}
		return fail(CodeUnable, errors.New("it needs probabilities, which "+m.Name()+" does not tell"))
	})
}

// byText asks a TextModel, one text after the other.
type byText struct {
	model TextModel
	spent *Result
}

func (a byText) likelihoods(ctx context.Context, pairs []pair) ([]told, error) {
	m, ok := a.model.(TextScorer)
	if !ok {
		return nil, fail(CodeUnable, errors.New("the model does not tell probabilities"))
	}
	out := make([]told, len(pairs))
	for i, p := range pairs {
		sum, greedy, err := m.LogProbs(ctx, p.context, p.continuation)
		if err != nil && !errors.Is(err, ErrUnable) {
			return nil, err
		}
		out[i] = told{sum, greedy, err}
	}
	return out, nil
}

func (a byText) complete(ctx context.Context, prompts []string, n int, s []Sampling, _ bool) ([]said, error) {
	out := make([]said, len(prompts))
	for i, prompt := range prompts {
		c, err := a.model.Complete(ctx, prompt, n, s[i])
		if err != nil && !errors.Is(err, ErrUnable) {
			return nil, err
		}
		a.spent.PromptTokens += c.PromptTokens
		a.spent.Tokens += c.Tokens
		out[i] = said{cut(strings.ToValidUTF8(c.Text, "\uFFFD"), s[i].StopText), err}
	}
	return out, nil
}
