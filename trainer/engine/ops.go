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
	return g.apply(&operation{
		name: name, rows: m, cols: n, inputs: []*Tensor{x}, params: []*Parameter{w, b},
		run: func(y []float32, _ [][]float32) {
			g.k.Linear(y, x.op.out, w.Value, b.values(), m, k, n, transposed)
		},
		backward: func(dx, dy []float32, _ [][]float32) {
			g.k.LinearBackward(dx, w.Grad, b.gradient(), dy, x.op.out, w.Value, m, k, n, transposed)
		},
	})
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
	return g.apply(&operation{
		name: name, rows: len(ids), cols: c, params: []*Parameter{table, pos},
		run: func(y []float32, _ [][]float32) {
			g.k.Embed(y, table.Value, pos.values(), ids, b, t, c)
		},
		backward: func(_, dy []float32, _ [][]float32) {
			g.k.EmbedBackward(table.Grad, pos.gradient(), dy, ids, b, t, c)
		},
	})
}

// LayerNorm adds y = (x-mean)·rstd·gain + bias over each row, eps added to the variance. bias may be nil.
func (g *Graph) LayerNorm(name string, x *Tensor, gain, bias *Parameter, eps float32) *Tensor {
	rows, c := x.Rows, x.Cols
	if len(gain.Value) != c || (bias != nil && len(bias.Value) != c) {
		g.fail("%s: gain %v and bias %v do not fit an input of %d columns", name, gain.Shape, bias.shape(), c)
	}
	return g.apply(&operation{
		name: name, rows: rows, cols: c, inputs: []*Tensor{x}, params: []*Parameter{gain, bias}, kept: []int{rows, rows},
		run: func(y []float32, kept [][]float32) {
			g.k.LayerNorm(y, kept[0], kept[1], x.op.out, gain.Value, bias.values(), eps, rows, c)
		},
		backward: func(dx, dy []float32, kept [][]float32) {
			g.k.LayerNormBackward(dx, gain.Grad, bias.gradient(), dy, x.op.out, kept[0], kept[1], gain.Value, rows, c)
		},
	})
}

// Activate adds a(x), elementwise.
func (g *Graph) Activate(name string, x *Tensor, a Activation) *Tensor {
	return g.apply(&operation{
		name: name, rows: x.Rows, cols: x.Cols, inputs: []*Tensor{x},
		run:      func(y []float32, _ [][]float32) { g.k.Activate(a, y, x.op.out) },
		backward: func(dx, dy []float32, _ [][]float32) { g.k.ActivateBackward(a, dx, dy, x.op.out) },
	})
}

// AttentionOptions says how queries attend to keys.
type AttentionOptions struct {
	T       int // queries of a sequence
	Heads   Heads
	Causal  bool      // a query sees its own and earlier keys
	Scale   float32   // of q·k; 0 means 1/√Heads.Dim
	Slopes  []float32 // ALiBi, one of every query head; nil: none
	Lengths []int32   // keys of every sequence, read at every Run; nil: all
}

// Attention adds self-attention over sequences of a.T rows q|k|v.
func (g *Graph) Attention(name string, qkv *Tensor, a AttentionOptions) *Tensor {
	h, c := a.Heads, a.Heads.Q*a.Heads.Dim
	s := Shape{
		TQ: a.T, TK: a.T, Heads: h, QStride: h.Width(), KVStride: h.Width(), YStride: c,
		Scale: a.Scale, Causal: a.Causal, Slopes: a.Slopes, Lengths: a.Lengths,
	}
	if a.T > 0 {
		s.B = qkv.Rows / a.T
	}
	if qkv.Cols != h.Width() || a.T < 1 || qkv.Rows%a.T != 0 {
		g.fail("%s: %d columns in heads %+v, %d rows in sequences of %d", name, qkv.Cols, h, qkv.Rows, a.T)
		return &Tensor{op: &operation{}}
	}
	if err := s.Check(); err != nil {
		g.fail("%s: %w", name, err)
		return &Tensor{op: &operation{}}
	}
	parts := func(x []float32) (q, k, v []float32) { return x, x[c:], x[c+h.KV*h.Dim:] }
	op := &operation{name: name, rows: qkv.Rows, cols: c, inputs: []*Tensor{qkv}, kept: []int{s.B * h.Q * s.TQ}}
	op.run = func(y []float32, kept [][]float32) {
		q, k, v := parts(qkv.op.out)
		g.k.Attention(y, kept[0], q, k, v, nil, s)
	}
	op.backward = func(dx, dy []float32, kept [][]float32) {
		q, k, v := parts(qkv.op.out)
		dq, dk, dv := parts(dx)
		g.k.AttentionBackward(dq, dk, dv, nil, dy, op.out, kept[0], q, k, v, nil, s)
	}
	return g.apply(op)
}

// Add adds a + b elementwise.
func (g *Graph) Add(name string, a, b *Tensor) *Tensor {
	if a.Rows != b.Rows || a.Cols != b.Cols {
		g.fail("%s: cannot add %d×%d and %d×%d", name, a.Rows, a.Cols, b.Rows, b.Cols)
	}
	return g.apply(&operation{
		name: name, rows: a.Rows, cols: a.Cols, inputs: []*Tensor{a, b},
		run: func(y []float32, _ [][]float32) { g.k.Add(y, a.op.out, b.op.out) },
	})
}

// CrossEntropy adds the loss of every row in nats, [rows, 1], and is the end of a trained network. targets is read at every
// Run; -1 ignores a row. It computes in the memory of logits, which no other operation may read.
func (g *Graph) CrossEntropy(name string, logits *Tensor, targets []int32) *Tensor {
	m, v := logits.Rows, logits.Cols
	if len(targets) != m {
		g.fail("%s: %d targets for %d rows", name, len(targets), m)
	}
	if logits.op != nil && len(logits.op.readers) > 0 {
		g.fail("%s: %s has another reader", name, logits.op.name)
	}
	return g.apply(&operation{
		name: name, rows: m, cols: 1, inputs: []*Tensor{logits}, inPlace: true,
		run: func(y []float32, _ [][]float32) {
			g.k.CrossEntropy(y, logits.op.out, logits.op.out, targets, m, v)
		},
		backward: func(dx, scale []float32, _ [][]float32) {
			g.k.CrossEntropyBackward(dx, logits.op.out, targets, scale[0], m, v)
		},
	})
}

func (p *Parameter) shape() []int {
	if p == nil {
		return nil
	}
	return p.Shape
}
