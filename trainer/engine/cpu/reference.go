package cpu

import (
	"fmt"
	"math"

	"millrace/trainer/engine"
)

// reference computes every operation by its definition, with sums in float64 and one rounding at the end.
type reference struct {
	memory
	precision engine.Precision
}

// Reference returns the oracle: slow, single-threaded, and what every other implementation has to agree with.
func Reference() engine.Kernels { return reference{precision: engine.F32} }

func (reference) Info() engine.Info {
	return engine.Info{Kind: "cpu", Name: processorName(), Kernels: "reference", Threads: 1}
}

func (reference) With(p engine.Precision) (engine.Kernels, error) {
	if err := knownPrecision(p); err != nil {
		return nil, err
	}
	return reference{precision: p}, nil
}

// knownPrecision refuses what no processor kernels compute in.
func knownPrecision(p engine.Precision) error {
	if p != engine.F32 && p != engine.BF16 {
		return fmt.Errorf("cpu: no products in precision %q; there are %q and %q", p, engine.F32, engine.BF16)
	}
	return nil
}

// round is what a product sees of v.
func (k reference) round(v float32) float64 {
	if k.precision == engine.BF16 {
		v = nearestBF16(v)
	}
	return float64(v)
}

// nearestBF16 is v with the 8 significant bits of bfloat16, to nearest even. A NaN stays one, and what is beyond bfloat16's
// range becomes infinite.
func nearestBF16(v float32) float32 {
	if v != v {
		return v
	}
	bits := math.Float32bits(v)
	return math.Float32frombits((bits + 0x7fff + bits>>16&1) &^ 0xffff)
}

func (kernels reference) Linear(y, x, w, b []float32, m, k, n int, transposed bool) {
	linearShapes(y, x, w, b, m, k, n)
	rowStride, colStride := n, 1 // w[p,j]
	if transposed {
		rowStride, colStride = 1, k
	}
	for i := range m {
		for j := range n {
			var sum float64
			for p := range k {
				sum += kernels.round(x[i*k+p]) * kernels.round(w[p*rowStride+j*colStride])
			}
			if b != nil {
				sum += float64(b[j])
			}
			y[i*n+j] = float32(sum)
		}
	}
}

func (kernels reference) LinearGradient(dw, dy, x []float32, m, k, n int, transposed bool) {
	linearGradientShapes(dw, dy, x, m, k, n)
	clear(dw)
	kernels.LinearBackward(nil, dw, nil, dy, x, nil, m, k, n, transposed)
}

func (kernels reference) LinearBackward(dx, dw, db, dy, x, w []float32, m, k, n int, transposed bool) {
	linearBackwardShapes(dx, dw, db, dy, x, w, m, k, n)
	rowStride, colStride := n, 1
	if transposed {
		rowStride, colStride = 1, k
	}
	if dx != nil {
		for i := range m {
			for p := range k {
				var sum float64
				for j := range n {
					sum += kernels.round(dy[i*n+j]) * kernels.round(w[p*rowStride+j*colStride])
				}
				dx[i*k+p] = float32(sum)
			}
		}
	}
	if dw != nil {
		for p := range k {
			for j := range n {
				var sum float64
				for i := range m {
					sum += kernels.round(x[i*k+p]) * kernels.round(dy[i*n+j])
				}
				dw[p*rowStride+j*colStride] += float32(sum)
			}
		}
	}
	if db != nil {
		for j := range n {
			var sum float64
			for i := range m {
				sum += float64(dy[i*n+j])
			}
			db[j] += float32(sum)
		}
	}
}

func (reference) Embed(y, table, pos []float32, ids []int32, b, t, c int) {
	embedShapes(y, table, pos, ids, b, t, c)
	for i, id := range ids {
		copy(y[i*c:(i+1)*c], table[int(id)*c:])
		if pos != nil {
			for j := range c {
				y[i*c+j] += pos[(i%t)*c+j]
			}
		}
	}
}

func (reference) EmbedBackward(dtable, dpos, dy []float32, ids []int32, b, t, c int) {
	embedBackwardShapes(dtable, dpos, dy, ids, b, t, c)
	for i := range b * t {
		for j := range c {
			if dtable != nil {
				dtable[int(ids[i])*c+j] += dy[i*c+j]
			}
			if dpos != nil {
				dpos[(i%t)*c+j] += dy[i*c+j]
			}
		}
	}
}
