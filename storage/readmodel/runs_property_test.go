package readmodel_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
	"millrace/storage/readmodel/where"
)

// there is a value that is there but compares with nothing.
type there struct{}

// naive answers questions the slow way: from whole runs, their nested configurations and their points.
type naive struct {
	t *rapid.T
	*readmodel.Model
}

func (n naive) must(err error) {
	if err != nil {
		n.t.Fatal(err)
	}
}

// values are those of a field; elements are those of a list in the configuration.
func (n naive) values(r readmodel.Run, f where.Field) (values, elements []any) {
	words := func(list ...string) {
		for _, s := range list {
			if s != "" {
				values = append(values, s)
			}
		}
	}
	moment := func(at time.Time) {
		if !at.IsZero() {
			values = append(values, at.Truncate(time.Microsecond))
		}
	}
	updated := r.UpdatedAt
	if r.HeartbeatAt.After(updated) {
		updated = r.HeartbeatAt
	}
	switch f.Name {
	case where.ID:
		words(string(r.ID))
	case where.RunName:
		words(r.Name)
	case where.Kind:
		words(string(cmp.Or(r.Kind, event.External)))
	case where.Status:
		words(string(r.Status))
	case where.Experiment:
		if r.Experiment != "" {
			x, err := n.Model.Experiment(r.Experiment)
			n.must(err)
			words(x.Name, string(r.Experiment))
		}
	case where.Note:
		words(r.Note)
	case where.By:
		words(r.By)
	case where.Worker:
		for _, a := range r.Attempts {
			words(string(a.Worker))
		}
	case where.Label:
		for _, l := range r.Labels {
			elements = append(elements, l)
		}
	case where.Tag:
		if v, ok := r.Tags[f.Key]; ok {
			values = append(values, v)
		}
	case where.Input:
		for _, in := range r.Spec.Inputs {
			if f.Key == "" || f.Key == in.Role {
				words(string(in.Digest), in.Name)
			}
		}
	case where.SpecDigest:
		words(string(r.SpecDigest))
	case where.Parent:
		if r.Branch != nil {
			words(string(r.Branch.From))
		}
	case where.Archived:
		values = append(values, r.Archived)
	case where.Starred:
		values = append(values, r.Starred)
	case where.Created:
		moment(r.CreatedAt)
	case where.Started:
		moment(r.StartedAt)
	case where.Ended:
		moment(r.EndedAt)
	case where.Updated:
		moment(updated)
	case where.Duration:
		if !r.StartedAt.IsZero() {
			values = append(values, r.Worked(r.HeartbeatAt).Seconds())
		}
	case where.Dollars, where.DeviceSeconds, where.Joules, where.Tokens, where.FLOPs:
		bill, err := n.RunCost(r.ID, time.Time{})
		n.must(err)
		if x, known := map[where.Name]float64{
			where.Dollars: bill.Dollars, where.DeviceSeconds: bill.DeviceSeconds, where.Joules: bill.Joules, where.Tokens: float64(bill.Tokens), where.FLOPs: bill.FLOPs,
		}[f.Name], len(r.Spent) > 0 && (f.Name != where.Joules || bill.JoulesKnown); known {
			values = append(values, x)
		}
	case where.Steps:
		switch {
		case r.Steps > 0:
			values = append(values, float64(r.Steps))
		case r.Progress != nil && r.Progress.Unit == "steps":
			values = append(values, float64(r.Progress.Done))
		}
	case where.Metric:
		if x, ok := n.metric(r.ID, f); ok {
			values = append(values, x)
		}
	case where.Config:
		raw, err := n.Config(r.ID)
		n.must(err)
		var tree any
		n.must(json.Unmarshal(raw, &tree))
		for _, name := range strings.Split(f.Key, ".") {
			object, _ := tree.(map[string]any)
			var ok bool
			if tree, ok = object[name]; !ok {
				return nil, nil
			}
		}
		switch x := tree.(type) {
		case float64, string, bool:
			values = append(values, x)
		default:
			values = append(values, there{})
			elements = scalars(x)
		}
	}
	return values, elements
}

// scalars are all that lie in a tree.
func scalars(x any) (out []any) {
	switch x := x.(type) {
	case []any:
		for _, v := range x {
			out = append(out, scalars(v)...)
		}
	case map[string]any:
		for _, v := range x {
			out = append(out, scalars(v)...)
		}
	case float64, string, bool:
		out = append(out, x)
	}
	return out
}

