package cpu

// product is C[m,n] = A[m,k]·B[k,n] with strides: element (i,j) of A is a[i·aRow+j·aCol], and so for B, so that a transposed
// matrix is the same memory with its strides exchanged. C's rows are contiguous and cRow apart.
type product struct {
	c          []float32
	cRow       int
	a          []float32
	aRow, aCol int
	b          []float32
	bRow, bCol int // one of them is 1
	bias       []float32
	add        bool // C += A·B, and no bias
	m, n, k    int
}

// depth is how much of k a panel holds: 256 rows of 32 floats fill two thirds of a first-level cache. It is part of the
// result, since each block's sum is rounded when it is added to C; so it is the same for every shape and thread count.
const depth = 256

// smallProduct is the number of multiply-adds below which handing work to another thread costs more than it gains.
const smallProduct = 1 << 16

// product cuts C into blocks of rows and groups of panels. A task packs its own panels of B just before it uses them, into
// its thread's cache; nothing is shared, so no thread waits for another's packing.
func (k *fast) product(p product) {
	panels := (p.n + k.panel - 1) / k.panel
	rows, group := k.grid(p.m, panels, p.m*p.n*p.k)
	blocks := (p.m + rows - 1) / rows
	groups := (panels + group - 1) / group
	k.crew.each(blocks*groups, func(s *scratch, task int) {
		fromRow, fromPanel := task%blocks*rows, task/blocks*group
		k.block(p, s, fromRow, min(p.m, fromRow+rows), fromPanel, min(panels, fromPanel+group))
	})
}

// grid returns how many rows and panels a task takes: as many as stay in the second-level cache, fewer until there are
// tasks enough to keep all threads busy to the end.
func (k *fast) grid(m, panels, work int) (rows, group int) {
	rows, group = min(m, 512), min(panels, 8)
	if k.crew.threads == 1 || work < smallProduct {
		return rows, group
	}
	tasks := func() int { return ((m + rows - 1) / rows) * ((panels + group - 1) / group) }
	for tasks() < 4*k.crew.threads {
		switch {
		case group > 1 && (rows <= 128 || group >= 4):
			group = (group + 1) / 2
		case rows > 4*k.tileRows:
			rows = (rows + 1) / 2
		case group > 1:
			group = (group + 1) / 2
		default:
			return rows, group
		}
	}
	return rows, group
}

// block computes rows fromRow..toRow of C in panels fromPanel..toPanel.
func (k *fast) block(p product, s *scratch, fromRow, toRow, fromPanel, toPanel int) {
	rows := toRow - fromRow
	tiles := (rows + k.tileRows - 1) / k.tileRows
	packed := grow(&s.panels, (toPanel-fromPanel)*depth*k.panel)
	for start := 0; start == 0 || start < p.k; start += depth {
		length := min(depth, p.k-start)
		for panel := fromPanel; panel < toPanel; panel++ {
			column := panel * k.panel
			cols := min(k.panel, p.n-column)
			b, bRow := packed[(panel-fromPanel)*depth*k.panel:], k.panel
			if tiles == 1 && p.bCol == 1 && cols == k.panel {
				b, bRow = p.b[start*p.bRow+column:], p.bRow // used once: read where it lies
			} else {
				k.pack(b, p, start, length, column, cols)
			}
			bias := p.bias
			if bias != nil {
				bias = bias[column:]
			}
			if start > 0 {
				bias = nil
			}
			for t := range tiles { // of even height, so that none is too low to hide the adders' latency
				from, to := fromRow+rows*t/tiles, fromRow+rows*(t+1)/tiles
				k.tile(p.c[from*p.cRow+column:], p.cRow, p.a[from*p.aRow+start*p.aCol:], p.aRow, p.aCol, b, bRow,
					bias, to-from, cols, length, p.add || start > 0)
			}
		}
	}
}

// pack copies length rows from start of the cols columns from column of B into a panel; missing columns become zero.
func (k *fast) pack(dst []float32, p product, start, length, column, cols int) {
	width := k.panel / 2
	if p.bCol == 1 {
		if cols == k.panel {
			k.packRows(dst, p.b[start*p.bRow+column:], p.bRow, length)
			return
		}
		for i := range length {
			row := dst[i*k.panel : (i+1)*k.panel]
			clear(row[copy(row, p.b[(start+i)*p.bRow+column:][:cols]):])
		}
		return
	}
	for half := 0; half < k.panel; half += width {
		whole := 0 // rows of the panel that squares fill
		if half+width <= cols {
			whole = length / width * width
			k.packTransposed(dst[half:], p.b[(column+half)*p.bCol+start:], p.bCol, length/width)
		}
		for i := whole; i < length; i++ {
			for j := half; j < half+width; j++ {
				value := float32(0)
				if j < cols {
					value = p.b[(column+j)*p.bCol+start+i]
				}
				dst[i*k.panel+j] = value
			}
		}
	}
}
