package model

import (
	"context"
	"fmt"

	"millrace/trainer/engine"
)

// forward is the program that computes logits of one sequence of up to t tokens.
type forward struct {
	in      *input
	program *engine.Program
	targets []int32
	losses  []float32 // device
	host    []float32 // losses on the host
}

// shortest is the least length a forward program is compiled for.
const shortest = 16

// length is that of the program for n tokens: the next power of two, so that few are compiled. A sequence is always computed alone
// and at the length that its own length decides, which is why a score does not depend on its company. Padding follows the
// sequence and is never seen by it: attention is causal, or told where the sequence ends.
func (m *Model) length(n int) (int, error) {
	if n < 1 || n > m.config.Context {
		return 0, fmt.Errorf("model: %d tokens do not fit a context of %d", n, m.config.Context)
	}
	t := shortest
	for t < n {
		t *= 2
	}
	return min(t, m.config.Context), nil
}

// forward returns the program for a sequence of n tokens, and a source of so many where there is one.
func (m *Model) forward(n, source int) (*forward, error) {
	if err := m.predictsTokens(); err != nil {
		return nil, err
	}
	t, err := m.length(n)
	if err != nil {
		return nil, err
	}
	s := Shape{1, t, 0}
	if source > 0 {
		if s.Source, err = m.length(source); err != nil {
			return nil, err
		}
	}
	if f := m.forwards[s]; f != nil {
		return f, nil
	}
	f := &forward{
		in: m.newInput(1, t, s.Source), targets: make([]int32, t), losses: m.k.Alloc(t),
		host: make([]float32, t),
	}
	f.program, err = engine.Build(m.k, false, func(g *engine.Graph) *engine.Tensor { return m.net(g, f.in, false).logits() })
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	m.forwards[s] = f
	return f, nil
}

// run computes the logits of tokens, given what an encoder reads for them, if there is one.
func (m *Model) run(ctx context.Context, tokens, source []int32) (*forward, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, ids := range [][]int32{source, tokens} {
		if err := checkIDs(ids, nil, m.config.VocabSize); err != nil {
			return nil, err
		}
	}
	f, err := m.forward(len(tokens), len(source))
	if err != nil {
		return nil, err
	}
	n := copy(f.in.ids, tokens)
	clear(f.in.ids[n:])
	f.in.rotary.stretch(n)
	switch m.config.Arch.Kind() {
	case Encoder:
		f.in.lengths[0] = int32(n)
	case EncoderDecoder:
		n := copy(f.in.encoderIDs, source)
		clear(f.in.encoderIDs[n:])
		f.in.lengths[0] = int32(n)
		f.in.sourceRotary.stretch(n)
	}
	return f, f.program.Run(0)
}
