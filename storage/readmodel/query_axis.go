package readmodel

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"millrace/cost"
	"millrace/event"
)

// Axis is what a chart is drawn against.
type Axis uint8

const (
	// AxisStep is the step itself.
	AxisStep Axis = iota
	// AxisTokens is the tokens trained on until the step: by the run's own series of them, else by its checkpoints, else by what its
	// configuration says of a step, else what it spent, spread evenly over its steps.
	AxisTokens
	// AxisFLOPs is tokens times the FLOPs that the run spent on a token on average.
	AxisFLOPs
	// AxisTime is seconds since the run started first (or was asked for; or since the series' first point, where neither is known or
	// both lie after it).
	AxisTime
	// AxisWall is seconds since 1970.
	AxisWall
	// AxisDollars is what the run had cost by then: of each attempt and device the newest bill is known, and spread evenly from the
	// attempt's start to the moment of the bill.
	AxisDollars
	axisCount
)

// ErrNoAxis is returned when nothing that was recorded of a run leads to the axis asked for; the message says what would.
var ErrNoAxis = fmt.Errorf("the run has no such axis: %w", ErrBadQuery)

// tokenKeys are the keys under which runs log how many tokens they were trained on so far.
var tokenKeys = []string{"tokens", "train/tokens", "tokens_seen", "train/tokens_seen", "num_tokens"}

// ruler turns the step and the time of a point into its place on an axis. It never goes down as both go up.
type ruler struct {
	axis   Axis
	origin int64       // µs, of AxisTime
	byStep []knot      // of AxisTokens and AxisFLOPs
	slope  float64     // beyond the last knot, per step
	factor float64     // what a token is worth: 1, or FLOPs
	bills  []billedFor // of AxisDollars
}

// knot says where a step lies; between two knots the way is straight.
type knot struct{ step, x float64 }

// billedFor is dollars spread evenly over a time, in µs.
type billedFor struct {
	from, to int64
	dollars  float64
}

// at is the place of a point on the axis.
func (r *ruler) at(step, at int64) float64 {
	switch r.axis {
	case AxisTokens, AxisFLOPs:
		return r.factor * r.along(float64(step))
	case AxisTime:
		return float64(at-r.origin) / 1e6
	case AxisWall:
		return float64(at) / 1e6
	case AxisDollars:
		sum := 0.0
		for _, b := range r.bills {
			switch {
			case at >= b.to:
				sum += b.dollars
			case at > b.from:
				sum += b.dollars * float64(at-b.from) / float64(b.to-b.from)
			}
		}
		return sum
	}
	return float64(step)
}

func (r *ruler) along(step float64) float64 {
	n := len(r.byStep)
	if n == 0 {
		return step * r.slope
	}
	i := sort.Search(n, func(i int) bool { return r.byStep[i].step >= step })
	switch {
	case i == n:
		last := r.byStep[n-1]
		return last.x + (step-last.step)*r.slope
	case r.byStep[i].step == step:
		return r.byStep[i].x
	case i == 0: // before the first: in proportion, through nothing at step 0
		if first := r.byStep[0]; first.step > 0 {
			return max(0, first.x*step/first.step)
		}
		return r.byStep[0].x
	}
	a, b := r.byStep[i-1], r.byStep[i]
	return a.x + (b.x-a.x)*(step-a.step)/(b.step-a.step)
}

// through makes the ruler pass the knots given, in any order; those that would make it go down are left out.
func (r *ruler) through(knots []knot) {
	slices.SortStableFunc(knots, func(a, b knot) int { return cmp.Compare(a.step, b.step) })
	for _, k := range knots {
		if n := len(r.byStep); !math.IsNaN(k.x) && !math.IsInf(k.x, 0) && (n == 0 || k.step > r.byStep[n-1].step && k.x >= r.byStep[n-1].x) {
			r.byStep = append(r.byStep, k)
		}
	}
	switch n := len(r.byStep); {
	case n > 1:
		a, b := r.byStep[0], r.byStep[n-1]
		r.slope = (b.x - a.x) / (b.step - a.step)
	case n == 1 && r.byStep[0].step > 0:
		r.slope = r.byStep[0].x / r.byStep[0].step
	}
}

