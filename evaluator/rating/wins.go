package rating

import "math"

// wins is who has won how often against whom, [n, n], ties being half a win.
type wins struct {
	n      int
	won    []float64
	fought []bool
	// what fit works in
	gradient, step, trial, hessian []float64
}

func newWins(n int) *wins {
	return &wins{n: n, won: make([]float64, n*n), fought: make([]bool, n), gradient: make([]float64, n), step: make([]float64, n), trial: make([]float64, n), hessian: make([]float64, n*n)}
}

func (w *wins) clear() {
	clear(w.won)
	clear(w.fought)
}

func (w *wins) add(a, b int32, score float64) {
	w.won[int(a)*w.n+int(b)] += score
	w.won[int(b)*w.n+int(a)] += 1 - score
	w.fought[a], w.fought[b] = true, true
}

// separable tells whether the likelihood has no maximum (Ford 1957): some of those who fought cannot be reached from another along
// wins.
func (w *wins) separable() bool {
	start := -1
	for i, f := range w.fought {
		if f {
			start = i
			break
		}
	}
	if start < 0 {
		return false
	}
	for _, forward := range []bool{true, false} {
		seen := make([]bool, w.n)
		seen[start] = true
		for todo := []int{start}; len(todo) > 0; {
			i := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			for j := range w.n {
				v := w.won[i*w.n+j]
				if !forward {
					v = w.won[j*w.n+i]
				}
				if v > 0 && !seen[j] {
					seen[j] = true
					todo = append(todo, j)
				}
			}
		}
		for i, f := range w.fought {
			if f && !seen[i] {
				return true
			}
		}
	}
	return false
}

// logistic is 1/(1+e^-x) and its logarithm.
func logistic(x float64) (p, log float64) {
	if x >= 0 {
		e := math.Exp(-x)
		return 1 / (1 + e), -math.Log1p(e)
	}
	e := math.Exp(x)
	return e / (1 + e), x - math.Log1p(e)
}

// likelihood is the logarithm of the likelihood of strengths θ in nats; when it is asked for, the gradient and the negative Hessian
// are set. θ has no place of its own without a prior: 1/n is added to all of the Hessian, which moves nothing but that.
func (w *wins) likelihood(theta []float64, prior float64, derive bool) (sum float64) {
	n := w.n
	if derive {
		clear(w.gradient)
		for i := range w.hessian {
			w.hessian[i] = 1 / float64(n)
		}
	}
	for i := range n {
		for j := range i {
			a, b := w.won[i*n+j], w.won[j*n+i]
			if a+b == 0 {
				continue
			}
			p, log := logistic(theta[i] - theta[j])
			sum += a*log + b*(log-(theta[i]-theta[j]))
			if !derive {
				continue
			}
			g, h := a-(a+b)*p, (a+b)*p*(1-p)
			w.gradient[i] += g
			w.gradient[j] -= g
			w.hessian[i*n+i] += h
			w.hessian[j*n+j] += h
			w.hessian[i*n+j] -= h
			w.hessian[j*n+i] -= h
		}
		alone := prior
		if !w.fought[i] {
			alone = 1 // nobody knows it: it stays in the middle
		}
		if alone > 0 {
			p, log := logistic(theta[i])
			sum += alone * (log - theta[i]/2)
			if derive {
				w.gradient[i] += alone * (0.5 - p)
				w.hessian[i*n+i] += alone * p * (1 - p)
			}
		}
	}
	return sum
}

// fit moves θ, in nats, to the maximum, by Newton's method with steps that are halved until they gain.
func (w *wins) fit(theta []float64, prior float64) {
	for range 100 {
		at := w.likelihood(theta, prior, true)
		copy(w.step, w.gradient)
		if !solve(w.hessian, w.step, w.n) {
			return
		}
		largest := 0.0
		for _, s := range w.step {
			largest = max(largest, math.Abs(s))
		}
		size := min(1, 4/max(largest, 1e-300)) // nobody moves by more than odds of e⁴ at once
		for ; size > 1e-6; size /= 2 {
			for i, s := range w.step {
				w.trial[i] = theta[i] + size*s
			}
			if w.likelihood(w.trial, prior, false) >= at-1e-9*math.Abs(at) {
				break
			}
		}
		copy(theta, w.trial)
		if largest < 1e-12 {
			return
		}
	}
}

// points are strengths as ratings: the anchor where it is told to be, or else the mean of those who fought at 1,000.
func (w *wins) points(theta []float64, anchor int, at float64) []float64 {
	out := make([]float64, w.n)
	mean, count := 0.0, 0.0
	for i, t := range theta {
		out[i] = Scale / math.Ln10 * t
		if w.fought[i] {
			mean, count = mean+out[i], count+1
		}
	}
	shift := Initial - mean/max(count, 1)
	if anchor >= 0 {
		shift = at - out[anchor]
	}
	for i := range out {
		out[i] += shift
	}
	return out
}

// solve puts the solution x of Hx = b into b, by Cholesky's decomposition; H [n, n] is symmetric and written over. It is false when H is
// not positive definite.
func solve(h, b []float64, n int) bool {
	for j := range n {
		row := h[j*n : j*n+n]
		for k := range j {
			row[j] -= row[k] * row[k]
		}
		if !(row[j] > 0) {
			return false
		}
		d := math.Sqrt(row[j])
		row[j] = d
		for i := j + 1; i < n; i++ {
			under := h[i*n : i*n+n]
			s := under[j]
			for k := range j {
				s -= under[k] * row[k]
			}
			under[j] = s / d
		}
	}
	for i := range n {
		for k := range i {
			b[i] -= h[i*n+k] * b[k]
		}
		b[i] /= h[i*n+i]
	}
	for i := n - 1; i >= 0; i-- {
		for k := i + 1; k < n; k++ {
			b[i] -= h[k*n+i] * b[k]
		}
		b[i] /= h[i*n+i]
	}
	return true
}
