package cpu

import "millrace/trainer/engine"

func (k *fast) RMSNorm(y, rstd, x, gain []float32, eps float32, rows, c int) {
	rmsNormShapes(y, rstd, x, gain, rows, c)
	n := norm{y: y, x: x, gain: gain, rstd: rstd, eps: eps, inverse: float32(1 / float64(c)), c: c}
	spans(k, rows, max(1, span/c), n, func(k *fast, n *norm, _ *scratch, from, to int) {
		for i, c := from, n.c; i < to; i++ {
			n.rstd[i] = k.rmsNorm(n.y[i*c:(i+1)*c], n.x[i*c:(i+1)*c], n.gain, n.inverse, n.eps)
		}
	})
}

// norm is what norms and their backward passes work on; in the latter, y is dy and partial has the sums of blocks of rows.
type norm struct {
	y, x, gain, bias, mean, rstd, dx, partial []float32
	kGain                                     []float32 // of HeadNorm; gain is of queries
	eps, inverse                              float32
	c                                         int
	h                                         engine.Heads
}

func (k *fast) RMSNormBackward(dx, dgain, dy, x, rstd, gain []float32, rows, c int) {
	rmsNormBackwardShapes(dx, dgain, dy, x, rstd, gain, rows, c)
	n := norm{y: dy, x: x, gain: gain, rstd: rstd, inverse: float32(1 / float64(c)), c: c, dx: dx}
	k.rowBlocks(rows, c, dgain, n, func(k *fast, n *norm, s *scratch, from, to int) {
		c := n.c
		partial, out := n.partial[from/rowBlock*c:][:c], grow(&s.rows, c)
		for i := from; i < to; i++ {
			if n.dx != nil {
				out = n.dx[i*c : (i+1)*c]
			}
			k.rmsNormBackward(out, partial, n.y[i*c:(i+1)*c], n.x[i*c:(i+1)*c], n.gain, n.rstd[i], n.inverse)
		}
	})
}

func (k *fast) HeadNorm(y, rstd, x, qGain, kGain []float32, eps float32, rows int, h engine.Heads) {
	headNormShapes(y, rstd, x, qGain, kGain, rows, h)
	n := norm{y: y, x: x, gain: qGain, kGain: kGain, rstd: rstd, eps: eps, inverse: float32(1 / float64(h.Dim)), c: h.Width(), h: h}
	spans(k, rows, max(1, span/n.c), n, func(k *fast, n *norm, _ *scratch, from, to int) {
		h, c := n.h, n.c
		turned := h.Q + h.KV
		for i := from; i < to; i++ {
			in, out := n.x[i*c:(i+1)*c], n.y[i*c:(i+1)*c]
			for j := range turned {
				gain := n.gain
				if j >= h.Q {
					gain = n.kGain
				}
				n.rstd[i*turned+j] = k.rmsNorm(out[j*h.Dim:(j+1)*h.Dim], in[j*h.Dim:(j+1)*h.Dim], gain, n.inverse, n.eps)
			}
			copy(out[turned*h.Dim:], in[turned*h.Dim:])
		}
	})
}

func (k *fast) HeadNormBackward(dx, dqGain, dkGain, dy, x, rstd, qGain, kGain []float32, rows int, h engine.Heads) {
	headNormBackwardShapes(dx, dqGain, dkGain, dy, x, rstd, qGain, kGain, rows, h)
	own := k.crew.take()
	defer k.crew.give(own)
	both := grow(&own.columns, 2*h.Dim)
	clear(both)
	n := norm{y: dy, x: x, gain: qGain, kGain: kGain, rstd: rstd, inverse: float32(1 / float64(h.Dim)), c: h.Width(), h: h, dx: dx}
	k.rowBlocks(rows, len(both), both, n, func(k *fast, n *norm, s *scratch, from, to int) {
		h, c := n.h, n.c
		turned := h.Q + h.KV
		partial, out := n.partial[from/rowBlock*2*h.Dim:][:2*h.Dim], grow(&s.rows, h.Dim)
		for i := from; i < to; i++ {
			for j := range turned {
				gain, sums := n.gain, partial[:h.Dim]
				if j >= h.Q {
					gain, sums = n.kGain, partial[h.Dim:]
				}
				at := i*c + j*h.Dim
				if n.dx != nil {
					out = n.dx[at : at+h.Dim]
				}
				k.rmsNormBackward(out, sums, n.y[at:at+h.Dim], n.x[at:at+h.Dim], gain, n.rstd[i*turned+j], n.inverse)
			}
			if n.dx != nil {
				copy(n.dx[i*c+turned*h.Dim:(i+1)*c], n.y[i*c+turned*h.Dim:(i+1)*c])
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
func (k *fast) rowBlocks(rows, c int, sum []float32, n norm, work func(k *fast, n *norm, s *scratch, from, to int)) {
	s := k.crew.take()
	defer k.crew.give(s)
	blocks := (rows + rowBlock - 1) / rowBlock
	partial := grow(&s.scores, c*blocks)
	clear(partial)
	n.partial = partial
	spans(k, rows, rowBlock, n, work)
	if sum != nil {
		k.sumRows(sum, partial, c, blocks)
	}
}