// metric is read from the points: steps of a key are sorted by step, time and bits over all writers.
func (n naive) metric(run event.RunID, f where.Field) (float64, bool) {
	series, err := n.Series(run, readmodel.SeriesQuery{Keys: []string{f.Key}})
	n.must(err)
	type point struct {
		step, time int64
		value      float64
	}
	var all []point
	for _, s := range series {
		for i := range s.Steps {
			if f.Stat != where.StatAt || s.Steps[i] == f.Step {
				all = append(all, point{s.Steps[i], s.Times[i], s.Values[i]})
			}
		}
	}
	if len(all) == 0 {
		return 0, false
	}
	slices.SortFunc(all, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.time, b.time), cmp.Compare(math.Float64bits(a.value), math.Float64bits(b.value)))
	})
	least, greatest := math.NaN(), math.NaN()
	for _, p := range all {
		if math.IsNaN(least) || p.value < least {
			least = p.value
		}
		if math.IsNaN(greatest) || p.value > greatest {
			greatest = p.value
		}
	}
	switch f.Stat {
	case where.StatFirst:
		return all[0].value, true
	case where.StatMin:
		return least, true
	case where.StatMax:
		return greatest, true
	}
	return all[len(all)-1].value, true
}

func constantOf(v where.Value) any {
	switch v.Kind {
	case where.Number:
		return v.Number
	case where.Bool:
		return v.Bool
	case where.Time:
		return v.Time
	}
	return v.Word
}

func equalAny(a, b any) bool {
	x, ok := a.(float64)
	y, ok2 := b.(float64)
	if at, isTime := a.(time.Time); isTime {
		other, isTime := b.(time.Time)
		return isTime && at.Equal(other)
	}
	return a == b || ok && ok2 && math.IsNaN(x) && math.IsNaN(y)
}

func (n naive) holds(r readmodel.Run, e where.Expr) bool {
	switch e := e.(type) {
	case where.And:
		return !slices.ContainsFunc(e, func(x where.Expr) bool { return !n.holds(r, x) })
	case where.Or:
		return slices.ContainsFunc(e, func(x where.Expr) bool { return n.holds(r, x) })
	case where.Not:
		return !n.holds(r, e.Of)
	case where.Words:
		text := r.Name + "\n" + r.Note + "\n" + string(r.ID)
		for k, v := range r.Tags {
			text += "\n" + k + "=" + v
		}
		text += "\n" + strings.Join(r.Labels, "\n")
		if r.Experiment != "" {
			x, err := n.Model.Experiment(r.Experiment)
			n.must(err)
			text += "\n" + x.Name
		}
		return !slices.ContainsFunc(strings.Fields(strings.ToLower(e.Text)), func(w string) bool { return !strings.Contains(strings.ToLower(text), w) })
	}
	c := e.(where.Compare)
	switch c.Op {
	case where.NotEqual:
		return !n.holds(r, where.Compare{Field: c.Field, Op: where.Equal, Values: c.Values})
	case where.NotIn:
		return !n.holds(r, where.Compare{Field: c.Field, Op: where.In, Values: c.Values})
	case where.NotContains:
		return !n.holds(r, where.Compare{Field: c.Field, Op: where.Contains, Values: c.Values})
	}
	values, elements := n.values(r, c.Field)
	if c.Field.Name == where.Label && c.Op != where.Contains {
		values = elements
	}
	fits := func(v any) bool {
		if c.Op == where.Exists {
			return true
		}
		for _, given := range c.Values {
			if c.Field.Name == where.Kind || c.Field.Name == where.Status {
				given.Word = strings.ToLower(given.Word)
			}
			w := constantOf(given)
			order, comparable := 0, false
			switch x := v.(type) {
			case float64:
				if y, ok := w.(float64); ok && !math.IsNaN(x) && !math.IsNaN(y) {
					order, comparable = cmp.Compare(x, y), true
				}
			case string:
				if y, ok := w.(string); ok {
					order, comparable = strings.Compare(x, y), true
				}
			case time.Time:
				if y, ok := w.(time.Time); ok {
					order, comparable = x.Compare(y), true
				}
			}
			ok := false
			switch c.Op {
			case where.Equal, where.In:
				ok = equalAny(v, w)
			case where.Less:
				ok = comparable && order < 0
			case where.AtMost:
				ok = comparable && order <= 0
			case where.Greater:
				ok = comparable && order > 0
			case where.AtLeast:
				ok = comparable && order >= 0
			case where.Contains:
				x, isText := v.(string)
				y, isPart := w.(string)
				ok = isText && isPart && strings.Contains(strings.ToLower(x), strings.ToLower(y))
			}
			if ok {
				return true
			}
		}
		return false
	}
	if slices.ContainsFunc(values, fits) {
		return true
	}
	return c.Op == where.Contains && slices.ContainsFunc(elements, func(v any) bool { return equalAny(v, constantOf(c.Values[0])) })
}

