package readmodel_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"millrace/cost"
	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
	"millrace/storage/readmodel/where"
)

func TestNotFound(t *testing.T) {
	l := readmodeltest.Start(t)
	d := event.DigestOf(nil)
	for what, err := range map[string]error{
		"run":        second(l.Run("x")),
		"deletion":   second(l.Deletion("x")),
		"config":     second(l.Config("x")),
		"params":     second(l.Params("x")),
		"keys":       second(l.Keys("x")),
		"series":     second(l.Series("x", readmodel.SeriesQuery{})),
		"points":     second(l.Points("x", readmodel.PointsQuery{})),
		"lines":      second(l.Lines("x", "", 0, 0)),
		"rows":       second(l.Rows("x", "", 0, 0)),
		"texts":      second(l.Texts("x", "", 0)),
		"artifacts":  second(l.Artifacts("x")),
		"alerts":     second(l.Alerts("x", 0)),
		"defined":    second(l.MetricDefinitions("x")),
		"checkpoint": second(l.LastCheckpoint("x")),
		"experiment": second(l.Experiment("x")),
		"by name":    second(l.ExperimentByName("x")),
		"dataset":    second(l.Dataset(d)),
		"alias":      second(l.Alias("x", "best")),
		"rule":       second(l.Rule("x")),
		"cost":       second(l.RunCost("x", time.Time{})),
		"costs":      second(l.ExperimentCost("x", time.Time{})),
		"compare":    second(l.Compare([]event.RunID{"x", "y"})),
	} {
		if !errors.Is(err, readmodel.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", what, err)
		}
	}
	by := func(f where.Field) error {
		return second(l.Runs(context.Background(), nil, []where.Sort{{Field: f}}, "", 1))
	}
	bad := func(e where.Expr) error { return second(l.Runs(context.Background(), e, nil, "", 1)) }
	var deep where.Expr = where.And{}
	for range 100 {
		deep = where.Not{Of: deep}
	}
	var wide where.And
	for i := range 40 {
		wide = append(wide, where.Compare{Field: where.Field{Name: where.Config, Key: fmt.Sprint(i)}, Op: where.Exists})
	}
	for what, err := range map[string]error{
		"compare one":     second(l.Compare([]event.RunID{"x"})),
		"cursor":          second(l.Runs(context.Background(), nil, nil, "%%%", 1)),
		"operator":        bad(where.Compare{Field: where.Field{Name: where.RunName}, Op: "=~", Values: []where.Value{{Word: "x"}}}),
		"no value":        bad(where.Compare{Field: where.Field{Name: where.RunName}, Op: where.Equal}),
		"no field":        bad(where.Compare{Field: where.Field{Name: "size"}, Op: where.Exists}),
		"no path":         bad(where.Compare{Field: where.Field{Name: where.Config}, Op: where.Exists}),
		"no number":       bad(where.Compare{Field: where.Field{Name: where.Metric, Key: "x", Stat: "middle"}, Op: where.Exists}),
		"too deep":        bad(deep),
		"too many":        bad(wide),
		"too many words":  bad(where.Words{Text: strings.Repeat("a ", 65)}),
		"order by size":   by(where.Field{Name: "size"}),
		"order by no key": by(where.Field{Name: where.Metric}),
		"too many keys":   second(l.Runs(context.Background(), nil, make([]where.Sort, 9), "", 1)),
	} {
		if !errors.Is(err, readmodel.ErrBadQuery) {
			t.Errorf("%s: %v, want ErrBadQuery", what, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.CountRuns(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("counting for nobody: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestFound(t *testing.T) {
	l := readmodeltest.Start(t)
	for _, e := range event.Examples() {
		switch e.(type) {
		case event.RunDeleted, event.DatasetDeleted, event.ExperimentDeleted:
		default:
			l.Tell(e)
		}
	}
	const run, x = event.RunID("01HZX3V9M8Q4T6W2Y5B7C9D1FE"), event.ExperimentID("01HZX3V9M8Q4T6W2Y5B7C9D1EX")
	r, err := l.Run(run)
	if err != nil || r.Worker() != "laptop-training-1" || r.Environment() == nil || r.Environment().CPU != "Xeon" {
		t.Errorf("run %+v, error %v", r, err)
	}
	if (readmodel.Run{}).Worker() != "" || (readmodel.Run{}).Environment() != nil {
		t.Error("a run that never started has no worker and no environment")
	}
	if e, err := l.Experiment(x); err != nil || e.Name != "baseline" {
		t.Errorf("experiment %+v, error %v", e, err)
	}
	if e, err := l.ExperimentByName("baseline"); err != nil || e.ID != x {
		t.Errorf("experiment by name %+v, error %v", e, err)
	}
	if d, err := l.Dataset(event.DigestOf([]byte("example"))); err != nil || d.Name != "go-docs" || d.VocabSize != 4096 {
		t.Errorf("dataset %+v, error %v", d, err)
	}
	if a, err := l.Alias(x, "best"); err != nil || a.Run != run || a.Step != 200 {
		t.Errorf("alias %+v, error %v", a, err)
	}
	if got, want := len(l.Book()), len(cost.Default())+1; got != want {
		t.Errorf("%d lines in the price book, want %d", got, want)
	}
	if _, err := l.Rule("01HZX3V9M8Q4T6W2Y5B7C9D1RU"); !errors.Is(err, readmodel.ErrNotFound) {
		t.Errorf("a removed rule: %v", err)
	}
}

// TestSeveralWritersAnswerOnce: one number of a run whose metric several writers logged, in several contexts.
func TestSeveralWritersAnswerOnce(t *testing.T) {
	l := readmodeltest.Start(t)
	one := func(writer event.WriterID, context string, step int64, value float64) {
		l.Tell(event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: "r", Writer: writer, Series: []event.Series{
			{Key: "loss", Context: context, Steps: []int64{step}, Times: []int64{step}, Values: []float64{value}},
		}}}})
	}
	one("rank-0", "", 1, 5)
	one("rank-1", "", 3, 4)
	one("rank-2", "", 2, 3)
	one("rank-0", `{"subset":"val"}`, 9, 100)
	for _, c := range []struct {
		stat where.Stat
		step int64
		want float64
	}{
		{"", 0, 100}, {where.StatLast, 0, 100}, {where.StatFirst, 0, 5}, {where.StatMin, 0, 3}, {where.StatMax, 0, 100},
		{where.StatAt, 1, 5}, {where.StatAt, 2, 3}, {where.StatAt, 9, 100},
	} {
		loss := where.Field{Name: where.Metric, Key: "loss", Stat: c.stat, Step: c.step}
		p, err := l.Runs(context.Background(), where.Compare{Field: loss, Op: where.Equal, Values: []where.Value{{Kind: where.Number, Number: c.want}}}, nil, "", 1)
		if err != nil || p.Total != 1 {
			t.Errorf("%q %d = %v: %d runs, error %v", c.stat, c.step, c.want, p.Total, err)
		}
	}
	p, err := l.Runs(context.Background(), where.Compare{Field: where.Field{Name: where.Metric, Key: "loss", Stat: where.StatAt, Step: 4}, Op: where.Exists}, nil, "", 1)
	if err != nil || p.Total != 0 {
		t.Errorf("at a step that nobody logged: %d runs, error %v", p.Total, err)
	}
}

func TestCompareInputsOfOneRole(t *testing.T) {
	l := readmodeltest.Start(t)
	a, b, c := event.DigestOf([]byte("a")), event.DigestOf([]byte("b")), event.DigestOf([]byte("c"))
	for run, second := range map[event.RunID]event.Digest{"x": b, "y": c} {
		l.Tell(event.RunRequested{Run: run, Spec: event.Spec{Kind: event.Train, Config: []byte("{}"), Inputs: []event.Input{{Role: "dataset", Digest: a}, {Role: "dataset", Digest: second}, {Role: "tokenizer", Digest: a}}}})
	}
	got, err := l.Compare([]event.RunID{"x", "y"})
	if err != nil || len(got.Inputs) == 0 {
		t.Fatalf("%+v, error %v", got, err)
	}
	seen := map[string]bool{}
	for _, d := range got.Inputs {
		if d.Path != "dataset" && d.Path != "dataset.2" {
			t.Errorf("%q differs", d.Path)
		}
		for _, v := range d.Values {
			seen[string(v)] = true
		}
	}
	if !seen[strconv.Quote(string(b))] || !seen[strconv.Quote(string(c))] {
		t.Errorf("differences %+v do not show both datasets", got.Inputs)
	}
}

// flat is flattening done with encoding/json.
func flat(into map[string]string, path string, v any) {
	join := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	switch v := v.(type) {
	case map[string]any:
		for k, child := range v {
			flat(into, join(k), child)
		}
		if len(v) > 0 {
			return
		}
	case []any:
		for i, child := range v {
			flat(into, join(strconv.Itoa(i)), child)
		}
		if len(v) > 0 {
			return
		}
	}
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	if path != "" {
		into[path] = string(raw)
	}
}

// TestConfigLikeJSON compares the flattening of configs, by way of Compare with an empty one, with encoding/json's reading of them.
func TestConfigLikeJSON(t *testing.T) {
	name := rapid.OneOf(rapid.StringMatching(`[a-z]{1,4}`), rapid.SampledFrom([]string{"é", `q"uote`, `back\slash`, "line\nbreak", "{", "]", ","}))
	leaf := rapid.OneOf(
		rapid.Map(name, func(s string) any { return s }), rapid.Map(rapid.IntRange(-1000, 1000), func(i int) any { return float64(i) }),
		rapid.SampledFrom([]any{true, false, nil, map[string]any{}, []any{}, 0.25, 1e300}),
	)
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		if depth == 0 {
			return leaf
		}
		return rapid.OneOf(leaf,
			rapid.Map(rapid.MapOfN(name, value(depth-1), 0, 4), func(m map[string]any) any { return m }),
			rapid.Map(rapid.SliceOfN(value(depth-1), 0, 3), func(l []any) any { return l }))
	}
	l := readmodeltest.Start(t)
	l.Tell(event.RunRequested{Run: "none", Spec: event.Spec{Kind: event.Train, Config: []byte("{}")}})
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		tree := rapid.MapOfN(name, value(3), 0, 5).Draw(rt, "tree")
		raw, err := json.MarshalIndent(tree, " ", "\t")
		if err != nil {
			rt.Fatal(err)
		}
		n++
		run := event.RunID(fmt.Sprint("run-", n))
		l.Tell(event.RunRequested{Run: run, Spec: event.Spec{Kind: event.Train, Config: raw}})
		got, err := l.Compare([]event.RunID{run, "none"})
		if err != nil {
			rt.Fatal(err)
		}
		want := map[string]string{}
		flat(want, "", tree)
		is := map[string]string{}
		for _, d := range got.Config {
			is[d.Path] = string(d.Values[0])
		}
		if !maps.Equal(is, want) {
			rt.Fatalf("%s is %q, want %q", raw, is, want)
		}
	})
}

