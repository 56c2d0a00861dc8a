package readmodel_test

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
)

func ptr[T any](v T) *T { return &v }

func raw(s string) event.RawJSON { return event.RawJSON(s) }

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s\n got %+v\nwant %+v", what, got, want)
	}
}

// TestWhatMLflowMeans tells what MLflow's calls mean and reads all of it back: experiments with a number, params written once, points that
// are a set of (step, time, value), the latest of them, tags, data sets with their tags, files, registered models with stages and aliases,
// logged models, traces, deletion that can be taken back.
func TestWhatMLflowMeans(t *testing.T) {
	l := readmodeltest.Start(t)
	const run, model = event.RunID("01HZX3V9M8Q4T6W2Y5B7C9D1FE"), event.CollectionID("registered-lm")
	digest := event.DigestOf([]byte("weights"))
	seconds := func(steps, times []int64, values []float64) event.Event {
		return event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: run, Writer: "mlflow", Identity: event.ByContent, Series: []event.Series{{Key: "loss", Steps: steps, Times: times, Values: values}}}}}
	}
	l.Tell(event.ExperimentCreated{Experiment: "X", Name: "lm", Entity: "mlflow"})
	l.Tell(event.RunRequested{Run: run, Experiment: "X", Name: "bold-crab-1", By: "ada", Spec: event.Spec{Kind: event.External, Config: raw(`{}`)}, Tags: map[string]string{"mlflow.source.type": "LOCAL"}})
	l.Tell(event.ParamsLogged{Run: run, Params: []event.Param{{Path: "lr", Value: raw(`"0.1"`), Origin: "mlflow", WriteOnce: true}}})
	l.Tell(event.ParamsLogged{Run: run, Params: []event.Param{{Path: "lr", Value: raw(`"0.2"`), Origin: "mlflow", WriteOnce: true}}})
	// The same step twice with two values, a step that goes back, a repeat as a whole, a time that is older, and what is no number.
	l.Tell(seconds([]int64{5, 5, 1}, []int64{100, 200, 50}, []float64{2, 1.5, math.NaN()}))
	l.Tell(seconds([]int64{5, 5, 1}, []int64{100, 200, 50}, []float64{2, 1.5, math.NaN()}))
	l.Tell(seconds([]int64{5}, []int64{150}, []float64{math.Inf(1)}))
	l.Tell(event.InputLogged{Run: run, Role: "dataset", Name: "wiki", Digest: "6c2a01", Source: `{"path":"s3://lab/wiki"}`, Metadata: raw(`{"source_type":"s3","schema":"{}","profile":"{\"num_rows\":12}"}`), Tags: map[string]string{"mlflow.data.context": "training"}})
	l.Tell(event.ArtifactLogged{Run: run, Path: "model/MLmodel", Role: "model", File: event.File{Name: "MLmodel", Digest: digest, Size: 7, MD5: "1a79a4d60de6718e8e5b326e338ae533"}})
	l.Tell(event.CollectionSaved{Collection: model, Name: ptr("lm"), Kind: ptr("model"), Description: ptr("ours"), Set: map[string]string{"task": "lm"}})
	l.Tell(event.VersionSaved{Collection: model, Version: 1, Run: run, Path: "model", Object: digest, Size: 7, State: ptr("ready"), Description: ptr("first"), Set: map[string]string{"ok": "yes"}})
	l.Tell(event.VersionSaved{Collection: model, Version: 1, Stage: ptr("Production")})
	l.Tell(event.VersionSaved{Collection: model, Version: 2, Run: run, Path: "model", Object: digest})
	l.Tell(event.VersionAliased{Collection: model, Alias: "champion", Version: ptr(int64(1))})
	l.Tell(event.VersionAliased{Collection: model, Alias: "challenger", Version: ptr(int64(2))})
	l.Tell(event.VersionRemoved{Collection: model, Version: 2})
	l.Tell(event.SpansLogged{Experiment: "X", Trace: "tr-1", Spans: map[string]event.RawJSON{"b": raw(`{"name":"child"}`), "a": raw(`{"name":"root"}`)}})
	l.Tell(event.SpansLogged{Experiment: "X", Trace: "tr-1", Spans: map[string]event.RawJSON{"a": raw(`{"name":"root","end":2}`)}})
	l.Tell(event.RunEnded{Run: run, Attempt: 1, Status: event.Stopped}) // MLflow's KILLED
	l.Tell(event.RunArchived{Run: run, Archived: true})                 // its deletion can be taken back

	h, ok := run.Hex()
	back, ok2 := event.RunFromHex(h)
	if !ok || !ok2 || back != run {
		t.Errorf("run %s is %q for MLflow, and that is %q", run, h, back)
	}
	if x := must(l.Experiment("X")); x.Seq == 0 || x.Entity != "mlflow" {
		t.Errorf("an experiment has no number: %+v", x)
	}
	same(t, "params", must(l.Params(run)), []event.Param{{Path: "lr", Value: raw(`"0.1"`), Origin: "mlflow", WriteOnce: true}})
	series := must(l.Series(run, readmodel.SeriesQuery{Keys: []string{"loss"}}))
	if len(series) != 1 || !reflect.DeepEqual(series[0].Steps, []int64{1, 5, 5, 5}) || !reflect.DeepEqual(series[0].Times, []int64{50, 100, 150, 200}) {
		t.Fatalf("points: %+v", series)
	}
	if v := series[0].Values; !math.IsNaN(v[0]) || v[1] != 2 || !math.IsInf(v[2], 1) || v[3] != 1.5 {
		t.Errorf("values: %v", v)
	}
	in := must(l.Inputs(run))
	if len(in) != 1 || in[0].Digest != "6c2a01" || in[0].Tags["mlflow.data.context"] != "training" || string(in[0].Metadata) != `{"source_type":"s3","schema":"{}","profile":"{\"num_rows\":12}"}` {
		t.Errorf("inputs: %+v", in)
	}
	c := must(l.Collection(model))
	if c.Name != "lm" || c.Kind != "model" || c.Description != "ours" || c.Tags["task"] != "lm" || !reflect.DeepEqual(c.Aliases, map[string]int64{"champion": 1}) {
		t.Errorf("collection: %+v", c)
	}
	versions := must(l.Versions(model))
	if len(versions) != 1 || versions[0].Stage != "Production" || versions[0].Description != "first" || versions[0].Run != run || versions[0].Object != digest || versions[0].State != "ready" || versions[0].Tags["ok"] != "yes" {
		t.Errorf("versions: %+v", versions)
	}
	same(t, "spans", must(l.ExperimentSpans("X", "tr-1")), []readmodel.Span{{Trace: "tr-1", ID: "a", Span: raw(`{"name":"root","end":2}`)}, {Trace: "tr-1", ID: "b", Span: raw(`{"name":"child"}`)}})
	lineage := must(l.Lineage(readmodel.RunNode(run)))
	found := false
	for _, e := range lineage.Down {
		found = found || e.To == readmodel.CollectionNode(model, 1)
		if e.To == readmodel.CollectionNode(model, 2) {
			t.Error("a version that was removed is still there")
		}
	}
	if !found {
		t.Errorf("the run does not know its version: %+v", lineage.Down)
	}
	if r := must(l.Run(run)); !r.Archived || r.Status != event.Stopped {
		t.Errorf("run: %s, archived %v", r.Status, r.Archived)
	}
}

