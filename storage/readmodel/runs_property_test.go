package readmodel_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
	"millrace/storage/readmodel/where"
)

// TestAnswersAreTheNaiveOnes holds conditions, orders, pages and groups against the slow way, while facts come between the questions.
func TestAnswersAreTheNaiveOnes(t *testing.T) {
	readmodel.SiftRows(t, 3) // there are few runs
	l := readmodeltest.Start(t)
	l.Tell(event.ExperimentCreated{Experiment: "X", Name: "the Question"})
	ctx := context.Background()
	asked := 0
	rapid.Check(t, func(rt *rapid.T) {
		n := naive{rt, l.Model}
		for range rapid.IntRange(1, 10).Draw(rt, "facts") {
			l.Tell(someFact(rt))
		}
		if asked++; asked%40 == 0 {
			l.Reopen()
			n.Model = l.Model
		}
		e := someExpr(rt, 3)
		var by []where.Sort
		for range rapid.IntRange(0, 3).Draw(rt, "keys") {
			by = append(by, where.Sort{Field: someField(rt), Desc: rapid.Bool().Draw(rt, "desc")})
		}
		var want []readmodel.Run
		for _, id := range someRuns {
			if r, err := l.Run(id); err == nil && n.holds(r, e) {
				want = append(want, r)
			}
		}
		slices.SortFunc(want, func(a, b readmodel.Run) int { return n.compare(a, b, by) })
		var got []readmodel.Run
		size := rapid.IntRange(1, 4).Draw(rt, "size")
		for after := ""; ; {
			p, err := l.Runs(ctx, e, by, after, size)
			n.must(err)
			if p.Total != len(want) || len(p.Runs) > size || len(p.Runs) != len(p.Cursors) {
				rt.Fatalf("%s: %d of %d, want %d in all", where.Print(e), len(p.Runs), p.Total, len(want))
			}
			got = append(got, p.Runs...)
			if !p.HasNext {
				break
			}
			after = p.Cursors[len(p.Cursors)-1]
		}
		ids := func(list []readmodel.Run) (out []event.RunID) {
			for _, r := range list {
				out = append(out, r.ID)
			}
			return out
		}
		if !slices.Equal(ids(got), ids(want)) {
			rt.Fatalf("%s by %+v: %v, want %v", where.Print(e), by, ids(got), ids(want))
		}
		field := rapid.SampledFrom([]where.Field{{Name: where.Kind}, {Name: where.Config, Key: "lr"}, {Name: where.Status}, {Name: where.Starred}}).Draw(rt, "group")
		groups := map[string]int{}
		for _, r := range want {
			groups[fmt.Sprint(n.sortValue(r, field))]++
		}
		found := map[string]int{}
		for after := ""; ; {
			p, err := l.GroupRuns(ctx, e, []where.Field{field}, []where.Field{{Name: where.Steps}}, after, 1)
			n.must(err)
			for _, g := range p.Groups {
				key := fmt.Sprint(nil)
				if g.Keys[0] != nil {
					key = fmt.Sprint(constantOf(*g.Keys[0]))
				}
				found[key] += g.Count
			}
			if !p.HasNext {
				break
			}
			after = p.Cursors[0]
		}
		if !maps.Equal(groups, found) {
			rt.Fatalf("%s by %v: groups %v, want %v", where.Print(e), field, found, groups)
		}
	})
}

// TestSpread: the mean and the spread over a group are those of its runs.
func TestSpread(t *testing.T) {
	l := readmodeltest.Start(t)
	for i, v := range []float64{1, 2, 4, math.NaN()} {
		run := event.RunID(fmt.Sprint("r", i))
		l.Tell(event.RunRequested{Run: run, Labels: []string{"a", fmt.Sprint("odd-", i%2)}, Spec: event.Spec{Kind: event.Train, Config: []byte(`{"seed":1}`)}})
		l.Tell(frameOf(run, event.ByStep, event.Series{Steps: []int64{1}, Times: []int64{1}, Values: []float64{v}}))
	}
	loss := where.Field{Name: where.Metric, Key: "loss"}
	p, err := l.GroupRuns(context.Background(), nil, []where.Field{{Name: where.Config, Key: "seed"}}, []where.Field{loss}, "", 0)
	if err != nil || p.Total != 1 {
		t.Fatal(p, err)
	}
	s := p.Groups[0].Spreads[0]
	if s.Count != 3 || s.NaNs != 1 || math.Abs(s.Mean-7.0/3) > 1e-12 || s.Min != 1 || s.Max != 4 || math.Abs(s.Stddev-math.Sqrt(7.0/3)) > 1e-12 {
		t.Errorf("%+v", s)
	}
	if p, err = l.GroupRuns(context.Background(), nil, []where.Field{{Name: where.Label}}, nil, "", 0); err != nil || p.Total != 3 || p.Groups[0].Count != 4 || p.Groups[1].Count != 2 {
		t.Errorf("by label: %+v, error %v", p, err)
	}
	for _, by := range [][]where.Field{nil, make([]where.Field, 5), {{Name: "size"}}} {
		if _, err := l.GroupRuns(context.Background(), nil, by, nil, "", 0); err == nil {
			t.Errorf("grouped by %v", by)
		}
	}
}
