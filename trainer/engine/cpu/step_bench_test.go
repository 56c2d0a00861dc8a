package cpu_test

import (
	"fmt"
	"testing"
	"time"

	"millrace/trainer/engine"
)

// gpt is the forward and backward pass, and the update, of a GPT-2 written directly on engine.Kernels: what a training step
// costs when nothing but the kernels is paid for.
type gpt struct {
	k                                           engine.Kernels
	layers, width, heads, context, batch, vocab int
	params, grads, m, v                         []float32
	ids, targets                                []int32
	steps                                       int
	paramsAt                                    int
}

// block is one layer's parameters.
type block struct {
	gain1, bias1, wQKV, bQKV, wOut, bOut, gain2, bias2, wUp, bUp, wDown, bDown tensor
}

// tensor is a parameter and its gradient.
type tensor struct{ p, g []float32 }

// take cuts the next n parameters, and their gradients, from the flat buffers.
func (g *gpt) take(n int) tensor {
	s := tensor{g.params[g.paramsAt : g.paramsAt+n], g.grads[g.paramsAt : g.paramsAt+n]}
	g.paramsAt += n
	return s
}

func newGPT(k engine.Kernels, layers, width, heads, context, batch, vocab int) *gpt {
	g := &gpt{k: k, layers: layers, width: width, heads: heads, context: context, batch: batch, vocab: vocab}
	count := vocab*width + context*width + layers*(12*width*width+13*width) + 2*width
	g.params, g.grads, g.m, g.v = k.Alloc(count), k.Alloc(count), k.Alloc(count), k.Alloc(count)
	start := ramp(count)
	for i := range start {
		start[i] *= 0.1
	}
	k.Upload(g.params, start)
	for i := range batch * context {
		g.ids = append(g.ids, int32(i*7%vocab))
		g.targets = append(g.targets, int32(i*11%vocab))
	}
	return g
}

// saved is what one layer's forward pass keeps for its backward pass.
type saved struct {
	x, n1, mean1, rstd1, qkv, y, lse, o, x2, n2, mean2, rstd2, up, act, down []float32
}

func BenchmarkStep(b *testing.B) {
	for _, size := range []struct {
		name                                        string
		layers, width, heads, context, batch, vocab int
	}{
		{"tiny", 4, 128, 4, 128, 8, 256},
		{"demo", 4, 128, 4, 128, 8, 4096},
		{"124M", 12, 768, 12, 64, 4, 50257},
	} {
		for _, of := range []struct {
			precision engine.Precision
			threads   int
		}{{engine.F32, 1}, {engine.F32, 2}, {engine.BF16, 1}, {engine.BF16, 2}} {
			b.Run(fmt.Sprintf("%s/%s/threads=%d", size.name, of.precision, of.threads), func(b *testing.B) {
				if size.name == "124M" && testing.Short() {
					b.Skip("a gigabyte of parameters and gradients")
				}
				k, err := open(b, of.threads).With(of.precision)
				if err != nil {
					b.Fatal(err)
				}
				g := newGPT(k, size.layers, size.width, size.heads, size.context, size.batch, size.vocab)
				step := g.build()
				for b.Loop() {
					step()
				}
				b.ReportMetric(float64(size.batch*size.context*b.N)/float64(b.Elapsed())*float64(time.Second), "tokens/s")
			})
		}
	}
}

