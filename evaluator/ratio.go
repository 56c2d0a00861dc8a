package evaluator

import "math"

// ratio is Σx/Σy over windows. Sums run in the order of the windows.
type ratio struct{ x, y []float64 }

func (r *ratio) add(x, y float64) {
	r.x = append(r.x, x)
	r.y = append(r.y, y)
}

func (r *ratio) value() float64 { return sum(r.x) / sum(r.y) }

// stderr is the standard error of a ratio estimator (delta method; Cochran, Sampling Techniques, section 2.11), the
// windows taken as the sample: with R = Σx/Σy,
//
//	se = √( n/(n-1) · Σ(x-R·y)² ) / Σy
//
// which for y = 1 is the sample standard deviation over √n. False for fewer than two windows.
func (r *ratio) stderr() (float64, bool) {
	n := float64(len(r.x))
	if n < 2 {
		return 0, false
	}
	q := r.value()
	squares := 0.0
	for i, x := range r.x {
		d := x - q*r.y[i]
		squares += d * d
	}
	return math.Sqrt(n/(n-1)*squares) / sum(r.y), true
}

func sum(xs []float64) float64 {
	total := 0.0
	for _, x := range xs {
		total += x
	}
	return total
}
