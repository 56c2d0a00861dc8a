package cpu

import "millrace/trainer/engine"

func (k *fast) Mix(dst, a, b []float32, alpha, beta float32) {
	mixShapes(dst, a, b)
	k.crew.spans(len(dst), span, func(_ *scratch, from, to int) {
		if b == nil {
			k.level.scale(dst[from:to], a[from:to], alpha)
			return
		}
		k.mix(dst[from:to], a[from:to], b[from:to], alpha, beta)
	})
}

func (k *fast) Lion(p, m, g []float32, h engine.Lion) {
	lionShapes(p, m, g)
	coefficients := lionCoefficients(h)
	k.crew.spans(len(p), span, func(_ *scratch, from, to int) { k.lion(p[from:to], m[from:to], g[from:to], &coefficients) })
}

func lionCoefficients(h engine.Lion) [7]float32 {
	return [7]float32{
		h.Beta1, float32(1 - float64(h.Beta1)), h.Beta2, float32(1 - float64(h.Beta2)), h.GradScale, h.LR, h.LR * h.WeightDecay,
	}
}

func (k *fast) SGD(p, m, g []float32, h engine.SGD) {
	sgdShapes(p, m, g, h)
	coefficients := sgdCoefficients(h)
	k.crew.spans(len(p), span, func(_ *scratch, from, to int) {
		if m == nil { // p - lr·(scale·g + decay·p)
			k.mix(p[from:to], p[from:to], g[from:to], 1-h.LR*h.WeightDecay, -h.LR*h.GradScale)
			return
		}
		k.sgd(p[from:to], m[from:to], g[from:to], &coefficients)
	})
}

func sgdCoefficients(h engine.SGD) [6]float32 {
	ofGrad, ofMomentum := float32(0), float32(1)
	if h.Nesterov {
		ofGrad, ofMomentum = 1, h.Momentum
	}
	return [6]float32{h.GradScale, h.WeightDecay, h.Momentum, h.LR, ofGrad, ofMomentum}
}
