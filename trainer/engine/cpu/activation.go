package cpu

import (
	"millrace/trainer/engine"
	"millrace/trainer/random"
)

// activation is the level's function. needActivation has seen to it that there is one.
func (l *level) activation(a engine.Activation, y, x []float32) {
	switch a {
	case engine.ReLU:
		l.relu(y, x)
	case engine.ReLUSquared:
		l.relu2(y, x)
	case engine.SiLU:
		l.silu(y, x)
	case engine.GELUExact:
		l.geluExact(y, x)
	default:
		l.gelu(y, x)
	}
}

// activationBackward is its derivative times dy.
func (l *level) activationBackward(a engine.Activation, dx, x, dy []float32) {
	switch a {
	case engine.ReLU:
		l.reluBackward(dx, x, dy)
	case engine.ReLUSquared:
		l.relu2Backward(dx, x, dy)
	case engine.SiLU:
		l.siluBackward(dx, x, dy)
	case engine.GELUExact:
		l.geluExactBackward(dx, x, dy)
	default:
		l.geluBackward(dx, dy, x)
	}
}

// activated is what activations and gates work on; in the backward pass, y is dy.
type activated struct {
	a        engine.Activation
	y, x, dx []float32
	c        int
}

func (k *fast) Activate(a engine.Activation, y, x []float32) {
	activateShapes(a, y, x)
	spans(k, len(x), span, activated{a: a, y: y, x: x}, func(k *fast, a *activated, _ *scratch, from, to int) {
		k.activation(a.a, a.y[from:to], a.x[from:to])
	})
}

func (k *fast) ActivateBackward(a engine.Activation, dx, dy, x []float32) {
	activateBackwardShapes(a, dx, dy, x)
	spans(k, len(x), span, activated{a: a, y: dy, x: x, dx: dx}, func(k *fast, a *activated, _ *scratch, from, to int) {
		k.activationBackward(a.a, a.dx[from:to], a.x[from:to], a.y[from:to])
	})
}

// gateSpan is how many values of a row are taken at a time, so that what is between the steps stays in the first-level cache.
const gateSpan = 2048

func (k *fast) Gate(a engine.Activation, y, x []float32, rows, c int) {
	gateShapes(a, y, x, rows, c)
	spans(k, rows, max(1, span/c), activated{a: a, y: y, x: x, c: c}, func(k *fast, a *activated, _ *scratch, from, to int) {
		c := a.c
		for i := from; i < to; i++ {
			for at := 0; at < c; at += gateSpan {
				n := min(gateSpan, c-at)
				out := a.y[i*c+at:][:n]
				k.activation(a.a, out, a.x[2*i*c+at:][:n])
				k.mul(out, out, a.x[(2*i+1)*c+at:][:n])
			}
		}
	})
}

func (k *fast) GateBackward(a engine.Activation, dx, dy, x []float32, rows, c int) {
	gateBackwardShapes(a, dx, dy, x, rows, c)
	spans(k, rows, max(1, span/c), activated{a: a, y: dy, x: x, dx: dx, c: c}, func(k *fast, a *activated, _ *scratch, from, to int) {
		c := a.c
		for i := from; i < to; i++ {
			for at := 0; at < c; at += gateSpan {
				n := min(gateSpan, c-at)
				gate, up, d := a.x[2*i*c+at:][:n], a.x[(2*i+1)*c+at:][:n], a.y[i*c+at:][:n]
				dGate, dUp := a.dx[2*i*c+at:][:n], a.dx[(2*i+1)*c+at:][:n]
				k.mul(dGate, d, up)
				k.activationBackward(a.a, dGate, gate, dGate)
				k.activation(a.a, dUp, gate)
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
	spans(k, rows, max(1, span/h.Width()), turn{y, x, cos, sin, t, h, sign}, func(k *fast, a *turn, _ *scratch, from, to int) {
		half, width, turned := a.h.Dim/2, a.h.Width(), a.h.Q+a.h.KV
		for r := from; r < to; r++ {
			in, out := a.x[r*width:(r+1)*width], a.y[r*width:(r+1)*width]
			c, s := a.cos[r%a.t*half:][:half], a.sin[r%a.t*half:][:half]
			for n := range turned {
				low := n * a.h.Dim
				k.rotate(out[low:], out[low+half:], in[low:], in[low+half:], c, s, a.sign)
			}
			copy(out[turned*a.h.Dim:], in[turned*a.h.Dim:])
		}
	})
}

// turn is what Rotate works on.
type turn struct {
	y, x, cos, sin []float32
	t              int
	h              engine.Heads
	sign           float32
}

func (k *fast) Dropout(y, x []float32, key uint64, p float32) {
	dropoutShapes(y, x, p)
	seed, first, least := random.Counter(key, float64(p))
	spans(k, len(x), span, drop{y, x, seed, first, least, float32(1 / (1 - float64(p)))}, func(k *fast, d *drop, _ *scratch, from, to int) {
		k.dropout(d.y[from:to], d.x[from:to], d.seed, d.first+uint64(from), d.least, d.scale)
	})
}

// drop is what Dropout works on.
type drop struct {
	y, x               []float32
	seed, first, least uint64
	scale              float32
}

func (k *fast) SoftCap(y, x []float32, limit float32) {
	softCapShapes(y, x, limit)
	spans(k, len(x), span, vectors{dst: y, a: x, x: limit}, func(k *fast, v *vectors, _ *scratch, from, to int) {
		k.softCap(v.dst[from:to], v.a[from:to], v.x, 1/v.x)
	})
}

func (k *fast) SoftCapBackward(dx, dy, y []float32, limit float32) {
	softCapBackwardShapes(dx, dy, y, limit)
	spans(k, len(y), span, vectors{dst: dx, a: dy, b: y, x: limit}, func(k *fast, v *vectors, _ *scratch, from, to int) {
		k.softCapBackward(v.dst[from:to], v.a[from:to], v.b[from:to], 1/v.x)
	})
}
