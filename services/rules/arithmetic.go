package rules

import (
	"fmt"
	"math"
	"slices"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// number reads a number of CEL.
func number(v ref.Val) (float64, bool) {
	switch v := v.(type) {
	case types.Double:
		return float64(v), true
	case types.Int:
		return float64(v), true
	case types.Uint:
		return float64(v), true
	}
	return 0, false
}

// numbers reads a list of numbers.
func numbers(v ref.Val) ([]float64, error) {
	list, ok := v.(traits.Lister)
	if !ok {
		return nil, fmt.Errorf("a %s is not a list of numbers", v.Type().TypeName())
	}
	var out []float64
	for it := list.Iterator(); it.HasNext() == types.True; {
		x, ok := number(it.Next())
		if !ok {
			return nil, fmt.Errorf("a list with more than numbers in it")
		}
		out = append(out, x)
	}
	return out, nil
}

// mean is NaN of nothing, as are the others.
func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

func median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	xs = slices.Clone(xs)
	slices.Sort(xs)
	if n := len(xs); n%2 == 0 {
		return (xs[n/2-1] + xs[n/2]) / 2
	}
	return xs[len(xs)/2]
}

// stddev is the sample's: n-1 below the line.
func stddev(xs []float64) float64 {
	m, sum := mean(xs), 0.0
	for _, x := range xs {
		sum += (x - m) * (x - m)
	}
	return math.Sqrt(sum / float64(len(xs)-1))
}

// extreme is the number before all others, NaNs left out.
func extreme(xs []float64, before func(a, b float64) bool) float64 {
	best := math.NaN()
	for _, x := range xs {
		if math.IsNaN(best) || before(x, best) {
			best = x
		}
	}
	return best
}
