package cost

import "math"

// minimise is L-BFGS (Nocedal 1980, the two-loop recursion) with a line search that halves until Armijo's condition holds. It returns
// the best point and its value. f gives a value and its gradient.
func minimise(x [5]float64, f func([5]float64) (float64, [5]float64), rounds int) ([5]float64, float64) {
	const memory = 10
	type pair struct {
		s, y [5]float64
		rho  float64
	}
	var kept []pair
	v, g := f(x)
	for range rounds {
		if math.IsNaN(v) {
			return x, math.Inf(1)
		}
		// The direction: -H·g.
		q, alphas := g, make([]float64, len(kept))
		for i := len(kept) - 1; i >= 0; i-- {
			alphas[i] = kept[i].rho * dot(kept[i].s, q)
			q = plus(q, kept[i].y, -alphas[i])
		}
		if n := len(kept); n > 0 {
			last := kept[n-1]
			q = plus([5]float64{}, q, dot(last.s, last.y)/dot(last.y, last.y))
		} else {
			q = plus([5]float64{}, q, 0.1/(1e-12+math.Sqrt(dot(g, g)))) // a first step of a tenth
		}
		for i := range kept {
			beta := kept[i].rho * dot(kept[i].y, q)
			q = plus(q, kept[i].s, alphas[i]-beta)
		}
		slope := -dot(g, q)
		if slope >= 0 { // not downhill: forget, and go along the gradient
			if len(kept) == 0 {
				return x, v
			}
			kept = nil
			continue
		}
		step, moved := 1.0, false
		for range 40 {
			next := plus(x, q, -step)
			nv, ng := f(next)
			if nv <= v+1e-4*step*slope {
				s, y := plus(next, x, -1), plus(ng, g, -1)
				if sy := dot(s, y); sy > 1e-300 {
					kept = append(kept, pair{s, y, 1 / sy})
					if len(kept) > memory {
						kept = kept[1:]
					}
				}
				gain := v - nv
				x, v, g, moved = next, nv, ng, gain > 1e-14*math.Max(1, math.Abs(v))
				break
			}
			step /= 2
		}
		if !moved {
			if len(kept) == 0 {
				return x, v
			}
			kept = nil
			if dot(g, g) < 1e-16 {
				return x, v
			}
		}
	}
	return x, v
}

func dot(a, b [5]float64) float64 {
	var sum float64
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// plus is a + k·b.
func plus(a, b [5]float64, k float64) [5]float64 {
	for i := range a {
		a[i] += k * b[i]
	}
	return a
}
