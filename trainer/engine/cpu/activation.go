package cpu

import (
	"millrace/trainer/engine"
	"millrace/trainer/random"
)

// activation returns the level's function and its derivative times dy. needActivation has seen to it that there is one.
func (l *level) activation(a engine.Activation) (forward func(y, x []float32), backward func(dx, x, dy []float32)) {
	switch a {
	case engine.ReLU:
		return l.relu, l.reluBackward
	case engine.ReLUSquared:
		return l.relu2, l.relu2Backward
	case engine.SiLU:
		return l.silu, l.siluBackward
	case engine.GELUExact:
		return l.geluExact, l.geluExactBackward
	}
	return l.gelu, func(dx, x, dy []float32) { l.geluBackward(dx, dy, x) }
}

func (k *fast) Activate(a engine.Activation, y, x []float32) {
	activateShapes(a, y, x)
	forward, _ := k.activation(a)
	k.crew.spans(len(x), span, func(_ *scratch, from, to int) { forward(y[from:to], x[from:to]) })
}

func (k *fast) ActivateBackward(a engine.Activation, dx, dy, x []float32) {
	activateBackwardShapes(a, dx, dy, x)
	_, backward := k.activation(a)
	k.crew.spans(len(x), span, func(_ *scratch, from, to int) { backward(dx[from:to], x[from:to], dy[from:to]) })
}

// gateSpan is how many values of a row are taken at a time, so that what is between the steps stays in the first-level cache.
const gateSpan = 2048

func (k *fast) Gate(a engine.Activation, y, x []float32, rows, c int) {
	gateShapes(a, y, x, rows, c)
	forward, _ := k.activation(a)
	k.crew.spans(rows, max(1, span/c), func(_ *scratch, from, to int) {
		for i := from; i < to; i++ {
			for at := 0; at < c; at += gateSpan {
				n := min(gateSpan, c-at)
				out := y[i*c+at:][:n]
				forward(out, x[2*i*c+at:][:n])
				k.mul(out, out, x[(2*i+1)*c+at:][:n])
			}
		}
	})
}

func (k *fast) GateBackward(a engine.Activation, dx, dy, x []float32, rows, c int) {
	gateBackwardShapes(a, dx, dy, x, rows, c)
	forward, backward := k.activation(a)
	k.crew.spans(rows, max(1, span/c), func(_ *scratch, from, to int) {
		for i := from; i < to; i++ {
			for at := 0; at < c; at += gateSpan {
				n := min(gateSpan, c-at)
				gate, up, d := x[2*i*c+at:][:n], x[(2*i+1)*c+at:][:n], dy[i*c+at:][:n]
				dGate, dUp := dx[2*i*c+at:][:n], dx[(2*i+1)*c+at:][:n]
				k.mul(dGate, d, up)
				backward(dGate, gate, dGate)
				forward(dUp, gate)
				k.mul(dUp, dUp, d)
			}
		}
	})
}

func (k *fast) Rotate(y, x, cos, sin []float32, rows, t int, h engine.Heads, back bool) {
	rotateShapes(y, x, cos, sin, rows, t, h)
	sign := float32(1)
	if back {
		sign = -1
	}
	half, width, turned := h.Dim/2, h.Width(), h.Q+h.KV
	k.crew.spans(rows, max(1, span/width), func(_ *scratch, from, to int) {
		for r := from; r < to; r++ {
			in, out := x[r*width:(r+1)*width], y[r*width:(r+1)*width]
			c, s := cos[r%t*half:][:half], sin[r%t*half:][:half]
			for n := range turned {
				low := n * h.Dim
				k.rotate(out[low:], out[low+half:], in[low:], in[low+half:], c, s, sign)
			}
			copy(out[turned*h.Dim:], in[turned*h.Dim:])
		}
	})
}

func (k *fast) Dropout(y, x []float32, key uint64, p float32) {
	dropoutShapes(y, x, p)
	seed, first, least := random.Counter(key, float64(p))
	scale := float32(1 / (1 - float64(p)))
	k.crew.spans(len(x), span, func(_ *scratch, from, to int) {
		k.dropout(y[from:to], x[from:to], seed, first+uint64(from), least, scale)
	})
}

func (k *fast) SoftCap(y, x []float32, limit float32) {
	softCapShapes(y, x, limit)
	k.crew.spans(len(x), span, func(_ *scratch, from, to int) { k.softCap(y[from:to], x[from:to], limit, 1/limit) })
}

func (k *fast) SoftCapBackward(dx, dy, y []float32, limit float32) {
	softCapBackwardShapes(dx, dy, y, limit)
	k.crew.spans(len(y), span, func(_ *scratch, from, to int) {
		k.softCapBackward(dx[from:to], dy[from:to], y[from:to], 1/limit)
	})
}
