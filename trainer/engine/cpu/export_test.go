package cpu

import "millrace/trainer/engine"

// Peak returns a function that runs the product's tile on operands that stay in the first-level cache, on one thread, and
// returns how many multiply-adds that were: the most that this level of kernels can do here and now.
func Peak(kernels engine.Kernels) func() (multiplyAdds int) {
	k := kernels.(*fast)
	const steps = 4000
	a, b, c := make([]float32, steps), make([]float32, k.panel), make([]float32, k.tileRows*k.panel)
	return func() int {
		k.tile(c, k.panel, a, 0, 1, b, 0, nil, k.tileRows, k.panel, steps, false)
		return steps * k.tileRows * k.panel
	}
}
