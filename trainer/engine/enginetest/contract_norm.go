package enginetest

import (
	"math"

	"pgregory.net/rapid"

	"millrace/trainer/engine"
)

func testLayerNorm(t *rapid.T, k engine.Kernels) {
	rows, c := size(t, "rows", 150), size(t, "c", 90)
	eps := rapid.SampledFrom([]float32{1e-5, 1e-12, 1e-3}).Draw(t, "eps")
	r := newRig(t, k, seed(t))
	x, gain, bias, dy := r.normal(rows*c, 1), r.normal(c, 1), r.normal(c, 1), r.normal(rows*c, 1)
	shift := float32(r.rng.NormFloat64() * 10) // a mean that is large beside the spread must not cost digits
	for i := range x {
		x[i] += shift
	}
	xd, gaind, biasd, dyd := r.in(x), r.in(gain), r.in(bias), r.in(dy)
	y, mean, rstd := r.out(rows*c), r.out(rows), r.out(rows)
	k.LayerNorm(y, mean, rstd, xd, gaind, biasd, eps, rows, c)
	wantY, wantMean, wantRstd := layerNorm(wide(x), wide(gain), wide(bias), float64(eps), rows, c)
	// What x and its mean lose by rounding is multiplied by rstd: 316 for a row of equal values.
	steepest := 0.0
	for _, v := range wantRstd {
		steepest = max(steepest, v)
	}
	noise := tolerance + 5e-7*(math.Abs(float64(shift))+3)*steepest
	r.near("LayerNorm y", y, wantY, noise, 1)
	r.near("LayerNorm mean", mean, wantMean, tolerance, 1)
	r.near("LayerNorm rstd", rstd, wantRstd, noise, 1)
	bare, mean2, rstd2 := r.out(rows*c), r.out(rows), r.out(rows)
	k.LayerNorm(bare, mean2, rstd2, xd, gaind, nil, eps, rows, c)
	wantBare, _, _ := layerNorm(wide(x), wide(gain), nil, float64(eps), rows, c)
	r.near("LayerNorm y without bias", bare, wantBare, noise, 1)

	wantX, wantGain, wantBias := layerNormBackward(wide(dy), wide(x), wide(gain), float64(eps), rows, c)
	hadGain, hadBias := r.normal(c, 1), r.normal(c, 1)
	dx, dgain, dbias := r.out(rows*c), r.inout(hadGain), r.inout(hadBias)
	k.LayerNormBackward(dx, dgain, dbias, dyd, xd, mean, rstd, gaind, rows, c)
	r.near("LayerNormBackward dx", dx, wantX, noise, steepest)
	r.near("LayerNormBackward dgain", dgain, plus(hadGain, wantGain), noise, root(rows))
	r.near("LayerNormBackward dbias", dbias, plus(hadBias, wantBias), tolerance, root(rows))
	dx, dgain, dbias = r.out(rows*c), r.inout(hadGain), r.inout(hadBias)
	k.LayerNormBackward(dx, nil, nil, dyd, xd, mean, rstd, gaind, rows, c)
	k.LayerNormBackward(nil, dgain, nil, dyd, xd, mean, rstd, gaind, rows, c)
	k.LayerNormBackward(nil, nil, dbias, dyd, xd, mean, rstd, gaind, rows, c)
	r.near("LayerNormBackward dx alone", dx, wantX, noise, steepest)
	r.near("LayerNormBackward dgain alone", dgain, plus(hadGain, wantGain), noise, root(rows))
	r.near("LayerNormBackward dbias alone", dbias, plus(hadBias, wantBias), tolerance, root(rows))
	r.done("LayerNorm")
}

