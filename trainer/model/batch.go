package model

import (
	"fmt"

	"millrace/trainer/engine"
)

// Shape is what a program is compiled for: so many sequences of so many tokens. Source is how many tokens of each an encoder reads for a
// decoder, as many as Tokens if zero; other kinds of model have none.
type Shape struct{ Sequences, Tokens, Source int }

// Batch is a program that computes the losses of sequences of one shape and, for training, their gradients. Its slices are filled by the caller before each Run.
//
// Of a decoder, Targets are the tokens that follow IDs. Of an encoder, they are what stood where IDs are masked, and -1 elsewhere.
// Of an encoder-decoder, EncoderIDs is the source, Targets the text to be written, and IDs the same one later, beginning with StartToken.
type Batch struct {
	// IDs are the input tokens, [sequences · length]; Targets the token each is to tell, or -1 to ignore a position.
	IDs, Targets []int32
	// EncoderIDs are the tokens that an encoder reads for a decoder, [sequences · source]; nil of other kinds.
	EncoderIDs []int32
	// EncoderLengths is how many tokens of each sequence that an encoder reads are not padding: whole sequences to begin with. Nil of decoders.
	EncoderLengths []int32
	// Segments are the segments of IDs, all 0 to begin with; nil of models without.
	Segments []int32

	in      *input
	program *engine.Program
	losses  []float32
	k       engine.Kernels
	vocab   int
	// segments is how many there are.
	segments int
}

// StartToken is what a decoder that looks at an encoder begins with: T5's padding.
const StartToken = 0

// Batch returns the training program for b sequences of t tokens, compiling it when first asked for.
func (m *Model) Batch(b, t int) (*Batch, error) { return m.BatchOf(Shape{b, t, 0}) }

// BatchOf is Batch for any shape.
func (m *Model) BatchOf(s Shape) (*Batch, error) {
	return m.batch(s, true)
}

// Evaluation returns a program that computes the same losses as Batch's, to the bit (but for dropout), and no gradients.
func (m *Model) Evaluation(b, t int) (*Batch, error) { return m.batch(Shape{b, t, 0}, false) }

// EvaluationOf is Evaluation for any shape.
func (m *Model) EvaluationOf(s Shape) (*Batch, error) { return m.batch(s, false) }

// compiled is what there is one program for.
type compiled struct {
	Shape
	gradients bool
}

// fits checks a shape and says how long a source is.
func (m *Model) fits(s Shape) (Shape, error) {
	if s.Sequences < 1 || s.Tokens < 1 || s.Tokens > m.config.Context {
		return s, fmt.Errorf("model: a batch of %d sequences of %d tokens does not fit a context of %d", s.Sequences, s.Tokens, m.config.Context)
	}
	if m.config.Arch.Kind() != EncoderDecoder {
		if s.Source != 0 {
			return s, fmt.Errorf("model: a source of %d tokens, but a %s model has no encoder beside a decoder", s.Source, m.config.Arch)
		}
		return s, nil
	}
	choose(&s.Source, s.Tokens)
	if s.Source < 1 || s.Source > m.config.Context {
		return s, fmt.Errorf("model: a source of %d tokens does not fit a context of %d", s.Source, m.config.Context)
	}
	return s, nil
}

func (m *Model) batch(s Shape, gradients bool) (*Batch, error) {
	s, err := m.fits(s)
	if err != nil {
		return nil, err
	}
	key := compiled{s, gradients}
	if p := m.batches[key]; p != nil {
		return p, nil
	}
	p, err := m.compile(s, gradients, func(g *engine.Graph, logits *engine.Tensor, targets []int32) *engine.Tensor {
		return g.CrossEntropy("loss", logits, targets)
	})
	if err == nil {
		m.batches[key] = p
	}
	return p, err
}

// compile makes a program of a shape that fits.
func (m *Model) compile(s Shape, gradients bool, loss func(g *engine.Graph, logits *engine.Tensor, targets []int32) *engine.Tensor) (*Batch, error) {
	if gradients && len(m.Learnt()) == 0 {
		return nil, fmt.Errorf("model: this one was read for use only; make one with New to train")
	}
	if err := m.predictsTokens(); err != nil {
		return nil, err
	}
	n := s.Sequences * s.Tokens
	in := m.newInput(s.Sequences, s.Tokens, s.Source)
	p := &Batch{
		IDs: in.ids, Targets: make([]int32, n), EncoderIDs: in.encoderIDs, EncoderLengths: in.lengths,
		in: in, losses: make([]float32, n), k: m.k, vocab: m.config.VocabSize, segments: m.config.NSegment,
	}
	if in.segments != nil {
		p.Segments = in.segments[:n]
	}
	var err error
	p.program, err = engine.Build(m.k, gradients, func(g *engine.Graph) *engine.Tensor {
		return loss(g, m.net(g, in, gradients).logits(), p.Targets)
	})
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return p, nil
}

// Weighed makes a training program for b sequences of t tokens whose losses count with weights that weigh makes of them, in every Run: it is
// given the loss of every position and fills in a weight for each sequence, by which Run's scale is multiplied.
func (m *Model) Weighed(b, t int, weigh func(losses, weights []float32)) (*Batch, error) {
	s, err := m.fits(Shape{b, t, 0})
	if err != nil {
		return nil, err
	}
	return m.compile(s, true, func(g *engine.Graph, logits *engine.Tensor, targets []int32) *engine.Tensor {
		return g.WeighedCrossEntropy("loss", logits, targets, t, weigh)
	})
}

// Losses are those of every position of the last Run, in nats, until the next.
func (s *Batch) Losses() []float32 { return s.losses }

// SetRun chooses which numbers the next Run drops, where the model has dropout: by a number that no other Run of the training has,
// such as that of its first sample, mixed with the training's seed. The same number drops the same.
func (s *Batch) SetRun(number uint64) { s.in.draw(number) }

// Run computes the loss and adds scale times the gradient of the SUM of losses to every parameter's gradient; scale 1/n makes
// it the mean over n targets. It returns that sum, in nats. An evaluation ignores scale.
func (s *Batch) Run(scale float32) (float64, error) {
	if err := s.check(); err != nil {
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

// Memory is how many bytes the program holds beside parameters and their gradients: activations, and gradients on their way.
func (s *Batch) Memory() int64 { return s.program.Memory() }

// sum adds in the order of positions, in float64.
func sum(x []float32) float64 {
	total := 0.0
	for _, v := range x {
		total += float64(v)
	}
	return total
}

// check refuses what no row of a table, and no place of a sequence, stands for.
func (s *Batch) check() error {
	if err := checkIDs(s.IDs, s.Targets, s.vocab); err != nil {
		return err
	}
	if err := checkIDs(s.EncoderIDs, nil, s.vocab); err != nil {
		return err
	}
	for i, id := range s.Segments {
		if id < 0 || int(id) >= s.segments {
			return fmt.Errorf("model: segment %d at position %d is not below n_segment %d", id, i, s.segments)
		}
	}
	t := s.in.t
	if s.EncoderIDs != nil {
		t = s.in.source
	}
	for i, n := range s.EncoderLengths {
		if n < 1 || int(n) > t {
			return fmt.Errorf("model: sequence %d has a length of %d, not between 1 and %d", i, n, t)
		}
	}
	return nil
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
