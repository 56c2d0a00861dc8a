package cpu

import "math"

// bf16Go is the meaning of the bfloat16 primitives in plain Go.
func bf16Go() bf16Level {
	return bf16Level{name: "go", pairs: bfPairsGo, rows: bfRowsGo, turn: bfTurnGo, tiles: bfTilesGo}
}

// bfRound is the bfloat16 nearest to x, ties to even. What is below the normal numbers becomes a zero, a NaN a quiet one.
func bfRound(x float32) uint32 {
	bits := math.Float32bits(x)
	switch {
	case x != x:
		return bits>>16 | 0x40
	case bits&0x7f800000 == 0:
		return bits >> 31 << 15
	}
	return (bits + 0x7fff + bits>>16&1) >> 16
}

// bfPairsGo rounds pairs of rows of src, ld apart, in panels of 32 columns side by side.
func bfPairsGo(dst []uint32, src []float32, ld, pairs, panels, stride int) {
	for pair := range pairs {
		even, odd := src[2*pair*ld:], src[(2*pair+1)*ld:]
		for panel := range panels {
			row := dst[panel*stride+pair*bfSide:][:bfSide]
			for j := range row {
				row[j] = bfRound(even[panel*bfSide+j]) | bfRound(odd[panel*bfSide+j])<<16
			}
		}
	}
}

// bfRowsGo rounds rows of src, ld apart, in blocks of 32 values.
func bfRowsGo(dst []uint32, src []float32, ld, rows, blocks, rowStride, blockStride int) {
	for r := range rows {
		for block := range blocks {
			values := src[r*ld+block*bfSide:][:bfSide]
			for j, at := 0, r*rowStride+block*blockStride; j < 16; j++ {
				dst[at+j] = bfRound(values[2*j]) | bfRound(values[2*j+1])<<16
			}
		}
	}
}

// bfTurnGo transposes squares of 16×16 words.
func bfTurnGo(dst, src []uint32, dstRow, srcRow, blocks, dstBlock, srcBlock int) {
	for block := range blocks {
		for i := range 16 {
			for j := range 16 {
				dst[block*dstBlock+j*dstRow+i] = src[block*srcBlock+i*srcRow+j]
			}
		}
	}
}

// bfTilesGo computes panels of 32×32 of C, one below the other, in the order of bf16.go.
func bfTilesGo(c []float32, cRow int, a, b []uint32, bias []float32, panels, depth, strip, start int) {
	for row := range panels * bfSide {
		words := a[row/16*strip*bfTile+row%16*16:]
		for column := range bfSide {
			var sum float32
			switch start {
			case fromC:
				sum = flush(c[row*cRow+column])
			case fromBias:
				sum = flush(bias[column])
			}
			for tile := range depth {
				var even, odd float32
				for p := range 16 {
					x, y := words[tile*bfTile+p], b[(tile*16+p)*bfSide+column]
					even = fusedGo(half(x<<16), half(y<<16), even)
					odd = fusedGo(half(x), half(y), odd)
				}
				sum = flush(sum + flush(even+odd))
			}
			c[row*cRow+column] = sum
		}
	}
}

// half is a bfloat16 in the upper half of a word.
func half(bits uint32) float32 { return flush(math.Float32frombits(bits & 0xffff0000)) }

// smallest is the least normal float32, 2^-126.
const smallest = 0x1p-126

// flush turns what is below the normal numbers into a zero of its sign.
func flush(x float32) float32 {
	if bits := math.Float32bits(x); bits&0x7f800000 == 0 {
		return math.Float32frombits(bits & 0x80000000)
	}
	return x
}

// fusedGo is a·b + c rounded once, for bfloat16 a and b. Their product has 16 bits and c has 24, so of a sum in float64 whatever
// decides how it rounds to float32 is still there: rounding twice is rounding once.
func fusedGo(a, b, c float32) float32 {
	sum := float64(a)*float64(b) + float64(c)
	if magnitude := math.Abs(sum); magnitude < smallest {
		// Small is judged after rounding to 24 bits: what rounds up to the least normal number stays.
		if magnitude >= smallest-0x1p-151 {
			return float32(math.Copysign(smallest, sum))
		}
		return float32(math.Copysign(0, sum))
	}
	return float32(sum)
}
