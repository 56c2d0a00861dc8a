package trainer

import "time"

// stopwatch divides the time of a step among its parts.
type stopwatch struct {
	now   func() time.Time
	start time.Time
	last  time.Time
	spent map[string]float64 // seconds by key
}

// begin starts a step. What a checkpoint took stays until the next step has told it.
func (w *stopwatch) begin() {
	if w.spent == nil {
		w.spent = map[string]float64{}
	}
	w.start = w.now()
	w.last = w.start
}

// lap charges the time since the last lap to a part.
func (w *stopwatch) lap(key string) {
	now := w.now()
	w.spent[key] += now.Sub(w.last).Seconds()
	w.last = now
}

// since is the time from the beginning of the step to the last lap.
func (w *stopwatch) since() float64 { return w.last.Sub(w.start).Seconds() }

// point is what a part took, which begins anew.
func (w *stopwatch) point(key string) Point {
	p := Point{key, w.spent[key]}
	w.spent[key] = 0
	return p
}
