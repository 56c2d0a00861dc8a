package optim

import "millrace/trainer/engine"

// methods gives each parameter its method.
func (c Config) methods(k engine.Kernels, params []*engine.Parameter) func(*engine.Parameter) method {
	switch c.Name {
	case nameAdam:
		return always(adam{c, k, true})
	}
	return always(adam{c, k, false})
}

func always(m method) func(*engine.Parameter) method {
	return func(*engine.Parameter) method { return m }
}

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

// couple adds weight decay to a gradient that is scaled by then.
func couple(k engine.Kernels, p *engine.Parameter, s step) step { return s }
