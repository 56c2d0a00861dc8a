package readmodel

import (
	"fmt"
	"math"
)

// maxSmoothed is how many points of a series are smoothed one by one; a longer one is smoothed over its buckets' last values.
const maxSmoothed = 4 << 20

// maxWindow bounds a window mean.
const maxWindow = 1 << 20

// Smoothing is how noise is taken off values. The zero value leaves them as they are.
type Smoothing struct {
	// Weight, 0 to below 1, asks for an exponential moving average with the start's bias taken out (Kingma and Ba, "Adam", 2015):
	// s ← w·s + (1−w)·x, shown as s / (1 − wⁿ).
	Weight float64
	// Window asks for the mean of the last so many values instead, or of as many as there were.
	Window int
}

// Check refuses what is no smoothing. Errors: ErrBadQuery.
func (s Smoothing) Check() error {
	switch {
	case !(s.Weight >= 0 && s.Weight < 1):
		return fmt.Errorf("smoothing weight %v, want 0 to below 1: %w", s.Weight, ErrBadQuery)
	case s.Window < 0 || s.Window > maxWindow:
		return fmt.Errorf("smoothing window %d, want 1 to %d: %w", s.Window, maxWindow, ErrBadQuery)
	case s.Weight > 0 && s.Window > 0:
		return fmt.Errorf("smoothing by weight and by window: choose one: %w", ErrBadQuery)
	}
	return nil
}

func (s Smoothing) on() bool { return s.Weight > 0 || s.Window > 0 }

// apply smooths values; counts, unless nil, says how many points each stands for. NaN and infinities stay where they are and leave
// the average alone.
func (s Smoothing) apply(values []float64, counts []int64) []float64 {
	if s.Window > 0 {
		return s.windowed(values)
	}
	out := make([]float64, len(values))
	average, left := 0.0, 1.0 // left is wⁿ
	for i, x := range values {
		out[i] = x
		if math.IsNaN(x) || math.IsInf(x, 0) {
			continue
		}
		w := s.Weight
		if counts != nil {
			w = math.Pow(w, float64(counts[i]))
		}
		left *= w
		average = w*average + (1-w)*x
		out[i] = average / (1 - left)
	}
	return out
}

// windowed adds up what lies in the window anew whenever it has moved on by its length, so that errors of rounding do not gather.
func (s Smoothing) windowed(values []float64) []float64 {
	out := make([]float64, len(values))
	finite := make([]float64, 0, len(values))
	sum := 0.0
	for i, x := range values {
		out[i] = x
		if math.IsNaN(x) || math.IsInf(x, 0) {
			continue
		}
		finite = append(finite, x)
		n := len(finite)
		from := max(0, n-s.Window)
		if n%s.Window == 0 {
			sum = 0
			for _, y := range finite[from:] {
				sum += y
			}
		} else {
			sum += x
			if from > 0 {
				sum -= finite[from-1]
			}
		}
		out[i] = sum / float64(n-from)
	}
	return out
}
