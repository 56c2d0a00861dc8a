package enginetest

import (
	"math"

	"millrace/trainer/engine"
	"millrace/trainer/random"
)

var activations = []engine.Activation{engine.GELU, engine.GELUExact, engine.ReLU, engine.SiLU, engine.ReLUSquared}

// apply1 is a(x).
func apply1(a engine.Activation, x float64) float64 {
	switch a {
	case engine.GELU:
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	case engine.GELUExact:
		return 0.5 * x * math.Erfc(-x/math.Sqrt2)
	case engine.SiLU:
		return x / (1 + math.Exp(-x))
	case engine.ReLU:
		return math.Max(x, 0)
	}
	return math.Pow(math.Max(x, 0), 2) // ReLUSquared
}

// slope1 is a'(x), 0 at the corner of ReLU.
func slope1(a engine.Activation, x float64) float64 {
	switch a {
	case engine.GELU:
		th := math.Tanh(math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x))
		return 0.5*(1+th) + 0.5*x*(1-th*th)*math.Sqrt(2/math.Pi)*(1+3*0.044715*x*x)
	case engine.GELUExact:
		return 0.5*math.Erfc(-x/math.Sqrt2) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	case engine.SiLU:
		s := 1 / (1 + math.Exp(-x))
		return s * (1 + x*(1-s))
	case engine.ReLU:
		if x > 0 {
			return 1
		}
		return 0
	}
	return 2 * math.Max(x, 0) // ReLUSquared
}

func activate(a engine.Activation, x []float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = apply1(a, v)
	}
	return y
}

func activateBackward(a engine.Activation, dy, x []float64) []float64 {
	dx := make([]float64, len(x))
	for i, v := range x {
		dx[i] = dy[i] * slope1(a, v)
	}
	return dx
}

func gate(a engine.Activation, x []float64, rows, c int) []float64 {
	y := make([]float64, rows*c)
	for i := range y {
		row, col := i/c, i%c
		y[i] = apply1(a, x[row*2*c+col]) * x[row*2*c+c+col]
	}
	return y
}

func gateBackward(a engine.Activation, dy, x []float64, rows, c int) []float64 {
	dx := make([]float64, len(x))
	for i, d := range dy {
		g, up := i/c*2*c+i%c, i/c*2*c+c+i%c
		dx[g] = d * x[up] * slope1(a, x[g])
		dx[up] = d * apply1(a, x[g])
	}
	return dx
}

// rotate multiplies every pair of a head, as a complex number, by that of its position; back by the conjugate.
func rotate(x, cos, sin []float64, rows, t int, h engine.Heads, back bool) []float64 {
	y := append([]float64(nil), x...)
	half := h.Dim / 2
	for r := range rows {
		for head := range h.Q + h.KV {
			for i := range half {
				at := r*(h.Q+2*h.KV)*h.Dim + head*h.Dim + i
				turn := complex(cos[r%t*half+i], sin[r%t*half+i])
				if back {
					turn = complex(real(turn), -imag(turn))
				}
				z := complex(x[at], x[at+half]) * turn
				y[at], y[at+half] = real(z), imag(z)
			}
		}
	}
	return y
}

func dropout(x []float64, key uint64, p float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		if random.Float64(key, uint64(i)) >= p {
			y[i] = v / (1 - p)
		}
	}
	return y
}

func softCap(x []float64, limit float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = limit * math.Tanh(v/limit)
	}
	return y
}

func softCapBackward(dy, x []float64, limit float64) []float64 {
	dx := make([]float64, len(x))
	for i, v := range x {
		dx[i] = dy[i] / math.Pow(math.Cosh(v/limit), 2)
	}
	return dx
}
