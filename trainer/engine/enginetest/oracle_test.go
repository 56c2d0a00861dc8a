package enginetest

import (
	"math"
	"math/rand/v2"
	"testing"
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
		loss := func() float64 { y, _, _ := layerNorm(x, gain, bias, rows, c); return dot(y, dy) }
		dx, dgain, dbias := layerNormBackward(dy, x, gain, rows, c)
		checkGradient(t, "layerNorm dx", x, dx, loss)
		checkGradient(t, "layerNorm dgain", gain, dgain, loss)
		checkGradient(t, "layerNorm dbias", bias, dbias, loss)
	}
	{
		x, dy := normal(40), normal(40)
		checkGradient(t, "gelu dx", x, geluBackward(dy, x), func() float64 { return dot(gelu(x), dy) })
	}
	{
		b, tt, c, h := 2, 5, 6, 3
		qkv, dy := normal(b*tt*3*c), normal(b*tt*c)
		loss := func() float64 { y, _ := attention(qkv, b, tt, c, h); return dot(y, dy) }
		checkGradient(t, "attention dqkv", qkv, attentionBackward(dy, qkv, b, tt, c, h), loss)
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
