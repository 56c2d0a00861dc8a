package model

import "math"

// Slopes of ALiBi for n heads (Press et al. 2022): 2^(-8i/n) for i from 1 where n is a power of two; otherwise those of the next
// lower power of two, and then every other of the next higher one's, as the authors' code has it.
func Slopes(n int) []float32 {
	power := 1
	for 2*power <= n {
		power *= 2
	}
	s := make([]float32, 0, n)
	for i := 1; i <= power; i++ {
		s = append(s, float32(math.Exp2(-8*float64(i)/float64(power))))
	}
	for i := 1; len(s) < n; i += 2 {
		s = append(s, float32(math.Exp2(-8*float64(i)/float64(2*power))))
	}
	return s
}

// sinusoids is the table [t, d] of Vaswani et al. 2017: column 2i is sin(p/10000^(2i/d)), column 2i+1 the cosine of the same.
func sinusoids(t, d int) []float32 {
	table := make([]float32, t*d)
	for p := range t {
		for i := 0; i+1 < d; i += 2 {
			sin, cos := math.Sincos(float64(p) / math.Pow(10_000, float64(i)/float64(d)))
			table[p*d+i], table[p*d+i+1] = float32(sin), float32(cos)
		}
	}
	return table
}
