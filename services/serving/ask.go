package serving

import (
	"context"
	"errors"
	"sync"

	"millrace/trainer/model"
)

// ask is one prompt that waits for its answers.
type ask struct {
	ctx      context.Context
	prompt   []int32
	begun    bool // the prompt's first token is not the client's
	n        int  // answers
	most     int  // tokens of each
	sampling model.Sampling
	stops    []string
	ends     []int32 // tokens that end an answer
	trim     bool    // answers begin without white space
	ranked   int     // logarithms of so many likeliest tokens beside each; -1: of none
	scored   bool    // those of the prompt too

	mu    sync.Mutex
	parts []part
	more  chan struct{} // has a value when parts may have grown
}

// part is what came since the last one.
type part struct {
	choice int
	text   string
	tokens []spoken // as far as they were asked for
	prompt bool     // tokens are the prompt's
	finish string   // "stop" or "length" at the end of a choice
	count  int      // tokens drawn
	err    error    // nothing more comes of any choice
}

// spoken is a token with its logarithm of probability, as the model has it before any setting of the sampler.
type spoken struct {
	id      int32
	logProb float64
	first   bool // of a text: nothing came before it, so it has no probability
	top     []rankedToken
}

type rankedToken struct {
	id      int32
	logProb float64
}

func (a *ask) say(p part) {
	a.mu.Lock()
	a.parts = append(a.parts, p)
	a.mu.Unlock()
	select {
	case a.more <- struct{}{}:
	default:
	}
}

// next waits for parts.
func (a *ask) next() ([]part, error) {
	for {
		a.mu.Lock()
		parts := a.parts
		a.parts = nil
		a.mu.Unlock()
		if len(parts) > 0 {
			return parts, nil
		}
		select {
		case <-a.more:
		case <-a.ctx.Done():
			return nil, a.ctx.Err()
		}
	}
}

// What an ask is told when it cannot be answered.
var (
	errBusy     = errors.New("too many requests wait for this model")
	errStopping = errors.New("this server is stopping")
	errInternal = errors.New("internal error; the server's log says more")
)
