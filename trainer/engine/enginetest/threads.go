package enginetest

import (
	"math"
	"testing"

	"millrace/trainer/engine"
)

// SameForAnyThreads checks the guarantee that makes a run reproducible: the same inputs give the same bits whatever the
// number of threads the kernels were opened with, and again when asked twice.
func SameForAnyThreads(t *testing.T, open func(threads int) engine.Kernels) {
	want := transcript(t, open(1))
	for _, threads := range []int{1, 2, 3, 5} {
		got := transcript(t, open(threads))
		for i, entry := range want {
			for j, v := range entry.values {
				if math.Float64bits(got[i].values[j]) != math.Float64bits(v) {
					t.Fatalf("%s[%d] is %g with %d threads, %g with one", entry.name, j, got[i].values[j], threads, v)
				}
			}
		}
	}
}

type entry struct {
	name   string
	values []float64
}

// transcript runs every operation on fixed inputs, large enough to be worth splitting, and keeps what came out.
func transcript(t *testing.T, k engine.Kernels) []entry {
	r := newRig(t, k, 42)
	var entries []entry
	keep := func(name string, device []float32) { entries = append(entries, entry{name, wide(r.down(device))}) }

	for i, transposed := range []bool{false, true, false, true} {
		m, kk, n := 301, 133, 211
		if i >= 2 {
			m, kk, n = 97, 601, 530
		}
		x, w, b, dy := r.in(r.normal(m*kk, 1)), r.in(r.normal(kk*n, 1)), r.in(r.normal(n, 1)), r.in(r.normal(m*n, 1))
		y, dx, dw, db := r.out(m*n), r.out(m*kk), r.inout(r.normal(kk*n, 1)), r.inout(r.normal(n, 1))
		k.Linear(y, x, w, b, m, kk, n, transposed)
		k.LinearBackward(dx, dw, db, dy, x, w, m, kk, n, transposed)
		keep("Linear y", y)
		keep("LinearBackward dx", dx)
		keep("LinearBackward dw", dw)
		keep("LinearBackward db", db)
	}
	{
		b, tt, c, vocab := 5, 61, 70, 17
		ids := r.ids(b*tt, vocab, false)
		y, dtable, dpos := r.out(b*tt*c), r.inout(r.normal(vocab*c, 1)), r.inout(r.normal(tt*c, 1))
		k.Embed(y, r.in(r.normal(vocab*c, 1)), r.in(r.normal(tt*c, 1)), ids, b, tt, c)
		k.EmbedBackward(dtable, dpos, r.in(r.normal(b*tt*c, 1)), ids, b, tt, c)
		keep("Embed y", y)
		keep("EmbedBackward dtable", dtable)
		keep("EmbedBackward dpos", dpos)
	}
	{
		rows, c := 517, 77
		x, gain, bias := r.in(r.normal(rows*c, 1)), r.in(r.normal(c, 1)), r.in(r.normal(c, 1))
		y, mean, rstd := r.out(rows*c), r.out(rows), r.out(rows)
		dx, dgain, dbias := r.out(rows*c), r.inout(r.normal(c, 1)), r.inout(r.normal(c, 1))
		k.LayerNorm(y, mean, rstd, x, gain, bias, rows, c)
		k.LayerNormBackward(dx, dgain, dbias, r.in(r.normal(rows*c, 1)), x, mean, rstd, gain, rows, c)
		keep("LayerNorm y", y)
		keep("LayerNorm mean", mean)
		keep("LayerNorm rstd", rstd)
		keep("LayerNormBackward dx", dx)
		keep("LayerNormBackward dgain", dgain)
		keep("LayerNormBackward dbias", dbias)
	}
	{
		b, tt, c, h := 3, 141, 66, 3
		qkv := r.in(r.normal(b*tt*3*c, 1))
		y, probs, dqkv := r.out(b*tt*c), r.out(b*h*tt*tt), r.out(b*tt*3*c)
		k.Attention(y, probs, qkv, b, tt, c, h)
		k.AttentionBackward(dqkv, r.in(r.normal(b*tt*c, 1)), qkv, probs, b, tt, c, h)
		keep("Attention y", y)
		keep("Attention probs", probs)
		keep("AttentionBackward dqkv", dqkv)
	}
	{
		m, v := 203, 331
		targets := r.ids(m, v, true)
		losses, probs, dlogits := r.out(m), r.out(m*v), r.out(m*v)
		k.CrossEntropy(losses, probs, r.in(r.normal(m*v, 3)), targets, m, v)
		k.CrossEntropyBackward(dlogits, probs, targets, 0.1, m, v)
		keep("CrossEntropy losses", losses)
		keep("CrossEntropy probs", probs)
		keep("CrossEntropyBackward dlogits", dlogits)
	}
	n := 70001
	x, dy := r.in(r.normal(n, 2)), r.in(r.normal(n, 2))
	y, dx, sum, scaled := r.out(n), r.out(n), r.out(n), r.inout(r.normal(n, 1))
	k.GELU(y, x)
	k.GELUBackward(dx, dy, x)
	k.Add(sum, x, dy)
	k.Scale(scaled, 0.7)
	keep("GELU y", y)
	keep("GELUBackward dx", dx)
	keep("Add dst", sum)
	keep("Scale x", scaled)
	entries = append(entries, entry{"SumSquares", []float64{k.SumSquares(x)}})
	p, m, v := r.inout(r.normal(n, 1)), r.inout(make([]float32, n)), r.inout(make([]float32, n))
	k.AdamW(p, m, v, x, engine.AdamW{LR: 0.1, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, GradScale: 1, Step: 1})
	keep("AdamW p", p)
	keep("AdamW m", m)
	keep("AdamW v", v)
	r.done("an operation")
	return entries
}
