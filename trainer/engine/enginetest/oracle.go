package enginetest

import "math"

// The definitions below are in float64 and by the formula; every matrix is row-major.

func linear(x, w, b []float64, m, k, n int, transposed bool) []float64 {
	y := make([]float64, m*n)
	for i := range m {
		for j := range n {
			if b != nil {
				y[i*n+j] = b[j]
			}
			for p := range k {
				y[i*n+j] += x[i*k+p] * w[weightAt(p, j, k, n, transposed)]
			}
		}
	}
	return y
}

func linearBackward(dy, x, w []float64, m, k, n int, transposed bool) (dx, dw, db []float64) {
	dx, dw, db = make([]float64, m*k), make([]float64, k*n), make([]float64, n)
	for i := range m {
		for j := range n {
			g := dy[i*n+j]
			db[j] += g
			for p := range k {
				at := weightAt(p, j, k, n, transposed)
				dx[i*k+p] += g * w[at]
				dw[at] += g * x[i*k+p]
			}
		}
	}
	return dx, dw, db
}

func weightAt(p, j, k, n int, transposed bool) int {
	if transposed {
		return j*k + p
	}
	return p*n + j
}

func embed(table, pos []float64, ids []int32, b, t, c int) []float64 {
	y := make([]float64, b*t*c)
	for i, id := range ids {
		for j := range c {
			y[i*c+j] = table[int(id)*c+j]
			if pos != nil {
				y[i*c+j] += pos[(i%t)*c+j]
			}
		}
	}
	return y
}

func embedBackward(dy []float64, ids []int32, vocab, b, t, c int) (dtable, dpos []float64) {
	dtable, dpos = make([]float64, vocab*c), make([]float64, t*c)
	for i, id := range ids {
		for j := range c {
			dtable[int(id)*c+j] += dy[i*c+j]
			dpos[(i%t)*c+j] += dy[i*c+j]
		}
	}
	return dtable, dpos
}

func layerNorm(x, gain, bias []float64, eps float64, rows, c int) (y, mean, rstd []float64) {
	y, mean, rstd = make([]float64, rows*c), make([]float64, rows), make([]float64, rows)
	for i := range rows {
		row := x[i*c : (i+1)*c]
		for _, v := range row {
			mean[i] += v / float64(c)
		}
		variance := 0.0
		for _, v := range row {
			variance += (v - mean[i]) * (v - mean[i]) / float64(c)
		}
		rstd[i] = 1 / math.Sqrt(variance+eps)
		for j, v := range row {
			y[i*c+j] = (v - mean[i]) * rstd[i] * gain[j]
			if bias != nil {
				y[i*c+j] += bias[j]
			}
		}
	}
	return y, mean, rstd
}

func layerNormBackward(dy, x, gain []float64, eps float64, rows, c int) (dx, dgain, dbias []float64) {
	_, mean, rstd := layerNorm(x, gain, nil, eps, rows, c)
	dx, dgain, dbias = make([]float64, rows*c), make([]float64, c), make([]float64, c)
	for i := range rows {
		var sumG, sumGN float64
		for j := range c {
			n := (x[i*c+j] - mean[i]) * rstd[i]
			dgain[j] += dy[i*c+j] * n
			dbias[j] += dy[i*c+j]
			sumG += dy[i*c+j] * gain[j]
			sumGN += dy[i*c+j] * gain[j] * n
		}
		for j := range c {
			n := (x[i*c+j] - mean[i]) * rstd[i]
			dx[i*c+j] = rstd[i] * (dy[i*c+j]*gain[j] - sumG/float64(c) - n*sumGN/float64(c))
		}
	}
	return dx, dgain, dbias
}

func crossEntropy(logits []float64, targets []int32, m, v int) (losses, probs []float64) {
	losses, probs = make([]float64, m), make([]float64, m*v)
	for i := range m {
		row := logits[i*v : (i+1)*v]
		best, sum := math.Inf(-1), 0.0
		for _, z := range row {
			best = max(best, z)
		}
		for _, z := range row {
			sum += math.Exp(z - best)
		}
		for j, z := range row {
			probs[i*v+j] = math.Exp(z-best) / sum
		}
		if targets[i] >= 0 {
			losses[i] = math.Log(sum) + best - row[targets[i]]
		}
	}
	return losses, probs
}

func crossEntropyBackward(logits []float64, targets []int32, scale float64, m, v int) []float64 {
	_, d := crossEntropy(logits, targets, m, v)
	for i := range m {
		for j := range v {
			switch {
			case targets[i] < 0:
				d[i*v+j] = 0
			case j == int(targets[i]):
				d[i*v+j]--
			}
			d[i*v+j] *= scale
		}
	}
	return d
}