// TestPagesAreTheList: pages laid end to end are the list, whatever the order and the size of pages, while runs come and go.
func TestPagesAreTheList(t *testing.T) {
	l := readmodeltest.Start(t)
	for i := range 57 {
		run := event.RunID(fmt.Sprintf("r%02d", i))
		l.Tell(event.RunRequested{Run: run, Name: fmt.Sprint("name ", i%5), Spec: event.Spec{Kind: event.Train, Config: []byte(fmt.Sprintf(`{"lr":%d}`, i%7))}})
		if i%3 > 0 {
			l.Tell(frameOf(run, event.ByStep, event.Series{Steps: []int64{1}, Times: []int64{1}, Values: []float64{float64(i % 11)}}))
		}
	}
	// One fact brings several runs into being, of one moment: what decides between them is their ids.
	var born event.MetricsLogged
	for _, i := range []int{4, 0, 3, 1, 2} {
		born.Frames = append(born.Frames, event.Frame{Run: event.RunID(fmt.Sprint("twin-", i)), Writer: "w", Series: []event.Series{{
			Key: "loss", Steps: []int64{1}, Times: []int64{1}, Values: []float64{1}}}})
	}
	l.Tell(born)
	ctx := context.Background()
	loss, lr := where.Field{Name: where.Metric, Key: "loss"}, where.Field{Name: where.Config, Key: "lr"}
	for _, by := range [][]where.Field{nil, {{Name: where.Updated}}, {{Name: where.RunName}}, {{Name: where.Status}}, {loss}, {lr}, {{Name: where.Dollars}}, {{Name: where.Duration}}, {{Name: where.RunName}, loss}, {lr, {Name: where.ID}}} {
		for _, desc := range []bool{false, true} {
			var o []where.Sort
			for i, f := range by {
				o = append(o, where.Sort{Field: f, Desc: desc != (i == 1)})
			}
			whole, err := l.Runs(ctx, nil, o, "", 1000)
			if err != nil || len(whole.Runs) != whole.Total || whole.HasNext {
				t.Fatalf("%+v: %d of %d, error %v", o, len(whole.Runs), whole.Total, err)
			}
			for _, size := range []int{1, 7, 61, 62} {
				var ids []event.RunID
				for after := ""; ; {
					p, err := l.Runs(ctx, nil, o, after, size)
					if err != nil || p.Total != whole.Total || len(p.Runs) > size {
						t.Fatalf("%+v: page of %d of %d, error %v", o, len(p.Runs), p.Total, err)
					}
					for _, r := range p.Runs {
						ids = append(ids, r.ID)
					}
					if !p.HasNext {
						break
					}
					after = p.Cursors[len(p.Cursors)-1]
				}
				if !slices.EqualFunc(ids, whole.Runs, func(id event.RunID, r readmodel.Run) bool { return id == r.ID }) {
					t.Errorf("%+v in pages of %d: %v", o, size, ids)
				}
			}
		}
	}
	p, err := l.Runs(ctx, nil, nil, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	l.Tell(event.RunDeleted{Run: p.Runs[9].ID})
	if p, err = l.Runs(ctx, nil, nil, p.Cursors[9], 1); err != nil || p.Runs[0].ID != "r10" {
		t.Errorf("after the cursor of a deleted run: %v, error %v", p.Runs, err)
	}
}

// TestChangedRuns: whatever a page shows of a run counts as a change of it; what comes all the time does not.
func TestChangedRuns(t *testing.T) {
	l := readmodeltest.Start(t)
	l.Tell(event.RunRequested{Run: "r", Name: "r", Spec: event.Spec{Kind: event.Train}})
	l.Tell(event.RunRequested{Run: "other", Name: "other", Spec: event.Spec{Kind: event.Train}})
	digest := event.DigestOf([]byte("weights"))
	for _, fact := range []struct {
		event.Event
		counts bool
	}{
		{event.RunStarted{Run: "r", Attempt: 1, Worker: "w"}, true},
		{event.RunProgressed{Run: "r", Done: 1, Total: 2, Unit: "steps"}, true},
		{frameOf("r", event.ByStep, event.Series{Steps: []int64{1}, Times: []int64{1}, Values: []float64{1}}), false},
		{event.LinesLogged{Run: "r", Lines: []string{"hello"}}, false},
		{event.RunHeartbeat{Run: "r", Writer: "w"}, false},
		{event.CheckpointSaved{Run: "r", Step: 1, Checkpoint: digest}, true},
		{event.RunEnded{Run: "r", Status: event.Finished}, true},
		{event.EvaluationCompleted{Of: "r", Step: 1, Checkpoint: digest, Suite: "tiny"}, true},
		{event.AliasSet{Experiment: "x", Alias: "best", Run: "r"}, true},
		{event.AliasRemoved{Experiment: "x", Alias: "best"}, true},
		{event.RunNoted{Run: "r", Note: ptr("good")}, true},
		{carried(t, "r", event.TextLogged{Run: "r", Key: "sample", Text: "once"}, event.LinesLogged{Run: "r", First: 1, Lines: []string{"there"}}), true},
		{carried(t, "r", event.LinesLogged{Run: "r", First: 2, Lines: []string{"was"}}), false},
	} {
		since := l.Cursor().Applied
		l.Tell(fact.Event)
		changed, upTo, err := l.ChangedRuns(context.Background(), nil, since)
		if err != nil || upTo != since+1 {
			t.Fatalf("%T: up to %d after %d, error %v", fact.Event, upTo, since, err)
		}
		if got := len(changed) == 1 && changed[0].ID == "r"; got != fact.counts || len(changed) > 1 {
			t.Errorf("%T: %d runs changed, want that it counts: %v", fact.Event, len(changed), fact.counts)
		}
	}
}

func ExampleModel_Runs() {
	dir, done := tempDir()
	defer done()
	m, err := readmodel.Open(dir+"/model.db", readmodel.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = m.Close() }()
	for i, lr := range []float64{0.1, 0.01, 0.001} {
		err := m.Apply(event.Envelope{Seq: uint64(i + 1), Event: event.RunRequested{
			Run: event.RunID(fmt.Sprint("run-", i)), Spec: event.Spec{Kind: event.Train, Config: []byte(fmt.Sprintf(`{"optim":{"lr":%v}}`, lr))},
		}})
		if err != nil {
			fmt.Println(err)
		}
	}
	lr := where.Field{Name: where.Config, Key: "optim.lr"}
	page, err := m.Runs(context.Background(),
		where.Compare{Field: lr, Op: where.Less, Values: []where.Value{{Kind: where.Number, Number: 0.05}}},
		[]where.Sort{{Field: lr}}, "", 10)
	for _, r := range page.Runs {
		fmt.Println(r.ID, r.Status)
	}
	fmt.Println(page.Total, err)
	// Output:
	// run-2 pending
	// run-1 pending
	// 2 <nil>
}

// carried packs facts of a run into one.
func carried(t *testing.T, run event.RunID, facts ...event.Event) event.BatchLogged {
	t.Helper()
	b := event.BatchLogged{Run: run}
	for _, f := range facts {
		p, err := event.Pack(f)
		if err != nil {
			t.Fatal(err)
		}
		b.Facts = append(b.Facts, p)
	}
	return b
}
