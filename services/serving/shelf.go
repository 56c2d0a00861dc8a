package serving

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"millrace/trainer/engine"
	"millrace/trainer/model"
	"millrace/trainer/token"
)

// shelf holds loaded models. Those that nobody speaks to leave, the least recently used first, when another needs their memory.
type shelf struct {
	kernels engine.Kernels
	form    engine.Form
	limits  Limits
	log     *slog.Logger
	now     func() time.Time

	mu     sync.Mutex
	places map[string]*place
	freed  chan struct{} // closed, and replaced, when a user leaves
	closed bool
}

// place is a model that is there, or on its way.
type place struct {
	ready chan struct{}
	voice *voice
	err   error
	bytes int64
	users int
	used  time.Time
}

// take returns a model's voice, loading it if it must, and what to call when done with it.
func (s *shelf) take(ctx context.Context, c Checkpoint) (*voice, func(), error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, nil, errStopping
	}
	p, there := s.places[c.ID]
	if !there || p.voice != nil && p.voice.over() { // one that failed is loaded anew
		p = &place{ready: make(chan struct{})}
		s.places[c.ID] = p
		go s.load(c, p)
	}
	p.users++
	s.mu.Unlock()
	release := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		p.users--
		p.used = s.now()
		close(s.freed)
		s.freed = make(chan struct{})
	}
	select {
	case <-p.ready:
	case <-ctx.Done(): // it goes on loading, for whoever comes next
		release()
		return nil, nil, ctx.Err()
	}
	if p.err != nil {
		release()
		return nil, nil, p.err
	}
	return p.voice, release, nil
}

// load fills a place. It is not the request's: another may wait for the same model.
func (s *shelf) load(c Checkpoint, p *place) {
	ctx, cancel := context.WithTimeout(context.Background(), s.limits.Loading)
	defer cancel()
	v, err := s.open(ctx, c, p)
	s.mu.Lock()
	if err == nil && s.closed {
		err = errStopping
	}
	if p.voice, p.err, p.used = v, err, s.now(); err != nil {
		delete(s.places, c.ID) // the next one tries again
	}
	s.mu.Unlock()
	if err != nil && v != nil {
		v.close()
	}
	close(p.ready)
}

// open reads a checkpoint, after room was made for it.
func (s *shelf) open(ctx context.Context, c Checkpoint, p *place) (_ *voice, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("serving: a model could not be loaded", "panic", r)
			err = errInternal
		}
	}()
	raw, err := c.Config(ctx)
	if err != nil {
		return nil, err
	}
	config, err := model.ParseHuggingFace(raw)
	if err != nil {
		return nil, err
	}
	if kind := config.Arch.Kind(); kind == model.Encoder {
		return nil, fmt.Errorf("this model is an %s (%s), which continues no texts", kind, config.Arch)
	}
	if raw, err = c.Tokenizer(ctx); err != nil {
		return nil, err
	}
	tok, err := token.Parse(raw)
	if err != nil {
		return nil, err
	}
	if tok.VocabSize() > config.VocabSize {
		return nil, fmt.Errorf("the tokenizer has %d tokens, the model knows %d", tok.VocabSize(), config.VocabSize)
	}
	bytes := 4 * config.Parameters().Total
	if err := s.room(ctx, bytes, p); err != nil {
		return nil, err
	}
	weights, err := c.Weights(ctx)
	if err != nil {
		return nil, err
	}
	net, err := model.Read(config, s.kernels, weights)
	if err != nil {
		weights.Close() // what was read is worth nothing
		return nil, err
	}
	if _, err := io.Copy(io.Discard, weights); err != nil { // a store checks its digest at the end
		weights.Close()
		return nil, err
	}
	if err := weights.Close(); err != nil {
		return nil, err
	}
	g, err := model.NewGenerator(net, s.form)
	if err != nil {
		return nil, err
	}
	s.log.Debug("serving: loaded a model", "model", c.ID, "bytes", bytes, "weights", g.Form())
	return speak(g, tok, bytes, s.limits, s.log), nil
}

// room makes place for so many bytes: the models that nobody speaks to leave. It waits for one if all are spoken to.
func (s *shelf) room(ctx context.Context, bytes int64, p *place) error {
	if bytes > s.limits.ModelBytes {
		return fmt.Errorf("the model takes %d bytes of memory, more than the %d that models may have", bytes, s.limits.ModelBytes)
	}
	for {
		s.mu.Lock()
		held := int64(0)
		oldest := ""
		for id, other := range s.places {
			held += other.bytes
			if other.voice != nil && other.users == 0 && (oldest == "" || other.used.Before(s.places[oldest].used)) {
				oldest = id
			}
		}
		if held+bytes <= s.limits.ModelBytes {
			p.bytes = bytes
			s.mu.Unlock()
			return nil
		}
		freed := s.freed
		var leaving *voice
		if oldest != "" {
			leaving = s.places[oldest].voice
			delete(s.places, oldest)
		}
		s.mu.Unlock()
		if leaving != nil {
			leaving.close()
			continue
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return fmt.Errorf("all models that are loaded are in use, and there is no memory for another: %w", ctx.Err())
		}
	}
}

// close ends all voices. Those on their way are waited for.
func (s *shelf) close() {
	s.mu.Lock()
	s.closed = true
	var all []*place
	for _, p := range s.places {
		all = append(all, p)
	}
	s.mu.Unlock()
	for _, p := range all {
		<-p.ready
		if p.voice != nil && p.err == nil {
			p.voice.close()
		}
	}
}
