package model

import (
	"errors"
	"fmt"
	"slices"

	"millrace/trainer/engine"
)

// Generator walks a decoder's network for a few tokens at a time and remembers the keys and values of those before them, so that
// a token costs one reading of the weights. That of an encoder-decoder first reads a source as a whole (Sequence.Read). It is used by one goroutine at a time.
//
// What a sequence says does not depend, to the bit, on the other sequences of a step, nor on how its tokens were cut into steps.
// It is what the whole pass of Score says within rounding.
type Generator struct {
	config Config
	k      engine.Reader
	heads  engine.Heads
	form   engine.Form

	tokens, segments *engine.Parameter
	table            []float32       // sinusoidal positions
	decoder          generatorStack  // what writes
	encoder          *generatorStack // what reads for it; nil without
	head             matrix
	cos, sin         []float32 // of RoPE, for a whole context
	bytes            int64

	buffers buffers
}

// generatorStack is a stack of blocks, with what its input is made of.
type generatorStack struct {
	positions            *engine.Parameter // learned; nil without
	embedNorm, finalNorm *gains
	blocks               []generatorBlock
	relative             *engine.Parameter // T5's table of bias; nil without
	bias                 []float32         // of scores, by query head and distance; nil without
	reach                int               // values of bias a head
}

// gains are the parameters of a norm.
type gains struct{ gain, bias []float32 }

// matrix is a linear layer, with a LoRA's adapter beside it if it has one: y = x·w + b + scale·(x·low)·back.
type matrix struct {
	w         engine.Weights
	b         []float32
	n         int // outputs
	low, back engine.Weights
	rank      int
	scale     float32
}

type generatorBlock struct {
	attention, attentionAfter *gains // norms; nil where there is none
	cross, crossAfter         *gains
	mlp, mlpAfter             *gains
	qGain, kGain              []float32
	qkv, out, up, down        matrix
	// Of the attention to what an encoder read: w has no outputs where there is none.
	crossQ, crossKV, crossOut matrix
}

// ErrContinuesNothing: a model of that kind fills gaps in a text, and does not go on with one.
var ErrContinuesNothing = errors.New("it does not continue texts")

// maxRows is how many tokens go through the network at once: more gain nothing, and would want memory.
const maxRows = 128

// NewGenerator makes a generator of a decoder or an encoder-decoder, its matrices kept in a form (see engine.Form). FormF32 reads the
// model's own memory, other forms copy, so that a later change of the weights is not seen. An encoder cannot do this.
func NewGenerator(m *Model, form engine.Form) (*Generator, error) {
	c := m.config
	k, ok := m.k.(engine.Reader)
	if !ok {
		return nil, fmt.Errorf("model: %s cannot make text; use the engine cpu", m.k.Info().Kind)
	}
	if c.Arch.Kind() == Encoder {
		return nil, fmt.Errorf("model: %s is an %s: %w; decoders (gpt2, llama) and encoder-decoders (t5) do", c.Arch, c.Arch.Kind(), ErrContinuesNothing)
	}
	if err := m.predictsTokens(); err != nil {
		return nil, err
	}
	if !slices.Contains(engine.Forms(), form) {
		return nil, fmt.Errorf("model: weights cannot be kept as %q; there are %v", form, engine.Forms())
	}
	g := &Generator{config: c, k: k, form: form, heads: c.heads()}
	g.gather(m)
	g.places()
	g.refresh()
	return g, nil
}

