package model

import (
	"fmt"

	"millrace/trainer/engine"
)

// Read lets a sequence of an encoder-decoder read what it is to write about: at least one token, and no more than a context. Keys and
// values of it are computed once, for every layer of the decoder. The sequence forgets what it had. What is read does not depend on
// anything else, to the bit. An error changes nothing.
func (s *Sequence) Read(source []int32) error {
	g := s.g
	if !g.Reads() {
		return fmt.Errorf("model: a %s has no encoder that reads a source; feed it the text", g.config.Arch)
	}
	if n := len(source); n < 1 || n > g.Context() {
		return fmt.Errorf("model: a source of %d tokens does not fit a context of %d", n, g.Context())
	}
	if err := checkIDs(source, nil, g.config.VocabSize); err != nil {
		return err
	}
	x, n, h := g.encode(source), len(source), g.heads
	kv := h.KV * h.Dim
	both := g.k.Alloc(2 * n * kv)
	s.length, s.source, s.memory = 0, n, make([]engine.Past, len(g.decoder.blocks))
	for l, block := range g.decoder.blocks {
		g.linear(both, x, block.crossKV, n)
		past := g.newPast(n)
		for i := range n {
			g.k.Remember(past, i, both[2*i*kv:][:kv], both[(2*i+1)*kv:][:kv], h.KV, h.Dim)
		}
		s.memory[l] = past
	}
	return nil
}

// newPast makes room for the keys and values of n tokens in one layer.
func (g *Generator) newPast(n int) engine.Past {
	room := roomFor(n, g.Context())
	size := g.heads.KV * g.heads.Dim * room
	return engine.Past{Keys: g.k.Alloc(size), Values: g.k.Alloc(size), Capacity: room}
}

// encode is what the encoder makes of a source, [len(source), d_model], until the next step. All tokens go through a block together, for each sees
// all others.
func (g *Generator) encode(source []int32) []float32 {
	n, d := len(source), g.config.DModel
	g.reserve(n)
	b := &g.buffers
	x, h, part, at, looks := b.x[:n*d], b.h[:n*d], b.part[:n*d], b.at[:n], b.looks[:n]
	past := g.newPast(n) // every block's in turn
	for i := range source {
		at[i] = int32(i)
		looks[i] = engine.Look{Past: past, Length: n, Offset: g.config.Context - n + i}
	}
	g.embed(*g.encoder, x, part, source, at)
	g.turn(at)
	for _, block := range g.encoder.blocks {
		g.normed(h, x, block.attention)
		g.attend(*g.encoder, part, h, block, looks)
		g.add(x, part, block.attentionAfter)
		g.normed(h, x, block.mlp)
		g.feedForward(part, h, block, n)
		g.add(x, part, block.mlpAfter)
	}
	g.normed(part, x, g.encoder.finalNorm)
	return part
}

// attendSource is the attention of layer l's rows to what their sequences read.
func (g *Generator) attendSource(y, x []float32, rows []row, l int) {
	n, h, b, block := len(rows), g.heads, &g.buffers, g.decoder.blocks[l]
	width := h.Q * h.Dim
	q, mixed, looks := b.qkv[:n*width], b.mixed[:n*width], b.looks[:n]
	g.linear(q, x, block.crossQ, n)
	for i, r := range rows {
		looks[i] = engine.Look{Past: r.sequence.memory[l], Length: r.sequence.source}
	}
	g.k.Attend(mixed, q, looks, engine.Looking{Query: h.Q, KV: h.KV, Dim: h.Dim, QStride: width, YStride: width, Scale: g.config.scoreScale()})
	g.linear(y, mixed, block.crossOut, n)
}
