package cpu

import (
	"math"

	"millrace/trainer/engine"
)

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

func (reference) SumSquares(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}

func (reference) AdamW(p, m, v, g []float32, h engine.AdamW) {
	adamWShapes(p, m, v, g)
	beta1, beta2 := float64(h.Beta1), float64(h.Beta2)
	correct1 := 1 - math.Pow(beta1, float64(h.Step))
	correct2 := 1 - math.Pow(beta2, float64(h.Step))
	for i := range p {
		grad := float64(g[i]) * float64(h.GradScale)
		m1 := beta1*float64(m[i]) + (1-beta1)*grad
		v1 := beta2*float64(v[i]) + (1-beta2)*grad*grad
		update := (m1 / correct1) / (math.Sqrt(v1/correct2) + float64(h.Eps))
		p[i] = float32(float64(p[i]) - float64(h.LR)*(update+float64(h.WeightDecay)*float64(p[i])))
		m[i], v[i] = float32(m1), float32(v1)
	}
}
