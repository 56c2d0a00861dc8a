package model

import (
	"math"

	"millrace/trainer/engine"
	"millrace/trainer/random"
)

// A network is described part by part, each in a function of its own: the input here, a stack of blocks in block.go, the head in
// head.go. All of them read what they are from the config, and the names of their parameters from the family's layout.

// input is what a program reads at every run, on the host.
type input struct {
	b, t, source int // sequences; tokens of each; tokens of each that an encoder reads for a decoder
	ids          []int32
	segments     []int32 // of ids; nil without segments
	encoderIDs   []int32 // of an encoder-decoder
	lengths      []int32 // of what an encoder reads: tokens behind are not seen
	rotary       *rotary // of sequences of t; nil without RoPE
	sourceRotary *rotary // of sequences of source
	drops        []drop  // filled in as the network is described
}

// newInput makes room for b sequences of t tokens, and of source tokens where there is an encoder beside a decoder.
func (m *Model) newInput(b, t, source int) *input {
	in := &input{b: b, t: t, source: source, ids: make([]int32, b*t)}
	if m.config.NSegment > 0 {
		in.segments = make([]int32, b*max(t, source))
	}
	switch m.config.Arch.Kind() {
	case Encoder:
		in.lengths = lengths(b, t)
	case EncoderDecoder:
		in.lengths, in.encoderIDs = lengths(b, source), make([]int32, b*source)
	}
	if m.config.Position == Rope {
		in.rotary, in.sourceRotary = m.newRotary(t), nil
		if source > 0 {
			in.sourceRotary = m.newRotary(source)
		}
	}
	return in
}

// lengths are those of b whole sequences.
func lengths(b, t int) []int32 {
	l := make([]int32, b)
	for i := range l {
		l[i] = int32(t)
	}
	return l
}

// drop is a place where numbers are dropped in training: key says which, in the next run.
type drop struct {
	name string
	key  *uint64
}

// draw chooses what is dropped in a run, by a number that no other run of the training has.
func (in *input) draw(run uint64) {
	for _, d := range in.drops {
		*d.key = random.Key(run, d.name)
	}
}

// net is a network being described.
type net struct {
	m  *Model
	c  Config
	n  layout
	g  *engine.Graph
	in *input
	// train tells a training program, the only kind that drops anything.
	train bool
}

func (m *Model) net(g *engine.Graph, in *input, train bool) *net {
	in.drops = in.drops[:0] // a description may be asked for again
	return &net{m, m.config, m.config.Arch.layout(), g, in, train}
}

// logits describes the network up to the scores of every token, [len(ids), vocab_size].
func (n *net) logits() *engine.Tensor { return n.head(n.hidden()) }

// hidden describes the network up to what the head reads, [len(ids), d_model].
func (n *net) hidden() *engine.Tensor {
	var memory *engine.Tensor
	s := n.n.stack(false)
	if n.c.Arch.Kind() == EncoderDecoder {
		memory = n.encoder()
	}
	x := n.embed("", s, n.in.ids, n.in.t)
	return n.stack(x, stack{
		layout: s, layers: n.c.NLayer, t: n.in.t, causal: n.c.Arch.Kind() != Encoder, memory: memory, rotary: n.in.rotary, lengths: n.ownLengths(),
	})
}

// encoder describes what an encoder-decoder's encoder makes of its input, [len(encoderIDs), d_model].
func (n *net) encoder() *engine.Tensor {
	s := n.n.stack(true)
	x := n.embed("encoder.", s, n.in.encoderIDs, n.in.source)
	return n.stack(x, stack{layout: s, layers: n.c.NEncoder, t: n.in.source, rotary: n.in.sourceRotary, lengths: n.in.lengths})
}

// ownLengths are those of the sequences of ids; nil where all are whole or nothing looks ahead.
func (n *net) ownLengths() []int32 {
	if n.c.Arch.Kind() == Encoder {
		return n.in.lengths
	}
	return nil
}

// embed is the token table, with positions and segments if they are added.
func (n *net) embed(prefix string, s stackLayout, ids []int32, t int) *engine.Tensor {
	var positions *engine.Parameter
	switch n.c.Position {
	case Learned:
		name := n.n.positions
		choose(&name, s.positions)
		positions = n.p(name)
	case Sinusoidal:
		positions = n.m.sinusoids()
	}
	x := n.g.Embed(prefix+"embed", n.p(n.n.tokens), positions, ids, t)
	if n.c.NSegment > 0 {
		x = n.g.Add(prefix+"embed.add", x, n.g.Embed(prefix+"embed.segments", n.p(n.n.segments), nil, n.in.segments[:len(ids)], t))
	}
	if n.c.NormPlace == Post {
		x = n.norm(s.embedNorm, x)
	}
	return n.dropout(prefix+"embed.dropout", x)
}

// p is a parameter by its name, nil where the model has none.
func (n *net) p(name string) *engine.Parameter { return n.m.named[name] }

// linear is x·w + b, with what an adapter adds.
func (n *net) linear(name string, x *engine.Tensor) *engine.Tensor {
	return n.adapt(name, x, n.g.Linear(name, x, n.p(name+".weight"), n.p(name+".bias"), n.n.transposed))
}

func (n *net) norm(name string, x *engine.Tensor) *engine.Tensor {
	gain, eps := n.p(name+".weight"), float32(n.c.NormEps)
	if n.c.Norm == RMSNorm {
		return n.g.RMSNorm(name, x, gain, eps)
	}
	return n.g.LayerNorm(name, x, gain, n.p(name+".bias"), eps)
}

// dropout drops a share of x, in training.
func (n *net) dropout(name string, x *engine.Tensor) *engine.Tensor {
	return n.drop(name, x, n.c.Dropout)
}

func (n *net) drop(name string, x *engine.Tensor, share float64) *engine.Tensor {
	if share == 0 || !n.train {
		return x
	}
	key := new(uint64)
	n.in.drops = append(n.in.drops, drop{name, key})
	return n.g.Dropout(name, x, float32(share), key)
}

// activate is the activation of a layer that has no gate.
func (n *net) activate(name string, x *engine.Tensor) *engine.Tensor {
	return n.g.Activate(name, x, n.c.Activation.function())
}

// function is the engine's; of a gated activation that of its gate.
func (a Activation) function() engine.Activation {
	switch a {
	case GELUExact:
		return engine.GELUExact
	case ReLU:
		return engine.ReLU
	case SiLU, SwiGLU:
		return engine.SiLU
	case ReLU2:
		return engine.ReLUSquared
	}
	return engine.GELU
}

// scoreScale is what products of queries and keys are multiplied by: 1/√head_dim, which the engine means by 0. T5 has it in its
// initial weights instead.
func (c Config) scoreScale() float32 {
	if c.Arch == T5 {
		return 1
	}
	return 0
}

// logitScale is what the last hidden state is multiplied by before the head: T5's tied table has entries around 1.
func (c Config) logitScale() float32 {
	if c.Arch == T5 && c.Tie == Yes {
		return float32(1 / math.Sqrt(float64(c.DModel)))
	}
	return 1
}

func (c Config) heads() engine.Heads { return engine.Heads{Q: c.NHead, KV: c.NKVHead, Dim: c.HeadDim} }
