package model

import (
	"fmt"

	"millrace/trainer/engine"
)

// Batch is a program that computes the losses of sequences of one shape and, for training, their gradients. IDs and Targets are filled by the caller before each Run.
type Batch struct {
	// IDs are the input tokens, [sequences · length]; Targets the tokens that follow each, or -1 to ignore a position.
	IDs, Targets []int32
	program      *engine.Program
	losses       []float32
	k            engine.Kernels
	vocab        int
}

// Batch returns the training program for b sequences of t tokens, compiling it when first asked for.
func (m *Model) Batch(b, t int) (*Batch, error) {
	if len(m.Learnt()) == 0 {
		return nil, fmt.Errorf("model: this one was read for use only; make one with New to train")
	}
	return m.batch(shape{b, t, true})
}

// Evaluation returns a program that computes the same losses as Batch's, to the bit, but no gradients.
func (m *Model) Evaluation(b, t int) (*Batch, error) { return m.batch(shape{b, t, false}) }

// shape is what a program is compiled for.
type shape struct {
	b, t      int
	gradients bool
}

func (m *Model) batch(s shape) (*Batch, error) {
	if p := m.batches[s]; p != nil {
		return p, nil
	}
	if s.b < 1 || s.t < 1 || s.t > m.config.Context {
		return nil, fmt.Errorf("model: a batch of %d sequences of %d tokens does not fit a context of %d", s.b, s.t, m.config.Context)
	}
	if err := m.predictsTokens(); err != nil {
		return nil, err
	}
	n := s.b * s.t
	p := &Batch{IDs: make([]int32, n), Targets: make([]int32, n), losses: make([]float32, n), k: m.k, vocab: m.config.VocabSize}
	var err error
	p.program, err = engine.Build(m.k, s.gradients, func(g *engine.Graph) *engine.Tensor {
		return g.CrossEntropy("loss", m.logits(g, p.IDs, s.t), p.Targets)
	})
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	m.batches[s] = p
	return p, nil
}

// Weighed makes a training program for b sequences of t tokens whose losses count with weights that weigh makes of them, in every Run: it is
// given the loss of every position and fills in a weight for each sequence, by which Run's scale is multiplied.
func (m *Model) Weighed(b, t int, weigh func(losses, weights []float32)) (*Batch, error) {
	switch {
	case len(m.Learnt()) == 0:
		return nil, fmt.Errorf("model: this one was read for use only; make one with New to train")
	case b < 1 || t < 1 || t > m.config.Context:
		return nil, fmt.Errorf("model: a batch of %d sequences of %d tokens does not fit a context of %d", b, t, m.config.Context)
	}
	if err := m.predictsTokens(); err != nil {
		return nil, err
	}
	n := b * t
	p := &Batch{IDs: make([]int32, n), Targets: make([]int32, n), losses: make([]float32, n), k: m.k, vocab: m.config.VocabSize}
	var err error
	p.program, err = engine.Build(m.k, true, func(g *engine.Graph) *engine.Tensor {
		return g.WeighedCrossEntropy("loss", m.logits(g, p.IDs, t), p.Targets, t, weigh)
	})
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return p, nil
}

// Losses are those of every position of the last Run, in nats, until the next.
func (s *Batch) Losses() []float32 { return s.losses }

// Run computes the loss and adds scale times the gradient of the SUM of losses to every parameter's gradient; scale 1/n makes
// it the mean over n targets. It returns that sum, in nats. An evaluation ignores scale.
func (s *Batch) Run(scale float32) (float64, error) {
	if err := checkIDs(s.IDs, s.Targets, s.vocab); err != nil {
		return 0, err
	}
	if err := s.program.Run(scale); err != nil {
		return 0, err
	}
	s.k.Download(s.losses, s.program.Output())
	return sum(s.losses), nil
}

// Operations is the number of nodes a Run executes.
func (s *Batch) Operations() int { return s.program.Operations() }

// sum adds in the order of positions, in float64.
func sum(x []float32) float64 {
	total := 0.0
	for _, v := range x {
		total += float64(v)
	}
	return total
}

// checkIDs refuses tokens that no embedding row or logit stands for.
func checkIDs(ids, targets []int32, vocab int) error {
	for i, id := range ids {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("model: token %d at position %d is not below vocab_size %d", id, i, vocab)
		}
	}
	for i, id := range targets {
		if id < -1 || int(id) >= vocab {
			return fmt.Errorf("model: target %d at position %d is not below vocab_size %d", id, i, vocab)
		}
	}
	return nil
}
