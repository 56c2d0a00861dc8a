package engine

// Block is a part of a matrix.
type Block struct{ Row, Rows, Col, Cols int }

// LinearBlocks is y = x·w, w [k, n], of which only some blocks are learnt: what lies outside of them gets no gradient, and stays what it is.
// Blocks cover every row of w once, in order.
func (g *Graph) LinearBlocks(name string, x *Tensor, w *Parameter, blocks []Block) *Tensor {
	m, k := x.Rows, x.Cols
	rows, n := w.matrix()
	at := 0
	for _, b := range blocks {
		if b.Row != at || b.Rows < 1 || b.Col < 0 || b.Cols < 1 || b.Col+b.Cols > n {
			g.fail("%s: block %+v does not fit a weight %v", name, b, w.Shape)
		}
		at += b.Rows
	}
	if rows != k || at != k {
		g.fail("%s: weight %v with blocks of %d rows does not fit an input of %d columns", name, w.Shape, at, k)
	}
	return g.apply(&operation{
		name: name, rows: m, cols: n, inputs: []*Tensor{x}, params: []*Parameter{w},
		run: func(y []float32, _ [][]float32) { g.k.Linear(y, x.op.out, w.Value, nil, m, k, n, false) },
		backward: func(dx, dy []float32, _ [][]float32) {
			g.k.LinearBackward(dx, w.Grad, nil, dy, x.op.out, w.Value, m, k, n, false)
			if w.Grad == nil {
				return
			}
			for _, b := range blocks {
				for r := b.Row; r < b.Row+b.Rows; r++ {
					g.zero(w.Grad[r*n : r*n+b.Col])
					g.zero(w.Grad[r*n+b.Col+b.Cols : (r+1)*n])
				}
			}
		},
	})
}

// zero clears what there is of x.
func (g *Graph) zero(x []float32) {
	if len(x) > 0 {
		g.k.Zero(x)
	}
}

// Mean adds the mean of the first lengths[i] rows of every sequence of length t, [rows/t, cols]. lengths is read at every Run; each is
// between 1 and t.
func (g *Graph) Mean(name string, x *Tensor, t int, lengths []int32) *Tensor {
	c := x.Cols
	if t < 1 || x.Rows != t*len(lengths) {
		g.fail("%s: %d lengths for %d rows in sequences of %d", name, len(lengths), x.Rows, t)
		return &Tensor{op: &operation{}}
	}
	// The mean is a product with a row of 1/n, and its gradient one with a column of them.
	host, share := make([]float32, t), g.k.Alloc(t)
	sequence := func(i int) (parts []float32, from, to int) {
		n := int(lengths[i])
		for j := range host[:n] {
			host[j] = 1 / float32(n)
		}
		g.k.Upload(share[:n], host[:n])
		return share[:n], i * t * c, (i*t + n) * c
	}
	return g.apply(&operation{
		name: name, rows: len(lengths), cols: c, inputs: []*Tensor{x},
		run: func(y []float32, _ [][]float32) {
			for i := range lengths {
				parts, from, to := sequence(i)
				g.k.Linear(y[i*c:(i+1)*c], parts, x.op.out[from:to], nil, 1, len(parts), c, false)
			}
		},
		backward: func(dx, dy []float32, _ [][]float32) {
			g.k.Zero(dx)
			for i := range lengths {
				parts, from, to := sequence(i)
				g.k.LinearBackward(nil, dx[from:to], nil, dy[i*c:(i+1)*c], parts, x.op.out[from:to], 1, len(parts), c, false)
			}
		},
	})
}
