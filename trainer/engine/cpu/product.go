package cpu

import "millrace/trainer/engine"

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

// depth is the most of k that is summed before it meets C: panels of that length stream well from the second-level cache,
// and a longer one would leave no room there for A.
const depth = 512

// far is the distance from which on a tile's share of successive rows is brought together, to be used more than once: so far apart,
// rows fall into few sets of the cache and each on a page of its own. Nearer ones cost less where they lie (measured).
const far = 512

// depths cuts k into equal parts of at most depth, a multiple of 16. The cut is part of the result, since every part's sum
// is rounded when it is added to C; so it depends on k alone.
func depths(k int) int {
	parts := max(1, (k+depth-1)/depth)
	return max(1, ((k+parts-1)/parts+15)/16*16)
}

// smallProduct is the number of multiply-adds below which handing work to another thread costs more than it gains.
const smallProduct = 1 << 16

// product cuts C into blocks of rows and groups of panels. A task packs its own panels of B, before it uses them or, where
// they only have to be copied, while it does, into its thread's cache; nothing is shared, so no thread waits for another's packing.
func (k *fast) product(p product) {
	if k.precision == engine.BF16 {
		k.productBF16(p)
		return
	}
	g := grid{product: p, panels: (p.n + k.panel - 1) / k.panel}
	g.rows, g.group = k.grid(p, g.panels)
	g.blocks = (p.m + g.rows - 1) / g.rows
	groups := (g.panels + g.group - 1) / g.group
	each(k, g.blocks*groups, g, func(k *fast, g *grid, s *scratch, task int) {
		fromRow, fromPanel := task%g.blocks*g.rows, task/g.blocks*g.group
		next := (task + k.crew.threads) / g.blocks * g.group // most likely, of this thread
		k.block(&g.product, s, fromRow, min(g.m, fromRow+g.rows), fromPanel, min(g.panels, fromPanel+g.group), next)
	})
}

// grid is a product cut into blocks of rows of C by groups of panels, of so many.
type grid struct {
	product
	rows, blocks, group, panels int
}

// packsA and packsB say which operands are brought together.
func (p *product) packsA() bool { return p.aCol >= far }
func (p *product) packsB() bool { return p.bCol != 1 || p.bRow >= far }

// grid returns how many rows and panels a task takes: as many as stay in the second-level cache, fewer until there are
// tasks enough to keep all threads busy to the end: many, or as many for each. Every group of panels packs A anew and every block of rows B, so the
// cut that repeats no packing is made first.
func (k *fast) grid(p product, panels int) (rows, group int) {
	if p.m*p.n*p.k < smallProduct {
		return p.m, panels
	}
	rows, group = p.m, min(panels, 8)
	if k.crew.threads == 1 {
		return rows, group
	}
	lowest := 2 * k.tileRows
	if p.packsB() {
		lowest *= 4
	}
	for {
		tasks := (p.m + rows - 1) / rows * ((panels + group - 1) / group)
		if tasks >= 16*k.crew.threads || tasks >= 4*k.crew.threads && tasks%k.crew.threads == 0 {
			return rows, group
		}
		switch {
		case rows > lowest && (p.packsA() || rows > 4*strip || group == 1):
			rows = (rows + 1) / 2
		case group > 1:
			group = (group + 1) / 2
		default:
			return rows, group
		}
	}
}

// strip is how many rows of A are taken at a time, to be read from the second-level cache for every panel.
const strip = 128

// tilesOf is how many tiles so many rows are cut into, strip by strip.
func (k *fast) tilesOf(rows int) int {
	of := func(rows int) int { return (rows + k.tileRows - 1) / k.tileRows }
	return rows/strip*of(strip) + of(rows%strip)
}

