package optim

import "millrace/trainer/engine"

// adam is AdamW (Loshchilov & Hutter 2019), or Adam (Kingma & Ba 2015), which adds weight decay to the gradient.
type adam struct {
	config  Config
	k       engine.Kernels
	coupled bool
}

func (adam) slots() []string { return []string{"exp_avg", "exp_avg_sq"} }

func (a adam) update(p *engine.Parameter, kept [][]float32, s step) {
	if a.coupled {
		s = couple(a.k, p, s)
	}
	a.k.AdamW(p.Value, kept[0], kept[1], p.Grad, engine.AdamW{
		LR: float32(s.lr), Beta1: float32(a.config.Beta1), Beta2: float32(a.config.Beta2), Eps: float32(a.config.Eps),
		WeightDecay: float32(s.decay), GradScale: float32(s.scale), Step: int(s.number),
	})
}

// couple adds weight decay to the gradient, which is scaled by then.
func couple(k engine.Kernels, p *engine.Parameter, s step) step {
	if s.decay == 0 {
		return s
	}
	k.Mix(p.Grad, p.Grad, p.Value, float32(s.scale), float32(s.decay))
	s.scale, s.decay = 1, 0
	return s
}
