package cpu

import (
	"math"

	"millrace/trainer/engine"
)

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

func (reference) Lion(p, m, g []float32, h engine.Lion) {
	lionShapes(p, m, g)
	beta1, beta2 := float64(h.Beta1), float64(h.Beta2)
	for i := range p {
		grad, m1 := float64(g[i])*float64(h.GradScale), float64(m[i])
		update := sign(beta1*m1 + (1-beta1)*grad)
		p[i] = float32(float64(p[i]) - float64(h.LR)*(update+float64(h.WeightDecay)*float64(p[i])))
		m[i] = float32(beta2*m1 + (1-beta2)*grad)
	}
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x // zero, or not a number
}

func (reference) SGD(p, m, g []float32, h engine.SGD) {
	sgdShapes(p, m, g, h)
	for i := range p {
		grad := float64(g[i])*float64(h.GradScale) + float64(h.WeightDecay)*float64(p[i])
		update := grad
		if m != nil {
			m1 := float64(h.Momentum)*float64(m[i]) + grad
			m[i] = float32(m1)
			update = m1
			if h.Nesterov {
				update = grad + float64(h.Momentum)*m1
			}
		}
		p[i] = float32(float64(p[i]) - float64(h.LR)*update)
	}
}
