package cost

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Trained is what a law is fitted to: a run's size, the tokens it was trained on, and the loss at the end, on text that was held out.
type Trained struct {
	Params float64 `json:"params"`
	Tokens float64 `json:"tokens"`
	Loss   float64 `json:"loss"`
}

// ErrTooFew and ErrTooNarrow are returned where a fit would say more than the runs do.
var (
	ErrTooFew    = errors.New("too few runs")
	ErrTooNarrow = errors.New("runs too alike")
)

// What a fit asks for. Five constants want more than five points, and an exponent a range to be seen over.
const (
	leastRuns     = 8
	leastDistinct = 3
	leastSpread   = 4.0
	mostRuns      = 10_000
	bootstraps    = 100
)

// Fitted is a law of one's own runs.
type Fitted struct {
	Parametric
	Runs int `json:"runs"`
	// Error is the root mean square of log-loss residuals: about a relative error.
	Error float64 `json:"error"`
	// Low and High bound each constant in nine of ten refits to runs drawn with repeats (the bootstrap, Efron 1979).
	Low  Parametric `json:"low"`
	High Parametric `json:"high"`
	// MinParams … MaxTokens is what was seen; beyond it a prediction is a guess.
	MinParams float64 `json:"min_params"`
	MaxParams float64 `json:"max_params"`
	MinTokens float64 `json:"min_tokens"`
	MaxTokens float64 `json:"max_tokens"`

	drawn []Parametric
}

// Within is the range that nine of ten refits predict, around the fit's own prediction.
func (f Fitted) Within(n, d float64) Range {
	losses := make([]float64, 0, len(f.drawn))
	for _, p := range f.drawn {
		losses = append(losses, p.Loss(n, d))
	}
	slices.Sort(losses)
	typical := f.Loss(n, d)
	if len(losses) == 0 {
		return Exactly(typical)
	}
	low, high := ninety(losses)
	return Range{Low: math.Min(low, typical), Typical: typical, High: math.Max(high, typical)}
}

// Seen tells whether a size and its tokens lie within a factor of ten of what was fitted to.
func (f Fitted) Seen(n, d float64) bool {
	return n >= f.MinParams/10 && n <= f.MaxParams*10 && d >= f.MinTokens/10 && d <= f.MaxTokens*10
}

// Fit finds the constants of L(N, D) = E + A/N^α + B/D^β as Hoffmann et al. 2022 do (appendix D.2): it minimises the Huber loss (δ =
// 10⁻³) of log L, written as a log-sum-exp, by L-BFGS from a grid of starts, of which the best end counts. The bootstrap starts from
// there. The same runs give the same bits. Errors: ErrTooFew, ErrTooNarrow.
func Fit(runs []Trained) (Fitted, error) {
	var kept []Trained
	for _, r := range runs {
		if good(r.Params) && good(r.Tokens) && good(r.Loss) {
			kept = append(kept, r)
		}
	}
	if len(kept) > mostRuns {
		kept = kept[:mostRuns]
	}
	f := Fitted{Runs: len(kept)}
	if len(kept) < leastRuns {
		return f, fmt.Errorf("cost: a fit of five constants wants at least %d runs with a size, tokens and a loss; there are %d: %w", leastRuns, len(kept), ErrTooFew)
	}
	var err error
	if f.MinParams, f.MaxParams, err = spread(kept, "sizes", func(r Trained) float64 { return r.Params }); err != nil {
		return f, err
	}
	if f.MinTokens, f.MaxTokens, err = spread(kept, "amounts of tokens", func(r Trained) float64 { return r.Tokens }); err != nil {
		return f, err
	}
	points := logs(kept)
	loss := func(x [5]float64) (float64, [5]float64) { return huber(points, x) }
	type end struct {
		x [5]float64
		v float64
	}
	var ends []end
	for _, start := range starts(points) { // a little of each, then the best few to their end
		x, v := minimise(start, loss, 40)
		ends = append(ends, end{x, v})
	}
	slices.SortStableFunc(ends, func(a, b end) int { return cmp.Compare(a.v, b.v) })
	best, least := ends[0].x, math.Inf(1)
	for _, e := range ends[:5] {
		if x, v := minimise(e.x, loss, 500); v < least {
			best, least = x, v
		}
	}
	f.Parametric = constants(best, fmt.Sprintf("fit to %d runs", len(kept)))
	for _, p := range points {
		r := predict(best, p) - p.l
		f.Error += r * r / float64(len(points))
	}
	f.Error = math.Sqrt(f.Error)

	random := rand.New(rand.NewPCG(uint64(len(kept)), 20)) // a fixed stream: the same runs, the same answer
	again := make([]point, len(points))
	for range bootstraps {
		for i := range again {
			again[i] = points[random.IntN(len(points))]
		}
		x, _ := minimise(best, func(x [5]float64) (float64, [5]float64) { return huber(again, x) }, 40)
		f.drawn = append(f.drawn, constants(x, ""))
	}
	for _, c := range []func(*Parametric) *float64{
		func(p *Parametric) *float64 { return &p.E }, func(p *Parametric) *float64 { return &p.A }, func(p *Parametric) *float64 { return &p.B },
		func(p *Parametric) *float64 { return &p.Alpha }, func(p *Parametric) *float64 { return &p.Beta },
	} {
		values := make([]float64, 0, bootstraps)
		for i := range f.drawn {
			values = append(values, *c(&f.drawn[i]))
		}
		slices.Sort(values)
		*c(&f.Low), *c(&f.High) = ninety(values)
	}
	return f, nil
}

