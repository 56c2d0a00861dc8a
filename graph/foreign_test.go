package graph_test

import "millrace/event"

// worst is a table that a script logged; its bytes are on the shelf.
const worst = `{"columns":["text","loss"],"rows":[["a",1.5],["b","NaN"]]}`

// foreign is what a script that speaks another tracker's protocol has to say.
func foreign() []event.Event {
	const run, model = event.RunID("foreign-2"), event.CollectionID("registered-lm")
	digest := event.DigestOf([]byte("weights"))
	return []event.Event{
		event.RunRequested{Run: run, Name: "lunar-7", ForeignID: "abc123", Group: "sweep-1", JobType: "train", HeartbeatSeconds: 30, Spec: event.Spec{Kind: event.External, Config: event.RawJSON(`{}`)}},
		event.ArtifactLogged{Run: run, Path: "plots/loss.png", Role: "image", Step: ptr(int64(3)), File: event.File{Name: "loss.png", Digest: digest, Size: 7}, Media: "image/png"},
		event.ArtifactLogged{Run: run, Path: "tables/worst", Role: "table", File: event.File{Name: "worst.json", Digest: event.DigestOf([]byte(worst)), Size: int64(len(worst))}},
		event.ArtifactLogged{Run: run, Path: "tables/gone", Role: "table", File: event.File{Name: "gone.json", Digest: event.DigestOf([]byte("gone")), Size: 4}},
		event.RunHeartbeat{Run: run, Writer: "w", State: "preempting"},
		event.SummaryLogged{Run: run, Values: map[string]event.RawJSON{"loss": event.RawJSON(`0.25`)}},
		event.InputLogged{Run: run, Role: "dataset", Name: "wiki", Digest: "6c2a01", Object: digest, Source: "s3://lab/wiki", Metadata: event.RawJSON(`{"rows":12}`), Tags: map[string]string{"context": "training"}},
		event.MetricDefined{Run: run, Key: "loss*", Summary: []string{"min"}, Goal: "min", StepKey: "epoch", Unit: "nats", Hidden: true},
		event.SpansLogged{Run: run, Trace: "tr-1", Spans: map[string]event.RawJSON{"a": event.RawJSON(`{"name":"root"}`), "b": event.RawJSON(`{"name":"child"}`)}},
		event.RowsLogged{Run: run, Stream: "history", First: 3, Rows: []event.RawJSON{event.RawJSON(`{"_step":0}`), event.RawJSON(`{"_step":1}`)}},
		event.CollectionSaved{Collection: model, Experiment: "exp-lr", Entity: "lab", Name: ptr("lm"), Kind: ptr("model"), Description: ptr("ours"), Set: map[string]string{"task": "lm"}, Metadata: event.RawJSON(`{"license":"mit"}`)},
		event.VersionSaved{Collection: model, Version: 1, Run: run, Path: "model", Object: digest, Size: 7, State: ptr("ready"), Message: "checked", Stage: ptr("Production"), Description: ptr("first"), Set: map[string]string{"ok": "yes"}, AddLabels: []string{"keep"}, Metadata: event.RawJSON(`{"step":2}`), TTLSeconds: ptr(int64(60))},
		event.VersionSaved{Collection: model, Version: 2, Run: "not-there"},
		event.VersionAliased{Collection: model, Alias: "champion", Version: ptr(int64(1))},
	}
}
