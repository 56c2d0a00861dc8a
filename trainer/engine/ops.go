package engine

// Linear adds y = x·w + b, [rows, n]. w is [k, n], or [n, k] when transposed (an embedding used as head); b may be nil.
func (g *Graph) Linear(name string, x *Tensor, w, b *Parameter, transposed bool) *Tensor {
	m, k := x.Rows, x.Cols
	rows, n := w.matrix()
	if transposed {
		rows, n = n, rows
	}
	if rows != k || (b != nil && len(b.Value) != n) {
		g.fail("%s: weight %v (transposed %t) and bias %v do not fit an input of %d columns", name, w.Shape, transposed, b.shape(), k)
	}
	op := &operation{name: name, rows: m, cols: n, inputs: []*Tensor{x}, params: []*Parameter{w, b}, readsInputs: w.Grad != nil}
	op.run = func() { g.k.Linear(op.y, op.in[0], w.Value, b.values(), m, k, n, transposed) }
	op.backward = func(dx [][]float32, dy []float32) {
		var in []float32 // what is not learnt needs none
		if w.Grad != nil {
			in = op.in[0]
		}
		dw := w.Grad
		if w.forgotten {
			g.k.LinearGradient(dw, dy, in, m, k, n, transposed)
			w.forgotten, dw, in = false, nil, nil
		}
		b.Settle(g.k)
		g.k.LinearBackward(dx[0], dw, b.gradient(), dy, in, w.Value, m, k, n, transposed)
	}
	op.overwrites = true
	return g.apply(op)
}

// Embed adds the sum of token and position embeddings, [len(ids), c], of sequences of length t. ids is read at every Run: fill
// it before. pos may be nil.
func (g *Graph) Embed(name string, table, pos *Parameter, ids []int32, t int) *Tensor {
	_, c := table.matrix()
	if t < 1 || len(ids)%t != 0 || len(ids) == 0 {
		g.fail("%s: %d ids are not sequences of %d", name, len(ids), t)
	}
	if pos != nil && len(pos.Value) < t*c {
		g.fail("%s: sequences of %d are longer than the position table %v", name, t, pos.Shape)
	}
	b := len(ids) / max(t, 1)
	op := &operation{name: name, rows: len(ids), cols: c, params: []*Parameter{table, pos}, rowsOf: ids}
	op.run = func() { g.k.Embed(op.y, table.Value, pos.values(), ids, b, t, c) }
	op.backward = func(_ [][]float32, dy []float32) {
		g.k.EmbedBackward(table.Grad, pos.gradient(), dy, ids, b, t, c)
	}
	return g.apply(op)
}

// LayerNorm adds y = (x-mean)·rstd·gain + bias over each row, eps added to the variance. bias may be nil.
func (g *Graph) LayerNorm(name string, x *Tensor, gain, bias *Parameter, eps float32) *Tensor {
	rows, c := x.Rows, x.Cols
	if len(gain.Value) != c || (bias != nil && len(bias.Value) != c) {
		g.fail("%s: gain %v and bias %v do not fit an input of %d columns", name, gain.Shape, bias.shape(), c)
	}
	op := &operation{
		name: name, rows: rows, cols: c, inputs: []*Tensor{x}, params: []*Parameter{gain, bias}, keeps: []int{rows, rows}, readsInputs: true,
	}
	op.run = func() {
		g.k.LayerNorm(op.y, op.kept[0], op.kept[1], op.in[0], gain.Value, bias.values(), eps, rows, c)
	}
	op.backward = func(dx [][]float32, dy []float32) {
		g.k.LayerNormBackward(dx[0], gain.Grad, bias.gradient(), dy, op.in[0], op.kept[0], op.kept[1], gain.Value, rows, c)
	}
	return g.apply(op)
}

// RMSNorm adds y = x·rstd·gain over each row, eps added to the mean square.
func (g *Graph) RMSNorm(name string, x *Tensor, gain *Parameter, eps float32) *Tensor {
	rows, c := x.Rows, x.Cols
	if len(gain.Value) != c {
		g.fail("%s: gain %v does not fit an input of %d columns", name, gain.Shape, c)
	}
	op := &operation{name: name, rows: rows, cols: c, inputs: []*Tensor{x}, params: []*Parameter{gain}, keeps: []int{rows}, readsInputs: true}
	op.run = func() { g.k.RMSNorm(op.y, op.kept[0], op.in[0], gain.Value, eps, rows, c) }
	op.backward = func(dx [][]float32, dy []float32) {
		g.k.RMSNormBackward(dx[0], gain.Grad, dy, op.in[0], op.kept[0], gain.Value, rows, c)
	}
	return g.apply(op)
}

// HeadNorm adds rows q|k|v with every query and key head normalised by itself; the gains are as wide as a head.
func (g *Graph) HeadNorm(name string, qkv *Tensor, qGain, kGain *Parameter, eps float32, h Heads) *Tensor {
	rows := qkv.Rows
	if qkv.Cols != h.Width() || len(qGain.Value) != h.Dim || len(kGain.Value) != h.Dim {
		g.fail("%s: gains %v and %v do not fit %d columns in heads %+v", name, qGain.Shape, kGain.Shape, qkv.Cols, h)
	}
	op := &operation{
		name: name, rows: rows, cols: qkv.Cols, inputs: []*Tensor{qkv}, params: []*Parameter{qGain, kGain},
		keeps: []int{rows * (h.Q + h.KV)}, readsInputs: true,
	}
	op.run = func() { g.k.HeadNorm(op.y, op.kept[0], op.in[0], qGain.Value, kGain.Value, eps, rows, h) }
	op.backward = func(dx [][]float32, dy []float32) {
		g.k.HeadNormBackward(dx[0], qGain.Grad, kGain.Grad, dy, op.in[0], op.kept[0], qGain.Value, kGain.Value, rows, h)
	}
	return g.apply(op)
}

// CrossEntropy adds the loss of every row in nats, [rows, 1], and is the end of a trained network. targets is read at every
// Run; -1 ignores a row. It computes in the memory of logits where nobody else reads them.
func (g *Graph) CrossEntropy(name string, logits *Tensor, targets []int32) *Tensor {
	m, v := logits.Rows, logits.Cols
	if len(targets) != m {
		g.fail("%s: %d targets for %d rows", name, len(targets), m)
	}
	op := &operation{
		name: name, rows: m, cols: 1, inputs: []*Tensor{logits}, keeps: []int{m * v}, keptOverInput: true, gradOverKept: true,
	}
	op.run = func() { g.k.CrossEntropy(op.y, op.kept[0], op.in[0], targets, m, v) }
	op.backward = func(dx [][]float32, scale []float32) {
		g.k.CrossEntropyBackward(dx[0], op.kept[0], targets, scale[0], m, v)
	}
	return g.apply(op)
}

// Pick adds the given rows of x, [len(rows), cols], in that order. rows is read at every Run; a row may be picked twice.
func (g *Graph) Pick(name string, x *Tensor, rows []int32) *Tensor {
	n, c := len(rows), x.Cols
	if n == 0 {
		g.fail("%s: no rows to pick", name)
	}
	op := &operation{name: name, rows: n, cols: c, inputs: []*Tensor{x}}
	op.run = func() { g.k.Embed(op.y, op.in[0], nil, rows, n, 1, c) }
	op.backward = func(dx [][]float32, dy []float32) {
		g.k.Zero(dx[0])
		g.k.EmbedBackward(dx[0], nil, dy, rows, n, 1, c)
	}
	return g.apply(op)
}

func (p *Parameter) shape() []int {
	if p == nil {
		return nil
	}
	return p.Shape
}
