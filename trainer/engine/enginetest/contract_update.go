package enginetest

import (
	"math"

	"pgregory.net/rapid"

	"millrace/trainer/engine"
)

func testMix(t *rapid.T, k engine.Kernels) {
	n := size(t, "n", 5000)
	r := newRig(t, k, seed(t))
	a, b := r.normal(n, 1), r.normal(n, 1)
	const alpha, beta = 0.7, -1.3
	want, alone := make([]float64, n), make([]float64, n)
	for i := range want {
		alone[i] = float64(float32(alpha)) * float64(a[i])
		want[i] = alone[i] + float64(float32(beta))*float64(b[i])
	}
	ad, bd, dst, overA, overB, single, overSingle := r.in(a), r.in(b), r.out(n), r.inout(a), r.inout(b), r.out(n), r.inout(a)
	k.Mix(dst, ad, bd, alpha, beta)
	k.Mix(overA, overA, bd, alpha, beta)
	k.Mix(overB, ad, overB, alpha, beta)
	k.Mix(single, ad, nil, alpha, beta)
	k.Mix(overSingle, overSingle, nil, alpha, beta)
	r.near("Mix dst", dst, want, 1e-6, 1)
	r.near("Mix dst over a", overA, want, 1e-6, 1)
	r.near("Mix dst over b", overB, want, 1e-6, 1)
	r.near("Mix without b", single, alone, 1e-6, 1)
	r.near("Mix without b over a", overSingle, alone, 1e-6, 1)
	r.done("Mix")
}

func testAdamW(t *rapid.T, k engine.Kernels) {
	n := size(t, "n", 5000)
	r := newRig(t, k, seed(t))
	p, m, v := r.normal(n, 1), r.normal(n, 0.01), make([]float32, n)
	for i := range v {
		v[i] = float32(math.Abs(r.rng.NormFloat64())) * 1e-3
	}
	pd, md, vd := r.inout(p), r.inout(m), r.inout(v)
	wantP, wantM, wantV := wide(p), wide(m), wide(v)
	for step := 1; step <= 3; step++ {
		g := r.normal(n, 1)
		h := engine.AdamW{LR: 1e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, GradScale: 0.5, Step: step}
		k.AdamW(pd, md, vd, r.in(g), h)
		for i := range g {
			grad := float64(g[i]) * float64(h.GradScale)
			wantM[i] = float64(h.Beta1)*wantM[i] + (1-float64(h.Beta1))*grad
			wantV[i] = float64(h.Beta2)*wantV[i] + (1-float64(h.Beta2))*grad*grad
			mean := wantM[i] / (1 - math.Pow(float64(h.Beta1), float64(step)))
			square := wantV[i] / (1 - math.Pow(float64(h.Beta2), float64(step)))
			wantP[i] -= float64(h.LR) * (mean/(math.Sqrt(square)+float64(h.Eps)) + float64(h.WeightDecay)*wantP[i])
		}
	}
	r.nearEach("AdamW p", pd, wantP, tolerance, 1e-6)
	r.nearEach("AdamW m", md, wantM, tolerance, 1e-6)
	r.nearEach("AdamW v", vd, wantV, tolerance, 1e-9)
	r.done("AdamW")
}

func testLion(t *rapid.T, k engine.Kernels) {
	n := size(t, "n", 5000)
	r := newRig(t, k, seed(t))
	p, m := r.normal(n, 1), r.normal(n, 0.01)
	g := r.normal(n, 1)
	m[0], g[0] = 0, 0 // whose sign is zero
	h := engine.Lion{LR: 1e-3, Beta1: 0.9, Beta2: 0.99, WeightDecay: 0.1, GradScale: 0.5}
	pd, md := r.inout(p), r.inout(m)
	k.Lion(pd, md, r.in(g), h)
	wantP, wantM := wide(p), wide(m)
	got := r.down(pd)
	for i := range g {
		grad := float64(g[i]) * float64(h.GradScale)
		mixed := float64(h.Beta1)*wantM[i] + (1-float64(h.Beta1))*grad
		if update := 0.0; math.Abs(mixed) > 1e-6 || i == 0 {
			if mixed != 0 {
				update = math.Copysign(1, mixed)
			}
			wantP[i] -= float64(h.LR) * (update + float64(h.WeightDecay)*wantP[i])
		} else {
			wantP[i] = float64(got[i]) // so near zero that rounding decides its sign
		}
		wantM[i] = float64(h.Beta2)*wantM[i] + (1-float64(h.Beta2))*grad
	}
	r.nearEach("Lion p", pd, wantP, tolerance, 1e-6)
	r.nearEach("Lion m", md, wantM, tolerance, 1e-6)
	r.done("Lion")
}

