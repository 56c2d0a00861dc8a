package enginetest

import (
	"math"
	"math/rand/v2"
	"testing"

	"millrace/trainer/engine"
)

// checkGradient compares a gradient of Σ out·seed with central differences, coordinate by coordinate.
func checkGradient(t *testing.T, name string, at, gradient []float64, loss func() float64) {
	t.Helper()
	if len(at) != len(gradient) {
		t.Fatalf("%s: %d inputs, %d gradients", name, len(at), len(gradient))
	}
	const step = 1e-4
	for i := range at {
		here := at[i]
		at[i] = here + step
		above := loss()
		at[i] = here - step
		below := loss()
		at[i] = here
		want := (above - below) / (2 * step)
		if math.Abs(gradient[i]-want) > 1e-6*(1+math.Abs(want)) {
			t.Fatalf("%s[%d]: the formula says %g, differences say %g", name, i, gradient[i], want)
		}
	}
}

func dot(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func TestOracleGradientsAreDerivatives(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	normal := func(n int) []float64 {
		s := make([]float64, n)
		for i := range s {
			s[i] = rng.NormFloat64()
		}
		return s
	}
	for _, transposed := range []bool{false, true} {
		m, k, n := 3, 5, 4
		x, w, b, dy := normal(m*k), normal(k*n), normal(n), normal(m*n)
		loss := func() float64 { return dot(linear(x, w, b, m, k, n, transposed), dy) }
		dx, dw, db := linearBackward(dy, x, w, m, k, n, transposed)
		checkGradient(t, "linear dx", x, dx, loss)
		checkGradient(t, "linear dw", w, dw, loss)
		checkGradient(t, "linear db", b, db, loss)
	}
	{
		b, tt, c, vocab := 2, 3, 4, 5
		table, pos, dy := normal(vocab*c), normal(tt*c), normal(b*tt*c)
		ids := []int32{0, 4, 4, 2, 4, 0}
		loss := func() float64 { return dot(embed(table, pos, ids, b, tt, c), dy) }
		dtable, dpos := embedBackward(dy, ids, vocab, b, tt, c)
		checkGradient(t, "embed dtable", table, dtable, loss)
		checkGradient(t, "embed dpos", pos, dpos, loss)
	}
	{
		rows, c := 3, 7
		x, gain, bias, dy := normal(rows*c), normal(c), normal(c), normal(rows*c)
		loss := func() float64 { y, _, _ := layerNorm(x, gain, bias, 1e-5, rows, c); return dot(y, dy) }
		dx, dgain, dbias := layerNormBackward(dy, x, gain, 1e-5, rows, c)
		checkGradient(t, "layerNorm dx", x, dx, loss)
		checkGradient(t, "layerNorm dgain", gain, dgain, loss)
		checkGradient(t, "layerNorm dbias", bias, dbias, loss)
	}
	{
		rows, c := 3, 7
		x, gain, dy := normal(rows*c), normal(c), normal(rows*c)
		loss := func() float64 { y, _ := rmsNorm(x, gain, 1e-5, rows, c); return dot(y, dy) }
		dx, dgain := rmsNormBackward(dy, x, gain, 1e-5, rows, c)
		checkGradient(t, "rmsNorm dx", x, dx, loss)
		checkGradient(t, "rmsNorm dgain", gain, dgain, loss)
	}
	{
		rows, h := 3, engine.Heads{Q: 4, KV: 2, Dim: 6}
		x, qGain, kGain, dy := normal(rows*h.Width()), normal(h.Dim), normal(h.Dim), normal(rows*h.Width())
		loss := func() float64 { y, _ := headNorm(x, qGain, kGain, 1e-5, rows, h); return dot(y, dy) }
		dx, dq, dk := headNormBackward(dy, x, qGain, kGain, 1e-5, rows, h)
		checkGradient(t, "headNorm dx", x, dx, loss)
		checkGradient(t, "headNorm dqGain", qGain, dq, loss)
		checkGradient(t, "headNorm dkGain", kGain, dk, loss)
		cos, sin := normal(3), normal(3) // any numbers will do
		turned := func() float64 { return dot(rotate(x, cos, sin, rows, 1, h, false), dy) }
		checkGradient(t, "rotate dx", x, rotate(dy, cos, sin, rows, 1, h, true), turned)
	}
	for _, a := range activations {
		x, dy, up := normal(40), normal(40), normal(80)
		checkGradient(t, string(a)+" dx", x, activateBackward(a, dy, x), func() float64 { return dot(activate(a, x), dy) })
		checkGradient(t, string(a)+" gate dx", up, gateBackward(a, dy, up, 4, 10), func() float64 { return dot(gate(a, up, 4, 10), dy) })
	}
	{
		x, dy := normal(40), normal(40)
		checkGradient(t, "softCap dx", x, softCapBackward(dy, x, 2), func() float64 { return dot(softCap(x, 2), dy) })
		checkGradient(t, "dropout dx", x, dropout(dy, 9, 0.3), func() float64 { return dot(dropout(x, 9, 0.3), dy) })
	}
	for _, s := range []engine.Shape{
		{B: 2, TQ: 5, TK: 5, Heads: engine.Heads{Q: 3, KV: 3, Dim: 2}, Causal: true},
		{B: 2, TQ: 3, TK: 6, Heads: engine.Heads{Q: 4, KV: 2, Dim: 3}, Lengths: []int32{6, 2}, Scale: 0.7, Slopes: []float32{1, 0.5, 0.2, 0}},
		{B: 1, TQ: 3, TK: 6, Heads: engine.Heads{Q: 2, KV: 1, Dim: 3}, Causal: true, Starts: []int32{2}},
	} {
		h := s.Heads
		s.QStride, s.KVStride, s.YStride = h.Q*h.Dim, h.KV*h.Dim, h.Q*h.Dim
		q, k, v, bias := normal(s.B*s.TQ*s.QStride), normal(s.B*s.TK*s.KVStride), normal(s.B*s.TK*s.KVStride), normal(h.Q*s.TQ*s.TK)
		dy := normal(s.B * s.TQ * s.YStride)
		loss := func() float64 { y, _, _ := attention(q, k, v, bias, s); return dot(y, dy) }
		dq, dk, dv, dbias := attentionBackward(dy, q, k, v, bias, s)
		checkGradient(t, "attention dq", q, dq, loss)
		checkGradient(t, "attention dk", k, dk, loss)
		checkGradient(t, "attention dv", v, dv, loss)
		checkGradient(t, "attention dbias", bias, dbias, loss)
	}
	{
		table, dbias, buckets := normal(4*3), normal(3*7), []int32{0, 1, 3, 3, 2, 0, 3}
		checkGradient(t, "relative dtable", table, relativeBackward(dbias, buckets, 4, 3), func() float64 { return dot(relative(table, buckets, 3), dbias) })
	}
	{
		m, v := 4, 6
		logits, targets := normal(m*v), []int32{2, -1, 0, 5}
		loss := func() float64 {
			losses, _ := crossEntropy(logits, targets, m, v)
			return 0.25 * (losses[0] + losses[1] + losses[2] + losses[3])
		}
		checkGradient(t, "crossEntropy dlogits", logits, crossEntropyBackward(logits, targets, 0.25, m, v), loss)
	}
}
