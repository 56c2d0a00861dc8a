package engine

// Block is a part of a matrix.
type Block struct{ Row, Rows, Col, Cols int }

// LinearBlocks is y = scale·x·w, w [k, n], of which only some blocks are learnt: what lies outside of them gets no gradient, and stays what
// it is. Blocks cover every row of w once, in order.
func (g *Graph) LinearBlocks(name string, x *Tensor, w *Parameter, scale float32, blocks []Block) *Tensor {
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
	op := &operation{name: name, rows: m, cols: n, inputs: []*Tensor{x}, params: []*Parameter{w}, keeps: []int{m * k}}
	op.run = func() { // the input is scaled, as it is the smaller side
		g.k.Mix(op.kept[0], op.in[0], nil, scale, 0)
		g.k.Linear(op.y, op.kept[0], w.Value, nil, m, k, n, false)
	}
	op.backward = func(dx [][]float32, dy []float32) {
		g.k.LinearBackward(dx[0], w.Grad, nil, dy, op.kept[0], w.Value, m, k, n, false)
		g.k.Scale(dx[0], scale)
		if w.Grad == nil {
			return
		}
		for _, b := range blocks {
			for r := b.Row; r < b.Row+b.Rows; r++ {
				g.zero(w.Grad[r*n : r*n+b.Col])
				g.zero(w.Grad[r*n+b.Col+b.Cols : (r+1)*n])
			}
		}
	}
	return g.apply(op)
}

// zero clears what there is of x.
func (g *Graph) zero(x []float32) {
	if len(x) > 0 {
		g.k.Zero(x)
	}
}