func good(v float64) bool { return v > 0 && !math.IsInf(v, 0) }

// ninety are the ends of the middle nine tenths of sorted values.
func ninety(sorted []float64) (low, high float64) {
	last := float64(len(sorted) - 1)
	return sorted[int(math.Round(0.05*last))], sorted[int(math.Round(0.95*last))]
}

// spread is the range of a value over runs, if it is wide enough for an exponent.
func spread(runs []Trained, what string, of func(Trained) float64) (low, high float64, err error) {
	var values []float64
	for _, r := range runs {
		values = append(values, of(r))
	}
	slices.Sort(values)
	low, high = values[0], values[len(values)-1]
	distinct := 1
	for i := 1; i < len(values); i++ {
		if values[i] > values[i-1]*1.05 {
			distinct++
		}
	}
	if distinct < leastDistinct || high < low*leastSpread {
		return low, high, fmt.Errorf("cost: a fit wants at least %d %s over a factor of %g; the runs have %d over a factor of %.3g: %w",
			leastDistinct, what, leastSpread, distinct, high/low, ErrTooNarrow)
	}
	return low, high, nil
}

// point is a run in logarithms.
type point struct{ n, d, l float64 }

func logs(runs []Trained) []point {
	points := make([]point, len(runs))
	for i, r := range runs {
		points[i] = point{math.Log(r.Params), math.Log(r.Tokens), math.Log(r.Loss)}
	}
	return points
}

// starts is a grid over exponents and floors; factors follow from a point in the middle.
func starts(points []point) [][5]float64 {
	var mid point
	least := math.Inf(1)
	for _, p := range points {
		mid.n += p.n / float64(len(points))
		mid.d += p.d / float64(len(points))
		mid.l += p.l / float64(len(points))
		least = math.Min(least, p.l)
	}
	var all [][5]float64
	for _, alpha := range []float64{0.1, 0.35, 0.8} {
		for _, beta := range []float64{0.1, 0.35, 0.8} {
			for _, floor := range []float64{0.1, 0.5, 0.9} {
				for _, share := range []float64{0.2, 0.8} { // of what is above the floor: the model's, not the data's
					e := least + math.Log(floor)
					above := math.Log(math.Exp(mid.l) - math.Exp(e))
					all = append(all, [5]float64{above + math.Log(share) + alpha*mid.n, above + math.Log(1-share) + beta*mid.d, e, alpha, beta})
				}
			}
		}
	}
	return all
}

// constants are x = (log A, log B, log E, α, β) as a law.
func constants(x [5]float64, by string) Parametric {
	return Parametric{By: by, A: math.Exp(x[0]), B: math.Exp(x[1]), E: math.Exp(x[2]), Alpha: x[3], Beta: x[4]}
}

// predict is the log of the loss.
func predict(x [5]float64, p point) float64 {
	a, b, e := x[0]-x[3]*p.n, x[1]-x[4]*p.d, x[2]
	most := max(a, b, e)
	return most + math.Log(math.Exp(a-most)+math.Exp(b-most)+math.Exp(e-most))
}

// huber is the mean Huber loss in units of δ², and its gradient.
func huber(points []point, x [5]float64) (float64, [5]float64) {
	const delta = 1e-3
	var sum float64
	var grad [5]float64
	scale := 1 / (delta * delta * float64(len(points)))
	for _, p := range points {
		a, b, e := x[0]-x[3]*p.n, x[1]-x[4]*p.d, x[2]
		most := max(a, b, e)
		wa, wb, we := math.Exp(a-most), math.Exp(b-most), math.Exp(e-most)
		total := wa + wb + we
		r := most + math.Log(total) - p.l
		slope := r
		if math.Abs(r) <= delta {
			sum += r * r / 2 * scale
		} else {
			sum += delta * (math.Abs(r) - delta/2) * scale
			slope = math.Copysign(delta, r)
		}
		slope *= scale / total
		grad[0] += slope * wa
		grad[1] += slope * wb
		grad[2] += slope * we
		grad[3] -= slope * wa * p.n
		grad[4] -= slope * wb * p.d
	}
	return sum, grad
}
