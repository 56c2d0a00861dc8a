package graph

import (
	"cmp"
	"encoding/json"
	"slices"

	"millrace/event"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// compare puts runs side by side.
func (r *resolver) compare(ids []string) (*view.Comparison, error) {
	if len(ids) < 2 || len(ids) > maxCompared {
		return nil, badInput("%d runs, want 2 to %d to compare", len(ids), maxCompared)
	}
	asOf, now := r.Model.Cursor().Applied, r.Now()
	runs := make([]event.RunID, len(ids))
	for i, id := range ids {
		if _, err := r.mustRun(id); err != nil {
			return nil, err
		}
		runs[i] = event.RunID(id)
	}
	found, err := r.Model.Compare(runs)
	if err != nil {
		return nil, err
	}
	out := &view.Comparison{
		Environment: append(fields("", found.Environment), fields("code.", found.Code)...),
		Inputs:      fields("", found.Inputs),
	}
	for _, run := range found.Runs {
		out.Runs = append(out.Runs, view.Run{Run: run, At: now, AsOf: asOf})
	}
	for _, d := range found.Config {
		out.Config = append(out.Config, view.ConfigDifference{Path: d.Path, Values: d.Values})
	}
	if out.Metrics, err = r.compareMetrics(runs); err != nil {
		return nil, err
	}
	out.Scores, err = r.compareScores(runs)
	return out, err
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

func (r *resolver) compareMetrics(runs []event.RunID) ([]view.MetricComparison, error) {
	byKey := map[string]*view.MetricComparison{}
	count := map[string]int{}
	var keys []string
	for i, id := range runs {
		metrics, err := r.metrics(id, nil)
		if err != nil {
			return nil, err
		}
		for _, m := range metrics {
			c := byKey[m.Key]
			if c == nil {
				n := len(runs)
				c = &view.MetricComparison{
					Key: m.Key, Last: make([]*event.Number, n), Min: make([]*event.Number, n),
					Max: make([]*event.Number, n), LastStep: make([]*int64, n),
				}
				byKey[m.Key] = c
				keys = append(keys, m.Key)
			}
			count[m.Key]++
			c.Last[i], c.Min[i], c.Max[i] = ptr(event.Number(m.Last)), ptr(event.Number(m.Min)), ptr(event.Number(m.Max))
			c.LastStep[i] = &m.LastStep
		}
	}
	slices.Sort(keys)
	var out []view.MetricComparison
	for _, k := range keys {
		if count[k] >= 2 {
			out = append(out, *byKey[k])
		}
	}
	return out, nil
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
