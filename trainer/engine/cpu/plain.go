package cpu

import "millrace/trainer/engine"

// What the levels have no primitives for yet: the reference's loops, cut into tasks. A sum over rows is cut into blocks that
// depend on the shapes alone.

func (k *fast) RMSNorm(y, rstd, x, gain []float32, eps float32, rows, c int) {
	rmsNormShapes(y, rstd, x, gain, rows, c)
	k.crew.spans(rows, max(1, span/c), func(_ *scratch, from, to int) {
		reference{}.RMSNorm(y[from*c:to*c], rstd[from:to], x[from*c:to*c], gain, eps, to-from, c)
	})
}

func (k *fast) RMSNormBackward(dx, dgain, dy, x, rstd, gain []float32, rows, c int) {
	rmsNormBackwardShapes(dx, dgain, dy, x, rstd, gain, rows, c)
	k.rowBlocks(rows, c, dgain, func(from, to int, partial []float32) {
		reference{}.RMSNormBackward(part(dx, from*c, to*c), partial, dy[from*c:to*c], x[from*c:to*c], rstd[from:to], gain, to-from, c)
	})
}

func (k *fast) HeadNorm(y, rstd, x, qGain, kGain []float32, eps float32, rows int, h engine.Heads) {
	headNormShapes(y, rstd, x, qGain, kGain, rows, h)
	c, n := h.Width(), h.Q+h.KV
	k.crew.spans(rows, max(1, span/c), func(_ *scratch, from, to int) {
		reference{}.HeadNorm(y[from*c:to*c], rstd[from*n:to*n], x[from*c:to*c], qGain, kGain, eps, to-from, h)
	})
}

func (k *fast) HeadNormBackward(dx, dqGain, dkGain, dy, x, rstd, qGain, kGain []float32, rows int, h engine.Heads) {
	headNormBackwardShapes(dx, dqGain, dkGain, dy, x, rstd, qGain, kGain, rows, h)
	c, n := h.Width(), h.Q+h.KV
	both := make([]float32, 2*h.Dim)
	k.rowBlocks(rows, len(both), both, func(from, to int, partial []float32) {
		reference{}.HeadNormBackward(part(dx, from*c, to*c), partial[:h.Dim], partial[h.Dim:], dy[from*c:to*c], x[from*c:to*c],
			rstd[from*n:to*n], qGain, kGain, to-from, h)
	})
	if dqGain != nil {
		k.add(dqGain, dqGain, both[:h.Dim])
	}
	if dkGain != nil {
		k.add(dkGain, dkGain, both[h.Dim:])
	}
}

// rowBlocks gives every block of rows a partial sum of c values, and adds them in order to sum, which may be nil.
func (k *fast) rowBlocks(rows, c int, sum []float32, work func(from, to int, partial []float32)) {
	s := k.crew.take()
	defer k.crew.give(s)
	blocks := (rows + rowBlock - 1) / rowBlock
	partial := grow(&s.scores, c*blocks)
	clear(partial)
	k.crew.spans(rows, rowBlock, func(_ *scratch, from, to int) { work(from, to, partial[from/rowBlock*c:][:c]) })
	if sum != nil {
		k.sumRows(sum, partial, c, blocks)
	}
}

// part is s[from:to], or nil of nil.
func part(s []float32, from, to int) []float32 {
	if s == nil {
		return nil
	}
	return s[from:to]
}

func (k *fast) Activate(a engine.Activation, y, x []float32) {
	activateShapes(a, y, x)
	k.crew.spans(len(x), span, func(_ *scratch, from, to int) {
		if a == engine.GELU {
			k.gelu(y[from:to], x[from:to])
		} else {
			reference{}.Activate(a, y[from:to], x[from:to])
		}
	})
}

func (k *fast) ActivateBackward(a engine.Activation, dx, dy, x []float32) {
	activateBackwardShapes(a, dx, dy, x)
	k.crew.spans(len(x), span, func(_ *scratch, from, to int) {
		if a == engine.GELU {
			k.geluBackward(dx[from:to], dy[from:to], x[from:to])
		} else {
			reference{}.ActivateBackward(a, dx[from:to], dy[from:to], x[from:to])
		}
	})
}

func (k *fast) Gate(a engine.Activation, y, x []float32, rows, c int) {
	gateShapes(a, y, x, rows, c)
	k.crew.spans(rows, max(1, span/c), func(_ *scratch, from, to int) {
		reference{}.Gate(a, y[from*c:to*c], x[2*from*c:2*to*c], to-from, c)
	})
}

func (k *fast) GateBackward(a engine.Activation, dx, dy, x []float32, rows, c int) {
	gateBackwardShapes(a, dx, dy, x, rows, c)
	k.crew.spans(rows, max(1, span/c), func(_ *scratch, from, to int) {
		reference{}.GateBackward(a, dx[2*from*c:2*to*c], dy[from*c:to*c], x[2*from*c:2*to*c], to-from, c)
	})
}

func (k *fast) Rotate(y, x, cos, sin []float32, rows, t int, h engine.Heads, back bool) {
	rotateShapes(y, x, cos, sin, rows, t, h)
	k.crew.spans(rows, max(1, span/h.Width()), func(_ *scratch, from, to int) { rotate(y, x, cos, sin, from, to, t, h, back) })
}

func (k *fast) Dropout(y, x []float32, key uint64, p float32) {
	dropoutShapes(y, x, p)
	k.crew.spans(len(x), span, func(_ *scratch, from, to int) { dropout(y, x, key, p, from, to) })
}

func (k *fast) SoftCap(y, x []float32, limit float32) {
	softCapShapes(y, x, limit)
	k.crew.spans(len(x), span, func(_ *scratch, from, to int) { reference{}.SoftCap(y[from:to], x[from:to], limit) })
}

func (k *fast) SoftCapBackward(dx, dy, y []float32, limit float32) {
	softCapBackwardShapes(dx, dy, y, limit)
	k.crew.spans(len(y), span, func(_ *scratch, from, to int) {
		reference{}.SoftCapBackward(dx[from:to], dy[from:to], y[from:to], limit)
	})
}

func (k *fast) Mix(dst, a, b []float32, alpha, beta float32) {
	mixShapes(dst, a, b)
	k.crew.spans(len(dst), span, func(_ *scratch, from, to int) {
		reference{}.Mix(dst[from:to], a[from:to], part(b, from, to), alpha, beta)
	})
}

func (k *fast) Lion(p, m, g []float32, h engine.Lion) {
	lionShapes(p, m, g)
	k.crew.spans(len(p), span, func(_ *scratch, from, to int) { reference{}.Lion(p[from:to], m[from:to], g[from:to], h) })
}

func (k *fast) SGD(p, m, g []float32, h engine.SGD) {
	sgdShapes(p, m, g, h)
	k.crew.spans(len(p), span, func(_ *scratch, from, to int) { reference{}.SGD(p[from:to], part(m, from, to), g[from:to], h) })
}

func (k *fast) Relative(bias, table []float32, buckets []int32, heads int) {
	reference{}.Relative(bias, table, buckets, heads)
}

func (k *fast) RelativeBackward(dtable, dbias []float32, buckets []int32, heads int) {
	reference{}.RelativeBackward(dtable, dbias, buckets, heads)
}
