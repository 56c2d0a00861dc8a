package optim

import "millrace/trainer/engine"

// sgd is stochastic gradient descent with momentum, as PyTorch does it.
type sgd struct {
	config Config
	k      engine.Kernels
}

func (o sgd) slots() []string {
	if o.config.Momentum == 0 {
		return nil
	}
	return []string{"momentum_buffer"}
}

func (o sgd) update(p *engine.Parameter, kept [][]float32, s step) {
	var m []float32
	if len(kept) > 0 {
		m = kept[0]
	}
	o.k.SGD(p.Value, m, p.Grad, engine.SGD{
		LR: float32(s.lr), Momentum: float32(o.config.Momentum), Nesterov: o.config.Nesterov, WeightDecay: float32(s.decay), GradScale: float32(s.scale),
	})
}

// lion follows the sign of a momentum (Chen et al. 2023).
type lion struct {
	config Config
	k      engine.Kernels
}

func (lion) slots() []string { return []string{"exp_avg"} }

func (o lion) update(p *engine.Parameter, kept [][]float32, s step) {
	o.k.Lion(p.Value, kept[0], p.Grad, engine.Lion{
		LR: float32(s.lr), Beta1: float32(o.config.Beta1), Beta2: float32(o.config.Beta2), WeightDecay: float32(s.decay), GradScale: float32(s.scale),
	})
}
