package cpu

import "math"

func (reference) CrossEntropy(losses, probs, logits []float32, targets []int32, m, v int) {
	crossEntropyShapes(losses, probs, logits, targets, m, v)
	for i := range m {
		row, out := logits[i*v:(i+1)*v], probs[i*v:(i+1)*v]
		best := math.Inf(-1)
		for _, z := range row {
			best = max(best, float64(z))
		}
		var sum float64
		for _, z := range row {
			sum += math.Exp(float64(z) - best)
		}
		losses[i] = 0
		if target := targets[i]; target >= 0 {
			losses[i] = float32(math.Log(sum) + best - float64(row[target]))
		}
		for j, z := range row {
			out[j] = float32(math.Exp(float64(z)-best) / sum)
		}
	}
}

func (reference) CrossEntropyBackward(dlogits, probs []float32, targets []int32, scale float32, m, v int) {
	crossEntropyBackwardShapes(dlogits, probs, targets, m, v)
	for i := range m {
		row, out := probs[i*v:(i+1)*v], dlogits[i*v:(i+1)*v]
		if targets[i] < 0 {
			clear(out)
			continue
		}
		for j, p := range row {
			onehot := float32(0)
			if j == int(targets[i]) {
				onehot = 1
			}
			out[j] = (p - onehot) * scale
		}
	}
}

func (reference) ArgMax(best []int32, x []float32, m, v int) {
	argMaxShapes(best, x, m, v)
	for i := range m {
		best[i] = argMax(x[i*v : (i+1)*v])
	}
}

// argMax is the place of the largest, the first of equals.
func argMax(x []float32) int32 {
	most, at := x[0], 0
	i := 0
	for ; i+4 <= len(x); i += 4 { // a larger one is rare: four are looked at for it together
		if four := x[i : i+4 : i+4]; four[0] > most || four[1] > most || four[2] > most || four[3] > most {
			for j, v := range four {
				if v > most {
					most, at = v, i+j
				}
			}
		}
	}
	for ; i < len(x); i++ {
		if x[i] > most {
			most, at = x[i], i
		}
	}
	return int32(at)
}

func (reference) Add(dst, a, b []float32) {
	need("Add a", a, len(dst))
	need("Add b", b, len(dst))
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func (reference) Scale(x []float32, s float32) {
	for i := range x {
		x[i] *= s
	}
}

func (reference) Zero(x []float32) { clear(x) }

func (reference) Mix(dst, a, b []float32, alpha, beta float32) {
	mixShapes(dst, a, b)
	for i, v := range a {
		sum := float64(alpha) * float64(v)
		if b != nil {
			sum += float64(beta) * float64(b[i])
		}
		dst[i] = float32(sum)
	}
}

func (reference) SumSquares(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}
