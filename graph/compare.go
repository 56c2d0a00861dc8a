package graph

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"millrace/event"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// compare puts runs side by side. What differs between them is looked for when it is asked for.
func (r *resolver) compare(ids []string) (*view.Comparison, error) {
	if len(ids) < 2 || len(ids) > maxCompared {
		return nil, badInput("%d runs, want 2 to %d to compare", len(ids), maxCompared)
	}
	out := &view.Comparison{IDs: make([]event.RunID, len(ids))}
	for i, id := range ids {
		if out.IDs[i] = event.RunID(id); !r.Model.Has(out.IDs[i]) {
			return nil, notFound("there is no run %q", id)
		}
	}
	out.Read = sync.OnceValues(func() ([]view.Run, error) {
		runs := make([]view.Run, len(ids))
		for i, id := range ids {
			run, err := r.mustRun(id)
			if err != nil {
				return nil, err
			}
			runs[i] = *run
		}
		return runs, nil
	})
	out.Differ = sync.OnceValues(func() (readmodel.Comparison, error) { return r.Model.Compare(out.IDs) })
	return out, nil
}

// atMost refuses what would take too long for so many runs.
func atMost(c *view.Comparison, n int, what string) error {
	if len(c.IDs) > n {
		return badInput("%s of %d runs, at most %d are compared", what, len(c.IDs), n)
	}
	return nil
}

// nested lays differences out as the configuration is. Where one run has a value and another an object, the values are under "=".
func nested(differences []readmodel.Difference) map[string]any {
	tree := map[string]any{}
	for _, d := range differences {
		at, names := tree, strings.Split(d.Path, ".")
		for _, n := range names[:len(names)-1] {
			next, ok := at[n].(map[string]any)
			if !ok {
				next = map[string]any{}
				if leaf := at[n]; leaf != nil {
					next["="] = leaf
				}
				at[n] = next
			}
			at = next
		}
		last := names[len(names)-1]
		if object, ok := at[last].(map[string]any); ok {
			at, last = object, "="
		}
		at[last] = d.Values
	}
	return tree
}

// fields shows differences as text: a JSON string without its quotes, anything else as JSON.
func fields(prefix string, list []readmodel.Difference) []view.FieldDifference {
	out := make([]view.FieldDifference, len(list))
	for i, d := range list {
		out[i] = view.FieldDifference{Field: prefix + d.Path, Values: make([]*string, len(d.Values))}
		for j, v := range d.Values {
			if v == nil {
				continue
			}
			text := string(v)
			_ = json.Unmarshal(v, &text) // what is no string stays as it is
			out[i].Values[j] = &text
		}
	}
	return out
}

// compareMetrics lists what the runs have of some keys, or without keys of all that at least two have.
func (r *resolver) compareMetrics(c *view.Comparison, keys []string) ([]view.MetricComparison, error) {
	if keys == nil {
		if err := atMost(c, maxDiffered, "all metrics"); err != nil {
			return nil, err
		}
		return r.commonMetrics(c)
	}
	if len(keys) > maxKeys {
		return nil, badInput("%d keys, at most %d at once", len(keys), maxKeys)
	}
	out := make([]view.MetricComparison, len(keys))
	for i, key := range keys {
		out[i] = emptyMetric(key, len(c.IDs))
		if strings.HasSuffix(key, "*") {
			return nil, badInput("%q: keys are given in full here", key)
		}
		all, err := r.metricsOf(c.IDs, &key)
		if err != nil {
			return nil, err
		}
		for j, of := range all {
			if len(of) > 0 {
				setMetric(&out[i], j, &of[0])
			}
		}
	}
	return out, nil
}

func (r *resolver) commonMetrics(c *view.Comparison) ([]view.MetricComparison, error) {
	byKey := map[string]*view.MetricComparison{}
	count := map[string]int{}
	for i, id := range c.IDs {
		metrics, err := r.metrics(id, nil)
		if err != nil {
			return nil, err
		}
		for _, m := range metrics {
			if byKey[m.Key] == nil {
				byKey[m.Key] = ptr(emptyMetric(m.Key, len(c.IDs)))
			}
			count[m.Key]++
			setMetric(byKey[m.Key], i, &m)
		}
	}
	var out []view.MetricComparison
	for _, k := range slices.Sorted(maps.Keys(byKey)) {
		if count[k] >= 2 {
			out = append(out, *byKey[k])
		}
	}
	return out, nil
}

func emptyMetric(key string, n int) view.MetricComparison {
	return view.MetricComparison{
		Key: key, Last: make([]*event.Number, n), Min: make([]*event.Number, n), Max: make([]*event.Number, n), LastStep: make([]*int64, n),
	}
}

// setMetric points into m.
func setMetric(c *view.MetricComparison, i int, m *view.Metric) {
	c.Last[i], c.Min[i], c.Max[i] = (*event.Number)(&m.Last), (*event.Number)(&m.Min), (*event.Number)(&m.Max)
	c.LastStep[i] = &m.LastStep
}

type scoreKey struct{ suite, task, metric string }

// compareScores takes each run's score at its highest judged step.
func (r *resolver) compareScores(runs []event.RunID) ([]view.ScoreComparison, error) {
	byKey := map[scoreKey]*view.ScoreComparison{}
	var keys []scoreKey
	for i, id := range runs {
		list, err := r.Model.Evaluations(readmodel.EvaluationFilter{Of: id})
		if err != nil {
			return nil, err
		}
		// The same step may be judged by two versions of a suite: the later verdict counts.
		slices.SortStableFunc(list, func(a, b readmodel.Evaluation) int {
			return cmp.Or(cmp.Compare(a.Step, b.Step), cmp.Compare(a.Seq, b.Seq))
		})
		for _, e := range list {
			for _, s := range e.Scores {
				k := scoreKey{e.Suite, s.Task, s.Metric}
				c := byKey[k]
				if c == nil {
					n := len(runs)
					c = &view.ScoreComparison{
						Suite: e.Suite, Task: s.Task, Metric: s.Metric, HigherIsBetter: s.Higher,
						Values: make([]*event.Number, n), Stderr: make([]*event.Number, n), Steps: make([]*int64, n),
					}
					byKey[k] = c
					keys = append(keys, k)
				}
				c.Values[i], c.Stderr[i], c.Steps[i] = ptr(s.Value), s.Stderr, ptr(e.Step)
			}
		}
	}
	slices.SortFunc(keys, func(a, b scoreKey) int {
		return cmp.Or(cmp.Compare(a.suite, b.suite), cmp.Compare(a.task, b.task), cmp.Compare(a.metric, b.metric))
	})
	out := make([]view.ScoreComparison, len(keys))
	for i, k := range keys {
		out[i] = *byKey[k]
	}
	return out, nil
}
