package graph

import (
	"errors"
	"math"
	"sort"
	"strings"

	"millrace/event"
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

// manyRuns is from how many runs on one range scan over all runs of a metric beats a look at each run.
const manyRuns = 50

// metricsOf lists the metrics of several runs, in their order.
func (r *resolver) metricsOf(runs []*view.Run, pattern *string) ([][]view.Metric, error) {
	out := make([][]view.Metric, len(runs))
	if pattern == nil || strings.HasSuffix(*pattern, "*") || len(runs) < manyRuns {
		for i, run := range runs {
			var err error
			if out[i], err = r.metrics(run.ID, pattern); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	all, err := r.Model.LastValues(*pattern)
	if err != nil {
		return nil, err
	}
	byRun := map[event.RunID][]readmodel.SeriesInfo{}
	for _, s := range all {
		byRun[s.Run] = append(byRun[s.Run], s)
	}
	for i, run := range runs {
		out[i] = merge(byRun[run.ID], pattern)
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
	var out []view.Metric
	at := map[string]int{}
	var firstStep []int64
	for _, s := range infos {
		if pattern != nil && !matches(*pattern, s.Key) || pattern == nil && s.Sampled {
			continue
		}
		i, known := at[s.Key]
		if !known {
			at[s.Key] = len(out)
			out = append(out, view.Metric{Key: s.Key, Points: s.Points, Last: s.Last, LastStep: s.LastStep, Min: s.Min, Max: s.Max, First: s.First})
			firstStep = append(firstStep, s.FirstStep)
			continue
		}
		m := &out[i]
		m.Points += s.Points
		if s.LastStep > m.LastStep {
			m.Last, m.LastStep = s.Last, s.LastStep
		}
		if s.FirstStep < firstStep[i] {
			m.First, firstStep[i] = s.First, s.FirstStep
		}
		if s.Min < m.Min || math.IsNaN(m.Min) { // NaN where there was nothing else
			m.Min = s.Min
		}
		if s.Max > m.Max || math.IsNaN(m.Max) {
			m.Max = s.Max
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Key < out[j].Key })
	return out
}

// columns are the points of some keys of one run.
func (r *resolver) columns(id event.RunID, keys []string, from, to *int64, points *int) ([]view.Series, error) {
	q := readmodel.SeriesQuery{Keys: keys, MinStep: from, MaxStep: to, MaxPoints: defaultPoints}
	switch {
	case len(keys) == 0:
		return []view.Series{}, nil // to the read model no key means every key
	case len(keys) > maxKeys:
		return nil, badInput("%d keys, at most %d at once", len(keys), maxKeys)
	case points != nil && *points < 1:
		return nil, badInput("maxPoints is %d, want 1 or more", *points)
	case points != nil:
		q.MaxPoints = min(*points, maxPoints)
	}
	got, err := r.Model.Series(id, q)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, notFound("there is no run %q", id)
	}
	return columns(got), err
}

func columns(list []readmodel.Series) []view.Series {
	out := make([]view.Series, len(list))
	for i, s := range list {
		out[i] = view.Series{Series: s}
	}
	return out
}