// block computes rows fromRow..toRow of C in panels fromPanel..toPanel; panels from nextPanel on will most likely follow.
func (k *fast) block(p *product, s *scratch, fromRow, toRow, fromPanel, toPanel, nextPanel int) {
	deep := depths(p.k)
	stride := deep * k.panel // from packed panel to packed panel
	from, to := fromPanel*k.panel, min(p.n, toPanel*k.panel)
	// Whole panels of near rows, or of rows used only once, are read where they lie; those of far rows by the first tile, which copies them.
	inPlace, copied := 0, 0
	switch whole := (to - from) / k.panel; {
	case !p.packsB() || p.bCol == 1 && toRow-fromRow <= k.tileRows:
		inPlace = whole
	case p.bCol == 1:
		copied = whole
	}
	packed := grow(&s.panels, (toPanel-fromPanel)*stride)
	for start := 0; start < p.k; start += deep {
		length := min(deep, p.k-start)
		k.pack(packed[(inPlace+copied)*stride:], stride, p, start, length, from+(inPlace+copied)*k.panel, to)
		bias := p.bias
		if start > 0 {
			bias = nil
		}
		soon := p.coming(start+deep, deep, from, to)
		if start+deep >= p.k && nextPanel != fromPanel {
			soon = p.coming(0, deep, nextPanel*k.panel, nextPanel*k.panel+to-from)
		}
		// What is asked for too early is gone again when it is wanted: the last tiles ask, as many as it takes.
		soon.wait = max(0, k.tilesOf(toRow-fromRow)*((to-from+k.panel-1)/k.panel)-soon.turns(length))
		for row := fromRow; row < toRow; row += strip {
			rows := min(strip, toRow-row)
			tiles := (rows + k.tileRows - 1) / k.tileRows
			height := (rows + tiles - 1) / tiles // even, so that few tiles are too low to hide the adders' latency
			a, aRow, aCol, aTile := p.a[row*p.aRow+start*p.aCol:], p.aRow, p.aCol, height*p.aRow
			if p.packsA() {
				a = grow(&s.columns, (length+1)*k.panel/2*tiles)
				k.packColumns(a, p.a[row*p.aRow+start*p.aCol:], p.aCol, rows, height, length)
				aRow, aCol, aTile = 1, k.panel/2, (length+1)*k.panel/2
			}
			for column := from; column < to; column += k.panel {
				panel := (column - from) / k.panel
				var b []float32
				bRow := k.panel
				if panel < inPlace {
					b, bRow = p.b[start*p.bRow+column:], p.bRow
				} else {
					b = packed[panel*stride:]
				}
				offset := bias
				if offset != nil {
					offset = offset[column:]
				}
				for t := range tiles {
					top := row + t*height
					lines, apart := soon.next(length)
					rowsOfB, rowOfB, keep := b, bRow, []float32(nil)
					if panel < copied && top == fromRow {
						rowsOfB, rowOfB, keep = p.b[start*p.bRow+column:], p.bRow, b
					}
					k.tile(p.c[top*p.cRow+column:], p.cRow, a[t*aTile:], aRow, aCol, rowsOfB, rowOfB,
						offset, min(height, row+rows-top), min(k.panel, to-column), length, p.add || start > 0, lines, apart, keep)
				}
			}
		}
	}
}

// pack copies length rows from start of columns from..to of B into panels that lie stride apart; a last panel that is not
// whole is filled up with zeros.
func (k *fast) pack(dst []float32, stride int, p *product, start, length, from, to int) {
	if from >= to {
		return
	}
	if p.bCol == 1 {
		for ; from < to; from, dst = from+k.panel, dst[min(stride, len(dst)):] {
			width := min(k.panel, to-from)
			for i := range length {
				row := dst[i*k.panel:][:k.panel]
				clear(row[copy(row, p.b[(start+i)*p.bRow+from:][:width]):])
			}
		}
		return
	}
	width := k.panel / 2
	for column := from; column < to; column += width {
		half := dst[(column-from)/k.panel*stride+(column-from)%k.panel:]
		k.packHalf(half, p, start, length, column, min(width, to-column))
		if next := column + width; next >= to && (next-from)%k.panel != 0 {
			for i := range length {
				clear(half[i*k.panel+width:][:width])
			}
		}
	}
}

// packHalf packs one vector's width of the transpose of rows in memory: whole squares by shuffling, the rest one by one.
func (k *fast) packHalf(dst []float32, p *product, start, length, column, cols int) {
	width := k.panel / 2
	done := 0
	if cols == width {
		done = length / width * width
		k.packTransposed(dst, p.b[column*p.bCol+start:], p.bCol, length/width)
	}
	for i := done; i < length; i++ {
		row := dst[i*k.panel:][:width]
		for j := range cols {
			row[j] = p.b[(column+j)*p.bCol+start+i]
		}
		clear(row[cols:])
	}
}