// build allocates every activation once and returns the step.
func (g *gpt) build() func() {
	k, c, rows := g.k, g.width, g.batch*g.context
	shape := selfAttention(g.batch, g.context, c, g.heads)
	table, pos := g.take(g.vocab*c), g.take(g.context*c)
	blocks := make([]block, g.layers)
	keep := make([]saved, g.layers)
	for i := range blocks {
		blocks[i] = block{
			g.take(c), g.take(c), g.take(3 * c * c), g.take(3 * c), g.take(c * c), g.take(c),
			g.take(c), g.take(c), g.take(4 * c * c), g.take(4 * c), g.take(4 * c * c), g.take(c),
		}
		a := k.Alloc
		keep[i] = saved{
			x: a(rows * c), n1: a(rows * c), mean1: a(rows), rstd1: a(rows), qkv: a(3 * rows * c), y: a(rows * c),
			lse: a(rows * g.heads), o: a(rows * c), x2: a(rows * c), n2: a(rows * c), mean2: a(rows), rstd2: a(rows),
			up: a(4 * rows * c), act: a(4 * rows * c), down: a(rows * c),
		}
	}
	gainF, biasF := g.take(c), g.take(c)
	last, normed, meanF, rstdF := k.Alloc(rows*c), k.Alloc(rows*c), k.Alloc(rows), k.Alloc(rows)
	logits, losses := k.Alloc(rows*g.vocab), k.Alloc(rows)
	dx, dn, dbig, dmid := k.Alloc(rows*c), k.Alloc(rows*c), k.Alloc(4*rows*c), k.Alloc(4*rows*c)

	return func() {
		g.steps++
		x := keep[0].x
		k.Embed(x, table.p, pos.p, g.ids, g.batch, g.context, c)
		for i, bl := range blocks {
			s := &keep[i]
			k.LayerNorm(s.n1, s.mean1, s.rstd1, s.x, bl.gain1.p, bl.bias1.p, 1e-5, rows, c)
			k.Linear(s.qkv, s.n1, bl.wQKV.p, bl.bQKV.p, rows, c, 3*c, false)
			k.Attention(s.y, s.lse, s.qkv, s.qkv[c:], s.qkv[2*c:], nil, shape)
			k.Linear(s.o, s.y, bl.wOut.p, bl.bOut.p, rows, c, c, false)
			k.Add(s.x2, s.x, s.o)
			k.LayerNorm(s.n2, s.mean2, s.rstd2, s.x2, bl.gain2.p, bl.bias2.p, 1e-5, rows, c)
			k.Linear(s.up, s.n2, bl.wUp.p, bl.bUp.p, rows, c, 4*c, false)
			k.Activate(engine.GELU, s.act, s.up)
			k.Linear(s.down, s.act, bl.wDown.p, bl.bDown.p, rows, 4*c, c, false)
			next := last
			if i+1 < len(keep) {
				next = keep[i+1].x
			}
			k.Add(next, s.x2, s.down)
		}
		k.LayerNorm(normed, meanF, rstdF, last, gainF.p, biasF.p, 1e-5, rows, c)
		k.Linear(logits, normed, table.p, nil, rows, c, g.vocab, true)
		k.CrossEntropy(losses, logits, logits, g.targets, rows, g.vocab)

		k.Zero(g.grads)
		k.CrossEntropyBackward(logits, logits, g.targets, 1/float32(rows), rows, g.vocab)
		k.LinearBackward(dn, table.g, nil, logits, normed, table.p, rows, c, g.vocab, true)
		k.LayerNormBackward(dx, gainF.g, biasF.g, dn, last, meanF, rstdF, gainF.p, rows, c)
		for i := len(blocks) - 1; i >= 0; i-- {
			s, bl := &keep[i], &blocks[i]
			k.LinearBackward(dbig, bl.wDown.g, bl.bDown.g, dx, s.act, bl.wDown.p, rows, 4*c, c, false)
			k.ActivateBackward(engine.GELU, dmid, dbig, s.up)
			k.LinearBackward(dn, bl.wUp.g, bl.bUp.g, dmid, s.n2, bl.wUp.p, rows, c, 4*c, false)
			k.LayerNormBackward(s.n2, bl.gain2.g, bl.bias2.g, dn, s.x2, s.mean2, s.rstd2, bl.gain2.p, rows, c)
			k.Add(dx, dx, s.n2)
			k.LinearBackward(dn, bl.wOut.g, bl.bOut.g, dx, s.y, bl.wOut.p, rows, c, c, false)
			k.AttentionBackward(dmid[:3*rows*c], dmid[c:], dmid[2*c:], nil, dn, s.y, s.lse, s.qkv, s.qkv[c:], s.qkv[2*c:], nil, shape)
			k.LinearBackward(dn, bl.wQKV.g, bl.bQKV.g, dmid[:3*rows*c], s.n1, bl.wQKV.p, rows, c, 3*c, false)
			k.LayerNormBackward(s.n1, bl.gain1.g, bl.bias1.g, dn, s.x, s.mean1, s.rstd1, bl.gain1.p, rows, c)
			k.Add(dx, dx, s.n1)
		}
		k.EmbedBackward(table.g, pos.g, dx, g.ids, g.batch, g.context, c)
		k.SumSquares(g.grads)
		k.AdamW(g.params, g.m, g.v, g.grads, engine.AdamW{
			LR: 1e-4, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, GradScale: 1, Step: g.steps,
		})
	}
}

// selfAttention is GPT-2's attention: rows q|k|v of c values each in h heads.
func selfAttention(b, t, c, h int) engine.Shape {
	return engine.Shape{
		B: b, TQ: t, TK: t, Heads: engine.Heads{Q: h, KV: h, Dim: c / h},
		QStride: 3 * c, KVStride: 3 * c, YStride: c, Causal: true,
	}
}
