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
	return g.apply(&operation{
		name: name, rows: m, cols: n, inputs: []*Tensor{x}, params: []*Parameter{w}, kept: []int{m * k},
		run: func(y []float32, kept [][]float32) { // the input is scaled, as it is the smaller side
			g.k.Zero(kept[0])
			g.k.Add(kept[0], kept[0], x.op.out)
			g.k.Scale(kept[0], scale)
			g.k.Linear(y, kept[0], w.Value, nil, m, k, n, false)
		},
		backward: func(dx, dy []float32, kept [][]float32) {
			g.k.LinearBackward(dx, w.Grad, nil, dy, kept[0], w.Value, m, k, n, false)
			if dx != nil {
				g.k.Scale(dx, scale)
			}
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
