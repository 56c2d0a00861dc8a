package cpu

// Products of bfloat16: both operands are rounded (to nearest, ties to even; a value below the normal numbers is a zero), and
// products are summed in float32. The order is AMX's, so that a processor with it and one without give the same bits:
//
// Sums begin from C, from the bias, or from zero. For every 32 values of k in turn, the products with even k are summed by
// fused multiply-adds from zero in order of k, those with odd k likewise; the two sums are added, and their sum to C. Numbers
// below the normal ones are taken as zero and left as zero throughout; k that is no multiple of 32 is filled up with zeros.
// Since C is rounded to float32 after every 32 values, cutting k anywhere between changes nothing.
//
// A word holds two bfloat16 with neighbouring k, the even one in its low half. Packed A is panels of 32 rows, each two strips of
// 16, each a row of tiles of 16×16 words; packed B is panels of 32 columns, each a row of 32 words for every two values of k.
// Spread A has, for every row of a tile, the sixteen even values and then the sixteen odd ones, as float32.

const (
	bfSide = 32          // rows of a panel of A, columns of a panel of B, k of a tile
	bfTile = 16 * 16     // words
	bfCell = bfSide * 16 // words of a panel for one tile's depth
	bfDeep = 1024        // most of k that is packed at once
	bfNear = 8           // tiles of k that are multiplied at once
	bfTall = 2048        // most rows of A that are packed at once
	bfWide = 8           // most panels of B of a task
	bfRest = bfSide * 32 // values of an edge of C, or of what is rounded there
)

// What sums begin from.
const (
	fromZero = iota
	fromC
	fromBias
)

// bf16Level is the primitives of bfloat16 products; bf16_go.go says what each means.
type bf16Level struct {
	name  string
	pairs func(dst []uint32, src []float32, ld, pairs, panels, stride int)
	rows  func(dst []uint32, src []float32, ld, rows, blocks, rowStride, blockStride int)
	turn  func(dst, src []uint32, dstRow, srcRow, blocks, dstBlock, srcBlock int)
	// spread makes of A's words what tiles takes, twice as many; nil where tiles takes them as they are.
	spread func(dst, src []uint32)
	tiles  func(c []float32, cRow int, a, b []uint32, bias []float32, panels, depth, strip, start int)
}

// productBF16 is product in bfloat16. Parts of k follow each other; in each, blocks of rows are packed by all threads, then every
// task packs its own panels of B and multiplies them by all of those rows.
func (k *fast) productBF16(p product) {
	shared := k.crew.take()
	defer k.crew.give(shared)
	parts := (p.k + bfDeep - 1) / bfDeep
	deep := ((p.k+parts-1)/parts + bfSide - 1) / bfSide * bfSide
	blocks := (p.m + bfTall - 1) / bfTall
	tall := ((p.m+blocks-1)/blocks + bfSide - 1) / bfSide * bfSide
	for from := 0; from < p.k; from += deep {
		part := bfPart{product: p, k0: from, deep: min(deep, p.k-from), start: fromC}
		part.tiles = (part.deep + bfSide - 1) / bfSide
		if from == 0 && !p.add {
			part.start = fromZero
			if p.bias != nil {
				part.start = fromBias
			}
		}
		for top := 0; top < p.m; top += tall {
			k.bfBlock(part, shared, top, min(p.m, top+tall))
		}
	}
}

// breadth is how many words of A tiles takes for each that was packed.
func (l *bf16Level) breadth() int {
	if l.spread != nil {
		return 2
	}
	return 1
}

// bfPart is what a product adds to C for some of k: deep values from k0 on, in so many tiles.
type bfPart struct {
	product
	k0, deep, tiles, start int
}

func (k *fast) bfBlock(p bfPart, shared *scratch, top, bottom int) {
	cell := p.tiles * bfCell // words of a panel
	aPanels, bPanels := (bottom-top+bfSide-1)/bfSide, (p.n+bfSide-1)/bfSide
	a := grow(&shared.a, aPanels*cell*k.bf16.breadth())
	group := min(4, (aPanels+k.crew.threads-1)/k.crew.threads)
	work := bfWork{bfPart: p, a: a, top: top, bottom: bottom, cell: cell, group: group}
	each(k, (aPanels+group-1)/group, work, func(k *fast, w *bfWork, s *scratch, task int) {
		first := task * w.group
		from, to := w.top+first*bfSide, min(w.bottom, w.top+(first+w.group)*bfSide)
		if k.bf16.spread == nil {
			k.bfPackA(w.a[first*w.cell:], &w.bfPart, s, from, to)
			return
		}
		packed := grow(&s.b, (to-from+bfSide-1)/bfSide*w.cell)
		k.bfPackA(packed, &w.bfPart, s, from, to)
		k.bf16.spread(w.a[2*first*w.cell:], packed)
	})
	group = bfWide
	for group > 1 && (bPanels+group-1)/group < 4*k.crew.threads {
		group--
	}
	work.group = group
	each(k, (bPanels+group-1)/group, work, func(k *fast, w *bfWork, s *scratch, task int) {
		from, to := task*w.group*bfSide, min(w.n, (task+1)*w.group*bfSide)
		b := grow(&s.b, w.group*w.cell)
		k.bfPackB(b, &w.bfPart, s, from, to)
		for column := from; column < to; column += bfSide {
			k.bfPanel(&w.bfPart, s, w.a, b[(column-from)/bfSide*w.cell:], w.top, w.bottom, column, min(to, column+bfSide))
		}
	})
}

