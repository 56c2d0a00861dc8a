package fetch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Why a question has no answer.
const (
	refused        = "refused"        // by the server, with a status that is about this question
	filtered       = "content_filter" // by the server's filter
	emptyAnswer    = "empty"
	overBudget     = "over_budget"
	maxAnswer      = 8 << 20 // bytes of a response: as a line of the journal, its escapes included, well below maxLine
	askAttempts    = 8
	maxAskPause    = time.Minute
	longestPatient = 10 * time.Minute // of a server that asks for it
)

// model asks a server.
type model struct {
	Synthetic
	client *http.Client
	url    string
	key    string
	now    func() time.Time
	pause  time.Duration
	gate   *gate
	tries  int
	parse  func([]byte) (reply, error)
}

func newModel(s Synthetic, f Fetcher) (*model, error) {
	m := &model{Synthetic: s, url: strings.TrimRight(s.Endpoint, "/") + "/chat/completions", now: f.Now, pause: f.pause(), gate: newGate(), tries: askAttempts, parse: parseCompletion}
	if s.APIKeyEnv != "" {
		if m.key = strings.TrimSpace(os.Getenv(s.APIKeyEnv)); m.key == "" {
			return nil, fmt.Errorf("fetch: model: %w: the environment variable %s of this worker is empty: set it, and start the worker again", ErrDenied, s.APIKeyEnv)
		}
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = s.Concurrency
	if s.Public { // a proxy would be asked instead of the address that is looked at
		t.DialContext, t.Proxy = dialer(false), nil
	}
	m.client = &http.Client{
		Transport: t, Timeout: time.Duration(s.Timeout * float64(time.Second)),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the key is for this address
	}
	return m, nil
}

func (m *model) close() { m.client.CloseIdleConnections() }

// reply is what became of a question.
type reply struct {
	output   string
	model    string // by its own word
	why      string // when there is no output: refused, filtered or empty
	detail   string
	tokens   Tokens
	counted  bool // the server said how many
	received int64
	echo     Echoed // of an Echo
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type completionRequest struct {
	Model       string    `json:"model"`
	Messages    []message `json:"messages"`
	MaxTokens   int       `json:"max_tokens"`
	Temperature *float64  `json:"temperature,omitempty"`
	Seed        *int64    `json:"seed,omitempty"`
}

type completion struct {
	Model   string `json:"model"`
	Choices []struct {
		Message struct {
			Content *string `json:"content"`
		} `json:"message"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		PromptTokens     int64 `json:"prompt_tokens"`
		CompletionTokens int64 `json:"completion_tokens"`
	} `json:"usage"`
}

// ask asks until there is an answer, or there will be none: ErrDenied, ErrUnavailable or ctx's error.
func (m *model) ask(ctx context.Context, q question) (reply, error) {
	r := completionRequest{Model: m.Model, MaxTokens: m.MaxTokens, Temperature: m.Temperature}
	if m.System != "" {
		r.Messages = append(r.Messages, message{"system", m.System})
	}
	r.Messages = append(r.Messages, message{"user", q.text()})
	if m.Seed != nil {
		seed := *m.Seed + int64(q.sample)
		r.Seed = &seed
	}
	body, err := json.Marshal(r)
	if err != nil {
		return reply{}, fmt.Errorf("fetch: model: %w", err)
	}
	return m.send(ctx, body)
}

// send sends a body until there is an answer, or there will be none.
func (m *model) send(ctx context.Context, body []byte) (reply, error) {
	pause := m.pause
	received := int64(0)
	for attempt := 1; ; attempt++ {
		if err := m.turn(ctx); err != nil {
			return reply{}, err
		}
		got, again, err := m.try(ctx, body)
		got.received += received
		if err == nil || again < 0 || ctx.Err() != nil {
			return got, err
		}
		if attempt == m.tries || again > longestPatient {
			return got, fmt.Errorf("%w, %d times", err, attempt)
		}
		received = got.received
		if err := sleep(ctx, max(pause, again)); err != nil {
			return got, err
		}
		pause = min(2*pause, max(maxAskPause, m.pause))
	}
}

// turn waits as the rate says.
func (m *model) turn(ctx context.Context) error {
	if m.Rate == 0 {
		return ctx.Err()
	}
	if err := m.gate.enter(ctx, m.now); err != nil {
		return err
	}
	m.gate.wait(m.now().Add(interval(m.Rate)))
	m.gate.leave()
	return nil
}

// try sends one request. With an error, again says how long to wait at least before the next; below 0 there must be none.
func (m *model) try(ctx context.Context, body []byte) (_ reply, again time.Duration, _ error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(body))
	if err != nil {
		return reply{}, -1, fmt.Errorf("fetch: model: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if m.key != "" {
		req.Header.Set("Authorization", "Bearer "+m.key)
	}
	resp, err := m.client.Do(req)
	if err != nil {
		if errors.Is(err, errPrivate) {
			return reply{}, -1, fmt.Errorf("%w: say that a private address is meant", m.fault(ctx, err))
		}
		return reply{}, 0, m.fault(ctx, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	got := reply{received: int64(len(data))}
	if err != nil {
		return got, 0, m.fault(ctx, err)
	}
	said := m.clean(data)
	switch status := resp.StatusCode; {
	case status == http.StatusOK && len(data) <= maxAnswer:
	case status == http.StatusOK:
		return got, -1, fmt.Errorf("fetch: model: %w as it should: %s sent more than %d bytes", ErrUnavailable, m.url, maxAnswer)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		hint := "name an environment variable that holds a key in api_key_env"
		if m.APIKeyEnv != "" {
			hint = "see that the environment variable " + m.APIKeyEnv + " of this worker holds one for this model"
		}
		return got, -1, fmt.Errorf("fetch: model: %w: %s answered %d (%s): %s", ErrDenied, m.url, status, said, hint)
	case status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge || status == http.StatusUnprocessableEntity:
		got.why, got.detail = refused, fmt.Sprintf("status %d: %s", status, said)
		return got, 0, nil
	case passing(status):
		return got, retryAfter(resp.Header, m.now()), fmt.Errorf("fetch: model: %w as it should: %s answered %d (%s)", ErrUnavailable, m.url, status, said)
	default:
		return got, -1, fmt.Errorf("fetch: model: %w as it should: %s answered %d (%s): check endpoint and model", ErrUnavailable, m.url, status, said)
	}
	answered, err := m.parse(data)
	answered.received = got.received
	if err != nil {
		return answered, 0, fmt.Errorf("fetch: model: %w as it should: %s answered 200 with %w (%s)", ErrUnavailable, m.url, err, said)
	}
	if !answered.counted && m.BudgetTokens > 0 {
		return answered, -1, fmt.Errorf("fetch: model: %w as it should: %s does not say how many tokens it used, so budget_tokens cannot be kept: leave it out", ErrUnavailable, m.url)
	}
	return answered, 0, nil
}

// parseCompletion reads the body of a good response.
func parseCompletion(data []byte) (reply, error) {
	var c completion
	if err := json.Unmarshal(data, &c); err != nil {
		return reply{}, errors.New("something that is no JSON of a completion")
	}
	var r reply
	if u := c.Usage; u != nil && u.PromptTokens >= 0 && u.CompletionTokens >= 0 && u.PromptTokens < 1<<40 && u.CompletionTokens < 1<<40 {
		r.tokens, r.counted = Tokens{u.PromptTokens, u.CompletionTokens}, true
	}
	if len(c.Choices) == 0 {
		return r, errors.New("no choices")
	}
	choice := c.Choices[0]
	r.model = clip(c.Model)
	if choice.Message.Content != nil {
		r.output = *choice.Message.Content
	}
	switch {
	case choice.FinishReason == "content_filter":
		r.output, r.why = "", filtered
	case strings.TrimSpace(r.output) == "":
		r.output, r.why = "", emptyAnswer
	}
	return r, nil
}

// fault is an error of the network.
func (m *model) fault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if inner := new(url.Error); errors.As(err, &inner) {
		err = inner.Err
	}
	return fmt.Errorf("fetch: model: %w: %s: %s", ErrUnavailable, m.url, m.clean([]byte(err.Error())))
}

// clean is the beginning of what a server said, without the key.
func (m *model) clean(data []byte) string {
	s := string(data[:min(len(data), 4096)])
	if m.key != "" {
		s = strings.ReplaceAll(s, m.key, "[key]")
	}
	return clip(s)
}
