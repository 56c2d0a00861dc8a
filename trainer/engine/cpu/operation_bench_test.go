package cpu_test

import (
	"testing"

	"millrace/trainer/engine"
)

// BenchmarkOperation measures what is not a product, in the shapes of a tiny GPT's step: batch 8, context 128, width 128.
func BenchmarkOperation(b *testing.B) {
	const rows, c, h, t, vocab = 1024, 128, 4, 128, 4096
	k := open(b, 2)
	x, y, z, big := k.Alloc(rows*4*c), k.Alloc(rows*4*c), k.Alloc(rows*4*c), k.Alloc(rows*vocab)
	k.Upload(x, ramp(len(x)))
	k.Upload(y, ramp(len(y)))
	gain, dgain, mean, rstd, lse := k.Alloc(c), k.Alloc(c), k.Alloc(rows), k.Alloc(rows), k.Alloc(rows*h)
	ids, targets := make([]int32, rows), make([]int32, rows)
	for i := range ids {
		ids[i], targets[i] = int32(i*31%vocab), int32(i*17%vocab)
	}
	table := k.Alloc(vocab * c)
	p, m, v, g := k.Alloc(1<<20), k.Alloc(1<<20), k.Alloc(1<<20), k.Alloc(1<<20)
	adam := engine.AdamW{LR: 1e-4, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, GradScale: 1, Step: 3}
	for _, o := range []struct {
		name   string
		values int // that the operation is about
		run    func()
	}{
		{"Embed", rows * c, func() { k.Embed(z[:rows*c], table, nil, ids, 8, t, c) }},
		{"EmbedBackward", rows * c, func() { k.EmbedBackward(table, nil, x[:rows*c], ids, 8, t, c) }},
		{"LayerNorm", rows * c, func() { k.LayerNorm(z[:rows*c], mean, rstd, x[:rows*c], gain, gain, 1e-5, rows, c) }},
		{"LayerNormBackward", rows * c, func() {
			k.LayerNormBackward(z[:rows*c], dgain, dgain, y[:rows*c], x[:rows*c], mean, rstd, gain, rows, c)
		}},
		{"GELU", rows * 4 * c, func() { k.Activate(engine.GELU, z, x) }},
		{"GELUBackward", rows * 4 * c, func() { k.ActivateBackward(engine.GELU, z, y, x) }},
		{"Attention", rows * 3 * c, func() { k.Attention(z[:rows*c], lse, x, x[c:], x[2*c:], nil, selfAttention(8, t, c, h)) }},
		{"AttentionBackward", rows * 3 * c, func() {
			k.AttentionBackward(z, z[c:], z[2*c:], nil, y, y, lse, x, x[c:], x[2*c:], nil, selfAttention(8, t, c, h))
		}},
		{"CrossEntropy", rows * vocab, func() { k.CrossEntropy(mean, big, big, targets, rows, vocab) }},
		{"CrossEntropyBackward", rows * vocab, func() { k.CrossEntropyBackward(big, big, targets, 1, rows, vocab) }},
		{"Add", rows * 4 * c, func() { k.Add(z, x, y) }},
		{"SumSquares", len(p), func() { k.SumSquares(p) }},
		{"AdamW", len(p), func() { k.AdamW(p, m, v, g, adam) }},
	} {
		b.Run(o.name, func(b *testing.B) {
			for b.Loop() {
				o.run()
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(o.values), "ns/value")
		})
	}
}