// bfWork is a block of rows top..bottom of C: panels of A, packed or to be packed, of cell words each, a group of A's or B's to a task.
type bfWork struct {
	bfPart
	a                        []uint32
	top, bottom, cell, group int
}

// bfPanel computes rows top..bottom of columns from..to, one panel of B: whole panels where they lie, edges beside C.
func (k *fast) bfPanel(p *bfPart, s *scratch, a, b []uint32, top, bottom, from, to int) {
	bias := p.bias
	if p.start == fromBias {
		bias = bias[from:]
	}
	whole := (bottom - top) / bfSide
	if to-from < bfSide {
		whole = 0
	}
	if whole > 0 {
		// A few tiles of k at a time, so that this panel of B stays in the first-level cache while A passes by.
		start := p.start
		for tile := 0; tile < p.tiles; tile += bfNear {
			depth := min(bfNear, p.tiles-tile)
			k.bf16.tiles(p.c[top*p.cRow+from:], p.cRow, a[tile*bfTile*k.bf16.breadth():], b[tile*bfCell:], bias, whole, depth, p.tiles, start)
			start = fromC
		}
	}
	for row := top + whole*bfSide; row < bottom; row += bfSide {
		rows, cols := min(bfSide, bottom-row), to-from
		edge := grow(&s.rows, bfRest+bfSide)
		clear(edge)
		margin := edge[bfRest:]
		if p.start == fromBias {
			copy(margin, bias[:cols])
		}
		if p.start == fromC {
			for i := range rows {
				copy(edge[i*bfSide:][:cols], p.c[(row+i)*p.cRow+from:])
			}
		}
		k.bf16.tiles(edge, bfSide, a[(row-top)/bfSide*p.tiles*bfCell*k.bf16.breadth():], b, margin, 1, p.tiles, p.tiles, p.start)
		for i := range rows {
			copy(p.c[(row+i)*p.cRow+from:][:cols], edge[i*bfSide:])
		}
	}
}

// bfPackA packs rows from..to, whole panels of them but for the last.
func (k *fast) bfPackA(dst []uint32, p *bfPart, s *scratch, from, to int) {
	cell := p.tiles * bfCell
	panels, blocks := (to-from)/bfSide, p.deep/bfSide // whole ones
	if p.aCol == 1 {
		for strip := range 2 * panels {
			k.bf16.rows(dst[strip*p.tiles*bfTile:], p.a[(from+16*strip)*p.aRow+p.k0:], p.aRow, 16, blocks, 16, bfTile)
		}
	} else {
		turned := grow(&s.turned, max(1, panels)*bfCell)
		for block := range blocks {
			if panels == 0 {
				break
			}
			k.bf16.pairs(turned, p.a[(p.k0+block*bfSide)*p.aCol+from:], p.aCol, 16, panels, bfCell)
			for strip := range 2 * panels {
				k.bf16.turn(dst[(strip*p.tiles+block)*bfTile:], turned[strip/2*bfCell+strip%2*16:], 16, 32, 1, 0, 0)
			}
		}
	}
	for panel := range (to - from + bfSide - 1) / bfSide {
		first := 0
		if panel < panels {
			first = blocks
		}
		row := from + panel*bfSide
		for block := first; block < p.tiles; block++ {
			at := p.k0 + block*bfSide
			edge := k.bfEdge(s, p.a[row*p.aRow+at*p.aCol:], p.aRow, p.aCol, min(bfSide, to-row), min(bfSide, p.k0+p.deep-at))
			for strip := range 2 {
				k.bf16.rows(dst[panel*cell+(strip*p.tiles+block)*bfTile:], edge[strip*16*bfSide:], bfSide, 16, 1, 16, bfTile)
			}
		}
	}
}

// bfPackB packs columns from..to, whole panels of them but for the last.
func (k *fast) bfPackB(dst []uint32, p *bfPart, s *scratch, from, to int) {
	cell := p.tiles * bfCell
	panels, blocks := (to-from)/bfSide, p.deep/bfSide
	switch {
	case panels == 0:
	case p.bCol == 1:
		k.bf16.pairs(dst, p.b[p.k0*p.bRow+from:], p.bRow, 16*blocks, panels, cell)
	default:
		turned := grow(&s.turned, max(1, blocks)*bfTile)
		for half := range 2 * panels {
			k.bf16.rows(turned, p.b[(from+16*half)*p.bCol+p.k0:], p.bCol, 16, blocks, 16, bfTile)
			k.bf16.turn(dst[half/2*cell+half%2*16:], turned, 32, 16, blocks, bfCell, bfTile)
		}
	}
	for panel := range (to - from + bfSide - 1) / bfSide {
		first := 0
		if panel < panels {
			first = blocks
		}
		column := from + panel*bfSide
		for block := first; block < p.tiles; block++ {
			at := p.k0 + block*bfSide
			edge := k.bfEdge(s, p.b[at*p.bRow+column*p.bCol:], p.bRow, p.bCol, min(bfSide, p.k0+p.deep-at), min(bfSide, to-column))
			k.bf16.pairs(dst[panel*cell+block*bfCell:], edge, bfSide, 16, 1, 0)
		}
	}
}

// bfEdge copies what there is of 32×32 values, and zeros for the rest.
func (k *fast) bfEdge(s *scratch, src []float32, row, col, rows, cols int) []float32 {
	edge := grow(&s.rows, bfRest)
	clear(edge)
	for i := range rows {
		for j := range cols {
			edge[i*bfSide+j] = src[i*row+j*col]
		}
	}
	return edge
}
