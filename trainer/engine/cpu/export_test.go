package cpu

import "millrace/trainer/engine"

// Burst returns the loop that PeakFLOPS measures.
func Burst(kernels engine.Kernels) func() (multiplyAdds int) { return kernels.(*fast).burst() }

// BF16 is the bfloat16 primitives of a level.
type BF16 struct {
	Pairs func(dst []uint32, src []float32, ld, pairs, panels, stride int)
	Rows  func(dst []uint32, src []float32, ld, rows, blocks, rowStride, blockStride int)
	Turn  func(dst, src []uint32, dstRow, srcRow, blocks, dstBlock, srcBlock int)
	Tiles func(c []float32, cRow int, a, b []uint32, bias []float32, panels, depth, strip, start int)
}

// BF16Of returns the bfloat16 primitives of the named level; found is false where this processor lacks it.
func BF16Of(name string) (primitives BF16, found bool) {
	for _, l := range levels() {
		if l.bf16.name == name {
			return BF16{l.bf16.pairs, l.bf16.rows, l.bf16.turn, func(c []float32, cRow int, a, b []uint32, bias []float32, panels, depth, strip, start int) {
				if l.bf16.spread != nil {
					words := a
					a = make([]uint32, 2*len(words))
					l.bf16.spread(a, words)
				}
				l.bf16.tiles(c, cRow, a, b, bias, panels, depth, strip, start)
			}}, true
		}
	}
	return BF16{}, false
}
