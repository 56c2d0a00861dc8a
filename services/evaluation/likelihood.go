package evaluation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"millrace/curator/fetch"
	"millrace/evaluator"
)

// Tells asks once whether the server echoes prompts with log-probabilities. Some take the wish and answer without: that would make every
// answer equally likely.
func (r *remote) Tells(ctx context.Context) error {
	if !r.api.LogProbs {
		return fmt.Errorf("%w: %s is asked by chat, which tells none; if its server echoes prompts with log-probabilities on /completions, as vLLM and millrace do, say --api-logprobs (api.logprobs)",
			evaluator.ErrUnable, r.api.Model)
	}
	if r.known {
		return r.tells
	}
	_, err := r.LogProbs(ctx, "One and one is", " two")
	if err != nil && !errors.Is(err, evaluator.ErrUnable) {
		return err
	}
	r.known, r.tells = true, err
	return err
}

// LogProbs is how likely a continuation is: of the tokens of both texts together those that begin at its first character, or that reach into it,
// count. What has no context stands behind the prefix.
func (r *remote) LogProbs(ctx context.Context, prompt, continuation string) (evaluator.Likelihood, error) {
	if r.echo == nil {
		var err error
		if r.echo, err = fetch.OpenEcho(r.api.asks(1, evaluator.Sampling{}), apiTries, r.patience(), r.now); err != nil {
			return evaluator.Likelihood{}, err
		}
	}
	if prompt == "" {
		prompt = r.api.Prefix
	}
	e, err := r.echo.Ask(ctx, prompt+continuation)
	r.spend(e.Tokened)
	if err != nil {
		return evaluator.Likelihood{}, err
	}
	if e.Why != "" {
		return evaluator.Likelihood{}, fmt.Errorf("%w: the server does not take it: %s", evaluator.ErrUnable, e.Detail)
	}
	l, err := likelihood(e, prompt, continuation)
	if err != nil {
		err = fmt.Errorf("%w: %w", evaluator.ErrUnable, err)
	}
	return l, err
}

// likelihood sums what an echo tells of a continuation behind a prompt.
func likelihood(e fetch.Echoed, prompt, continuation string) (l evaluator.Likelihood, err error) {
	from, to, err := place(e, prompt, continuation)
	if err != nil {
		return l, err
	}
	l.Greedy = true
	for i := from; i < to; i++ {
		p := e.LogProbs[i]
		if p == nil && i == 0 {
			return l, errors.New("the server does not tell how likely the first token of a text is: give the text of the token that begins one by --api-prefix (api.prefix), such as <|endoftext|>")
		}
		if p == nil || e.Best[i] == nil {
			return l, fmt.Errorf("the server does not tell how likely token %d, %.40q, is, or the likeliest in its place", i+1, e.Tokens[i])
		}
		l.Sum += *p
		l.Tokens++
		l.Greedy = l.Greedy && *p >= *e.Best[i]
	}
	return l, nil
}

// errNoEcho is a server that answers a wish for log-probabilities without them.
var errNoEcho = errors.New("the server does not tell the log-probabilities of what it is given, though it was asked to (echo and logprobs of /completions)")

// place finds which of an echo's tokens are the continuation: a token of the server may stand before the text, those that it generated stand
// behind. Where every token is readable they must be the text. Where a character is cut into several, one side of the boundary must be.
func place(e fetch.Echoed, prompt, continuation string) (from, to int, err error) {
	n := len(e.Tokens)
	ends := []int{n - 1, n}
	if e.Generated >= 0 {
		ends = []int{n - int(min(e.Generated, int64(n))), n}
	}
	for _, to := range ends {
		for begin := 0; begin <= 1 && begin < to; begin++ {
			if strings.Join(e.Tokens[begin:to], "") != prompt+continuation {
				continue
			}
			from, at := begin, 0
			for from < to-1 && at+len(e.Tokens[from]) <= len(prompt) && (at < len(prompt) || e.Tokens[from] == "" && e.LogProbs[from] == nil) {
				at += len(e.Tokens[from])
				from++
			}
			return from, to, nil
		}
	}
	if to = ends[0]; to < 1 {
		return 0, 0, errNoEcho
	}
	if prompt == "" { // all of them, but for one that begins texts
		if from = 0; to > 1 && e.LogProbs[0] == nil && !reads(e.Tokens[:1], continuation) {
			from = 1
		}
		if reads(e.Tokens[from:to], continuation) {
			return from, to, nil
		}
	}
	behind := 0
	for from := to - 1; from >= 0 && behind < len(continuation); from-- {
		if behind += len(e.Tokens[from]); behind == len(continuation) && strings.Join(e.Tokens[from:to], "") == continuation {
			return from, to, nil
		}
	}
	for begin := 0; begin <= 1; begin++ {
		before := 0
		for from := begin; from < to && before <= len(prompt) && prompt != ""; from++ {
			if before == len(prompt) && strings.Join(e.Tokens[begin:from], "") == prompt {
				return from, to, nil
			}
			before += len(e.Tokens[from])
		}
	}
	if to < 2 {
		return 0, 0, errNoEcho
	}
	return 0, 0, fmt.Errorf("the server's tokens do not read as the text that it was given: %.80q", strings.Join(e.Tokens[:to], ""))
}

// reads tells whether tokens may be a text, of which some characters are cut into several: what is readable is there, in order.
func reads(tokens []string, text string) bool {
	for _, t := range tokens {
		if strings.Contains(t, "\uFFFD") {
			continue
		}
		at := strings.Index(text, t)
		if at < 0 {
			return false
		}
		text = text[at+len(t):]
	}
	return true
}
