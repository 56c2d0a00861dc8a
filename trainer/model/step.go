package model

import (
	"fmt"
	"slices"

	"millrace/trainer/engine"
)

// Feed is a sequence and the tokens it goes on with.
type Feed struct {
	Sequence *Sequence
	Tokens   []int32
	// All asks for the logits after every token; else only those after the last are computed.
	All bool
	// Next are the tokens that follow each of Tokens, when it is asked how well they are told; All is meant then, and Scores is filled
	// beside Logits.
	Next   []int32
	Scores []Score
	// Logits is filled by Step: a row for the last token, or for every one, of VocabSize each. They stay until the next Step.
	Logits [][]float32
}

// row is one token on its way through the network.
type row struct {
	sequence *Sequence
	at       int
	id       int32
	out      *[]float32 // where its logits go; nil: nobody wants them
	next     int32      // the token that score is about
	score    *Score     // nil: nobody wants it
}

// Step takes every feed's tokens into its sequence and computes what comes after. A sequence may be in one feed only. An error
// (an unknown token, more tokens than the context) changes nothing.
func (g *Generator) Step(feeds []*Feed) error {
	var rows []row
	for i, f := range feeds {
		for _, other := range feeds[:i] {
			if other.Sequence == f.Sequence {
				return fmt.Errorf("model: a sequence is in two feeds of a step")
			}
		}
		if len(f.Tokens) == 0 || f.Sequence.g != g {
			return fmt.Errorf("model: a feed needs at least one token and a sequence of its generator")
		}
		if g.Reads() && f.Sequence.source == 0 {
			return fmt.Errorf("model: a sequence of an encoder-decoder must read a source first")
		}
		if n := f.Sequence.length + len(f.Tokens); n > g.Context() {
			return fmt.Errorf("model: %d tokens do not fit a context of %d", n, g.Context())
		}
		if f.Next != nil && len(f.Next) != len(f.Tokens) {
			return fmt.Errorf("model: a feed of %d tokens says of %d what is next", len(f.Tokens), len(f.Next))
		}
		if err := checkIDs(f.Tokens, f.Next, g.config.VocabSize); err != nil {
			return err
		}
	}
	for _, f := range feeds {
		from := f.Sequence.length
		f.Sequence.reserve(from + len(f.Tokens))
		wanted := 1
		if f.All || f.Next != nil {
			wanted = len(f.Tokens)
		}
		f.Logits, f.Scores = make([][]float32, wanted), make([]Score, len(f.Next))
		for i, id := range f.Tokens {
			r := row{sequence: f.Sequence, at: from + i, id: id}
			if at := wanted - len(f.Tokens) + i; at >= 0 {
				r.out = &f.Logits[at]
			}
			if f.Next != nil {
				r.next, r.score = f.Next[i], &f.Scores[i]
			}
			rows = append(rows, r)
		}
		f.Sequence.length += len(f.Tokens)
	}
	wanted := 0
	for _, r := range rows {
		if r.out != nil {
			wanted++
		}
	}
	g.buffers.host = grown(g.buffers.host, wanted*g.config.VocabSize)
	host := g.buffers.host
	for len(rows) > 0 {
		n := min(maxRows, len(rows))
		host = g.walk(rows[:n], host)
		rows = rows[n:]
	}
	return nil
}

// buffers are the activations of a walk, in device memory, for as many rows as one had; host is not.
type buffers struct {
	rows                               int
	x, h, part, qkv, mixed, wide, gate []float32
	a, b                               []float32 // what norms keep
	cos, sin, logits, losses           []float32
	low, back                          []float32 // of adapters
	host                               []float32
	ids, at                            []int32
	looks                              []engine.Look
}

func (g *Generator) reserve(rows int) {
	b, c := &g.buffers, g.config
	if rows <= b.rows {
		return
	}
	n := 1
	for n < rows {
		n *= 2
	}
	host := b.host
	*b = buffers{
		rows: n, x: g.k.Alloc(n * c.DModel), h: g.k.Alloc(n * c.DModel), part: g.k.Alloc(n * c.DModel),
		qkv: g.k.Alloc(n * g.heads.Width()), mixed: g.k.Alloc(n * g.heads.Q * g.heads.Dim), wide: g.k.Alloc(n * max(g.decoder.blocks[0].up.n, g.heads.Width())),
		gate: g.k.Alloc(n * c.DFF), a: g.k.Alloc(n * (g.heads.Q + g.heads.KV)), b: g.k.Alloc(n), host: host,
		ids: make([]int32, n), at: make([]int32, n), looks: make([]engine.Look, n),
	}
	if g.cos != nil {
		b.cos, b.sin = g.k.Alloc(n*c.HeadDim/2), g.k.Alloc(n*c.HeadDim/2)
	}
}

