package cpu

// hugeEnough is the number of values from which on memory is asked for in huge pages: a large model's weights would
// otherwise need more page translations than the processor remembers.
const hugeEnough = 1 << 20

// memory is the part of engine.Kernels that is the same for all of this package: device memory is host memory.
type memory struct{}

func (memory) Alloc(n int) []float32 {
	s := make([]float32, n)
	if n >= hugeEnough {
		preferHugePages(s)
	}
	return s
}

func (memory) Upload(dst, src []float32) {
	need("Upload dst", dst, len(src))
	copy(dst, src)
}

func (memory) Download(dst, src []float32) {
	need("Download dst", dst, len(src))
	copy(dst, src)
}
