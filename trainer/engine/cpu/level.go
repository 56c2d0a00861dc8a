package cpu

import (
	"fmt"
	"os"
)

// level is one set of primitives, all of which the same code above them drives: the plain Go ones run anywhere, the others
// where the processor has the instructions. Each is right for any length; what a primitive computes is said in vector_go.go.
type level struct {
	name string

	// The product's register tile: at most tileRows rows of A by one panel, panel columns of B wide. Half a panel is a vector.
	tileRows, panel int
	tile            func(c []float32, cRow int, a []float32, aRow, aCol int, b []float32, bRow int, bias []float32, rows, cols, k int, add bool, ahead []float32, aheadRow int, keep []float32)
	packTransposed  func(dst, src []float32, ld, blocks int)
	packColumns     func(dst, src []float32, ld, width, height, k int)

	gelu              func(y, x []float32)
	geluBackward      func(dx, dy, x []float32)
	softmax           func(dst, src []float32, scale float32) (best, sum float32)
	layerNorm         func(y, x, gain, bias []float32, inverse, eps float32) (mean, rstd float32)
	layerNormBackward func(dx, dgain, dbias, dy, x, gain []float32, mean, rstd, inverse float32)
	add               func(dst, a, b []float32)
	scale             func(dst, src []float32, s float32)
	sumSquares        func(x []float32) float64
	sumRows           func(dst, src []float32, ld, rows int)
	adamW             func(p, m, v, g []float32, coefficients *[9]float32)

	relu, relu2, silu, geluExact                                 func(y, x []float32)
	reluBackward, relu2Backward, siluBackward, geluExactBackward func(dx, x, dy []float32)

	// On panels of attention's scores, a query to a column.
	softmaxColumns         func(s []float32, row, rows int, scale float32, seen, best, sum []float32)
	softmaxColumnsBackward func(s, d []float32, row, rows int, rate, scale float32, seen, lse []float32)

	softCap         func(y, x []float32, limit, inverse float32)
	softCapBackward func(dx, dy, y []float32, inverse float32)
	mul             func(dst, a, b []float32)
	mix             func(dst, a, b []float32, alpha, beta float32)
	rotate          func(yLow, yHigh, xLow, xHigh, cos, sin []float32, sign float32)
	dropout         func(y, x []float32, seed, counter, least uint64, scale float32)
	rmsNorm         func(y, x, gain []float32, inverse, eps float32) (rstd float32)
	rmsNormBackward func(dx, dgain, dy, x, gain []float32, rstd, inverse float32)
	lion            func(p, m, g []float32, coefficients *[7]float32)
	sgd             func(p, m, g []float32, coefficients *[6]float32)

	bf16 bf16Level
}

// levelVariable forces a level, for tests and for comparing machines: "go", "avx2", "avx512", or "amx", which is "avx512" with tiles
// for products of bfloat16.
const levelVariable = "MILLRACE_KERNELS"

// chooseLevel returns the fastest level this processor has, or the one the environment asks for.
func chooseLevel() (level, error) {
	available := levels() // fastest first, plain Go last
	wanted := os.Getenv(levelVariable)
	if wanted == "" {
		return available[0], nil
	}
	names := ""
	for _, l := range available {
		if l.bf16.name == wanted {
			return l, nil
		}
		names += " " + l.bf16.name
	}
	return level{}, fmt.Errorf("%s=%q: this processor has the kernels%s; unset it to use the fastest", levelVariable, wanted, names)
}
