package cpu

import (
	"math"

	"millrace/trainer/engine"
	"millrace/trainer/random"
)

// geluScale and geluCube are the constants of the tanh approximation of GELU (Hendrycks & Gimpel 2016).
const (
	geluScale = 0.7978845608028654 // √(2/π)
	geluCube  = 0.044715
)

// activate returns a(x).
func activate(a engine.Activation, x float64) float64 {
	switch a {
	case engine.GELU:
		return 0.5 * x * (1 + math.Tanh(geluScale*(x+geluCube*x*x*x)))
	case engine.GELUExact:
		return 0.5 * x * math.Erfc(-x/math.Sqrt2)
	case engine.SiLU:
		return x / (1 + math.Exp(-x))
	case engine.ReLU:
		return max(x, 0)
	case engine.ReLUSquared:
		return max(x, 0) * max(x, 0)
	}
	panic("unreachable: activations are checked by needActivation")
}

// slope returns a'(x); at the corner of ReLU it is 0.
func slope(a engine.Activation, x float64) float64 {
	switch a {
	case engine.GELU:
		th := math.Tanh(geluScale * (x + geluCube*x*x*x))
		return 0.5*(1+th) + 0.5*x*(1-th*th)*geluScale*(1+3*geluCube*x*x)
	case engine.GELUExact:
		density := math.Exp(-x*x/2) / math.Sqrt(2*math.Pi)
		return 0.5*math.Erfc(-x/math.Sqrt2) + x*density
	case engine.SiLU:
		s := 1 / (1 + math.Exp(-x))
		return s + x*s*(1-s)
	case engine.ReLU:
		switch {
		case x > 0:
			return 1
		case x <= 0:
			return 0
		}
		return x // not a number
	case engine.ReLUSquared:
		return 2 * max(x, 0)
	}
	panic("unreachable: activations are checked by needActivation")
}

func (reference) Activate(a engine.Activation, y, x []float32) {
	activateShapes(a, y, x)
	for i, v := range x {
		y[i] = float32(activate(a, float64(v)))
	}
}

func (reference) ActivateBackward(a engine.Activation, dx, dy, x []float32) {
	activateBackwardShapes(a, dx, dy, x)
	for i, v := range x {
		dx[i] = float32(float64(dy[i]) * slope(a, float64(v)))
	}
}

func (reference) Gate(a engine.Activation, y, x []float32, rows, c int) {
	gateShapes(a, y, x, rows, c)
	for i := range rows {
		gate, up := x[2*i*c:][:c], x[(2*i+1)*c:][:c]
		for j := range c {
			y[i*c+j] = float32(activate(a, float64(gate[j])) * float64(up[j]))
		}
	}
}

func (reference) GateBackward(a engine.Activation, dx, dy, x []float32, rows, c int) {
	gateBackwardShapes(a, dx, dy, x, rows, c)
	for i := range rows {
		gate, up := x[2*i*c:][:c], x[(2*i+1)*c:][:c]
		for j, d := range dy[i*c : (i+1)*c] {
			dx[2*i*c+j] = float32(float64(d) * float64(up[j]) * slope(a, float64(gate[j])))
			dx[(2*i+1)*c+j] = float32(float64(d) * activate(a, float64(gate[j])))
		}
	}
}

func (reference) Rotate(y, x, cos, sin []float32, rows, t int, h engine.Heads, back bool) {
	rotateShapes(y, x, cos, sin, rows, t, h)
	rotate(y, x, cos, sin, 0, rows, t, h, back)
}

// rotate does rows from..to.
func rotate(y, x, cos, sin []float32, from, to, t int, h engine.Heads, back bool) {
	half, width := h.Dim/2, h.Width()
	for r := from; r < to; r++ {
		in, out := x[r*width:(r+1)*width], y[r*width:(r+1)*width]
		for n := range h.Q + h.KV {
			for i := range half {
				a, b := n*h.Dim+i, n*h.Dim+i+half
				c, s := float64(cos[r%t*half+i]), float64(sin[r%t*half+i])
				if back {
					s = -s
				}
				u, w := float64(in[a]), float64(in[b])
				out[a], out[b] = float32(u*c-w*s), float32(w*c+u*s)
			}
		}
		copy(out[(h.Q+h.KV)*h.Dim:], in[(h.Q+h.KV)*h.Dim:])
	}
}

func (reference) Dropout(y, x []float32, key uint64, p float32) {
	dropoutShapes(y, x, p)
	dropout(y, x, key, p, 0, len(x))
}

// dropout does values from..to.
func dropout(y, x []float32, key uint64, p float32, from, to int) {
	scale := float32(1 / (1 - float64(p)))
	for i := from; i < to; i++ {
		if random.Float64(key, uint64(i)) >= float64(p) {
			y[i] = x[i] * scale
		} else {
			y[i] = 0
		}
	}
}

func (reference) SoftCap(y, x []float32, limit float32) {
	softCapShapes(y, x, limit)
	for i, v := range x {
		y[i] = float32(float64(limit) * math.Tanh(float64(v)/float64(limit)))
	}
}

func (reference) SoftCapBackward(dx, dy, y []float32, limit float32) {
	softCapBackwardShapes(dx, dy, y, limit)
	for i, v := range y {
		t := float64(v) / float64(limit)
		dx[i] = float32(float64(dy[i]) * (1 - t*t))
	}
}
