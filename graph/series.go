package graph

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// matches tells whether a key is the one asked for, or begins as one that ends in '*' does.
func matches(pattern, key string) bool {
	if begin, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(key, begin)
	}
	return pattern == key
}

// metricsOf lists the metrics of several runs, in their order.
func (r *resolver) metricsOf(ids []event.RunID, pattern *string) ([][]view.Metric, error) {
	out := make([][]view.Metric, len(ids))
	if pattern == nil || strings.HasSuffix(*pattern, "*") {
		for i, id := range ids {
			var err error
			if out[i], err = r.metrics(id, pattern); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	all, err := r.Model.LastOf(ids, *pattern)
	if err != nil {
		return nil, err
	}
	flat := make([]view.Metric, 0, len(ids))
	for i, infos := range all {
		if len(infos) > 0 {
			flat = append(flat, merged(infos))
			out[i] = flat[len(flat)-1:]
		}
	}
	return out, nil
}

// metrics lists the keys of a run with what is known of each.
func (r *resolver) metrics(id event.RunID, pattern *string) ([]view.Metric, error) {
	infos, err := r.Model.Keys(id)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, nil
	}
	return merge(infos, pattern), err
}

// merge makes one metric of all series of a key, over contexts and writers. Samples of usage (system/…) are left out unless
// asked for.
func merge(infos []readmodel.SeriesInfo, pattern *string) []view.Metric {
	byKey := map[string][]readmodel.SeriesInfo{}
	for _, s := range infos {
		if pattern != nil && matches(*pattern, s.Key) || pattern == nil && !s.Sampled {
			byKey[s.Key] = append(byKey[s.Key], s)
		}
	}
	var out []view.Metric
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		out = append(out, merged(byKey[key]))
	}
	return out
}

// merged makes one metric of all series of one key.
func merged(infos []readmodel.SeriesInfo) view.Metric {
	first := infos[0]
	m := view.Metric{Key: first.Key, Points: first.Points, Last: first.Last, LastStep: first.LastStep, Min: first.Min, Max: first.Max, First: first.First, Damaged: first.Damaged}
	firstStep := first.FirstStep
	for _, s := range infos[1:] {
		m.Points += s.Points
		m.Damaged = m.Damaged || s.Damaged
		if s.LastStep > m.LastStep {
			m.Last, m.LastStep = s.Last, s.LastStep
		}
		if s.FirstStep < firstStep {
			m.First, firstStep = s.First, s.FirstStep
		}
		if s.Min < m.Min || math.IsNaN(m.Min) { // NaN where there was nothing else
			m.Min = s.Min
		}
		if s.Max > m.Max || math.IsNaN(m.Max) {
			m.Max = s.Max
		}
	}
	return m
}

// chart is what is wanted of series beside their keys.
type chart struct {
	from, to         *int64 // steps
	points           *int
	fromTime, toTime *time.Time
	axis             *readmodel.Axis
	smooth           *gen.SmoothInput
}

// query makes the read model's question of a chart.
func (c chart) query(keys []string) (readmodel.SeriesQuery, error) {
	q := readmodel.SeriesQuery{Keys: keys, MinStep: c.from, MaxStep: c.to, MaxPoints: defaultPoints, Axis: deref(c.axis)}
	switch {
	case len(keys) > maxKeys:
		return q, badInput("%d keys, at most %d at once", len(keys), maxKeys)
	case c.points != nil && *c.points < 1:
		return q, badInput("maxPoints is %d, want 1 or more", *c.points)
	case c.points != nil:
		q.MaxPoints = min(*c.points, maxPoints)
	}
	if c.fromTime != nil {
		q.MinTime = ptr(c.fromTime.UnixMicro())
	}
	if c.toTime != nil {
		q.MaxTime = ptr(c.toTime.UnixMicro())
	}
	if c.smooth != nil {
		q.Smooth = readmodel.Smoothing{Weight: deref(c.smooth.Weight), Window: deref(c.smooth.Window)}
		if err := q.Smooth.Check(); err != nil {
			return q, badInput("%v", err)
		}
	}
	return q, nil
}

// columns are the points of some keys of one run.
func (r *resolver) columns(id event.RunID, keys []string, c chart) ([]view.Series, error) {
	q, err := c.query(keys)
	if err != nil || len(keys) == 0 { // to the read model no key means every key
		return []view.Series{}, err
	}
	got, err := r.Model.Series(id, q)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, notFound("there is no run %q", id)
	}
	return columns(got, c.axis != nil), err
}

// alignMetric lays one metric of runs side by side.
func (r *resolver) alignMetric(runs []string, key string, axis *readmodel.Axis, at []event.Number, places *int) (*gen.AlignedMetric, error) {
	switch {
	case len(runs) > maxSeriesRuns:
		return nil, badInput("%d runs, at most %d at once", len(runs), maxSeriesRuns)
	case len(at) > maxPlaces || places != nil && (*places < 1 || *places > maxPlaces):
		return nil, badInput("an alignment has 1 to %d places", maxPlaces)
	}
	ids, grid := make([]event.RunID, len(runs)), make([]float64, len(at))
	for i, id := range runs {
		ids[i] = event.RunID(id)
	}
	for i, x := range at {
		grid[i] = float64(x)
	}
	got, err := r.Model.Align(ids, key, deref(axis), grid, deref(places))
	switch {
	case errors.Is(err, readmodel.ErrNotFound):
		return nil, notFound("%v", err)
	case errors.Is(err, readmodel.ErrBadQuery):
		return nil, badInput("%v", err)
	case err != nil:
		return nil, err
	}
	return ptr(showAligned(got)), nil
}

func columns(list []readmodel.Series, wantX bool) []view.Series {
	out := make([]view.Series, len(list))
	for i, s := range list {
		if wantX && s.X == nil && s.NoAxis == "" { // the axis is that of steps
			s.X = make([]float64, len(s.Steps))
			for j, step := range s.Steps {
				s.X[j] = float64(step)
			}
		}
		out[i] = view.Series{Series: s}
	}
	return out
}