// rulerOf makes a run's ruler from what was recorded of it. first is the time of a series' first point. Errors: ErrNotFound, ErrNoAxis,
// ErrBadQuery.
func (m *Model) rulerOf(id event.RunID, axis Axis, first int64) (*ruler, error) {
	if axis >= axisCount {
		return nil, fmt.Errorf("axis %d: %w", axis, ErrBadQuery)
	}
	r := &ruler{axis: axis, origin: first, factor: 1}
	run, err := m.Run(id)
	if err != nil || axis == AxisStep || axis == AxisWall {
		return r, err
	}
	switch axis {
	case AxisTime:
		for _, at := range []time.Time{run.StartedAt, run.CreatedAt} {
			if !at.IsZero() && at.UnixMicro() <= first { // another machine's clock may say that it began later
				r.origin = at.UnixMicro()
				break
			}
		}
		return r, nil
	case AxisDollars:
		return r, m.rulerOfDollars(r, &run)
	}
	if err := m.rulerOfTokens(r, &run); err != nil {
		return nil, err
	}
	if axis == AxisFLOPs {
		flops, tokens := 0.0, 0.0
		for _, s := range run.Spent {
			flops, tokens = flops+float64(s.FLOPs), tokens+float64(s.Tokens)
		}
		if flops <= 0 || tokens <= 0 {
			return nil, fmt.Errorf("run %q: FLOPs: it told of no FLOPs spent on tokens (event run.resources_spent): %w", id, ErrNoAxis)
		}
		r.factor = flops / tokens
	}
	return r, nil
}

// rulerOfTokens finds the best record of how many tokens the run had seen at its steps.
func (m *Model) rulerOfTokens(r *ruler, run *Run) error {
	for _, key := range tokenKeys {
		got, err := m.Series(run.ID, SeriesQuery{Keys: []string{key}, MaxPoints: 4096})
		if err != nil {
			return err
		}
		var knots []knot
		for _, s := range got {
			for i, step := range s.Steps {
				knots = append(knots, knot{float64(step), s.Values[i]})
			}
		}
		if r.through(knots); len(r.byStep) > 0 {
			return nil
		}
	}
	saved, err := m.Checkpoints(run.ID)
	if err != nil {
		return err
	}
	var knots []knot
	for _, c := range saved {
		if c.Tokens > 0 {
			knots = append(knots, knot{float64(c.Step), float64(c.Tokens)})
		}
	}
	if r.through(knots); len(r.byStep) > 0 {
		return nil
	}
	if r.slope = m.tokensOfStep(run.ID); r.slope > 0 {
		return nil
	}
	tokens, steps := int64(0), run.Steps
	for _, s := range run.Spent {
		tokens += s.Tokens
	}
	if p := run.Progress; p != nil && p.Unit == "steps" {
		steps = max(steps, p.Done)
	}
	if tokens <= 0 || steps <= 0 {
		return fmt.Errorf("run %q: tokens: it logged none of %q, its checkpoints do not say, and its config lacks batch_size and model.context: %w", run.ID, tokenKeys, ErrNoAxis)
	}
	r.slope = float64(tokens) / float64(steps)
	return nil
}

// tokensOfStep is what the configuration says, 0 when it does not: batch_size × grad_accum × model.context.
func (m *Model) tokensOfStep(id event.RunID) float64 {
	var config flatConfig
	if err := m.ofRun(id, func(v view, st *runState) (err error) {
		config, err = m.flat(v, st)
		return err
	}); err != nil {
		return 0
	}
	of := 1.0
	for _, path := range []string{"batch_size", "grad_accum", "model.context"} {
		raw, ok := config.at(path)
		x, isNumber := jsonNumber(raw)
		switch {
		case ok && isNumber && x > 0:
			of *= x
		case path != "grad_accum":
			return 0
		}
	}
	return of
}

// rulerOfDollars spreads what each attempt has spent on each device over the attempt.
func (m *Model) rulerOfDollars(r *ruler, run *Run) error {
	book := m.Book()
	for i, s := range spendings(run.Spent) {
		bill := book.Price([]cost.Spent{s.Spent})
		from := run.StartedAt
		for _, a := range run.Attempts {
			if a.Attempt == run.Spent[i].Attempt && !a.StartedAt.IsZero() {
				from = a.StartedAt
			}
		}
		if bill.Dollars > 0 {
			r.bills = append(r.bills, billedFor{from.UnixMicro(), s.At.UnixMicro(), bill.Dollars})
		}
	}
	if len(r.bills) == 0 {
		return fmt.Errorf("run %q: dollars: it has spent nothing yet that the price book has a price for: %w", run.ID, ErrNoAxis)
	}
	return nil
}
