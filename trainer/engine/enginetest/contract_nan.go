package enginetest

import (
	"math"
	"testing"

	"millrace/trainer/engine"
)

// testNaN checks that a not-a-number in one input shows in the outputs it belongs to: a diverged run must look diverged.
func testNaN(t *testing.T, k engine.Kernels) {
	const m, c = 3, 35
	nan := float32(math.NaN())
	for _, at := range []int{0, 16, 34} {
		r := newRig(t, k, uint64(at))
		x := r.normal(m*c, 1)
		x[c+at] = nan
		xd := r.in(x)
		hasNaN := func(name string, device []float32) {
			t.Helper()
			for _, v := range r.down(device) {
				if v != v {
					return
				}
			}
			t.Errorf("%s hides a NaN at %d of its input", name, at)
		}
		y, mean, rstd, losses := r.out(m*c), r.out(m), r.out(m), r.out(m)
		for _, a := range activations {
			k.Activate(a, y, xd)
			hasNaN("Activate "+string(a), y)
			k.ActivateBackward(a, y, r.in(r.normal(m*c, 1)), xd)
			hasNaN("ActivateBackward "+string(a), y)
			half := r.out(m * c / 3)
			k.Gate(a, half, xd[:2*(m*c/3)], 1, m*c/3)
			hasNaN("Gate "+string(a), half)
		}
		k.LayerNorm(y, mean, rstd, xd, r.in(r.normal(c, 1)), nil, 1e-5, m, c)
		hasNaN("LayerNorm", y)
		k.RMSNorm(y, rstd, xd, r.in(r.normal(c, 1)), 1e-5, m, c)
		hasNaN("RMSNorm", y)
		k.SoftCap(y, xd, 30)
		hasNaN("SoftCap", y)
		k.Dropout(y, xd, 1, 0)
		hasNaN("Dropout", y)
		k.Mix(y, xd, xd, 1, 0)
		hasNaN("Mix", y)
		p, momentum := r.inout(r.normal(m*c, 1)), r.inout(make([]float32, m*c))
		k.Lion(p, momentum, xd, engine.Lion{LR: 1e-3, Beta1: 0.9, Beta2: 0.99, GradScale: 1})
		hasNaN("Lion", p)
		k.SGD(p, nil, xd, engine.SGD{LR: 1e-3, GradScale: 1})
		hasNaN("SGD", p)
		k.CrossEntropy(losses, y, xd, []int32{1, 2, 3}, m, c)
		hasNaN("CrossEntropy losses", losses)
		hasNaN("CrossEntropy probs", y)
		product := r.out(m)
		k.Linear(product, xd, r.in(r.normal(c, 1)), nil, m, c, 1, false)
		hasNaN("Linear", product)
		if sum := k.SumSquares(xd); sum == sum {
			t.Errorf("SumSquares hides a NaN at %d", at)
		}
		attended, lse := r.out(c), r.out(1)
		k.Attention(attended, lse, xd, xd[c:], xd[2*c:], nil, engine.Shape{ // the middle row of x is the key
			B: 1, TQ: 1, TK: 1, Heads: engine.Heads{Q: 1, KV: 1, Dim: c}, QStride: 3 * c, KVStride: 3 * c, YStride: c,
		})
		hasNaN("Attention y", attended)
	}
}
