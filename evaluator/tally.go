package evaluator

import (
	"maps"
	"math"
	"slices"

	"millrace/event"
)

// tally gathers one metric's values, sample by sample.
type tally struct {
	all    []float64
	groups map[string][]float64
}

func (t *tally) add(group string, v float64) {
	t.all = append(t.all, v)
	if t.groups == nil {
		t.groups = map[string][]float64{}
	}
	t.groups[group] = append(t.groups[group], v)
}

// meanStderr is the mean of samples, and the sample standard deviation over √n; NaN of fewer than two.
func meanStderr(x []float64) (mean, stderr float64) {
	n := float64(len(x))
	mean = sum(x) / n
	if n < 2 {
		return mean, math.NaN()
	}
	squares := 0.0
	for _, v := range x {
		squares += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(squares / (n - 1) / n)
}

// pooled is the standard error of the mean over groups (lm-eval's pooled_sample_stderr): the variances of the groups' samples pooled, each
// with its n-1, over the number of all samples. NaN when every group has one sample only.
func pooled(groups map[string][]float64) float64 {
	variance, n := 0.0, 0.0
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		x := groups[name]
		size := float64(len(x))
		n += size
		if _, se := meanStderr(x); size > 1 {
			variance += (size - 1) * se * se * size
		}
	}
	return math.Sqrt(variance / (n - float64(len(groups))) / n)
}

// scores are the metric of all samples and, if they are of several groups, of each group and of each wider field: task/group. The whole is the
// mean weighted by the groups' sizes.
func (t *tally) scores(task, metric string, fieldOf func(string) string) []event.Score {
	one := func(name string, x []float64, groups map[string][]float64) event.Score {
		mean, se := meanStderr(x)
		if len(groups) > 1 {
			se = pooled(groups)
		}
		s := event.Score{Task: name, Metric: metric, Value: event.Number(mean), N: int64(len(x)), Higher: true}
		if !math.IsNaN(se) {
			n := event.Number(se)
			s.Stderr = &n
		}
		return s
	}
	out := []event.Score{one(task, t.all, t.groups)}
	if len(t.groups) < 2 {
		return out
	}
	fields := map[string]map[string][]float64{}
	for name, x := range t.groups {
		if f := fieldOf(name); f != "" {
			if fields[f] == nil {
				fields[f] = map[string][]float64{}
			}
			fields[f][name] = x
		}
	}
	for _, f := range slices.Sorted(maps.Keys(fields)) {
		var x []float64
		for _, name := range slices.Sorted(maps.Keys(fields[f])) {
			x = append(x, fields[f][name]...)
		}
		out = append(out, one(task+"/"+f, x, fields[f]))
	}
	for _, name := range slices.Sorted(maps.Keys(t.groups)) {
		out = append(out, one(task+"/"+name, t.groups[name], nil))
	}
	return out
}
