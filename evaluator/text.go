package evaluator

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ScoreText asks a model that is only reachable by text. Tasks that need the probabilities of a text's tokens fail (CodeUnable), unless the
// model is a TextScorer that tells them; what reads a dataset's held-out text always does. Errors of the model come as they are.
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
		scorer, tells := m.(TextScorer)
		switch {
		case t.Kind == Generate:
			return w.generate(ctx, t)
		case t.Kind == Perplexity && t.Source == nil:
			return fail(CodeUnable, errors.New("it reads the held-out text of the dataset that a model was trained on, and "+m.Name()+" has none here: give the task a source"))
		case !tells:
			return fail(CodeUnable, errors.New("it needs probabilities, which "+m.Name()+" does not tell"))
		}
		if err := scorer.Tells(ctx); errors.Is(err, ErrUnable) {
			return fail(CodeUnable, fmt.Errorf("it needs probabilities: %w", err))
		} else if err != nil {
			return err
		}
		if t.Kind == MultipleChoice {
			return w.choose(ctx, t)
		}
		return w.documents(ctx, t)
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
		p = p.split()
		l, err := m.LogProbs(ctx, p.context, p.continuation)
		if err != nil && !errors.Is(err, ErrUnable) {
			return nil, err
		}
		out[i] = told{l.Sum, l.Greedy, err}
	}
	return out, nil
}

// rolling is the likelihood of a whole document. A model that cannot read it at once is unable.
func (a byText) rolling(ctx context.Context, text string, _ int, most int64) (nats float64, tokens int64, err error) {
	m, ok := a.model.(TextScorer)
	if !ok {
		return 0, 0, fail(CodeUnable, errors.New("the model does not tell probabilities"))
	}
	l, err := m.LogProbs(ctx, "", text)
	if err == nil && l.Tokens > most {
		err = errOverBudget
	}
	return -l.Sum, l.Tokens, err
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
