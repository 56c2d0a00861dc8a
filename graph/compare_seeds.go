package graph

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// seeded tells whether a path of the configuration holds a seed: its last name is seed or seeds, or ends in _seed.
func seeded(path string) bool {
	name := strings.ToLower(path[strings.LastIndexByte(path, '.')+1:])
	return name == "seed" || name == "seeds" || strings.HasSuffix(name, "_seed")
}

// unseeded is what a run's spec comes to without its seeds, and where they are.
func (r *resolver) unseeded(run *view.Run) (key string, paths []string, err error) {
	config, err := r.Model.Config(run.ID)
	if err != nil {
		return "", nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(config))
	dec.UseNumber()
	var tree any
	if len(config) > 0 {
		if err := dec.Decode(&tree); err != nil {
			tree = string(config) // no JSON: as it is
		}
	}
	flat := values{}
	flatten(flat, "", tree)
	for path := range flat {
		if seeded(path) {
			paths = append(paths, path)
			delete(flat, path)
		}
	}
	spec := run.Run.Spec
	raw, err := json.Marshal(struct {
		Config values
		Spec   event.Spec
	}{flat, event.Spec{Kind: run.Kind(), Inputs: spec.Inputs, Engine: spec.Engine, Code: spec.Code, Config: json.RawMessage("null")}})
	return string(raw), paths, err
}

// seedGroups finds the runs that differ in nothing but their seed. Reproductions are left out: they say nothing new.
func (r *resolver) seedGroups(c *view.Comparison) ([]gen.SeedGroup, error) {
	if err := atMost(c, maxDiffered, "seeds"); err != nil {
		return nil, err
	}
	runs, err := c.Runs()
	if err != nil {
		return nil, err
	}
	members, paths := map[string][]int{}, map[string][]string{}
	var order []string
	for i := range runs {
		if b := runs[i].Branch; runs[i].Bare || b != nil && b.Kind == event.Reproduction { // nobody knows its spec; the same over again
			continue
		}
		key, at, err := r.unseeded(&runs[i])
		if errors.Is(err, readmodel.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if members[key] == nil {
			order = append(order, key)
		}
		if !slices.ContainsFunc(members[key], func(j int) bool { return c.IDs[j] == c.IDs[i] }) {
			members[key], paths[key] = append(members[key], i), append(paths[key], at...)
		}
	}
	out := []gen.SeedGroup{}
	scores, err := r.compareScores(c.IDs)
	if err != nil {
		return nil, err
	}
	for _, key := range order {
		if len(members[key]) < 2 {
			continue
		}
		at := paths[key]
		slices.Sort(at)
		g := gen.SeedGroup{Paths: slices.Compact(at), Metrics: []gen.Spread{}, Scores: []gen.Spread{}}
		for _, i := range members[key] {
			g.Runs = append(g.Runs, runs[i])
		}
		if g.Metrics, err = r.metricSpreads(runs, members[key]); err != nil {
			return nil, err
		}
		for _, s := range scores {
			if spread, ok := spreadOf(runs, members[key], s.Suite+"/"+s.Task+"/"+s.Metric, s.HigherIsBetter, func(i int) *event.Number { return s.Values[i] }); ok {
				g.Scores = append(g.Scores, spread)
			}
		}
		out = append(out, g)
	}
	return out, nil
}

// metricSpreads tells how far the last values of each metric spread. The best one is the lowest, unless the first run's experiment aims
// at the highest of that metric.
func (r *resolver) metricSpreads(runs []view.Run, members []int) ([]gen.Spread, error) {
	var objective *event.Objective
	if id := runs[members[0]].Experiment; id != "" {
		if x, err := r.Model.Experiment(id); err == nil {
			objective = x.Objective
		}
	}
	last := map[string]map[int]*event.Number{}
	for _, i := range members {
		metrics, err := r.metrics(runs[i].ID, nil)
		if err != nil {
			return nil, err
		}
		for _, m := range metrics {
			if strings.HasPrefix(m.Key, "eval/") { // scores, which know which way is better
				continue
			}
			if last[m.Key] == nil {
				last[m.Key] = map[int]*event.Number{}
			}
			last[m.Key][i] = ptr(event.Number(m.Last))
		}
	}
	out := []gen.Spread{}
	for key, of := range last {
		higher := objective != nil && objective.Metric == key && objective.Direction == "max"
		if s, ok := spreadOf(runs, members, key, higher, func(i int) *event.Number { return of[i] }); ok {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b gen.Spread) int { return cmp.Compare(a.Key, b.Key) })
	return out, nil
}

// spreadOf is mean, standard deviation (n-1) and extremes of one number, of which at least two of the runs must have one.
func spreadOf(runs []view.Run, members []int, key string, higher bool, value func(int) *event.Number) (s gen.Spread, ok bool) {
	var list []float64
	best := -1
	for _, i := range members {
		p := value(i)
		if p == nil || math.IsNaN(float64(*p)) {
			continue
		}
		v := float64(*p)
		list = append(list, v)
		if best < 0 || higher && v > float64(*value(best)) || !higher && v < float64(*value(best)) {
			best = i
		}
	}
	if len(list) < 2 {
		return s, false
	}
	mean, n := 0.0, float64(len(list))
	for _, v := range list {
		mean += v / n
	}
	square := 0.0
	for _, v := range list {
		square += (v - mean) * (v - mean)
	}
	return gen.Spread{
		Key: key, N: len(list), Mean: event.Number(mean), Std: event.Number(math.Sqrt(square / (n - 1))),
		Min: event.Number(slices.Min(list)), Max: event.Number(slices.Max(list)), Best: &runs[best],
	}, true
}
