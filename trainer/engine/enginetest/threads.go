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
		first := r.out(kk * n)
		k.LinearGradient(first, dy, x, m, kk, n, transposed)
		keep("LinearGradient", first)
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
		k.LayerNorm(y, mean, rstd, x, gain, bias, 1e-5, rows, c)
		k.LayerNormBackward(dx, dgain, dbias, r.in(r.normal(rows*c, 1)), x, mean, rstd, gain, rows, c)
		keep("LayerNorm y", y)
		keep("LayerNorm mean", mean)
		keep("LayerNorm rstd", rstd)
		keep("LayerNormBackward dx", dx)
		keep("LayerNormBackward dgain", dgain)
		keep("LayerNormBackward dbias", dbias)
	}
	{
		rows, c := 517, 77
		x, gain, dy := r.in(r.normal(rows*c, 1)), r.in(r.normal(c, 1)), r.in(r.normal(rows*c, 1))
		y, rstd, dx, dgain := r.out(rows*c), r.out(rows), r.out(rows*c), r.inout(r.normal(c, 1))
		k.RMSNorm(y, rstd, x, gain, 1e-6, rows, c)
		k.RMSNormBackward(dx, dgain, dy, x, rstd, gain, rows, c)
		keep("RMSNorm y", y)
		keep("RMSNormBackward dx", dx)
		keep("RMSNormBackward dgain", dgain)
	}
	{
		rows, h := 333, engine.Heads{Q: 6, KV: 2, Dim: 18}
		n := rows * h.Width()
		x, dy, cos, sin := r.in(r.normal(n, 1)), r.in(r.normal(n, 1)), r.in(r.normal(37*9, 1)), r.in(r.normal(37*9, 1))
		qGain, kGain := r.in(r.normal(h.Dim, 1)), r.in(r.normal(h.Dim, 1))
		y, rstd, dx := r.out(n), r.out(rows*8), r.out(n)
		dq, dk, turned := r.inout(r.normal(h.Dim, 1)), r.inout(r.normal(h.Dim, 1)), r.out(n)
		k.HeadNorm(y, rstd, x, qGain, kGain, 1e-6, rows, h)
		k.HeadNormBackward(dx, dq, dk, dy, x, rstd, qGain, kGain, rows, h)
		k.Rotate(turned, x, cos, sin, rows, 37, h, true)
		keep("HeadNorm y", y)
		keep("HeadNormBackward dx", dx)
		keep("HeadNormBackward dqGain", dq)
		keep("HeadNormBackward dkGain", dk)
		keep("Rotate y", turned)
	}
	for _, s := range []engine.Shape{
		{B: 3, TQ: 141, TK: 141, Heads: engine.Heads{Q: 3, KV: 3, Dim: 22}, Causal: true},
		{B: 2, TQ: 41, TK: 203, Heads: engine.Heads{Q: 6, KV: 2, Dim: 20}, Lengths: []int32{203, 77}},
	} {
		h := s.Heads
		s.QStride, s.KVStride, s.YStride = h.Q*h.Dim, 2*h.KV*h.Dim, h.Q*h.Dim
		q, kv, bias := r.in(r.normal(s.B*s.TQ*s.QStride, 1)), r.in(r.normal(s.B*s.TK*s.KVStride, 1)), r.in(r.normal(h.Q*s.TQ*s.TK, 1))
		dy, v := r.in(r.normal(s.B*s.TQ*s.YStride, 1)), h.KV*h.Dim
		y, lse := r.out(s.B*s.TQ*s.YStride), r.out(s.B*h.Q*s.TQ)
		k.Attention(y, lse, q, kv, kv[v:], bias, s)
		keep("Attention y", y)
		keep("Attention lse", lse)
		for _, dbias := range [][]float32{nil, r.out(len(bias))} {
			dq, dkv := r.out(len(q)), r.out(len(kv))
			k.AttentionBackward(dq, dkv, dkv[v:], dbias, dy, y, lse, q, kv, kv[v:], bias, s)
			keep("AttentionBackward dq", dq)
			keep("AttentionBackward dkv", dkv)
			if dbias != nil {
				keep("AttentionBackward dbias", dbias)
			}
		}
	}
	{
		buckets, heads := r.ids(9000, 33, false), 8
		bias, dtable := r.out(9000*heads), r.inout(r.normal(33*heads, 1))
		k.Relative(bias, r.in(r.normal(33*heads, 1)), buckets, heads)
		k.RelativeBackward(dtable, bias, buckets, heads)
		keep("RelativeBackward dtable", dtable)
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
	for _, a := range activations {
		k.Activate(a, y, x)
		k.ActivateBackward(a, dx, dy, x)
		keep("Activate y", y)
		keep("ActivateBackward dx", dx)
		k.Gate(a, y[:35000], x[:70000], 50, 700)
		k.GateBackward(a, dx[:70000], y[:35000], x[:70000], 50, 700)
		keep("Gate y", y)
		keep("GateBackward dx", dx)
	}
	mixed, dropped, capped, slopes := r.out(n), r.out(n), r.out(n), r.out(n)
	k.Mix(mixed, x, dy, 0.3, 0.7)
	k.Dropout(dropped, x, 5, 0.3)
	k.SoftCap(capped, x, 2)
	k.SoftCapBackward(slopes, dy, capped, 2)
	keep("Mix dst", mixed)
	keep("Dropout y", dropped)
	keep("SoftCap y", capped)
	keep("SoftCapBackward dx", slopes)
	k.Add(sum, x, dy)
	k.Scale(scaled, 0.7)
	keep("Add dst", sum)
	keep("Scale x", scaled)
	entries = append(entries, entry{"SumSquares", []float64{k.SumSquares(x)}})
	p, m, v := r.inout(r.normal(n, 1)), r.inout(make([]float32, n)), r.inout(make([]float32, n))
	k.AdamW(p, m, v, x, engine.AdamW{LR: 0.1, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, GradScale: 1, Step: 1})
	p2, m2 := r.inout(r.normal(n, 1)), r.inout(make([]float32, n))
	k.Lion(p2, m2, x, engine.Lion{LR: 0.1, Beta1: 0.9, Beta2: 0.99, WeightDecay: 0.1, GradScale: 1})
	k.SGD(p2, m2, x, engine.SGD{LR: 0.1, Momentum: 0.9, WeightDecay: 0.1, GradScale: 1})
	keep("Lion and SGD p", p2)
	keep("Lion and SGD m", m2)
	half, err := k.With(engine.BF16)
	if err != nil {
		t.Fatal(err)
	}
	product, dw := r.out(101*131), r.inout(r.normal(500*131, 1))
	half.Linear(product, x[:101*500], dy[:500*131], nil, 101, 500, 131, false)
	half.LinearBackward(nil, dw, nil, product, x[:101*500], nil, 101, 500, 131, false)
	keep("Linear y in bf16", product)
	keep("LinearBackward dw in bf16", dw)
	keep("AdamW p", p)
	keep("AdamW m", m)
	keep("AdamW v", v)
	r.done("an operation")
	return entries
}
