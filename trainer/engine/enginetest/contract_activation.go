package enginetest

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"millrace/trainer/engine"
)

func testActivate(t *rapid.T, k engine.Kernels) {
	n, a := size(t, "n", 400), rapid.SampledFrom(activations).Draw(t, "activation")
	r := newRig(t, k, seed(t))
	checkActivate(r, a, r.normal(n, 3), r.normal(n, 1))
}

func testActivateExtremes(t *testing.T, k engine.Kernels) {
	for _, a := range activations {
		r := newRig(t, k, 1)
		x := []float32{0, float32(math.Copysign(0, -1)), 1e-30, -1e-30, 5, -5, 10, -10, 14, -14, 50, -50, 88, -88, 1e4, -1e4, 1e9, -1e9}
		ones := make([]float32, len(x))
		for i := range ones {
			ones[i] = 1
		}
		checkActivate(r, a, x, ones)
	}
}

func checkActivate(r *rig, a engine.Activation, x, dy []float32) {
	r.t.Helper()
	xd, dyd, y, dx, over := r.in(x), r.in(dy), r.out(len(x)), r.out(len(x)), r.inout(dy)
	r.k.Activate(a, y, xd)
	r.k.ActivateBackward(a, dx, dyd, xd)
	r.k.ActivateBackward(a, over, over, xd)
	want := activateBackward(a, wide(dy), wide(x))
	r.nearEach("Activate "+string(a)+" y", y, activate(a, wide(x)), tolerance, 1e-6)
	r.nearEach("ActivateBackward "+string(a)+" dx", dx, want, tolerance, 5e-6)
	r.nearEach("ActivateBackward "+string(a)+" dx over dy", over, want, tolerance, 5e-6)
	r.done("Activate " + string(a))
}

func testGate(t *rapid.T, k engine.Kernels) {
	rows, c, a := size(t, "rows", 40), size(t, "c", 90), rapid.SampledFrom(activations).Draw(t, "activation")
	r := newRig(t, k, seed(t))
	x, dy := r.normal(2*rows*c, 2), r.normal(rows*c, 1)
	xd, dyd, y, dx := r.in(x), r.in(dy), r.out(rows*c), r.out(2*rows*c)
	k.Gate(a, y, xd, rows, c)
	k.GateBackward(a, dx, dyd, xd, rows, c)
	r.nearEach("Gate "+string(a)+" y", y, gate(a, wide(x), rows, c), tolerance, 1e-5)
	r.nearEach("GateBackward "+string(a)+" dx", dx, gateBackward(a, wide(dy), wide(x), rows, c), tolerance, 5e-5)
	r.done("Gate")
}

func testRotate(t *rapid.T, k engine.Kernels) {
	tt, h := size(t, "t", 20), drawHeads(t, 2*size(t, "half dim", 20))
	rows := tt * rapid.IntRange(1, 3).Draw(t, "sequences")
	r := newRig(t, k, seed(t))
	extra := r.rng.IntN(3) // tables may be longer than this batch
	x, cos, sin := r.normal(rows*h.Width(), 1), make([]float32, (tt+extra)*h.Dim/2), make([]float32, (tt+extra)*h.Dim/2)
	for i := range cos {
		s, c := math.Sincos(r.rng.Float64() * 7)
		sin[i], cos[i] = float32(s), float32(c)
	}
	xd, cosd, sind := r.in(x), r.in(cos), r.in(sin)
	for _, back := range []bool{false, true} {
		y, over := r.out(len(x)), r.inout(x)
		k.Rotate(y, xd, cosd, sind, rows, tt, h, back)
		k.Rotate(over, over, cosd, sind, rows, tt, h, back)
		want := rotate(wide(x), wide(cos), wide(sin), rows, tt, h, back)
		r.near("Rotate y", y, want, tolerance, 1)
		r.near("Rotate y over x", over, want, tolerance, 1)
	}
	r.done("Rotate")
}

func testDropout(t *rapid.T, k engine.Kernels) {
	n, key := size(t, "n", 20000), seed(t)
	p := rapid.SampledFrom([]float32{0, 0.1, 0.5, 0.999}).Draw(t, "p")
	r := newRig(t, k, seed(t))
	x := r.normal(n, 1)
	xd, y, over := r.in(x), r.out(n), r.inout(x)
	k.Dropout(y, xd, key, p)
	k.Dropout(over, over, key, p)
	want := dropout(wide(x), key, float64(p))
	r.nearEach("Dropout y", y, want, 1e-6, 0)
	r.nearEach("Dropout y over x", over, want, 1e-6, 0)
	r.done("Dropout")
}

func testSoftCap(t *rapid.T, k engine.Kernels) {
	n := size(t, "n", 400)
	limit := rapid.SampledFrom([]float32{1, 15, 30}).Draw(t, "cap")
	r := newRig(t, k, seed(t))
	x, dy := r.normal(n, 20), r.normal(n, 1)
	x[0] = 1e9
	xd, dyd, y, over := r.in(x), r.in(dy), r.out(n), r.inout(x)
	k.SoftCap(y, xd, limit)
	k.SoftCap(over, over, limit)
	want := softCap(wide(x), float64(limit))
	r.near("SoftCap y", y, want, tolerance, 0)
	r.near("SoftCap y over x", over, want, tolerance, 0)
	dx, overGrad := r.out(n), r.inout(dy)
	k.SoftCapBackward(dx, dyd, y, limit)
	k.SoftCapBackward(overGrad, overGrad, y, limit)
	slopes := softCapBackward(wide(dy), wide(x), float64(limit))
	r.near("SoftCapBackward dx", dx, slopes, tolerance, 1)
	r.near("SoftCapBackward dx over dy", overGrad, slopes, tolerance, 1)
	r.done("SoftCap")
}
