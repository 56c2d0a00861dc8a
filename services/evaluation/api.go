package evaluation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"millrace/curator/fetch"
	"millrace/evaluator"
	"millrace/services/job"
)

// API is a model elsewhere that speaks OpenAI's chat completions, as an evaluation's configuration names it.
type API struct {
	// Endpoint is the URL before /chat/completions, as https://api.example.com/v1.
	Endpoint string `json:"endpoint"`
	Model    string `json:"model"`
	// APIKeyEnv is the name of an environment variable of the worker that holds the key; it ends in _API_KEY. The key itself is in no
	// fact, log or error.
	APIKeyEnv string `json:"api_key_env,omitempty"`
	System    string `json:"system,omitempty"`
	// AllowPrivate lets the endpoint be an address that is not one of the public internet.
	AllowPrivate bool `json:"allow_private,omitempty"`
	// Rate is how many requests begin in a second, 0: no limit. Timeout is how many seconds one may take.
	Rate    float64 `json:"rate,omitempty"`
	Timeout float64 `json:"timeout"`
	// DollarsIn and DollarsOut are what a million tokens of prompts and of answers cost, in US dollars.
	DollarsIn  float64 `json:"dollars_in,omitempty"`
	DollarsOut float64 `json:"dollars_out,omitempty"`
	// LogProbs says that the server echoes prompts with log-probabilities (see fetch.Echo), by which multiple choice and texts are scored.
	LogProbs bool `json:"logprobs,omitempty"`
	// Prefix is the text of the token that begins a text, as <|endoftext|>, where the server begins prompts without one. It stands before what has no
	// context.
	Prefix string `json:"prefix,omitempty"`
}

// maxPrefix bounds the text of a token, in bytes.
const maxPrefix = 100

// defaultTimeout is how many seconds a request may take unless told otherwise.
const defaultTimeout = 120

func (a *API) defaults() {
	if a.Timeout == 0 {
		a.Timeout = defaultTimeout
	}
}

// Check tells what is wrong by itself. It does not look into the environment.
func (a API) Check() error {
	for name, v := range map[string]float64{"dollars_in": a.DollarsIn, "dollars_out": a.DollarsOut} {
		if !(v >= 0) || math.IsInf(v, 0) || v > 1e6 {
			return fmt.Errorf("%s is %v: want US dollars for a million tokens, 0 or more", name, v)
		}
	}
	if len(a.Prefix) > maxPrefix || a.Prefix != "" && !a.LogProbs {
		return fmt.Errorf("prefix has %d bytes: want at most %d, and logprobs", len(a.Prefix), maxPrefix)
	}
	return fetch.CheckEndpoint(a.asks(1, evaluator.Sampling{}))
}

// asks is how the model is asked for up to n tokens.
func (a API) asks(n int, s evaluator.Sampling) fetch.Synthetic {
	f := fetch.DefaultSynthetic()
	f.Endpoint, f.Model, f.APIKeyEnv, f.System = a.Endpoint, a.Model, a.APIKeyEnv, a.System
	f.Rate, f.Timeout, f.MaxTokens, f.Public = a.Rate, a.Timeout, n, !a.AllowPrivate
	f.Concurrency = 1
	temperature, seed := s.Temperature, int64(s.Seed)
	f.Temperature, f.Seed = &temperature, &seed
	return f
}

// price is what so many tokens cost, in US dollars.
func (a API) price(t fetch.Tokens) float64 {
	return (float64(t.Prompt)*a.DollarsIn + float64(t.Completion)*a.DollarsOut) / 1e6
}

// How often a request is tried, and from which pause on.
const (
	apiTries = 6
	apiPause = time.Second
)

// ask scores the model behind an API. What its tokens cost is charged as they are used.
func (s *Service) ask(ctx context.Context, j *job.Job, a API, scorer evaluator.Evaluator, suite evaluator.Suite) (evaluator.Result, error) {
	m := &remote{api: a, now: s.Now, pause: s.Pause, spend: func(t fetch.Tokens) {
		j.Spend(0, t.Prompt+t.Completion, 0, 0)
		j.Pay(a.price(t))
	}}
	defer m.close()
	scorer.Progress = s.progress(j, "requests")
	result, err := scorer.ScoreText(ctx, m, suite)
	switch {
	case errors.Is(err, fetch.ErrDenied):
		return result, job.Fail("api_denied", "give the worker's environment the key that --api-key-env names", err)
	case errors.Is(err, fetch.ErrUnavailable) && ctx.Err() == nil:
		return result, job.Fail("api_unavailable", "see that the endpoint and the model's name are right and that it answers, then start the evaluation again", err)
	}
	return result, unscored(ctx, err)
}

// remote adapts an API to what the evaluator asks of a model.
type remote struct {
	api   API
	now   func() time.Time
	pause time.Duration
	spend func(fetch.Tokens)

	mu    sync.Mutex
	chats map[asking]*fetch.Chat
	echo  *fetch.Echo
	tells error // what came of asking whether log-probabilities are told
	known bool
}

// asking is how a chat asks.
type asking struct {
	n           int
	temperature float64
	seed        uint64
}

// Name is the model's.
func (r *remote) Name() string { return r.api.Model }

// Complete asks with the prompt as what the user says. An answer that is refused or empty is an empty text; a stop text ends it here, as
// not every server knows them.
func (r *remote) Complete(ctx context.Context, prompt string, n int, s evaluator.Sampling) (evaluator.Completion, error) {
	chat, err := r.chat(n, s)
	if err != nil {
		return evaluator.Completion{}, err
	}
	reply, err := chat.Ask(ctx, prompt, 0)
	r.spend(reply.Tokens)
	if err != nil {
		return evaluator.Completion{}, err
	}
	text := reply.Text
	for _, stop := range s.StopText {
		if at := strings.Index(text, stop); at >= 0 && stop != "" {
			text = text[:at]
		}
	}
	return evaluator.Completion{Text: text, PromptTokens: reply.Tokens.Prompt, Tokens: reply.Tokens.Completion}, nil
}

func (r *remote) chat(n int, s evaluator.Sampling) (*fetch.Chat, error) {
	how := asking{n, s.Temperature, s.Seed}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.chats[how]; ok {
		return c, nil
	}
	if len(r.chats) >= 64 { // seeds differ from answer to answer
		r.drop()
	}
	c, err := fetch.OpenChat(r.api.asks(n, s), apiTries, r.patience(), r.now)
	if err != nil {
		return nil, err
	}
	if r.chats == nil {
		r.chats = map[asking]*fetch.Chat{}
	}
	r.chats[how] = c
	return c, nil
}

// patience is the first pause before a request is sent again.
func (r *remote) patience() time.Duration {
	if r.pause == 0 {
		return apiPause
	}
	return r.pause
}

func (r *remote) drop() {
	for how, c := range r.chats {
		c.Close()
		delete(r.chats, how)
	}
}

func (r *remote) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop()
	if r.echo != nil {
		r.echo.Close()
		r.echo = nil
	}
}
