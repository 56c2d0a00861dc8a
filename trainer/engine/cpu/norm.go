package cpu

import "millrace/trainer/engine"

func (k *fast) RMSNorm(y, rstd, x, gain []float32, eps float32, rows, c int) {
	rmsNormShapes(y, rstd, x, gain, rows, c)
	inverse := float32(1 / float64(c))
	k.crew.spans(rows, max(1, span/c), func(_ *scratch, from, to int) {
		for i := from; i < to; i++ {
			rstd[i] = k.rmsNorm(y[i*c:(i+1)*c], x[i*c:(i+1)*c], gain, inverse, eps)
		}
	})
}

func (k *fast) RMSNormBackward(dx, dgain, dy, x, rstd, gain []float32, rows, c int) {
	rmsNormBackwardShapes(dx, dgain, dy, x, rstd, gain, rows, c)
	inverse := float32(1 / float64(c))
	k.rowBlocks(rows, c, dgain, func(s *scratch, from, to int, partial []float32) {
		out := grow(&s.rows, c)
		for i := from; i < to; i++ {
			if dx != nil {
				out = dx[i*c : (i+1)*c]
			}
			k.rmsNormBackward(out, partial, dy[i*c:(i+1)*c], x[i*c:(i+1)*c], gain, rstd[i], inverse)
		}
	})
}

func (k *fast) HeadNorm(y, rstd, x, qGain, kGain []float32, eps float32, rows int, h engine.Heads) {
	headNormShapes(y, rstd, x, qGain, kGain, rows, h)
	c, n, inverse := h.Width(), h.Q+h.KV, float32(1/float64(h.Dim))
	k.crew.spans(rows, max(1, span/c), func(_ *scratch, from, to int) {
		for i := from; i < to; i++ {
			in, out := x[i*c:(i+1)*c], y[i*c:(i+1)*c]
			for j := range n {
				gain := qGain
				if j >= h.Q {
					gain = kGain
				}
				rstd[i*n+j] = k.rmsNorm(out[j*h.Dim:(j+1)*h.Dim], in[j*h.Dim:(j+1)*h.Dim], gain, inverse, eps)
			}
			copy(out[n*h.Dim:], in[n*h.Dim:])
		}
	})
}

func (k *fast) HeadNormBackward(dx, dqGain, dkGain, dy, x, rstd, qGain, kGain []float32, rows int, h engine.Heads) {
	headNormBackwardShapes(dx, dqGain, dkGain, dy, x, rstd, qGain, kGain, rows, h)
	c, n, inverse := h.Width(), h.Q+h.KV, float32(1/float64(h.Dim))
	own := k.crew.take()
	defer k.crew.give(own)
	both := grow(&own.columns, 2*h.Dim)
	clear(both)
	k.rowBlocks(rows, len(both), both, func(s *scratch, from, to int, partial []float32) {
		out := grow(&s.rows, h.Dim)
		for i := from; i < to; i++ {
			for j := range n {
				gain, sums := qGain, partial[:h.Dim]
				if j >= h.Q {
					gain, sums = kGain, partial[h.Dim:]
				}
				at := i*c + j*h.Dim
				if dx != nil {
					out = dx[at : at+h.Dim]
				}
				k.rmsNormBackward(out, sums, dy[at:at+h.Dim], x[at:at+h.Dim], gain, rstd[i*n+j], inverse)
			}
			if dx != nil {
				copy(dx[i*c+n*h.Dim:(i+1)*c], dy[i*c+n*h.Dim:(i+1)*c])
			}
		}
	})
	if dqGain != nil {
		k.add(dqGain, dqGain, both[:h.Dim])
	}
	if dkGain != nil {
		k.add(dkGain, dkGain, both[h.Dim:])
	}
}

// rowBlocks gives every block of rows a partial sum of c values, and adds them in order to sum, which may be nil.
func (k *fast) rowBlocks(rows, c int, sum []float32, work func(s *scratch, from, to int, partial []float32)) {
	s := k.crew.take()
	defer k.crew.give(s)
	blocks := (rows + rowBlock - 1) / rowBlock
	partial := grow(&s.scores, c*blocks)
	clear(partial)
	k.crew.spans(rows, rowBlock, func(s *scratch, from, to int) { work(s, from, to, partial[from/rowBlock*c:][:c]) })
	if sum != nil {
		k.sumRows(sum, partial, c, blocks)
	}
}