func grown(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	return s[:n]
}

// walk takes rows through the network and their logits to the beginning of host; it returns the rest of host.
func (g *Generator) walk(rows []row, host []float32) []float32 {
	n, d, k := len(rows), g.config.DModel, g.k
	g.reserve(n)
	b := &g.buffers
	x, h, part, ids, at := b.x[:n*d], b.h[:n*d], b.part[:n*d], b.ids[:n], b.at[:n]
	for i, r := range rows {
		ids[i], at[i] = r.id, int32(r.at)
	}
	g.embed(g.decoder, x, part, ids, at)
	g.turn(at)
	for l, block := range g.decoder.blocks {
		g.normed(h, x, block.attention)
		g.attend(g.decoder, part, h, block, g.looks(rows, l))
		g.add(x, part, block.attentionAfter)
		if g.encoder != nil {
			g.normed(h, x, block.cross)
			g.attendSource(part, h, rows, l)
			g.add(x, part, block.crossAfter)
		}
		g.normed(h, x, block.mlp)
		g.feedForward(part, h, block, n)
		g.add(x, part, block.mlpAfter)
	}
	wanted := ids[:0]
	for i, r := range rows {
		if r.out != nil {
			wanted = append(wanted, int32(i))
		}
	}
	if len(wanted) == 0 {
		return host
	}
	m, v := len(wanted), g.config.VocabSize
	k.Embed(h[:m*d], x, nil, wanted, 1, m, d) // picks rows
	g.normed(part[:m*d], h[:m*d], g.decoder.finalNorm)
	if s := g.config.logitScale(); s != 1 {
		k.Scale(part[:m*d], s)
	}
	b.logits = g.device(b.logits, m*v)
	k.Multiply(b.logits, part[:m*d], g.head.w, nil, m)
	if c := g.config.LogitSoftcap; c != 0 {
		k.SoftCap(b.logits, b.logits, float32(c))
	}
	k.Download(host[:m*v], b.logits)
	for i, at := range wanted {
		*rows[at].out = host[i*v : (i+1)*v : (i+1)*v]
	}
	g.score(rows, wanted)
	return host[m*v:]
}

// score tells how well rows told what is next, from their logits, which it overwrites in device memory.
func (g *Generator) score(rows []row, wanted []int32) {
	if !slices.ContainsFunc(rows, func(r row) bool { return r.score != nil }) {
		return
	}
	m, v, b := len(wanted), g.config.VocabSize, &g.buffers
	next, told := make([]int32, m), make([]float32, m)
	for i, at := range wanted {
		if next[i] = -1; rows[at].score != nil {
			next[i] = rows[at].next
		}
	}
	best := make([]int32, m)
	g.k.ArgMax(best, b.logits, m, v)
	b.losses = g.device(b.losses, m)
	g.k.CrossEntropy(b.losses, b.logits, b.logits, next, m, v)
	g.k.Download(told, b.losses)
	for i, at := range wanted {
		if r := rows[at]; r.score != nil {
			*r.score = Score{LogProb: -float64(told[i]), Greedy: best[i] == r.next}
		}
	}
}

func (g *Generator) device(s []float32, n int) []float32 {
	if cap(s) < n {
		return g.k.Alloc(n)
	}
	return s[:n]
}

// embed looks up tokens, and what tells their places.
func (g *Generator) embed(s generatorStack, x, other []float32, ids, at []int32) {
	n, d, k := len(ids), g.config.DModel, g.k
	k.Embed(x, g.tokens.Value, nil, ids, 1, n, d)
	table := g.table
	if s.positions != nil {
		table = s.positions.Value
	}
	if table != nil {
		k.Embed(other, table, nil, at, 1, n, d)
		k.Add(x, x, other)
	}
	if g.segments != nil {
		k.Embed(other, g.segments.Value, nil, make([]int32, n), 1, n, d)
		k.Add(x, x, other)
	}
	if s.embedNorm != nil {
		g.normed(other, x, s.embedNorm)
		k.Mix(x, other, nil, 1, 0)
	}
}

