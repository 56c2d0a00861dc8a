package readmodel

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"millrace/event"
)

// maxAligned bounds runs times places of one Align.
const maxAligned = 1 << 20

// Alignment is one metric of several runs at common places of an axis.
type Alignment struct {
	Key  string
	Axis Axis
	X    []float64 // the places, rising
	Runs []Aligned // in the order asked for
}

// Aligned is one run's metric at each place.
type Aligned struct {
	Run event.RunID
	// Steps and Values are of the last point at or before each place, over all contexts and writers; where there is none, Has is false and
	// the others mean nothing (a NaN may have been logged).
	Steps  []int64
	Values []float64
	Has    []bool
	// From and To are where the run's own points begin and end on the axis; NaN when it has none.
	From, To float64
	// Missing says why there is nothing: no such metric, or no such axis. "" otherwise.
	Missing string
}

// Align lays one metric of runs side by side on an axis: for each run the last value at or before every place of grid, which must rise.
// With no grid there are `places` of them (0: 200), evenly from where the first run begins to where the last one ends. A run without the
// metric or the axis has Missing set and does not stop the others. It reads each run's points once, without keeping them.
// Errors: ErrNotFound, ErrBadQuery.
func (m *Model) Align(runs []event.RunID, key string, axis Axis, grid []float64, places int) (Alignment, error) {
	if places <= 0 {
		places = 200
	}
	n := max(len(grid), places)
	if len(runs)*n > maxAligned {
		return Alignment{}, fmt.Errorf("align %d runs at %d places, at most %d together: %w", len(runs), n, maxAligned, ErrBadQuery)
	}
	if !slices.IsSorted(grid) || slices.ContainsFunc(grid, math.IsNaN) {
		return Alignment{}, fmt.Errorf("align: the places must rise: %w", ErrBadQuery)
	}
	out := Alignment{Key: key, Axis: axis, X: grid, Runs: make([]Aligned, len(runs))}
	rulers := make([]*ruler, len(runs))
	for i, id := range runs {
		var err error
		if rulers[i], err = m.reach(&out.Runs[i], id, key, axis); err != nil {
			return Alignment{}, err
		}
	}
	if len(grid) == 0 {
		out.X = evenly(out.Runs, places)
	}
	for i := range runs {
		a := &out.Runs[i]
		a.Steps, a.Values, a.Has = make([]int64, len(out.X)), make([]float64, len(out.X)), make([]bool, len(out.X))
		if rulers[i] == nil || a.Missing != "" || len(out.X) == 0 {
			continue
		}
		if err := m.lay(a, key, rulers[i], out.X); err != nil {
			return Alignment{}, err
		}
	}
	return out, nil
}

// reach finds out where a run's metric begins and ends on the axis.
func (m *Model) reach(a *Aligned, id event.RunID, key string, axis Axis) (*ruler, error) {
	*a = Aligned{Run: id, From: math.NaN(), To: math.NaN()}
	infos, err := m.Keys(id)
	if err != nil {
		return nil, err
	}
	infos = slices.DeleteFunc(infos, func(s SeriesInfo) bool { return s.Key != key })
	if len(infos) == 0 {
		a.Missing = fmt.Sprintf("it logged no %q", key)
		return nil, nil
	}
	first := slices.MinFunc(infos, func(a, b SeriesInfo) int { return cmp.Compare(a.FirstTime, b.FirstTime) }).FirstTime
	r, err := m.rulerOf(id, axis, first)
	if errors.Is(err, ErrNoAxis) {
		a.Missing = err.Error()
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for i, s := range infos {
		from, to := r.at(s.FirstStep, s.FirstTime), r.at(s.LastStep, s.LastTime)
		if i == 0 {
			a.From, a.To = from, to
		}
		a.From, a.To = min(a.From, from), max(a.To, to)
	}
	return r, nil
}

// evenly divides what the runs reach together.
func evenly(runs []Aligned, n int) []float64 {
	from, to := math.Inf(1), math.Inf(-1)
	for _, a := range runs {
		if !math.IsNaN(a.From) {
			from, to = min(from, a.From), max(to, a.To)
		}
	}
	switch {
	case from > to:
		return nil
	case from == to || n == 1:
		return []float64{to}
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = from + (to-from)*float64(i)/float64(n-1)
	}
	out[n-1] = to // exactly, or the last point would be left out
	return out
}

// lay reads the points of all series of a key and puts the last at or before each place there.
func (m *Model) lay(a *Aligned, key string, r *ruler, grid []float64) error {
	sources, tx, err := m.sources(a.Run, func(n name) bool { return n.key == key }, false)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	best := make([]point, len(grid))
	for _, src := range sources {
		if src.points == 0 {
			continue
		}
		place, last, has := 0, point{}, false
		settle := func() {
			if has && (!a.Has[place] || best[place].before(last)) {
				best[place], a.Has[place] = last, true
			}
			place++
		}
		reached := math.Inf(-1)
		from := floor
		if x := grid[0]; r.axis == AxisStep && x > math.MinInt64 && x < math.MaxInt64 { // the chunk that holds it is the first to look at
			from = bound{step: int64(math.Floor(x)), time: math.MinInt64}
		}
		src.scan(shelfOf(tx), from, ceiling, func(c columns) bool {
			for i := range c.len() {
				// A clock that was set back does not take the curve back.
				reached = max(reached, r.at(c.steps[i], c.times[i]))
				for place < len(grid) && grid[place] < reached {
					settle()
				}
				if place == len(grid) {
					return false
				}
				last, has = c.at(i), true
			}
			return true
		})
		for place < len(grid) {
			settle()
		}
	}
	for i, p := range best {
		a.Steps[i], a.Values[i] = p.step, p.value
	}
	return nil
}
