package readmodel_test

import (
	"math"
	"strings"
	"time"

	"pgregory.net/rapid"

	"millrace/event"
	"millrace/storage/readmodel/readmodeltest"
	"millrace/storage/readmodel/where"
)

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
	if kind == 4 { // numbers of columns, which are compared by themselves
		return where.Compare{
			Field:  rapid.SampledFrom([]where.Field{{Name: where.Config, Key: "lr"}, {Name: where.Metric, Key: "loss"}}).Draw(t, "column"),
			Op:     rapid.SampledFrom([]where.Op{where.Less, where.AtMost, where.Greater, where.AtLeast}).Draw(t, "order"),
			Values: []where.Value{{Kind: where.Number, Number: rapid.SampledFrom([]float64{0, 0.1, 1, 2, 3.5, math.NaN()}).Draw(t, "bound")}},
		}
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
