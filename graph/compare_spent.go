package graph

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strings"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// compareCosts tells what each run has spent; of one that was deleted meanwhile, what was read.
func (r *resolver) compareCosts(c *view.Comparison) (*gen.CostComparison, error) {
	runs, err := c.Runs()
	if err != nil {
		return nil, err
	}
	out := &gen.CostComparison{}
	for i := range runs {
		spent, err := r.runCost(&runs[i])
		if err != nil {
			return nil, err
		}
		out.Dollars = append(out.Dollars, event.Number(spent.Dollars))
		out.DeviceSeconds = append(out.DeviceSeconds, event.Number(spent.DeviceSeconds))
		out.Flops = append(out.Flops, event.Number(spent.FLOPs))
		out.Tokens = append(out.Tokens, spent.Tokens)
		var joules *event.Number
		if j := spent.Joules(); j != nil {
			joules = ptr(event.Number(*j))
		}
		out.Joules = append(out.Joules, joules)
	}
	return out, nil
}

// compareUsage sums up what each run's workers consumed.
func (r *resolver) compareUsage(c *view.Comparison) ([]*gen.UsageSummary, error) {
	if err := atMost(c, maxDetailed, "usage"); err != nil {
		return nil, err
	}
	out := make([]*gen.UsageSummary, len(c.IDs))
	for i, id := range c.IDs {
		all, err := r.Model.Series(id, readmodel.SeriesQuery{Keys: []string{"system/cpu_percent", "system/rss", "system/memory_used", "system/gpu.*"}})
		if errors.Is(err, readmodel.ErrNotFound) { // deleted meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		out[i] = usageSummary(all)
	}
	return out, nil
}

func usageSummary(all []readmodel.Series) *gen.UsageSummary {
	var cpu, rss, memory, busy, gpuMemory, watts gauge
	for _, s := range all {
		if !s.Sampled {
			continue
		}
		switch key := strings.TrimPrefix(s.Key, "system/"); {
		case key == "cpu_percent":
			cpu.add(s.Values)
		case key == "rss":
			rss.add(s.Values)
		case key == "memory_used":
			memory.add(s.Values)
		case strings.HasSuffix(key, ".percent"):
			busy.add(s.Values)
		case strings.HasSuffix(key, ".memory_used"):
			gpuMemory.add(s.Values)
		case strings.HasSuffix(key, ".watts"):
			watts.add(s.Values)
		}
	}
	if cpu.n == 0 {
		return nil
	}
	return &gen.UsageSummary{
		Samples: cpu.n, CPUPercent: cpu.told(), Rss: ptr(deref(rss.told())), MemoryUsed: ptr(deref(memory.told())),
		GpuPercent: busy.told(), GpuMemoryUsed: gpuMemory.told(), GpuWatts: watts.told(),
	}
}

// gauge is the mean and the highest of a number over time; NaN is left out.
type gauge struct {
	n        int64
	sum, max float64
}

func (g *gauge) add(list []float64) {
	for _, v := range list {
		if math.IsNaN(v) {
			continue
		}
		if g.n == 0 || v > g.max {
			g.max = v
		}
		g.n, g.sum = g.n+1, g.sum+v
	}
}

func (g *gauge) told() *gen.MeanMax {
	if g.n == 0 {
		return nil
	}
	return &gen.MeanMax{Mean: event.Number(g.sum / float64(g.n)), Max: event.Number(g.max)}
}

// sampleKey is a prompt and where it comes from.
type sampleKey struct{ source, prompt string }

// maxPrompts bounds how many prompts are laid side by side.
const maxPrompts = 200

// compareSamples lays side by side what the models wrote for the same prompt, the newest of each run.
func (r *resolver) compareSamples(c *view.Comparison) ([]gen.SampleComparison, error) {
	if err := atMost(c, maxDetailed, "samples"); err != nil {
		return nil, err
	}
	byKey := map[sampleKey]*gen.SampleComparison{}
	note := func(i int, k sampleKey, step int64, text string) {
		s := byKey[k]
		if s == nil {
			if len(byKey) == maxPrompts {
				return
			}
			s = &gen.SampleComparison{Source: k.source, Prompt: k.prompt, Texts: make([]*string, len(c.IDs)), Steps: make([]*int64, len(c.IDs))}
			byKey[k] = s
		}
		if s.Steps[i] == nil || step >= *s.Steps[i] {
			s.Texts[i], s.Steps[i] = &text, &step
		}
	}
	for i, id := range c.IDs {
		texts, err := r.Model.Texts(id, "", maxPrompts)
		if err != nil && !errors.Is(err, readmodel.ErrNotFound) {
			return nil, err
		}
		slices.Reverse(texts) // oldest first: of one step the last one counts
		for _, t := range texts {
			note(i, sampleKey{t.Key, t.Prompt}, t.Step, t.Text)
		}
		judged, err := r.Model.Evaluations(readmodel.EvaluationFilter{Of: id})
		if err != nil && !errors.Is(err, readmodel.ErrNotFound) {
			return nil, err
		}
		for _, e := range judged {
			for _, s := range e.Samples {
				note(i, sampleKey{e.Suite + "/" + s.Task, s.Prompt}, e.Step, s.Text)
			}
		}
	}
	out := make([]gen.SampleComparison, 0, len(byKey))
	for _, s := range byKey {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b gen.SampleComparison) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Prompt, b.Prompt))
	})
	return out, nil
}

// reproductions are the verdicts between the compared runs.
func reproductions(c *view.Comparison) ([]gen.ReproducedPair, error) {
	runs, err := c.Runs()
	out := []gen.ReproducedPair{}
	for i := range runs {
		if v := runs[i].Reproduction(); v != nil && slices.Contains(c.IDs, v.OfID) {
			out = append(out, gen.ReproducedPair{Run: &runs[i], Verdict: v})
		}
	}
	return out, err
}

// align lays metrics side by side along an axis.
func (r *resolver) align(ids []event.RunID, keys []string, axis readmodel.Axis, places *int) ([]gen.AlignedMetric, error) {
	n := 100
	switch {
	case len(keys) == 0 || len(keys) > 20:
		return nil, badInput("%d keys, want 1 to 20", len(keys))
	case places != nil && (*places < 1 || *places > maxPlaces):
		return nil, badInput("places is %d, want 1 to %d", *places, maxPlaces)
	case places != nil:
		n = *places
	}
	out := make([]gen.AlignedMetric, len(keys))
	for i, key := range keys {
		found, err := r.Model.Align(ids, key, axis, nil, n)
		if err != nil {
			return nil, err
		}
		out[i] = showAligned(found)
	}
	return out, nil
}

// showAligned is an alignment with nulls where there is nothing.
func showAligned(found readmodel.Alignment) gen.AlignedMetric {
	out := gen.AlignedMetric{Key: found.Key, X: asNumbers(found.X), Runs: make([]gen.AlignedRun, len(found.Runs))}
	for i, a := range found.Runs {
		run := gen.AlignedRun{Run: string(a.Run), Values: make([]*event.Number, len(found.X)), Steps: make([]*int64, len(found.X))}
		for k := range found.X {
			if a.Has[k] {
				run.Values[k], run.Steps[k] = ptr(event.Number(a.Values[k])), &a.Steps[k]
			}
		}
		if a.Missing != "" {
			run.Missing = &a.Missing
		}
		out.Runs[i] = run
	}
	return out
}

func asNumbers(list []float64) []event.Number {
	out := make([]event.Number, len(list))
	for i, v := range list {
		out[i] = event.Number(v)
	}
	return out
}
