package cpu

// ahead is a block of a matrix that will be packed next. That reads little at a time from many rows, which memory answers slowly (10 GB/s
// a thread, a tenth of a product's time); so the tiles that multiply meanwhile ask for its lines, each for a few rows of one line's width.
type ahead struct {
	from          []float32 // its first value
	row           int       // distance of its rows
	rows, columns int
	wait          int // tiles that do not ask yet
	at, line      int // where the next that asks begins: a row, and a line of it
}

// cacheLine is in values.
const cacheLine = 16

// large is from how many values on a matrix comes from memory rather than from a cache.
const large = 1 << 18

// coming returns length values of k from start on of columns from..to of B.
func (p *product) coming(start, length, from, to int) ahead {
	if start >= p.k || from >= p.n || p.k*p.n < large || !p.packsB() {
		return ahead{}
	}
	length, to = min(length, p.k-start), min(to, p.n)
	if p.bCol == 1 {
		return ahead{from: p.b[start*p.bRow+from:], row: p.bRow, rows: length, columns: to - from}
	}
	return ahead{from: p.b[from*p.bCol+start:], row: p.bCol, rows: to - from, columns: length}
}

// asksEvery is how many values of k a tile sums for each line that it asks for.
const asksEvery = 4

// turns is how many tiles of length values of k, at least asksEvery, it takes to ask for all.
func (a *ahead) turns(length int) int {
	asks := max(1, length/asksEvery)
	return (a.columns + cacheLine - 1) / cacheLine * ((a.rows + asks - 1) / asks)
}

// next returns where the lines are that a tile of length values of k asks for, and how far apart.
func (a *ahead) next(length int) (lines []float32, apart int) {
	if a.wait > 0 {
		a.wait--
		return nil, 0
	}
	if a.at >= a.rows {
		return nil, 0
	}
	lines = a.from[a.at*a.row+a.line:]
	if a.line += cacheLine; a.line >= a.columns {
		a.line = 0
		a.at += length / asksEvery
	}
	return lines, a.row
}
