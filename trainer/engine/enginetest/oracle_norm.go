package enginetest

import (
	"math"

	"millrace/trainer/engine"
)

func rmsNorm(x, gain []float64, eps float64, rows, c int) (y, rstd []float64) {
	y, rstd = make([]float64, rows*c), make([]float64, rows)
	for i := range rows {
		square := 0.0
		for _, v := range x[i*c : (i+1)*c] {
			square += v * v / float64(c)
		}
		rstd[i] = 1 / math.Sqrt(square+eps)
		for j := range c {
			y[i*c+j] = x[i*c+j] * rstd[i] * gain[j]
		}
	}
	return y, rstd
}

func rmsNormBackward(dy, x, gain []float64, eps float64, rows, c int) (dx, dgain []float64) {
	_, rstd := rmsNorm(x, gain, eps, rows, c)
	dx, dgain = make([]float64, rows*c), make([]float64, c)
	for i := range rows {
		inner := 0.0 // mean of dy·gain·n
		for j := range c {
			n := x[i*c+j] * rstd[i]
			dgain[j] += dy[i*c+j] * n
			inner += dy[i*c+j] * gain[j] * n / float64(c)
		}
		for j := range c {
			dx[i*c+j] = rstd[i] * (dy[i*c+j]*gain[j] - x[i*c+j]*rstd[i]*inner)
		}
	}
	return dx, dgain
}

// headNorm cuts the heads out of the rows, normalises them as rows of their own, and puts them back.
func headNorm(x, qGain, kGain []float64, eps float64, rows int, h engine.Heads) (y, rstd []float64) {
	y, rstd = append([]float64(nil), x...), make([]float64, rows*(h.Q+h.KV))
	for i := range rstd {
		gain, at := headOf(i, qGain, kGain, h)
		normed, r := rmsNorm(x[at:at+h.Dim], gain, eps, 1, h.Dim)
		copy(y[at:], normed)
		rstd[i] = r[0]
	}
	return y, rstd
}

func headNormBackward(dy, x, qGain, kGain []float64, eps float64, rows int, h engine.Heads) (dx, dqGain, dkGain []float64) {
	dx, dqGain, dkGain = append([]float64(nil), dy...), make([]float64, h.Dim), make([]float64, h.Dim)
	for i := range rows * (h.Q + h.KV) {
		gain, at := headOf(i, qGain, kGain, h)
		sums, _ := headOf(i, dqGain, dkGain, h)
		one, dgain := rmsNormBackward(dy[at:at+h.Dim], x[at:at+h.Dim], gain, eps, 1, h.Dim)
		copy(dx[at:], one)
		for j, d := range dgain {
			sums[j] += d
		}
	}
	return dx, dqGain, dkGain
}

// headOf tells which of the two gains the i-th head of all rows has, and where it begins.
func headOf(i int, q, k []float64, h engine.Heads) (gain []float64, at int) {
	row, head := i/(h.Q+h.KV), i%(h.Q+h.KV)
	if head < h.Q {
		gain = q
	} else {
		gain = k
	}
	return gain, row*(h.Q+2*h.KV)*h.Dim + head*h.Dim
}
