package cpu

// tileGo computes rows×cols of C from k columns of A and a panel of B: C = A·B + bias, or C += A·B with add. With keep it copies the panel's
// rows there, one behind the other.
// Two rows and four columns at a time, which is what Go's compiler keeps in registers.
func tileGo(c []float32, cRow int, a []float32, aRow, aCol int, b []float32, bRow int, bias []float32, rows, cols, k int, add bool, _ []float32, _ int, keep []float32) {
	if keep != nil {
		for p := range k {
			copy(keep[p*8:][:8], b[p*bRow:])
		}
	}
	for r := 0; r < rows; r += 2 {
		second := min(r+1, rows-1) // the last odd row is computed twice
		for j := 0; j < cols; j += 4 {
			var s, t [4]float32
			s[0], s[1], s[2], s[3], t[0], t[1], t[2], t[3] = dotGo(a[r*aRow:], a[second*aRow:], aCol, b[j:], bRow, k)
			for i := range min(4, cols-j) {
				at, below := r*cRow+j+i, second*cRow+j+i
				x, y := s[i], t[i]
				switch {
				case add && below != at:
					x, y = x+c[at], y+c[below]
				case add:
					x += c[at]
					y = x
				case bias != nil:
					x, y = x+bias[j+i], y+bias[j+i]
				}
				c[at], c[below] = x, y
			}
		}
	}
}

// dotGo returns two rows of A times four columns of B.
func dotGo(a0, a1 []float32, aCol int, b []float32, bRow, k int) (s0, s1, s2, s3, t0, t1, t2, t3 float32) {
	for p := range k {
		x, y := a0[p*aCol], a1[p*aCol]
		row := b[p*bRow:][:4]
		s0 += x * row[0]
		s1 += x * row[1]
		s2 += x * row[2]
		s3 += x * row[3]
		t0 += y * row[0]
		t1 += y * row[1]
		t2 += y * row[2]
		t3 += y * row[3]
	}
	return
}

// packTransposedGo writes blocks squares (4×4) of the transpose of src, whose rows are ld apart, into half a panel.
func packTransposedGo(dst, src []float32, ld, blocks int) {
	for j := range 4 {
		for p, v := range src[j*ld : j*ld+4*blocks] {
			dst[p*8+j] = v
		}
	}
}

// packColumnsGo copies k rows of width values, ld apart, into panels of height columns, one panel after the other. A panel's
// rows are half a panel of B apart, and as much lies between panels.
func packColumnsGo(dst, src []float32, ld, width, height, k int) {
	for p := range k {
		for from, panel := 0, 0; from < width; from, panel = from+height, panel+1 {
			to := min(width, from+height)
			copy(dst[(panel*(k+1)+p)*4:], src[p*ld+from:p*ld+to])
		}
	}
}