func testSGD(t *rapid.T, k engine.Kernels) {
	n := size(t, "n", 5000)
	h := engine.SGD{LR: 1e-2, WeightDecay: 0.1, GradScale: 0.5, Nesterov: rapid.Bool().Draw(t, "nesterov")}
	if rapid.Bool().Draw(t, "momentum") {
		h.Momentum = 0.9
	}
	r := newRig(t, k, seed(t))
	p := r.normal(n, 1)
	var m, md []float32
	if h.Momentum != 0 || rapid.Bool().Draw(t, "needless m") {
		m = r.normal(n, 0.1)
		md = r.inout(m)
	}
	pd, g := r.inout(p), r.normal(n, 1)
	k.SGD(pd, md, r.in(g), h)
	wantP, wantM := wide(p), wide(m)
	for i := range g {
		grad := float64(g[i])*float64(h.GradScale) + float64(h.WeightDecay)*wantP[i]
		update := grad
		if m != nil {
			wantM[i] = float64(h.Momentum)*wantM[i] + grad
			update = wantM[i]
			if h.Nesterov {
				update = grad + float64(h.Momentum)*wantM[i]
			}
		}
		wantP[i] -= float64(h.LR) * update
	}
	r.nearEach("SGD p", pd, wantP, tolerance, 1e-6)
	if m != nil {
		r.nearEach("SGD m", md, wantM, tolerance, 1e-6)
	}
	r.done("SGD")
}

// testPrecision checks products of operands that were rounded to bfloat16, and that the other kernels are as they were.
func testPrecision(t *rapid.T, k engine.Kernels) {
	half, err := k.With(engine.BF16)
	if err != nil {
		t.Fatalf("bf16 is for every device: %v", err)
	}
	m, kk, n := size(t, "m", 60), size(t, "k", 60), size(t, "n", 80)
	transposed := rapid.Bool().Draw(t, "transposed")
	r := newRig(t, k, seed(t))
	x, w, b, dy := r.normal(m*kk, 1), r.normal(kk*n, 1), r.normal(n, 1), r.normal(m*n, 1)
	xd, wd, bd, dyd := r.in(x), r.in(w), r.in(b), r.in(dy)
	x2, w2, dy2 := bf16(x), bf16(w), bf16(dy)
	y, full := r.out(m*n), r.out(m*n)
	half.Linear(y, xd, wd, bd, m, kk, n, transposed)
	k.Linear(full, xd, wd, bd, m, kk, n, transposed)
	r.near("Linear y in bf16", y, linear(x2, w2, wide(b), m, kk, n, transposed), tolerance, root(kk))
	r.near("Linear y in f32 beside it", full, linear(wide(x), wide(w), wide(b), m, kk, n, transposed), tolerance, root(kk))
	wantX, wantW, _ := linearBackward(dy2, x2, w2, m, kk, n, transposed)
	_, _, wantB := linearBackward(wide(dy), x2, w2, m, kk, n, transposed) // no product
	hadW, hadB := r.normal(kk*n, 1), r.normal(n, 1)
	dx, dw, db := r.out(m*kk), r.inout(hadW), r.inout(hadB)
	alone := r.out(kk * n)
	half.LinearGradient(alone, dyd, xd, m, kk, n, transposed)
	half.LinearBackward(dx, dw, db, dyd, xd, wd, m, kk, n, transposed)
	r.near("LinearBackward dx in bf16", dx, wantX, tolerance, root(n))
	r.near("LinearGradient in bf16", alone, wantW, tolerance, root(m))
	r.near("LinearBackward dw in bf16", dw, plus(hadW, wantW), tolerance, root(m))
	r.near("LinearBackward db in bf16", db, plus(hadB, wantB), tolerance, root(m))
	r.done("Linear in bf16")
}

// bf16 rounds to the nearest value of 8 significant bits, to an even one of two as near.
func bf16(s []float32) []float64 {
	d := make([]float64, len(s))
	for i, v := range s {
		fraction, exponent := math.Frexp(float64(v))
		d[i] = math.Ldexp(math.RoundToEven(math.Ldexp(fraction, 8)), exponent-8)
	}
	return d
}
