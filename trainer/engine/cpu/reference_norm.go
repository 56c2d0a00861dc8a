package cpu

import (
	"math"

	"millrace/trainer/engine"
)

func (reference) LayerNorm(y, mean, rstd, x, gain, bias []float32, eps float32, rows, c int) {
	layerNormShapes(y, mean, rstd, x, gain, bias, rows, c)
	for i := range rows {
		row := x[i*c : (i+1)*c]
		var mu, variance float64
		for _, v := range row {
			mu += float64(v)
		}
		mu /= float64(c)
		for _, v := range row {
			variance += (float64(v) - mu) * (float64(v) - mu)
		}
		variance /= float64(c)
		r := 1 / math.Sqrt(variance+float64(eps))
		for j, v := range row {
			out := (float64(v) - mu) * r * float64(gain[j])
			if bias != nil {
				out += float64(bias[j])
			}
			y[i*c+j] = float32(out)
		}
		mean[i], rstd[i] = float32(mu), float32(r)
	}
}

func (reference) LayerNormBackward(dx, dgain, dbias, dy, x, mean, rstd, gain []float32, rows, c int) {
	layerNormBackwardShapes(dx, dgain, dbias, dy, x, mean, rstd, gain, rows, c)
	// With n = (x-mean)·rstd and g = dy·gain: dx = rstd·(g - mean(g) - n·mean(g·n)).
	sumGain, sumBias := make([]float64, c), make([]float64, c)
	for i := range rows {
		mu, r := float64(mean[i]), float64(rstd[i])
		var sumG, sumGN float64
		for j := range c {
			n := (float64(x[i*c+j]) - mu) * r
			d := float64(dy[i*c+j])
			sumG += d * float64(gain[j])
			sumGN += d * float64(gain[j]) * n
			sumGain[j] += d * n
			sumBias[j] += d
		}
		if dx != nil {
			for j := range c {
				n := (float64(x[i*c+j]) - mu) * r
				g := float64(dy[i*c+j]) * float64(gain[j])
				dx[i*c+j] = float32(r * (g - sumG/float64(c) - n*sumGN/float64(c)))
			}
		}
	}
	addSums(dgain, sumGain)
	addSums(dbias, sumBias)
}

func (reference) RMSNorm(y, rstd, x, gain []float32, eps float32, rows, c int) {
	rmsNormShapes(y, rstd, x, gain, rows, c)
	for i := range rows {
		rstd[i] = rmsRow(y[i*c:(i+1)*c], x[i*c:(i+1)*c], gain, eps)
	}
}

func (reference) RMSNormBackward(dx, dgain, dy, x, rstd, gain []float32, rows, c int) {
	rmsNormBackwardShapes(dx, dgain, dy, x, rstd, gain, rows, c)
	sums := make([]float64, c)
	for i := range rows {
		var out []float32
		if dx != nil {
			out = dx[i*c : (i+1)*c]
		}
		rmsRowBackward(out, sums, dy[i*c:(i+1)*c], x[i*c:(i+1)*c], gain, rstd[i])
	}
	addSums(dgain, sums)
}

func (reference) HeadNorm(y, rstd, x, qGain, kGain []float32, eps float32, rows int, h engine.Heads) {
	headNormShapes(y, rstd, x, qGain, kGain, rows, h)
	for i := range rows {
		in, out := x[i*h.Width():(i+1)*h.Width()], y[i*h.Width():(i+1)*h.Width()]
		for n := range h.Q + h.KV {
			gain := qGain
			if n >= h.Q {
				gain = kGain
			}
			rstd[i*(h.Q+h.KV)+n] = rmsRow(out[n*h.Dim:(n+1)*h.Dim], in[n*h.Dim:(n+1)*h.Dim], gain, eps)
		}
		copy(out[(h.Q+h.KV)*h.Dim:], in[(h.Q+h.KV)*h.Dim:])
	}
}

func (reference) HeadNormBackward(dx, dqGain, dkGain, dy, x, rstd, qGain, kGain []float32, rows int, h engine.Heads) {
	headNormBackwardShapes(dx, dqGain, dkGain, dy, x, rstd, qGain, kGain, rows, h)
	qSums, kSums := make([]float64, h.Dim), make([]float64, h.Dim)
	for i := range rows {
		from, v := i*h.Width(), (h.Q+h.KV)*h.Dim
		for n := range h.Q + h.KV {
			gain, sums := qGain, qSums
			if n >= h.Q {
				gain, sums = kGain, kSums
			}
			var out []float32
			if dx != nil {
				out = dx[from+n*h.Dim:][:h.Dim]
			}
			rmsRowBackward(out, sums, dy[from+n*h.Dim:][:h.Dim], x[from+n*h.Dim:][:h.Dim], gain, rstd[i*(h.Q+h.KV)+n])
		}
		if dx != nil {
			copy(dx[from+v:from+h.Width()], dy[from+v:from+h.Width()])
		}
	}
	addSums(dqGain, qSums)
	addSums(dkGain, kSums)
}

// rmsRow normalises one row and returns its rstd.
func rmsRow(y, x, gain []float32, eps float32) float32 {
	var square float64
	for _, v := range x {
		square += float64(v) * float64(v)
	}
	r := 1 / math.Sqrt(square/float64(len(x))+float64(eps))
	for j, v := range x {
		y[j] = float32(float64(v) * r * float64(gain[j]))
	}
	return float32(r)
}

// rmsRowBackward does one row: with n = x·rstd and g = dy·gain, dx = rstd·(g - n·mean(g·n)). dx may be nil; sums gathers the
// gain's gradient.
func rmsRowBackward(dx []float32, sums []float64, dy, x, gain []float32, rstd float32) {
	r, c := float64(rstd), float64(len(x))
	var inner float64
	for j, v := range x {
		n, d := float64(v)*r, float64(dy[j])
		inner += d * float64(gain[j]) * n
		sums[j] += d * n
	}
	for j := range dx {
		n, g := float64(x[j])*r, float64(dy[j])*float64(gain[j])
		dx[j] = float32(r * (g - n*inner/c))
	}
}

// addSums adds what was summed in float64 to a gradient, which may be nil.
func addSums(gradient []float32, sums []float64) {
	for i := range gradient {
		gradient[i] += float32(sums[i])
	}
}
