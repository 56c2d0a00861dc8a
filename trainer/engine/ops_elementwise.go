package engine

// Add adds a + b elementwise.
func (g *Graph) Add(name string, a, b *Tensor) *Tensor {
	if a.Rows != b.Rows || a.Cols != b.Cols {
		g.fail("%s: cannot add %d×%d and %d×%d", name, a.Rows, a.Cols, b.Rows, b.Cols)
	}
	op := &operation{name: name, rows: a.Rows, cols: a.Cols, inputs: []*Tensor{a, b}, overInputs: true}
	op.run = func() { g.k.Add(op.y, op.in[0], op.in[1]) }
	return g.apply(op)
}

// Scale adds x·s.
func (g *Graph) Scale(name string, x *Tensor, s float32) *Tensor {
	op := &operation{name: name, rows: x.Rows, cols: x.Cols, inputs: []*Tensor{x}, overInputs: true, gradOverGrad: true}
	op.run = func() { g.k.Mix(op.y, op.in[0], nil, s, 0) }
	op.backward = func(dx [][]float32, dy []float32) { g.k.Mix(dx[0], dy, nil, s, 0) }
	return g.apply(op)
}

// Activate adds a(x), elementwise.
func (g *Graph) Activate(name string, x *Tensor, a Activation) *Tensor {
	op := &operation{name: name, rows: x.Rows, cols: x.Cols, inputs: []*Tensor{x}, readsInputs: true, gradOverGrad: true}
	op.run = func() { g.k.Activate(a, op.y, op.in[0]) }
	op.backward = func(dx [][]float32, dy []float32) { g.k.ActivateBackward(a, dx[0], dy, op.in[0]) }
	return g.apply(op)
}

// Gate adds a(gate)·up of rows gate|up, with half as many columns.
func (g *Graph) Gate(name string, x *Tensor, a Activation) *Tensor {
	rows, c := x.Rows, x.Cols/2
	if x.Cols%2 != 0 {
		g.fail("%s: %d columns are not a gate and as many values", name, x.Cols)
	}
	op := &operation{name: name, rows: rows, cols: c, inputs: []*Tensor{x}, readsInputs: true}
	op.run = func() { g.k.Gate(a, op.y, op.in[0], rows, c) }
	op.backward = func(dx [][]float32, dy []float32) { g.k.GateBackward(a, dx[0], dy, op.in[0], rows, c) }
	return g.apply(op)
}

// Dropout adds x with a share p of its values set to zero and the rest scaled by 1/(1-p) (Srivastava et al. 2014). Which ones is
// a function of *key, read at every Run. A program without gradients leaves it out.
func (g *Graph) Dropout(name string, x *Tensor, p float32, key *uint64) *Tensor {
	if !(p >= 0 && p < 1) {
		g.fail("%s: a share of %g is outside [0,1)", name, p)
	}
	if !g.train || p == 0 {
		return x
	}
	op := &operation{name: name, rows: x.Rows, cols: x.Cols, inputs: []*Tensor{x}, overInputs: true, gradOverGrad: true}
	op.run = func() { g.k.Dropout(op.y, op.in[0], *key, p) }
	op.backward = func(dx [][]float32, dy []float32) { g.k.Dropout(dx[0], dy, *key, p) }
	return g.apply(op)
}

// SoftCap adds limit·tanh(x/limit).
func (g *Graph) SoftCap(name string, x *Tensor, limit float32) *Tensor {
	if !(limit > 0) {
		g.fail("%s: a cap of %g must be above 0", name, limit)
	}
	op := &operation{name: name, rows: x.Rows, cols: x.Cols, inputs: []*Tensor{x}, overInputs: true, readsOutput: true, gradOverGrad: true}
	op.run = func() { g.k.SoftCap(op.y, op.in[0], limit) }
	op.backward = func(dx [][]float32, dy []float32) { g.k.SoftCapBackward(dx[0], dy, op.y, limit) }
	return g.apply(op)
}
