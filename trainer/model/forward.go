package model

import (
	"context"
	"fmt"

	"millrace/trainer/engine"
)

// forward is the program that computes logits of one sequence of up to t tokens.
type forward struct {
	ids     []int32
	program *engine.Program
	targets []int32
	losses  []float32 // device
	host    []float32 // losses on the host
	logits  []float32 // logits on the host
}

// shortest is the least length a forward program is compiled for.
const shortest = 16

// forward returns the program for a sequence of n tokens: of the next power of two, so that few are compiled. A sequence is
// always computed alone and at the length that its own length decides, which is why a score does not depend on its
// company. Padding follows the sequence and, attention being causal, is never seen by it.
func (m *Model) forward(n int) (*forward, error) {
	if n < 1 || n > m.config.Context {
		return nil, fmt.Errorf("model: %d tokens do not fit a context of %d", n, m.config.Context)
	}
	if err := m.predictsTokens(); err != nil {
		return nil, err
	}
	t := shortest
	for t < n {
		t *= 2
	}
	t = min(t, m.config.Context)
	if f := m.forwards[t]; f != nil {
		return f, nil
	}
	v := m.config.VocabSize
	f := &forward{
		ids: make([]int32, t), targets: make([]int32, t), losses: m.k.Alloc(t),
		host: make([]float32, t), logits: make([]float32, v),
	}
	var err error
	f.program, err = engine.Build(m.k, false, func(g *engine.Graph) *engine.Tensor { return m.logits(g, f.ids, t) })
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	m.forwards[t] = f
	return f, nil
}

// run computes the logits of tokens.
func (m *Model) run(ctx context.Context, tokens []int32) (*forward, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkIDs(tokens, nil, m.config.VocabSize); err != nil {
		return nil, err
	}
	f, err := m.forward(len(tokens))
	if err != nil {
		return nil, err
	}
	n := copy(f.ids, tokens)
	clear(f.ids[n:])
	return f, f.program.Run(0)
}

// row is the logits after position i, on the host, until the next call.
func (m *Model) row(f *forward, i int) []float32 {
	v := m.config.VocabSize
	m.k.Download(f.logits, f.program.Output()[i*v:(i+1)*v])
	return f.logits
}
