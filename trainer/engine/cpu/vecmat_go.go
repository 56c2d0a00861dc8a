package cpu

import (
	"encoding/binary"
	"math"
)

// vecmats is one set of the kernels that read weights for a few rows: what a level is for training, this is for making text.
type vecmats struct {
	// rows is the most rows of x that one call takes.
	rows int
	// vecmat sets y[r,j] to Σᵢ x[r,i]·w[i·wRow+j], i in order.
	vecmat func(y []float32, yRow int, x []float32, xRow int, w []float32, wRow, rows, cols, k int)
	// stream adds Σᵢ x[i]·w[i·wRow+j] to y[j], i in order, and reads along the rows of w; cols is a multiple of 16.
	stream func(y, x, w []float32, wRow, cols, k int)
	// dot sets y[r,j] to Σᵢ x[r,i]·w[j·wRow+i]; cols is a multiple of 4. dotBF16 and dotQ8 read packed weights and no wRow.
	dot     func(y []float32, yRow int, x []float32, xRow int, w []float32, wRow, rows, cols, k int)
	dotBF16 func(y []float32, yRow int, x []float32, xRow int, w []uint16, wRow, rows, cols, k int)
	dotQ8   func(y []float32, yRow int, x []float32, xRow int, w []int8, wRow, rows, cols, k int)
}

func goVecmats() vecmats {
	return vecmats{rows: 1, vecmat: vecmatGo, stream: streamGo, dot: dotRowsGo, dotBF16: dotBF16Go, dotQ8: dotQ8Go}
}

func vecmatGo(y []float32, yRow int, x []float32, xRow int, w []float32, wRow, rows, cols, k int) {
	for r := range rows {
		out := y[r*yRow:][:cols]
		clear(out)
		for i, v := range x[r*xRow:][:k] {
			for j, u := range w[i*wRow:][:cols] {
				out[j] += v * u
			}
		}
	}
}

func streamGo(y, x, w []float32, wRow, cols, k int) {
	for i, v := range x[:k] {
		for j, u := range w[i*wRow:][:cols] {
			y[j] += v * u
		}
	}
}

func dotRowsGo(y []float32, yRow int, x []float32, xRow int, w []float32, wRow, rows, cols, k int) {
	for r := range rows {
		for j := range cols {
			var sum float32
			for i, v := range w[j*wRow:][:k] {
				sum += v * x[r*xRow+i]
			}
			y[r*yRow+j] = sum
		}
	}
}

func dotBF16Go(y []float32, yRow int, x []float32, xRow int, w []uint16, _, rows, cols, k int) {
	for r := range rows {
		for j := range cols {
			var sum float32
			for i, v := range x[r*xRow:][:k] {
				sum += v * math.Float32frombits(uint32(w[bf16At(j, i, k)])<<16)
			}
			y[r*yRow+j] = sum
		}
	}
}

func dotQ8Go(y []float32, yRow int, x []float32, xRow int, w []int8, _, rows, cols, k int) {
	for r := range rows {
		for j := range cols {
			var sum float32
			for from := 0; from < k; from += q8Block {
				at := q8At(j, from, k)
				var block float32
				for i, v := range x[r*xRow+from:][:q8Block] {
					block += v * float32(w[at+16+j%4*q8Block+i])
				}
				sum += block * scaleAt(w[at+j%4*4:])
			}
			y[r*yRow+j] = sum
		}
	}
}

// What is packed is cut into groups of four rows, the last one filled up with zeros, so that it is read from its beginning to
// its end:
//
//	bf16  for every 16 values of k: those of row 0, 1, 2, 3 of the group
//	q8_0  for every 32 values of k: the scales of the four rows as float32, little-endian; then the values of row 0, 1, 2, 3
const (
	groupRows = 4
	bf16Block = 16
	q8Block   = 32
	q8Group   = groupRows * (4 + q8Block) // bytes
)

// bf16At is where value i of row j is.
func bf16At(j, i, k int) int {
	return j/groupRows*groupRows*k + i/bf16Block*groupRows*bf16Block + j%groupRows*bf16Block + i%bf16Block
}

// q8At is where the block of value i of row j begins, with its scales.
func q8At(j, i, k int) int { return (j/groupRows*(k/q8Block) + i/q8Block) * q8Group }

func scaleAt(w []int8) float32 {
	return math.Float32frombits(uint32(uint8(w[0])) | uint32(uint8(w[1]))<<8 | uint32(uint8(w[2]))<<16 | uint32(uint8(w[3]))<<24)
}

// rowsOf calls row with every row of w as n rows of k values.
func rowsOf(w []float32, k, n int, transposed bool, row func(j int, values []float32)) {
	values := make([]float32, k)
	for j := range n {
		if transposed {
			row(j, w[j*k:][:k])
			continue
		}
		for i := range values {
			values[i] = w[i*n+j]
		}
		row(j, values)
	}
}

// packBF16 rounds to bfloat16, nearest even.
func packBF16(w []float32, k, n int, transposed bool) []uint16 {
	out := make([]uint16, (n+groupRows-1)/groupRows*groupRows*k)
	rowsOf(w, k, n, transposed, func(j int, values []float32) {
		for i, v := range values {
			out[bf16At(j, i, k)] = uint16(math.Float32bits(nearestBF16(v)) >> 16)
		}
	})
	return out
}

// packQ8 is GGUF's q8_0: the scale is the largest magnitude of a block over 127, values are rounded, halves away from zero;
// then the scale is rounded to float16, which is what is stored there.
func packQ8(w []float32, k, n int, transposed bool) []int8 {
	out := make([]int8, (n+groupRows-1)/groupRows*(k/q8Block)*q8Group)
	var scale [4]byte
	rowsOf(w, k, n, transposed, func(j int, values []float32) {
		for from := 0; from < k; from += q8Block {
			block := values[from : from+q8Block]
			var largest float32
			for _, v := range block {
				largest = max(largest, float32(math.Abs(float64(v))))
			}
			d := largest / 127
			inverse := float32(0)
			if d > 0 {
				inverse = 1 / d
			}
			at := q8At(j, from, k)
			for i, v := range block {
				out[at+16+j%groupRows*q8Block+i] = int8(math.Round(float64(v * inverse)))
			}
			binary.LittleEndian.PutUint32(scale[:], math.Float32bits(throughFloat16(d)))
			for i, b := range scale {
				out[at+j%groupRows*4+i] = int8(b)
			}
		}
	})
	return out
}

// throughFloat16 rounds a number that is not negative to float16, nearest even, and back.
func throughFloat16(v float32) float32 {
	switch {
	case v != v || math.IsInf(float64(v), 1):
		return v
	case v >= 65520:
		return float32(math.Inf(1))
	}
	_, exponent := math.Frexp(float64(v)) // v = fraction·2^exponent, fraction in [½,1)
	unit := math.Ldexp(1, max(exponent-11, -24))
	return float32(math.RoundToEven(float64(v)/unit) * unit)
}
