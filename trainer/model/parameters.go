package model

import (
	"math"

	"millrace/trainer/engine"
	"millrace/trainer/random"
)

// Part says what a parameter is for.
type Part string

// The parts of a model.
const (
	PartEmbedding Part = "embedding" // tables of tokens and segments
	PartPosition  Part = "position"  // tables of positions, and of relative ones
	PartAttention Part = "attention" // projections; the gains of QK-norm too
	PartCross     Part = "cross"     // the same of a decoder that looks at an encoder
	PartMLP       Part = "mlp"
	PartNorm      Part = "norm"
	PartHead      Part = "head" // what stands behind the last norm, but a tied table
)

// spec is a parameter before it has memory. In the file it is one tensor, or several (pieces): queries, keys and values lie one
// behind the other in one parameter, so that one product makes them all, and are three tensors for every other program.
type spec struct {
	name   string
	shape  []int
	part   Part
	pieces []piece // at least one; together they are the parameter, in order
}

// piece is a tensor of the file with its initial values: normal with deviation std, or all equal to fill when std is 0.
type piece struct {
	name      string
	shape     []int
	std, fill float64
}

func (s spec) size() int64 { return product(s.shape) }

// specs lists the parameters of a filled config.
func (c Config) specs() []spec {
	b := &builder{c: c, n: c.Arch.layout(), init: c.initial()}
	l := b.n
	b.table(l.tokens, PartEmbedding, b.init.tokens, c.VocabSize)
	if c.NSegment > 0 {
		b.table(l.segments, PartEmbedding, b.init.positions, c.NSegment)
	}
	if c.Position == Learned && l.positions != "" {
		b.table(l.positions, PartPosition, b.init.positions, c.Context)
	}
	if c.Arch.Kind() == EncoderDecoder {
		b.stack(l.stack(true), c.NEncoder, false)
		b.stack(l.stack(false), c.NLayer, true)
	} else {
		b.stack(l.stack(false), c.NLayer, false)
	}
	b.head()
	return b.specs
}

// builder lists specs.
type builder struct {
	c     Config
	n     layout
	init  initial
	specs []spec
}

func (b *builder) add(s spec) { b.specs = append(b.specs, s) }

func (b *builder) table(name string, p Part, std float64, rows int) {
	shape := []int{rows, b.c.DModel}
	b.add(spec{name, shape, p, []piece{{name, shape, std, 0}}})
}

// output is one tensor of a linear layer: so many columns of what it computes.
type output struct {
	name string
	cols int
	std  float64
}

// linear adds a layer of in inputs. Its outputs are pieces if they have names.
func (b *builder) linear(name string, p Part, in int, bias bool, outs ...output) {
	n := 0
	var weights, biases []piece
	for _, o := range outs {
		n += o.cols
		weights = append(weights, piece{o.name + ".weight", []int{o.cols, in}, o.std, 0})
		biases = append(biases, piece{o.name + ".bias", []int{o.cols}, 0, 0})
	}
	shape := []int{n, in}
	if !b.n.transposed {
		shape = []int{in, n}
	}
	if len(outs) == 1 || outs[0].name == "" || !b.n.transposed {
		weights = []piece{{name + ".weight", shape, outs[0].std, 0}}
		biases = []piece{{name + ".bias", []int{n}, 0, 0}}
	}
	b.add(spec{name + ".weight", shape, p, weights})
	if bias {
		b.add(spec{name + ".bias", []int{n}, p, biases})
	}
}

// norm adds a norm's gain, and a layer norm's bias.
func (b *builder) norm(name string, p Part) {
	d := []int{b.c.DModel}
	b.add(spec{name + ".weight", d, p, []piece{{name + ".weight", d, 0, 1}}})
	if b.c.Norm == LayerNorm && b.c.Bias {
		b.add(spec{name + ".bias", d, p, []piece{{name + ".bias", d, 0, 0}}})
	}
}

// norms adds those of a part of a block.
func (b *builder) norms(name string) {
	b.norm(name, PartNorm)
	if b.c.NormPlace == Both {
		b.norm(name+after, PartNorm)
	}
}

func (b *builder) stack(s stackLayout, layers int, cross bool) {
	c := b.c
	if c.Position == Learned && s.positions != "" {
		b.table(s.positions, PartPosition, b.init.positions, c.Context)
	}
	if c.NormPlace == Post {
		b.norm(s.embedNorm, PartNorm)
	}
	if c.Position == Relative {
		shape := []int{c.RelativeBuckets, c.NHead}
		b.add(spec{s.relative, shape, PartPosition, []piece{{s.relative, shape, b.init.relative, 0}}})
	}
	for l := range layers {
		n := s.block(l)
		b.norms(n.attention.norm)
		b.attention(n.attention, PartAttention, false)
		if cross {
			b.norms(n.cross.norm)
			b.attention(n.cross, PartCross, true)
		}
		b.norms(n.mlp.norm)
		b.mlp(n.mlp)
	}
	if c.NormPlace != Post {
		b.norm(s.finalNorm, PartNorm)
	}
}

