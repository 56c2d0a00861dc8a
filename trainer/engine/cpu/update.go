package cpu

import "millrace/trainer/engine"

func (k *fast) Mix(dst, a, b []float32, alpha, beta float32) {
	mixShapes(dst, a, b)
	spans(k, len(dst), span, vectors{dst, a, b, alpha, beta}, func(k *fast, v *vectors, _ *scratch, from, to int) {
		if v.b == nil {
			k.level.scale(v.dst[from:to], v.a[from:to], v.x)
			return
		}
		k.mix(v.dst[from:to], v.a[from:to], v.b[from:to], v.x, v.y)
	})
}

func (k *fast) Lion(p, m, g []float32, h engine.Lion) {
	lionShapes(p, m, g)
	spans(k, len(p), span, lionArgs{p, m, g, lionCoefficients(h)}, func(k *fast, a *lionArgs, _ *scratch, from, to int) {
		k.lion(a.p[from:to], a.m[from:to], a.g[from:to], &a.by)
	})
}

type lionArgs struct {
	p, m, g []float32
	by      [7]float32
}

func lionCoefficients(h engine.Lion) [7]float32 {
	return [7]float32{
		h.Beta1, float32(1 - float64(h.Beta1)), h.Beta2, float32(1 - float64(h.Beta2)), h.GradScale, h.LR, h.LR * h.WeightDecay,
	}
}

func (k *fast) SGD(p, m, g []float32, h engine.SGD) {
	sgdShapes(p, m, g, h)
	if m == nil { // p - lr·(scale·g + decay·p)
		k.Mix(p, p, g, 1-h.LR*h.WeightDecay, -h.LR*h.GradScale)
		return
	}
	spans(k, len(p), span, sgdArgs{p, m, g, sgdCoefficients(h)}, func(k *fast, a *sgdArgs, _ *scratch, from, to int) {
		k.sgd(a.p[from:to], a.m[from:to], a.g[from:to], &a.by)
	})
}

type sgdArgs struct {
	p, m, g []float32
	by      [6]float32
}

func sgdCoefficients(h engine.SGD) [6]float32 {
	ofGrad, ofMomentum := float32(0), float32(1)
	if h.Nesterov {
		ofGrad, ofMomentum = 1, h.Momentum
	}
	return [6]float32{h.GradScale, h.WeightDecay, h.Momentum, h.LR, ofGrad, ofMomentum}
}
