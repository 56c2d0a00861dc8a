package cost

import (
	"encoding/json"
	"fmt"
	"math"
)

// Range is a figure that nobody knows exactly: what is typical, and what it may be at the ends.
type Range struct {
	Low     float64 `json:"low"`
	Typical float64 `json:"typical"`
	High    float64 `json:"high"`
}

// Exactly is a range of one value.
func Exactly(v float64) Range { return Range{v, v, v} }

// MarshalJSON writes an end that is never reached as the string "Infinity", which JSON has no number for.
func (r Range) MarshalJSON() ([]byte, error) {
	end := func(v float64) any {
		if math.IsInf(v, 1) {
			return "Infinity"
		}
		return v
	}
	return json.Marshal(map[string]any{"low": end(r.Low), "typical": end(r.Typical), "high": end(r.High)})
}

// Times multiplies end by end: of figures that are all at least 0.
func (r Range) Times(o Range) Range {
	return Range{r.Low * o.Low, r.Typical * o.Typical, r.High * o.High}
}

// Scale multiplies by one figure of at least 0.
func (r Range) Scale(k float64) Range { return Range{r.Low * k, r.Typical * k, r.High * k} }

// Plus adds end by end.
func (r Range) Plus(o Range) Range {
	return Range{r.Low + o.Low, r.Typical + o.Typical, r.High + o.High}
}

// Over divides by a range: the low end by the high one.
func (r Range) Over(o Range) Range {
	return Range{r.Low / o.High, r.Typical / o.Typical, r.High / o.Low}
}

// Known tells whether there is anything in it.
func (r Range) Known() bool { return r != Range{} }

// check tells what is wrong with a range that somebody gave.
func (r Range) check(what string) error {
	for _, v := range []float64{r.Low, r.Typical, r.High} {
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			return fmt.Errorf("cost: %s is %v, want 0 or more: %w", what, v, ErrBadPrice)
		}
	}
	if r.Low > r.Typical || r.Typical > r.High {
		return fmt.Errorf("cost: %s is %v, %v, %v, want low, typical, high in this order: %w", what, r.Low, r.Typical, r.High, ErrBadPrice)
	}
	return nil
}
