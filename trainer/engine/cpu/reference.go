package cpu

import (
	"math"

	"millrace/trainer/engine"
)

// layerNormEps is added to the variance before its root is taken, as GPT-2 does.
const layerNormEps = 1e-5

// geluScale and geluCube are the constants of the tanh approximation of GELU (Hendrycks & Gimpel 2016).
const (
	geluScale = 0.7978845608028654 // √(2/π)
	geluCube  = 0.044715
)

// reference computes every operation by its definition, with sums in float64 and one rounding at the end.
type reference struct{ memory }

// Reference returns the oracle: slow, single-threaded, and what every other implementation has to agree with.
func Reference() engine.Kernels { return reference{} }

func (reference) Info() engine.Info {
	return engine.Info{Kind: "cpu", Name: processorName(), Kernels: "reference", Threads: 1}
}

func (reference) Linear(y, x, w, b []float32, m, k, n int, transposed bool) {
	linearShapes(y, x, w, b, m, k, n)
	rowStride, colStride := n, 1 // w[p,j]
	if transposed {
		rowStride, colStride = 1, k
	}
	for i := range m {
		for j := range n {
			var sum float64
			for p := range k {
				sum += float64(x[i*k+p]) * float64(w[p*rowStride+j*colStride])
			}
			if b != nil {
				sum += float64(b[j])
			}
			y[i*n+j] = float32(sum)
		}
	}
}

func (reference) LinearBackward(dx, dw, db, dy, x, w []float32, m, k, n int, transposed bool) {
	linearBackwardShapes(dx, dw, db, dy, x, w, m, k, n)
	rowStride, colStride := n, 1
	if transposed {
		rowStride, colStride = 1, k
	}
	if dx != nil {
		for i := range m {
			for p := range k {
				var sum float64
				for j := range n {
					sum += float64(dy[i*n+j]) * float64(w[p*rowStride+j*colStride])
				}
				dx[i*k+p] = float32(sum)
			}
		}
	}
	if dw != nil {
		for p := range k {
			for j := range n {
				var sum float64
				for i := range m {
					sum += float64(x[i*k+p]) * float64(dy[i*n+j])
				}
				dw[p*rowStride+j*colStride] += float32(sum)
			}
		}
	}
	if db != nil {
		for j := range n {
			var sum float64
			for i := range m {
				sum += float64(dy[i*n+j])
			}
			db[j] += float32(sum)
		}
	}
}

func (reference) Embed(y, table, pos []float32, ids []int32, b, t, c int) {
	embedShapes(y, table, pos, ids, b, t, c)
	for i, id := range ids {
		copy(y[i*c:(i+1)*c], table[int(id)*c:])
		if pos != nil {
			for j := range c {
				y[i*c+j] += pos[(i%t)*c+j]
			}
		}
	}
}

func (reference) EmbedBackward(dtable, dpos, dy []float32, ids []int32, b, t, c int) {
	embedBackwardShapes(dtable, dpos, dy, ids, b, t, c)
	for i := range b * t {
		for j := range c {
			if dtable != nil {
				dtable[int(ids[i])*c+j] += dy[i*c+j]
			}
			if dpos != nil {
				dpos[(i%t)*c+j] += dy[i*c+j]
			}
		}
	}
}

func (reference) LayerNorm(y, mean, rstd, x, gain, bias []float32, rows, c int) {
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
		r := 1 / math.Sqrt(variance+layerNormEps)
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
	for j := range c {
		if dgain != nil {
			dgain[j] += float32(sumGain[j])
		}
		if dbias != nil {
			dbias[j] += float32(sumBias[j])
		}
	}
}

func (reference) GELU(y, x []float32) {
	need("GELU y", y, len(x))
	for i, v := range x {
		v := float64(v)
		y[i] = float32(0.5 * v * (1 + math.Tanh(geluScale*(v+geluCube*v*v*v))))
	}
}

func (reference) GELUBackward(dx, dy, x []float32) {
	need("GELUBackward dx", dx, len(x))
	need("GELUBackward dy", dy, len(x))
	for i, v := range x {
		v := float64(v)
		th := math.Tanh(geluScale * (v + geluCube*v*v*v))
		slope := 0.5*(1+th) + 0.5*v*(1-th*th)*geluScale*(1+3*geluCube*v*v)
		dx[i] = float32(float64(dy[i]) * slope)
	}
}