func testRMSNorm(t *rapid.T, k engine.Kernels) {
	rows, c := size(t, "rows", 150), size(t, "c", 90)
	eps := rapid.SampledFrom([]float32{1e-6, 1e-5, 1e-2}).Draw(t, "eps")
	r := newRig(t, k, seed(t))
	x, gain, dy := r.normal(rows*c, 1), r.normal(c, 1), r.normal(rows*c, 1)
	xd, gaind, dyd := r.in(x), r.in(gain), r.in(dy)
	y, rstd := r.out(rows*c), r.out(rows)
	k.RMSNorm(y, rstd, xd, gaind, eps, rows, c)
	wantY, wantRstd := rmsNorm(wide(x), wide(gain), float64(eps), rows, c)
	r.near("RMSNorm y", y, wantY, tolerance, 1)
	r.nearEach("RMSNorm rstd", rstd, wantRstd, tolerance, 0)

	wantX, wantGain := rmsNormBackward(wide(dy), wide(x), wide(gain), float64(eps), rows, c)
	steepest := largest(wantRstd) // what cancels within dx was multiplied by it
	hadGain := r.normal(c, 1)
	dx, dgain := r.out(rows*c), r.inout(hadGain)
	k.RMSNormBackward(dx, dgain, dyd, xd, rstd, gaind, rows, c)
	r.near("RMSNormBackward dx", dx, wantX, tolerance, steepest)
	r.near("RMSNormBackward dgain", dgain, plus(hadGain, wantGain), tolerance, root(rows))
	dx, dgain = r.out(rows*c), r.inout(hadGain)
	k.RMSNormBackward(dx, nil, dyd, xd, rstd, gaind, rows, c)
	k.RMSNormBackward(nil, dgain, dyd, xd, rstd, gaind, rows, c)
	r.near("RMSNormBackward dx alone", dx, wantX, tolerance, steepest)
	r.near("RMSNormBackward dgain alone", dgain, plus(hadGain, wantGain), tolerance, root(rows))
	r.done("RMSNorm")
}

// drawHeads draws how a row is cut: multi-head, grouped and multi-query.
func drawHeads(t *rapid.T, dim int) engine.Heads {
	kv := rapid.IntRange(1, 3).Draw(t, "kv heads")
	return engine.Heads{Q: kv * rapid.IntRange(1, 3).Draw(t, "queries per key head"), KV: kv, Dim: dim}
}

func testHeadNorm(t *rapid.T, k engine.Kernels) {
	rows, h := size(t, "rows", 150), drawHeads(t, size(t, "dim", 40))
	const eps = 1e-6
	n, heads := rows*h.Width(), rows*(h.Q+h.KV)
	r := newRig(t, k, seed(t))
	x, qGain, kGain, dy := r.normal(n, 1), r.normal(h.Dim, 1), r.normal(h.Dim, 1), r.normal(n, 1)
	xd, qd, kd, dyd := r.in(x), r.in(qGain), r.in(kGain), r.in(dy)
	y, rstd := r.out(n), r.out(heads)
	k.HeadNorm(y, rstd, xd, qd, kd, eps, rows, h)
	wantY, wantRstd := headNorm(wide(x), wide(qGain), wide(kGain), eps, rows, h)
	r.near("HeadNorm y", y, wantY, tolerance, 1)
	r.nearEach("HeadNorm rstd", rstd, wantRstd, tolerance, 0)

	wantX, wantQ, wantK := headNormBackward(wide(dy), wide(x), wide(qGain), wide(kGain), eps, rows, h)
	steepest := largest(wantRstd)
	hadQ, hadK := r.normal(h.Dim, 1), r.normal(h.Dim, 1)
	dx, dq, dk := r.out(n), r.inout(hadQ), r.inout(hadK)
	k.HeadNormBackward(dx, dq, dk, dyd, xd, rstd, qd, kd, rows, h)
	r.near("HeadNormBackward dx", dx, wantX, tolerance, steepest)
	r.near("HeadNormBackward dqGain", dq, plus(hadQ, wantQ), tolerance, root(heads))
	r.near("HeadNormBackward dkGain", dk, plus(hadK, wantK), tolerance, root(heads))
	dx, dq, dk = r.out(n), r.inout(hadQ), r.inout(hadK)
	k.HeadNormBackward(dx, nil, nil, dyd, xd, rstd, qd, kd, rows, h)
	k.HeadNormBackward(nil, dq, nil, dyd, xd, rstd, qd, kd, rows, h)
	k.HeadNormBackward(nil, nil, dk, dyd, xd, rstd, qd, kd, rows, h)
	r.near("HeadNormBackward dx alone", dx, wantX, tolerance, steepest)
	r.near("HeadNormBackward dqGain alone", dq, plus(hadQ, wantQ), tolerance, root(heads))
	r.near("HeadNormBackward dkGain alone", dk, plus(hadK, wantK), tolerance, root(heads))
	r.done("HeadNorm")
}

func largest(s []float64) float64 {
	most := 0.0
	for _, v := range s {
		most = max(most, math.Abs(v))
	}
	return most
}
