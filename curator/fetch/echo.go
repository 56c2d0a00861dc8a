package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Echo asks a model behind an address for the log-probabilities of a text, by OpenAI's older completions: the prompt is echoed with them. vLLM,
// text-generation-inference's and this program's servers do so; others refuse, or echo without. It may be used by several goroutines at once.
type Echo struct{ m *model }

// Echoed is a text as the model's tokens, and whatever it generated behind it.
type Echoed struct {
	Tokens   []string   // each as text
	LogProbs []*float64 // ln p of each; nil where the server does not tell it, as of a text's first
	Best     []*float64 // ln p of the likeliest instead; nil where the server does not tell it
	// Generated is how many tokens stand behind the prompt, -1 where the server does not count.
	Generated int64
	Tokened   Tokens
	// Why there are none: "refused" by the server; Detail is what it said.
	Why, Detail string
}

// OpenEcho is OpenChat for an Echo.
func OpenEcho(s Synthetic, tries int, pause time.Duration, now func() time.Time) (*Echo, error) {
	c, err := OpenChat(s, tries, pause, now)
	if err != nil {
		return nil, err
	}
	c.m.url, c.m.parse = strings.TrimRight(s.Endpoint, "/")+"/completions", parseEcho
	return &Echo{c.m}, nil
}

// Ask asks for a text until there is an answer, or there will be none: ErrDenied, ErrUnavailable or ctx's error.
func (e *Echo) Ask(ctx context.Context, text string) (Echoed, error) {
	zero := 0.0
	// A token is generated, as not every server takes 0.
	body, err := json.Marshal(struct {
		Model       string   `json:"model"`
		Prompt      string   `json:"prompt"`
		MaxTokens   int      `json:"max_tokens"`
		Temperature *float64 `json:"temperature"`
		Echo        bool     `json:"echo"`
		LogProbs    int      `json:"logprobs"`
	}{e.m.Model, text, 1, &zero, true, 1})
	if err != nil {
		return Echoed{}, fmt.Errorf("fetch: model: %w", err)
	}
	r, err := e.m.send(ctx, body)
	r.echo.Tokened, r.echo.Why, r.echo.Detail = r.tokens, r.why, r.detail
	return r.echo, err
}

// Close gives connections back.
func (e *Echo) Close() { e.m.close() }

// parseEcho reads the body of a good response. One without log-probabilities is an Echoed without tokens.
func parseEcho(data []byte) (reply, error) {
	var c struct {
		Model   string `json:"model"`
		Choices []struct {
			LogProbs *struct {
				Tokens   []string              `json:"tokens"`
				LogProbs []*float64            `json:"token_logprobs"`
				Top      []map[string]*float64 `json:"top_logprobs"`
			} `json:"logprobs"`
		} `json:"choices"`
	}
	r, err := parseCompletion(data)
	r.output, r.why = "", ""
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		// Servers have other forms for what they do not tell.
		return r, nil //nolint:nilerr // it is a completion, without log-probabilities of the form that is asked for
	}
	r.echo.Generated = -1
	if r.counted {
		r.echo.Generated = r.tokens.Completion
	}
	told := c.Choices[0].LogProbs
	if told == nil {
		return r, nil
	}
	if len(told.LogProbs) != len(told.Tokens) || len(told.Top) != 0 && len(told.Top) != len(told.Tokens) {
		return r, errors.New("log-probabilities of another number of tokens")
	}
	r.echo.Tokens, r.echo.LogProbs, r.echo.Best = told.Tokens, told.LogProbs, make([]*float64, len(told.Tokens))
	for i, p := range told.LogProbs {
		if p != nil && *p > 0 {
			return r, fmt.Errorf("%v as a log-probability", *p)
		}
		if len(told.Top) == 0 {
			continue
		}
		for _, q := range told.Top[i] {
			if q != nil && (r.echo.Best[i] == nil || *q > *r.echo.Best[i]) {
				r.echo.Best[i] = q
			}
		}
	}
	return r, nil
}
