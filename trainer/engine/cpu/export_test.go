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

// BF16 is the bfloat16 primitives of a level.
type BF16 struct {
	Pairs func(dst []uint32, src []float32, ld, pairs, panels, stride int)
	Rows  func(dst []uint32, src []float32, ld, rows, blocks, rowStride, blockStride int)
	Turn  func(dst, src []uint32, dstRow, srcRow, blocks, dstBlock, srcBlock int)
	Tiles func(c []float32, cRow int, a, b []uint32, bias []float32, panels, depth, start int)
}

// BF16Of returns the bfloat16 primitives of the named level; found is false where this processor lacks it.
func BF16Of(name string) (primitives BF16, found bool) {
	for _, l := range levels() {
		if l.bf16.name == name {
			return BF16{l.bf16.pairs, l.bf16.rows, l.bf16.turn, l.bf16.tiles}, true
		}
	}
	return BF16{}, false
}