// sortValue is a run's value in an order, nil for none.
func (n naive) sortValue(r readmodel.Run, f where.Field) any {
	values, elements := n.values(r, f)
	if f.Name == where.Label {
		values = elements
	}
	if len(values) == 0 {
		return nil
	}
	switch x := values[0].(type) {
	case there:
		return nil
	case float64:
		if math.IsNaN(x) {
			return nil
		}
	}
	return values[0]
}

func rank(v any) int {
	switch v.(type) {
	case float64:
		return 0
	case bool:
		return 1
	case string:
		return 2
	}
	return 3
}

func (n naive) compare(a, b readmodel.Run, by []where.Sort) int {
	for _, s := range by {
		x, y := n.sortValue(a, s.Field), n.sortValue(b, s.Field)
		if (x == nil) != (y == nil) {
			if x == nil {
				return 1
			}
			return -1
		}
		if x == nil {
			continue
		}
		c := cmp.Compare(rank(x), rank(y))
		if c == 0 {
			switch x := x.(type) {
			case float64:
				c = cmp.Compare(x, y.(float64))
			case bool:
				if x != y.(bool) {
					c = 1
					if !x {
						c = -1
					}
				}
			case string:
				c = strings.Compare(strings.ToLower(x), strings.ToLower(y.(string)))
			case time.Time:
				c = x.Compare(y.(time.Time))
			}
		}
		if s.Desc {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	c := cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Seq, b.Seq))
	if len(by) > 0 && by[0].Desc {
		c = -c
	}
	return c
}

var (
	someRuns   = []event.RunID{"a", "b", "c", "d", "e", "f", "g", "h"}
	someWords  = []string{"", "alpha", "Beta", "beta gamma", "x", "train", "running", "finished", "a", "w1", "question", "X", "big", "é"}
	someConfig = []string{`{}`, `{"lr":0.1,"model":{"kind":"gpt2","n":2}}`, `{"lr":1e-1,"model":"none"}`, `{"lr":"fast","betas":[0.9,"x",{"deep":1}],"on":true}`,
		`{"model":{"kind":null,"n":4},"on":false,"long":"` + strings.Repeat("long ", 100) + `"}`, `{"a":{"b":{"c":1}},"betas":[]}`}
)

func somePaths() []string {
	return []string{"lr", "model", "model.kind", "model.n", "betas", "on", "a.b", "a.b.c", "long", "none"}
}

func someFact(t *rapid.T) event.Event {
	run := rapid.SampledFrom(someRuns).Draw(t, "run")
	word := func(what string) string { return rapid.SampledFrom(someWords).Draw(t, what) }
	number := func(what string) float64 {
		return rapid.SampledFrom([]float64{0, 1, 2, 3.5, -1, 1e9, math.NaN(), math.Inf(1)}).Draw(t, what)
	}
	switch rapid.IntRange(0, 13).Draw(t, "fact") {
	case 0, 1, 2:
		e := event.RunRequested{Run: run, Name: word("name"), By: word("by"), Experiment: event.ExperimentID(rapid.SampledFrom([]string{"", "X", "Y"}).Draw(t, "experiment")),
			Spec: event.Spec{Kind: rapid.SampledFrom([]event.RunKind{event.Train, event.Curate, event.External}).Draw(t, "kind"), Config: []byte(rapid.SampledFrom(someConfig).Draw(t, "config"))}}
		if rapid.Bool().Draw(t, "rich") {
			e.Tags, e.Labels = map[string]string{"team": word("tag"), "k": "v"}, []string{"big", "x"}
			e.Spec.Inputs = []event.Input{{Role: "dataset", Digest: "d", Name: "alpha"}, {Role: "tokenizer", Digest: "t"}}
			e.Branch, e.SpecDigest = &event.Branch{From: "a", Kind: event.Fork}, "s"
		}
		return e
	case 3:
		return event.RunStarted{Run: run, Attempt: rapid.IntRange(1, 2).Draw(t, "attempt"), Worker: event.WorkerID(word("worker"))}
	case 4:
		return event.RunEnded{Run: run, Attempt: 1, Status: event.Finished, Steps: rapid.Int64Range(0, 5).Draw(t, "steps")}
	case 5:
		return event.RunTagged{Run: run, Set: map[string]string{"team": word("tag")}, RemoveLabels: []string{"x"}, AddLabels: []string{word("label")}}
	case 6:
		note := word("note")
		return event.RunNoted{Run: run, Note: &note}
	case 7:
		return event.RunArchived{Run: run, Archived: rapid.Bool().Draw(t, "archived")}
	case 8:
		return event.RunStarred{Run: run, Starred: rapid.Bool().Draw(t, "starred")}
	case 9:
		joules := event.Number(7)
		e := event.ResourcesSpent{Run: run, Attempt: rapid.IntRange(1, 2).Draw(t, "attempt"), Worker: "w", Device: event.Device{Kind: "gpu", Name: "H100", Count: 1}, Seconds: event.Number(rapid.IntRange(0, 3).Draw(t, "seconds")), Tokens: 5}
		if rapid.Bool().Draw(t, "tells") {
			e.Joules = &joules
		}
		return e
	case 10:
		return event.ParamsLogged{Run: run, Params: []event.Param{{Path: rapid.SampledFrom(somePaths()).Draw(t, "path"), Value: []byte(rapid.SampledFrom([]string{`1`, `"x"`, `{"c":2}`, `[1,2]`}).Draw(t, "value"))}}}
	case 11:
		return event.RunProgressed{Run: run, Unit: "steps", Done: rapid.Int64Range(0, 9).Draw(t, "done")}
	case 12:
		if rapid.IntRange(0, 3).Draw(t, "really") == 0 {
			return event.PriceSet{Device: "gpu:*", PerHour: event.Number(rapid.IntRange(1, 9).Draw(t, "price")), From: "2026-01-01"}
		}
	}
	step := rapid.Int64Range(0, 4).Draw(t, "step")
	return event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: run, Writer: event.WriterID(rapid.SampledFrom([]string{"p", "q"}).Draw(t, "writer")), Series: []event.Series{
		{Key: "loss", Steps: []int64{step}, Times: []int64{step * 10}, Values: []float64{number("loss")}},
	}}}}
}