// gather finds the parameters by their names.
func (g *Generator) gather(m *Model) {
	c, l := g.config, g.config.Arch.layout()
	d := c.DModel
	norm := func(name string) *gains {
		p := m.named[name+".weight"]
		if p == nil {
			return nil
		}
		n := &gains{gain: p.Value}
		if b := m.named[name+".bias"]; b != nil {
			n.bias = b.Value
		}
		return n
	}
	pack := func(w []float32, in, out int, transposed bool) engine.Weights {
		p := g.k.Pack(w, in, out, transposed, g.form)
		g.bytes += p.Bytes()
		return p
	}
	linear := func(name string, in, out int) matrix {
		x := matrix{w: pack(m.named[name+".weight"].Value, in, out, l.transposed), n: out}
		if b := m.named[name+".bias"]; b != nil {
			x.b = b.Value
		}
		if a := m.adapters[name]; a != nil { // small, and perhaps still learning: read where they lie
			x.rank, x.scale = a.a.Shape[0], a.scale
			x.low, x.back = g.k.Pack(a.a.Value, in, x.rank, true, engine.FormF32), g.k.Pack(a.b.Value, x.rank, out, false, engine.FormF32)
		}
		return x
	}
	gather := func(encoder bool, layers int) generatorStack {
		names := l.stack(encoder)
		s := generatorStack{embedNorm: norm(names.embedNorm), finalNorm: norm(names.finalNorm)}
		if c.Position == Learned {
			name := l.positions
			choose(&name, names.positions)
			s.positions = m.named[name]
		}
		switch c.Position {
		case Relative:
			s.relative = m.named[names.relative]
		case ALiBi:
			slopes := Slopes(c.NHead)
			s.distances(c, encoder, func(h, before int) float32 { return -slopes[h] * float32(max(before, -before)) })
		}
		for i := range layers {
			n := names.block(i)
			b := generatorBlock{
				attention: norm(n.attention.norm), attentionAfter: norm(n.attention.norm + after), mlp: norm(n.mlp.norm), mlpAfter: norm(n.mlp.norm + after),
				qkv: linear(n.attention.qkv, d, g.heads.Width()), out: linear(n.attention.out, c.NHead*c.HeadDim, d), down: linear(n.mlp.down, c.DFF, d),
			}
			if c.Arch.Kind() == EncoderDecoder && !encoder {
				b.cross, b.crossAfter = norm(n.cross.norm), norm(n.cross.norm+after)
				b.crossQ, b.crossKV = linear(n.cross.q, d, c.NHead*c.HeadDim), linear(n.cross.qkv, d, 2*c.NKVHead*c.HeadDim)
				b.crossOut = linear(n.cross.out, c.NHead*c.HeadDim, d)
			}
			if c.NormPlace == Post { // the norm stands behind the part
				b.attention, b.attentionAfter, b.cross, b.crossAfter, b.mlp, b.mlpAfter = nil, b.attention, nil, b.cross, nil, b.mlp
			}
			if c.QKNorm {
				b.qGain, b.kGain = m.named[n.attention.qNorm+".weight"].Value, m.named[n.attention.kNorm+".weight"].Value
			}
			if c.Activation.Gated() {
				b.up = linear(n.mlp.gateUp, d, 2*c.DFF)
			} else {
				b.up = linear(n.mlp.up, d, c.DFF)
			}
			s.blocks = append(s.blocks, b)
		}
		return s
	}
	g.tokens, g.segments = m.named[l.tokens], m.named[l.segments]
	g.decoder = gather(false, c.NLayer)
	if c.Arch.Kind() == EncoderDecoder {
		s := gather(true, c.NEncoder)
		g.encoder = &s
	}
	head := g.tokens
	if c.Tie == No {
		head = m.named[l.head]
	}
	g.head = matrix{w: pack(head.Value, d, c.VocabSize, true), n: c.VocabSize}
}

// places makes the tables by which the order of tokens is told at their input or by RoPE.
func (g *Generator) places() {
	c := g.config
	switch c.Position {
	case Sinusoidal:
		table := sinusoids(c.Context, c.DModel)
		g.table = g.k.Alloc(len(table))
		g.k.Upload(g.table, table)
	case Rope:
		g.cos, g.sin = c.Rotary(c.Context, min(c.Context, g.Context()))
	}
}

// distances fills a stack's bias by head and by how far a token is before the one that sees it: from 0 on, and in an encoder also
// those behind it, from the farthest on.
func (s *generatorStack) distances(c Config, encoder bool, value func(head, before int) float32) {
	behind := 0
	if encoder {
		behind = c.Context - 1
	}
	s.reach = behind + c.Context
	for h := range c.NHead {
		for at := range s.reach {
			s.bias = append(s.bias, value(h, at-behind))
		}
	}
}

// refresh reads the tables of relative positions, which the engine wants in another order: they are the only parameters that FormF32 copies.
func (g *Generator) refresh() {
	c := g.config
	if c.Position != Relative {
		return
	}
	read := func(s *generatorStack, encoder bool) {
		table := make([]float32, len(s.relative.Value)) // [buckets, heads]
		g.k.Download(table, s.relative.Value)
		s.bias = s.bias[:0]
		s.distances(c, encoder, func(h, before int) float32 {
			return table[int(engine.RelativeBucket(-before, c.RelativeBuckets, c.RelativeDistance, encoder))*c.NHead+h]
		})
	}
	read(&g.decoder, false)
	if g.encoder != nil {
		read(g.encoder, true)
	}
}

// Context is the most tokens that a sequence can have, and a source. With dynamic RoPE scaling that is the context that was trained: beyond it
// every token changes the place of all before it.
func (g *Generator) Context() int {
	if s := g.config.RopeScaling; s.Type == dynamicScaling {
		return min(g.config.Context, s.OriginalContext)
	}
	return g.config.Context
}

// Reads tells that a sequence must Read a source before it can be fed: then it begins with StartToken.
func (g *Generator) Reads() bool { return g.encoder != nil }

// VocabSize is how many logits a token has.
func (g *Generator) VocabSize() int { return g.config.VocabSize }

// Bytes is the memory that the packed weights take beside the model's own.
func (g *Generator) Bytes() int64 { return g.bytes }

// Form is how the matrices are kept.
func (g *Generator) Form() engine.Form { return g.form }