func (b *builder) attention(n attentionLayout, p Part, cross bool) {
	c, in := b.c, b.init
	q, kv := c.NHead*c.HeadDim, c.NKVHead*c.HeadDim
	bias := c.Bias || c.AttnBias
	queries, keys, values := output{n.q, q, in.query}, output{n.k, kv, in.project}, output{n.v, kv, in.project}
	if cross {
		b.linear(n.q, p, c.DModel, bias || c.QKVBias, queries)
		b.linear(n.qkv, p, c.DModel, bias || c.QKVBias, keys, values)
	} else {
		b.linear(n.qkv, p, c.DModel, bias || c.QKVBias, queries, keys, values)
	}
	if c.QKNorm && !cross {
		for _, name := range []string{n.qNorm, n.kNorm} {
			shape := []int{c.HeadDim}
			b.add(spec{name + ".weight", shape, p, []piece{{name + ".weight", shape, 0, 1}}})
		}
	}
	b.linear(n.out, p, q, bias, output{n.out, c.DModel, in.attentionOut})
}

func (b *builder) mlp(n mlpLayout) {
	c, in := b.c, b.init
	if c.Activation.Gated() {
		gate, up := output{n.gate, c.DFF, in.project}, output{n.up, c.DFF, in.project}
		if c.Arch == T5 {
			up.name += "_1" // wi_1, where there is no gate wi
		}
		b.linear(n.gateUp, PartMLP, c.DModel, c.Bias, gate, up)
	} else {
		b.linear(n.up, PartMLP, c.DModel, c.Bias, output{n.up, c.DFF, in.project})
	}
	b.linear(n.down, PartMLP, c.DFF, c.Bias, output{n.down, c.DModel, in.mlpOut})
}

func (b *builder) head() {
	c, n := b.c, b.n
	if c.NLabel > 0 {
		b.table(scoreHead, PartHead, b.init.head, c.NLabel)
		return
	}
	if n.headDense != "" {
		b.linear(n.headDense, PartHead, c.DModel, c.Bias, output{n.headDense, c.DModel, b.init.project})
		b.norm(n.headNorm, PartHead)
	}
	if c.Tie == No {
		b.table(n.head, PartHead, b.init.head, c.VocabSize)
	}
	if n.headBias != "" && c.Bias {
		b.add(spec{n.headBias, []int{c.VocabSize}, PartHead, []piece{{n.headBias, []int{c.VocabSize}, 0, 0}}})
	}
}

// initial are the deviations of a family's initial weights. Biases begin as 0, gains as 1.
type initial struct {
	tokens, positions, relative, head    float64
	query, project, attentionOut, mlpOut float64
}

// initial follows the family. GPT-2 (Radford et al. 2019): 0.02, and 0.02/√(2·n_layer) for what is added to the residual stream, so
// that its variance does not grow with depth. Llama and BERT: 0.02 throughout, as transformers has them. T5 (Mesh TensorFlow, as
// in transformers): 1/√inputs for projections, 1 for tables, and 1/√(d_model·head_dim) for queries, because scores are not scaled.
func (c Config) initial() initial {
	const std = 0.02
	i := initial{std, std, std, std, std, std, std, std}
	switch c.Arch {
	case GPT2:
		i.attentionOut = std / math.Sqrt(2*float64(c.NLayer))
		i.mlpOut = i.attentionOut
	case T5:
		in := func(n int) float64 { return 1 / math.Sqrt(float64(n)) }
		i = initial{
			tokens: 1, positions: 1, relative: in(c.DModel), head: 1,
			query: in(c.DModel * c.HeadDim), project: in(c.DModel), attentionOut: in(c.NHead * c.HeadDim), mlpOut: in(c.DFF),
		}
	}
	return i
}

// initialise fills p with its initial values. Each tensor of the file has its own stream of random numbers, named after it.
func (s spec) initialise(p *engine.Parameter, k engine.Kernels, seed uint64) {
	at := 0
	for _, piece := range s.pieces {
		n := int(product(piece.shape))
		piece.initialise(p.Value[at:at+n], k, seed)
		at += n
	}
}

func (s piece) initialise(value []float32, k engine.Kernels, seed uint64) {
	const chunk = 1 << 15 // even, as normals come in pairs
	key := random.Key(seed, s.name)
	host := make([]float32, min(chunk, len(value)+1))
	for at := 0; at < len(value); at += chunk {
		n := min(chunk, len(value)-at)
		for i := 0; i < n; i += 2 {
			a, b := s.fill, s.fill
			if s.std > 0 {
				a, b = random.Normal(key, uint64(at+i)/2)
				a, b = a*s.std, b*s.std
			}
			host[i] = float32(a)
			if i+1 < n {
				host[i+1] = float32(b)
			}
		}
		k.Upload(value[at:at+n], host[:n])
	}
}

func product(shape []int) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= int64(d)
	}
	return n
}
