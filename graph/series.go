package graph

import (
	"errors"
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

// metrics lists the keys of a run with what is known of each, over contexts and writers. Samples of usage (system/…) are left
// out unless asked for.
func (r *resolver) metrics(id event.RunID, pattern *string) ([]view.Metric, error) {
	infos, err := r.Model.Keys(id)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
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
		// min and max are NaN where there was nothing but NaN.
		if s.Min < m.Min || m.Min != m.Min {
			m.Min = s.Min
		}
		if s.Max > m.Max || m.Max != m.Max {
			m.Max = s.Max
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Key < out[j].Key })
	return out, nil
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