func someField(t *rapid.T) where.Field {
	f := where.Field{Name: rapid.SampledFrom(where.Names()).Draw(t, "field")}
	switch f.Name {
	case where.Tag:
		f.Key = rapid.SampledFrom([]string{"team", "k", "none"}).Draw(t, "key")
	case where.Config:
		f.Key = rapid.SampledFrom(somePaths()).Draw(t, "path")
	case where.Metric:
		f.Key = rapid.SampledFrom([]string{"loss", "loss", "none"}).Draw(t, "metric")
		f.Stat = rapid.SampledFrom([]where.Stat{"", where.StatLast, where.StatFirst, where.StatMin, where.StatMax, where.StatAt}).Draw(t, "stat")
		f.Step = rapid.Int64Range(0, 4).Draw(t, "at")
	case where.Input:
		f.Key = rapid.SampledFrom([]string{"", "dataset", "none"}).Draw(t, "role")
	}
	return f
}

func someExpr(t *rapid.T, depth int) where.Expr {
	kind := rapid.IntRange(0, 7).Draw(t, "expr")
	if depth == 0 {
		kind = max(kind, 3)
	}
	switch kind {
	case 0, 1:
		var list []where.Expr
		for range rapid.IntRange(0, 3).Draw(t, "parts") {
			list = append(list, someExpr(t, depth-1))
		}
		if kind == 0 {
			return where.And(list)
		}
		return where.Or(list)
	case 2:
		return where.Not{Of: someExpr(t, depth-1)}
	case 3:
		return where.Words{Text: rapid.SampledFrom(someWords).Draw(t, "text")}
	}
	c := where.Compare{Field: someField(t), Op: rapid.SampledFrom([]where.Op{
		where.Equal, where.NotEqual, where.Less, where.AtMost, where.Greater, where.AtLeast, where.Contains, where.NotContains, where.In, where.NotIn, where.Exists,
	}).Draw(t, "op")}
	n := 1
	switch c.Op {
	case where.Exists:
		n = 0
	case where.In, where.NotIn:
		n = rapid.IntRange(0, 3).Draw(t, "many")
	}
	for range n {
		v := where.Value{Kind: where.ValueKind(rapid.IntRange(0, 3).Draw(t, "kind"))}
		switch v.Kind {
		case where.Word:
			v.Word = rapid.SampledFrom(someWords).Draw(t, "word")
		case where.Number:
			v.Number = rapid.SampledFrom([]float64{0, 0.1, 1, 2, 3.5, 1e9, math.NaN(), math.Inf(1)}).Draw(t, "number")
		case where.Bool:
			v.Bool = rapid.Bool().Draw(t, "bool")
		case where.Time:
			v.Time = readmodeltest.Begin.Add(time.Duration(rapid.IntRange(-10, 500).Draw(t, "time")) * time.Second)
		}
		c.Values = append(c.Values, v)
	}
	return c
}

// TestAnswersAreTheNaiveOnes holds conditions, orders, pages and groups against the slow way, while facts come between the questions.
func TestAnswersAreTheNaiveOnes(t *testing.T) {
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