// turn brings the sines and cosines of the rows' positions to the device.
func (g *Generator) turn(at []int32) {
	if g.cos == nil {
		return
	}
	half := g.config.HeadDim / 2
	for i, p := range at {
		g.k.Upload(g.buffers.cos[i*half:(i+1)*half], g.cos[int(p)*half:(int(p)+1)*half])
		g.k.Upload(g.buffers.sin[i*half:(i+1)*half], g.sin[int(p)*half:(int(p)+1)*half])
	}
}

// normed sets y to the norm of x, or to x where there is no norm.
func (g *Generator) normed(y, x []float32, by *gains) {
	d := g.config.DModel
	n, eps := len(x)/d, float32(g.config.NormEps)
	switch {
	case by == nil:
		g.k.Mix(y, x, nil, 1, 0)
	case g.config.Norm == RMSNorm:
		g.k.RMSNorm(y, g.buffers.b[:n], x, by.gain, eps, n, d)
	default:
		g.k.LayerNorm(y, g.buffers.a[:n], g.buffers.b[:n], x, by.gain, by.bias, eps, n, d)
	}
}

// add adds a part to the stream, behind its norm if it has one.
func (g *Generator) add(x, part []float32, by *gains) {
	switch {
	case by == nil:
		g.k.Add(x, x, part)
	case g.config.NormPlace == Post:
		g.k.Add(part, x, part)
		g.normed(x, part, by)
	default:
		h := g.buffers.h[:len(x)]
		g.normed(h, part, by)
		g.k.Add(x, x, h)
	}
}

// linear is a linear layer with its adapter.
func (g *Generator) linear(y, x []float32, by matrix, n int) {
	g.k.Multiply(y, x, by.w, by.b, n)
	if by.rank == 0 {
		return
	}
	b := &g.buffers
	b.low, b.back = g.device(b.low, n*by.rank), g.device(b.back, n*by.n)
	g.k.Multiply(b.low, x, by.low, nil, n)
	g.k.Multiply(b.back, b.low, by.back, nil, n)
	g.k.Mix(y, y, b.back, 1, by.scale)
}

// looks are what the rows of a step see in layer l: what their sequences remember, and themselves.
func (g *Generator) looks(rows []row, l int) []engine.Look {
	looks := g.buffers.looks[:len(rows)]
	for i, r := range rows {
		looks[i] = engine.Look{Past: r.sequence.past[l], Length: r.at + 1}
	}
	return looks
}

// attend is the self-attention of a block: rows put their keys and values into what they see, each at its own place, then look.
func (g *Generator) attend(s generatorStack, y, x []float32, block generatorBlock, looks []engine.Look) {
	n, k, h := len(looks), g.k, g.heads
	width, q, kv := h.Width(), h.Q*h.Dim, h.KV*h.Dim
	b := &g.buffers
	qkv, mixed := b.qkv[:n*width], b.mixed[:n*q]
	g.linear(qkv, x, block.qkv, n)
	if block.qGain != nil {
		normed := b.wide[:n*width]
		k.HeadNorm(normed, b.a[:n*(h.Q+h.KV)], qkv, block.qGain, block.kGain, float32(g.config.NormEps), n, h)
		k.Mix(qkv, normed, nil, 1, 0)
	}
	if g.cos != nil {
		half := n * h.Dim / 2
		k.Rotate(qkv, qkv, b.cos[:half], b.sin[:half], n, n, h, false)
	}
	for i, look := range looks {
		k.Remember(look.Past, int(b.at[i]), qkv[i*width+q:][:kv], qkv[i*width+q+kv:][:kv], h.KV, h.Dim)
	}
	k.Attend(mixed, qkv, looks, engine.Looking{
		Query: h.Q, KV: h.KV, Dim: h.Dim, QStride: width, YStride: q, Scale: g.config.scoreScale(), Bias: s.bias, Reach: s.reach,
	})
	g.linear(y, mixed, block.out, n)
}

// feedForward is the other part of a block.
func (g *Generator) feedForward(y, x []float32, block generatorBlock, n int) {
	c, k := g.config, g.k
	wide, inner := g.buffers.wide[:n*block.up.n], g.buffers.gate[:n*c.DFF]
	g.linear(wide, x, block.up, n)
	if a := c.Activation.function(); c.Activation.Gated() {
		k.Gate(a, inner, wide, n, c.DFF)
	} else {
		k.Activate(a, inner, wide)
	}
	g.linear(y, inner, block.down, n)
}
