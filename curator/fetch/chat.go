package fetch

import (
	"context"
	"fmt"
	"time"
)

// Chat asks a model behind an address one thing after another, for whoever does not want files of answers. It may be used by several
// goroutines at once.
type Chat struct{ m *model }

// Reply is what became of a question.
type Reply struct {
	Text  string
	Model string // by its own word
	// Why there is no text: "refused" by the server, "content_filter" or "empty"; Detail is what the server said.
	Why, Detail string
	Tokens      Tokens // 0 where the server does not count
}

// OpenChat makes a Chat of how s says the model is asked; what s asks is not looked at. A request is tried at most so many times, with pauses
// from pause on (0: 1 s). ErrDenied: the key is not there; any other error says what is wrong with s. Close it.
func OpenChat(s Synthetic, tries int, pause time.Duration, now func() time.Time) (*Chat, error) {
	if err := s.checkEndpoint(); err != nil {
		return nil, fmt.Errorf("fetch: model: %w", err)
	}
	m, err := newModel(s, Fetcher{Now: now, Pause: pause})
	if err != nil {
		return nil, err
	}
	m.tries = max(1, tries)
	return &Chat{m}, nil
}

// CheckEndpoint tells what is wrong with how a model is asked, by itself.
func CheckEndpoint(s Synthetic) error { return s.checkEndpoint() }

// Ask asks until there is an answer, or there will be none: ErrDenied, ErrUnavailable or ctx's error. Questions that differ in sample
// differ in their seed, if there is one.
func (c *Chat) Ask(ctx context.Context, prompt string, sample int) (Reply, error) {
	r, err := c.m.ask(ctx, question{Prompt: Prompt{Instruction: prompt}, sample: sample})
	return Reply{r.output, r.model, r.why, r.detail, r.tokens}, err
}

// Close gives connections back.
func (c *Chat) Close() { c.m.close() }
