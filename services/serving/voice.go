package serving

import (
	"context"
	"log/slog"
	"math"
	"runtime/debug"
	"slices"
	"sync"

	"millrace/trainer/model"
	"millrace/trainer/token"
)

// voice is a loaded model. Its one goroutine writes all texts that are asked of it.
type voice struct {
	g      *model.Generator
	tok    token.Tokenizer
	chat   conversation
	bytes  int64
	limits Limits
	log    *slog.Logger

	mu      sync.Mutex
	waiting []*ask
	ended   bool
	wake    chan struct{}
	stop    context.CancelFunc
	done    chan struct{}
}

// choice is one answer in the making.
type choice struct {
	*ask
	index   int
	text    *model.Sequence
	sampler *model.Sampler
	writer  writer
	pending []int32 // tokens that the sequence has not taken yet
	drawn   int
	held    []spoken // of text that is held
	feed    model.Feed
}

// rowsAtOnce bounds the tokens of one step: what a prompt may delay the others.
const rowsAtOnce = 128

func speak(g *model.Generator, tok token.Tokenizer, bytes int64, limits Limits, log *slog.Logger) *voice {
	ctx, stop := context.WithCancel(context.Background())
	if g.Reads() {
		tok = token.WithSentinels(tok, g.VocabSize())
	}
	v := &voice{
		g: g, tok: tok, chat: conversationOf(tok), bytes: bytes, limits: limits, log: log,
		wake: make(chan struct{}, 1), stop: stop, done: make(chan struct{}),
	}
	go v.run(ctx)
	return v
}

// over tells that nothing can be asked any more.
func (v *voice) over() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ended
}

// close ends the voice and all that it was saying.
func (v *voice) close() {
	v.stop()
	<-v.done
}

// submit lets an ask wait for its turn.
func (v *voice) submit(a *ask) error {
	a.more = make(chan struct{}, 1)
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.ended:
		return errStopping
	case len(v.waiting) >= v.limits.Waiting:
		return errBusy
	}
	v.waiting = append(v.waiting, a)
	select {
	case v.wake <- struct{}{}:
	default:
	}
	return nil
}

// run answers until ctx ends.
func (v *voice) run(ctx context.Context) {
	defer close(v.done)
	var talking []*choice
	end := func(why error) {
		v.mu.Lock()
		v.ended = true
		waiting := v.waiting
		v.waiting = nil
		v.mu.Unlock()
		for _, a := range waiting {
			a.say(part{err: why})
		}
		for _, c := range talking {
			c.say(part{err: why})
		}
	}
	defer func() {
		if r := recover(); r != nil {
			v.log.Error("serving: a model failed", "panic", r, "stack", string(debug.Stack()))
			end(errInternal)
		}
	}()
	for ctx.Err() == nil {
		talking = slices.DeleteFunc(talking, func(c *choice) bool { return c.ctx.Err() != nil })
		if talking = v.admit(talking); len(talking) == 0 {
			select {
			case <-v.wake:
			case <-ctx.Done():
			}
			continue
		}
		var err error
		if talking, err = v.step(talking); err != nil {
			v.log.Error("serving: a model failed", "error", err)
			end(errInternal)
			return
		}
	}
	end(errStopping)
}

// admit lets those who wait begin, in their order, as long as there is room.
func (v *voice) admit(talking []*choice) []*choice {
	v.mu.Lock()
	defer v.mu.Unlock()
	memory, texts := int64(0), 0
	counted := map[*ask]bool{}
	for _, c := range talking {
		if !counted[c.ask] {
			counted[c.ask] = true
			memory, texts = memory+v.memory(c.ask), texts+c.n
		}
	}
	for len(v.waiting) > 0 {
		a := v.waiting[0]
		if a.ctx.Err() == nil {
			if texts > 0 && (texts+a.n > v.limits.Texts || memory+v.memory(a) > v.limits.CacheBytes) {
				break
			}
			memory, texts = memory+v.memory(a), texts+a.n
			talking = append(talking, v.begin(a, 0, v.g.NewSequence()))
		}
		v.waiting = v.waiting[1:]
	}
	return talking
}

// memory is what an ask may come to take.
func (v *voice) memory(a *ask) int64 {
	return int64(a.n) * v.g.SequenceBytes(len(a.prompt), a.most)
}

// begin is answer number index of an ask; each draws with a seed of its own.
func (v *voice) begin(a *ask, index int, text *model.Sequence) *choice {
	s := a.sampling
	s.Seed += uint64(index)
	written := a.prompt
	if v.g.Reads() { // the prompt is read before the first step
		written = []int32{model.StartToken}
	}
	return &choice{
		ask: a, index: index, text: text, sampler: model.NewSampler(s, written), pending: written,
		writer: writer{tok: v.tok, stops: a.stops, trim: a.trim},
	}
}