// TestWhatWandbMeans tells what W&B's calls mean and reads all of it back: a name of the user's own, a nested configuration that changes,
// raw rows by line, derived series, definitions of metrics, a summary, console lines written again, system rows, a run set
// aside by its machine, artifacts with versions, aliases, manifest and time to live, who used which, fork and rewind, alerts.
func TestWhatWandbMeans(t *testing.T) {
	l := readmodeltest.Start(t)
	const run, other, art = event.RunID("R1"), event.RunID("R2"), event.CollectionID("artifact-data")
	manifest := event.DigestOf([]byte(`{"version":1}`))
	l.Tell(event.RunRequested{Run: run, Experiment: "P", Name: "lunar-sweep-7", ForeignID: "abc 123/ü", Group: "sweep", JobType: "train", Note: "first", Labels: []string{"a"}, Spec: event.Spec{Kind: event.External, Config: raw(`{"model":{"layers":2}}`)}})
	l.Tell(event.RunRequested{Run: other, Experiment: "P", ForeignID: "abc 123/ü", Spec: event.Spec{Kind: event.External, Config: raw(`{}`)}, Branch: &event.Branch{From: run, Step: 3, Kind: event.Fork}})
	l.Tell(event.ParamsLogged{Run: run, Params: []event.Param{{Path: "model.layers", Value: raw(`4`), Origin: "wandb"}, {Path: "_wandb", Value: raw(`{"cli_version":"0.28","t":{"1":[2,3]}}`), Origin: "wandb"}}})
	l.Tell(event.RowsLogged{Run: run, Stream: "history", First: 0, Rows: []event.RawJSON{raw(`{"_step":0,"loss":1,"img":{"_type":"image-file","path":"a.png"}}`), raw(`{"_step":1,"loss":"NaN"}`)}})
	l.Tell(event.RowsLogged{Run: run, Stream: "history", First: 1, Rows: []event.RawJSON{raw(`{"_step":1,"loss":"NaN"}`)}})
	l.Tell(event.RowsLogged{Run: run, Stream: "system", First: 0, Rows: []event.RawJSON{raw(`{"system.cpu":12.5}`)}})
	l.Tell(event.MetricDefined{Run: run, Key: "loss*", Summary: []string{"min", "last"}, Goal: "min", StepKey: "epoch", Hidden: true})
	l.Tell(event.SummaryLogged{Run: run, Values: map[string]event.RawJSON{"loss": raw(`0.5`), "best.epoch": raw(`7`), "gone": raw(`1`)}})
	l.Tell(event.SummaryLogged{Run: run, Values: map[string]event.RawJSON{"loss": raw(`0.25`)}, Remove: []string{"gone"}})
	l.Tell(event.LinesLogged{Run: run, Stream: "stderr/rank1", First: 0, Lines: []string{"10%", "end"}})
	l.Tell(event.LinesLogged{Run: run, Stream: "stderr/rank1", First: 0, Lines: []string{"100%"}})
	l.Tell(event.RunHeartbeat{Run: run, Writer: "w", State: "preempting"})
	l.Tell(event.CollectionSaved{Collection: art, Experiment: "P", Entity: "lab", Name: ptr("data"), Kind: ptr("dataset")})
	l.Tell(event.VersionSaved{Collection: art, Version: 0, Run: run, Object: manifest, Size: 13, State: ptr("pending")})
	l.Tell(event.VersionSaved{Collection: art, Version: 0, State: ptr("ready"), AddLabels: []string{"clean", "big"}, Metadata: raw(`{"rows":12}`), TTLSeconds: ptr(int64(86400))})
	l.Tell(event.VersionSaved{Collection: art, Version: 0, RemoveLabels: []string{"big"}})
	for _, alias := range []string{"latest", "v0"} {
		l.Tell(event.VersionAliased{Collection: art, Alias: alias, Version: ptr(int64(0))})
	}
	l.Tell(event.InputLogged{Run: other, Role: "artifact", Name: "data:latest", Collection: art, Version: ptr(int64(0))})
	l.Tell(event.AlertRaised{Run: run, Level: "WARN", Title: "slow", Text: "really"})
	l.Tell(event.RunRewound{Run: run, Step: 0})
	l.Tell(event.RunHeartbeat{Run: run, Writer: "w"})

	if r := must(l.RunByForeignID("P", "abc 123/ü")); r.ID != run || r.Group != "sweep" || r.JobType != "train" || r.State != "" {
		t.Errorf("run: %+v", r)
	}
	same(t, "configuration", string(must(l.Config(run))), `{"_wandb":{"cli_version":"0.28","t":{"1":[2,3]}},"model":{"layers":4}}`)
	rows := must(l.Rows(run, "history", 0, 10))
	if len(rows) != 1 || string(rows[0].Row) != `{"_step":0,"loss":1,"img":{"_type":"image-file","path":"a.png"}}` {
		t.Errorf("rows after the rewind: %+v", rows)
	}
	if rows := must(l.Rows(run, "system", 0, 10)); len(rows) != 1 {
		t.Errorf("system rows: %+v", rows)
	}
	same(t, "summary", must(l.Summary(run)), map[string]event.RawJSON{"loss": raw(`0.25`), "best.epoch": raw(`7`)})
	if d := must(l.MetricDefinitions(run)); len(d) != 1 || d[0].StepKey != "epoch" || !d[0].Hidden || d[0].Goal != "min" || len(d[0].Summary) != 2 {
		t.Errorf("definitions: %+v", d)
	}
	if lines := must(l.Lines(run, "stderr/rank1", 0, 10)); len(lines) != 2 || lines[0].Text != "100%" || lines[1].Text != "end" {
		t.Errorf("lines: %+v", lines)
	}
	v := must(l.Versions(art))
	if len(v) != 1 || v[0].State != "ready" || !reflect.DeepEqual(v[0].Labels, []string{"clean"}) || v[0].TTLSeconds != 86400 || string(v[0].Metadata) != `{"rows":12}` || v[0].Object != manifest {
		t.Errorf("versions: %+v", v)
	}
	of := must(l.Collections(ptr(event.ExperimentID("P")), "dataset"))
	if len(of) != 1 || !reflect.DeepEqual(of[0].Aliases, map[string]int64{"latest": 0, "v0": 0}) {
		t.Errorf("collections: %+v", of)
	}
	used := must(l.Lineage(readmodel.CollectionNode(art, 0)))
	if len(used.Down) != 1 || used.Down[0].To != readmodel.RunNode(other) || len(used.Up) != 2 {
		t.Errorf("who made and used the version: %+v", used)
	}

	l.Tell(event.RunDeleted{Run: run})
	if _, err := l.RunByForeignID("P", "abc 123/ü"); !errors.Is(err, readmodel.ErrNotFound) {
		t.Errorf("a deleted run is still found by its name: %v", err)
	}
	l.Tell(event.CollectionRemoved{Collection: art})
	if _, err := l.Collection(art); !errors.Is(err, readmodel.ErrNotFound) {
		t.Errorf("a removed collection is still there: %v", err)
	}
	if used := must(l.Lineage(readmodel.CollectionNode(art, 0))); len(used.Down)+len(used.Up) != 0 {
		t.Errorf("a removed collection is still used: %+v", used)
	}
}

// must is a value without its error: what a test cannot go on without.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
