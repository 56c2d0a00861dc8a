package rules

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"millrace/event"
	"millrace/storage/readmodel"
)

// metrics is the run's series by key: of one that several wrote, what all of them make together.
func (s *state) metrics() *lazy {
	return &lazy{
		keys: func() []string {
			infos, err := s.model.Keys(s.run)
			if err != nil {
				return nil
			}
			set := map[string]bool{}
			for _, i := range infos {
				if !i.Sampled {
					set[i.Key] = true
				}
			}
			return sortedKeys(set)
		},
		find: func(key string) (any, bool) {
			infos, err := s.infos(key)
			if err != nil {
				return err, true
			}
			if len(infos) == 0 {
				return nil, false
			}
			sum := merged(infos)
			return map[string]any{
				"last": sum.Last, "first": sum.First, "min": sum.Min, "max": sum.Max, "count": sum.Points, "nans": sum.NaNs,
				"step": sum.LastStep, "min_step": sum.MinStep, "max_step": sum.MaxStep,
			}, true
		},
	}
}

// infos are the series of a key that the run has points of.
func (s *state) infos(key string) ([]readmodel.SeriesInfo, error) {
	if s.run == "" {
		return nil, errors.New("the fact is about no run")
	}
	all, err := s.model.LastOf([]event.RunID{s.run}, key)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(all[0]), func(i readmodel.SeriesInfo) bool { return i.Points == 0 }), nil
}

// merged is what is known of several writers' series of one key as if they were one.
func merged(infos []readmodel.SeriesInfo) readmodel.SeriesInfo {
	out := infos[0]
	for _, i := range infos[1:] {
		if i.LastStep > out.LastStep || i.LastStep == out.LastStep && i.LastTime > out.LastTime {
			out.Last, out.LastStep, out.LastTime = i.Last, i.LastStep, i.LastTime
		}
		if i.FirstStep < out.FirstStep {
			out.First, out.FirstStep, out.FirstTime = i.First, i.FirstStep, i.FirstTime
		}
		if !math.IsNaN(i.Min) && !(i.Min >= out.Min) {
			out.Min, out.MinStep = i.Min, i.MinStep
		}
		if !math.IsNaN(i.Max) && !(i.Max <= out.Max) {
			out.Max, out.MaxStep = i.Max, i.MaxStep
		}
		out.Points, out.NaNs = out.Points+i.Points, out.NaNs+i.NaNs
	}
	return out
}

// history is the last n values of a metric, the newest last; of a step that was logged again (a resumed run repeats some), the newest.
func (s *state) history(key string, n int64) ([]float64, error) {
	if n < 1 || n > maxHistory {
		return nil, fmt.Errorf("history(%q, %d): between 1 and %d points", key, n, maxHistory)
	}
	infos, err := s.infos(key)
	if err != nil || len(infos) == 0 {
		return []float64{}, err
	}
	q := readmodel.SeriesQuery{Keys: []string{key}}
	whole := merged(infos)
	if span := whole.LastStep - whole.FirstStep; whole.Points > 4*n && span > 0 {
		// As far back as twice the points would lie if they were evenly spread; if that is not enough, everything is read.
		from := whole.LastStep - int64(2*float64(n)*float64(span)/float64(whole.Points-1)) - 1
		q.MinStep = &from
	}
	for {
		series, err := s.model.Series(s.run, q)
		if err != nil {
			return nil, err
		}
		values := laidTogether(series)
		if len(values) >= int(n) || q.MinStep == nil {
			return values[max(0, len(values)-int(n)):], nil
		}
		q.MinStep = nil
	}
}

// laidTogether is several series as one, by step; of equal steps of several writers the point that was logged last counts.
func laidTogether(series []readmodel.Series) []float64 {
	if len(series) == 1 {
		return series[0].Values
	}
	type point struct {
		step, time int64
		value      float64
	}
	var all []point
	for _, x := range series {
		for i, step := range x.Steps {
			all = append(all, point{step, x.Times[i], x.Values[i]})
		}
	}
	slices.SortStableFunc(all, func(a, b point) int { return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.time, b.time)) })
	var out []float64
	for i, p := range all {
		if i+1 < len(all) && all[i+1].step == p.step {
			continue
		}
		out = append(out, p.value)
	}
	return out
}

// stale is how many of a metric's points came after the best one; by less than least is not better. NaN is never better.
func (s *state) stale(key, direction string, least float64) (int64, error) {
	if direction != "min" && direction != "max" {
		return 0, fmt.Errorf("stale(%q, %q): the direction is \"min\" or \"max\"", key, direction)
	}
	values, err := s.history(key, maxHistory)
	if err != nil || len(values) == 0 {
		return 0, err
	}
	best, at := math.NaN(), -1
	for i, v := range values {
		gain := best - v
		if direction == "max" {
			gain = v - best
		}
		if !math.IsNaN(v) && (math.IsNaN(best) || gain > least) {
			best, at = v, i
		}
	}
	return int64(len(values) - 1 - at), nil
}

// metricsAt is another run's metrics at a step, or where they stood last before it.
func (s *state) metricsAt(run event.RunID, step int64) *lazy {
	return &lazy{
		keys: func() []string { return nil },
		find: func(key string) (any, bool) {
			series, err := s.model.Series(run, readmodel.SeriesQuery{Keys: []string{key}, MaxStep: &step, MinStep: s.near(run, key, step)})
			if err != nil {
				return err, true
			}
			values := laidTogether(series)
			if len(values) == 0 {
				return nil, false
			}
			return values[len(values)-1], true
		},
	}
}

// near bounds how far before a step is read: the series' own last step where that is earlier.
func (s *state) near(run event.RunID, key string, step int64) *int64 {
	all, err := s.model.LastOf([]event.RunID{run}, key)
	if err != nil || len(all[0]) != 1 || all[0][0].LastStep > step {
		return nil
	}
	return &all[0][0].LastStep
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