// step takes every text further: one token, or a piece of its prompt. It returns those that go on.
func (v *voice) step(talking []*choice) ([]*choice, error) {
	left := rowsAtOnce
	for _, c := range talking {
		if len(c.pending) == 1 {
			left--
		}
	}
	feeds, fed := make([]*model.Feed, 0, len(talking)), make([]*choice, 0, len(talking))
	var others []*choice
	for _, c := range talking {
		n := len(c.pending)
		if n > 1 {
			n = min(n, max(left, 0))
			left -= n
		}
		if n == 0 {
			others = append(others, c)
			continue
		}
		if v.g.Reads() && c.text.Len() == 0 {
			if err := c.text.Read(c.prompt); err != nil {
				return nil, err
			}
		}
		c.feed = model.Feed{Sequence: c.text, Tokens: c.pending[:n], All: c.scored && c.drawn == 0}
		feeds, fed = append(feeds, &c.feed), append(fed, c)
	}
	if err := v.g.Step(feeds); err != nil {
		return nil, err
	}
	var on []*choice
	for _, c := range fed {
		on = append(on, v.hear(c)...)
	}
	return append(on, others...), nil
}

// hear goes on with what a step says of a text.
func (v *voice) hear(c *choice) []*choice {
	if c.feed.All {
		v.score(c)
	}
	logits := c.feed.Logits[len(c.feed.Logits)-1]
	if c.pending = c.pending[len(c.feed.Tokens):]; len(c.pending) > 0 {
		return []*choice{c}
	}
	all := []*choice{c}
	if c.drawn == 0 {
		for i := 1; i < c.n; i++ {
			fork := v.begin(c.ask, i, c.text.Fork())
			fork.pending = nil
			all = append(all, fork)
		}
	}
	return slices.DeleteFunc(all, func(c *choice) bool { return !v.draw(c, logits) })
}

// draw says the next token of a text, and whether it goes on.
func (v *voice) draw(c *choice, logits []float32) bool {
	if c.most == 0 {
		c.say(part{choice: c.index, finish: "length"})
		return false
	}
	id := c.sampler.Draw(logits)
	c.drawn++
	if slices.Contains(c.ends, id) {
		c.say(part{choice: c.index, text: c.writer.rest(), tokens: c.held, finish: "stop", count: c.drawn})
		return false
	}
	if c.ranked >= 0 {
		c.held = append(c.held, scoreOf(logits, id, c.ranked))
	}
	text, stopped := c.writer.push(id)
	p := part{choice: c.index, text: text, count: c.drawn}
	switch {
	case stopped:
		p.finish, p.tokens = "stop", v.within(c.held, text)
	case c.drawn == c.most:
		p.finish, p.text, p.tokens = "length", text+c.writer.rest(), c.held
	default:
		c.pending = []int32{id}
		if len(c.writer.held) == 0 {
			p.tokens, c.held = c.held, nil
		}
	}
	if p.text != "" || p.finish != "" || p.tokens != nil {
		c.say(p)
	}
	return p.finish == ""
}

// within are the tokens of a text that was cut before a stop string.
func (v *voice) within(tokens []spoken, text string) []spoken {
	room := len(text)
	for i, t := range tokens {
		if room -= len(v.tok.Bytes(t.id)); room < 0 {
			return tokens[:i]
		}
	}
	return tokens
}

// score tells how likely the prompt's tokens were.
func (v *voice) score(c *choice) {
	at := len(c.prompt) - len(c.pending)
	var tokens []spoken
	if at == 0 {
		tokens = append(tokens, spoken{id: c.prompt[0], first: true})
	}
	for i, logits := range c.feed.Logits {
		if next := at + i + 1; next < len(c.prompt) {
			tokens = append(tokens, scoreOf(logits, c.prompt[next], c.ranked))
		}
	}
	c.say(part{prompt: true, tokens: tokens})
}

// scoreOf is a token's logarithm of probability, and those of the likeliest.
func scoreOf(logits []float32, id int32, ranked int) spoken {
	best, sum := math.Inf(-1), 0.0
	for _, x := range logits {
		best = max(best, float64(x))
	}
	for _, x := range logits {
		sum += math.Exp(float64(x) - best)
	}
	norm := best + math.Log(sum)
	s := spoken{id: id, logProb: float64(logits[id]) - norm}
	for _, top := range model.Likeliest(logits, ranked) {
		s.top = append(s.top, rankedToken{top, float64(logits[top]) - norm})
	}
	return s
}
