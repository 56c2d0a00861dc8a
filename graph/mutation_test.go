package graph_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"millrace/event"
)

type userError struct {
	Field         []string
	Message, Code string
	Hint          *string
}

type payload struct {
	Run *struct {
		ID, Name, Kind, Status, Note string
		Archived, StopRequested      bool
		Config                       any
		Labels                       []string
		Tags                         []struct{ Key, Value string }
		Branch                       *struct {
			RunID string
			Step  int64
			Kind  string
		}
	}
	Experiment *struct {
		ID, Name, Note string
		Archived       bool
		Suites         []string
		Objective      *struct{ Metric, Direction string }
		Budget         *struct{ Dollars, DeviceSeconds float64 }
	}
	Alias *struct {
		Name       string
		Run        struct{ ID string }
		Checkpoint struct{ Digest string }
	}
	Price *struct {
		Device  string
		PerHour float64
		From    string
	}
	DeletedID  *string
	UserErrors []userError
}

const runAnswer = `{ run { id name kind status note archived stopRequested config labels tags { key value } branch { runId step kind } } userErrors { field message hint code } }`

// wish makes one mutation and returns its payload and the last fact of the log.
func (l *lab) wish(t *testing.T, mutation, input, answer string) (payload, event.Event) {
	t.Helper()
	got := get[map[string]payload](t, l, fmt.Sprintf("mutation { %s(input: {%s}) %s }", mutation, input, answer), nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	return got[mutation], l.facts[len(l.facts)-1].Event
}

func TestEveryWishBecomesItsEvent(t *testing.T) {
	const experiment = `{ experiment { id name note archived suites objective { metric direction } budget { dollars deviceSeconds } } userErrors { field message hint code } }`
	for _, c := range []struct {
		mutation, input, answer string
		want                    event.Event
		see                     func(p payload) bool
	}{
		{"startRun", `kind: TRAIN, name: "new", experiment: "learning rate", config: {steps: 10, deep: {lr: 1e-3}}, engine: "cpu", suites: ["quick"], stopAfter: 5,
			inputs: [{role: "dataset", digest: "go-docs"}], tags: [{key: "a", value: "b"}], labels: ["l"], by: "ada"`, runAnswer,
			event.RunRequested{Run: "made-1", Experiment: "learning rate", Name: "new", StopAfter: 5, Suites: []string{"quick"}, Tags: map[string]string{"a": "b"}, Labels: []string{"l"}, By: "ada",
				Spec: event.Spec{Kind: event.Train, Config: []byte(`{"deep":{"lr":0.001},"steps":10}`), Engine: "cpu", Inputs: []event.Input{{Role: "dataset", Digest: "go-docs"}}}},
			func(p payload) bool {
				return p.Run.ID == "made-1" && p.Run.Kind == "TRAIN" && p.Run.Status == "PENDING"
			}},
		{"reproduceRun", `id: "train-1", steps: 50, name: "again", by: "ada"`, runAnswer,
			event.RunRequested{Run: "made-1", Experiment: "exp-lr", Name: "again", StopAfter: 50, By: "ada", Branch: &event.Branch{From: "train-1", Kind: "reproduction"}, Spec: trainSpec("0.001")},
			func(p payload) bool { return p.Run.Branch.RunID == "train-1" }},
		{"evaluateCheckpoint", `run: "train-1", step: 200, suite: "quick", by: "ada"`, runAnswer,
			event.RunRequested{Run: "made-1", Experiment: "exp-lr", By: "ada", Branch: &event.Branch{From: "train-1", Step: 200, Kind: "evaluation"},
				Spec: event.Spec{Kind: event.Evaluate, Config: []byte(`{"suite":"quick"}`), Inputs: []event.Input{{Role: "checkpoint", Digest: checkpoint}}}},
			func(p payload) bool { return p.Run.Kind == "EVALUATE" }},
		{"evaluateCheckpoint", `run: "train-1", suite: "quick"`, runAnswer,
			event.RunRequested{Run: "made-1", Experiment: "exp-lr", Branch: &event.Branch{From: "train-1", Step: 400, Kind: "evaluation"},
				Spec: event.Spec{Kind: event.Evaluate, Config: []byte(`{"suite":"quick"}`), Inputs: []event.Input{{Role: "checkpoint", Digest: second}}}},
			func(p payload) bool { return p.Run.Branch.Step == 400 }},
		{"stopRun", `id: "repro-1", reason: "enough", by: "ada"`, runAnswer, event.RunStopRequested{Run: "repro-1", By: "ada", Reason: "enough"},
			func(p payload) bool { return p.Run.StopRequested }},
		{"tagRun", `id: "train-1", set: [{key: "stage", value: "review"}], unset: ["team"], addLabels: ["keep"], removeLabels: ["small"]`, runAnswer,
			event.RunTagged{Run: "train-1", Set: map[string]string{"stage": "review"}, Unset: []string{"team"}, AddLabels: []string{"keep"}, RemoveLabels: []string{"small"}},
			func(p payload) bool {
				return len(p.Run.Tags) == 2 && p.Run.Tags[1].Value == "review" && reflect.DeepEqual(p.Run.Labels, []string{"keep"})
			}},
		{"noteRun", `id: "train-1", note: "good", name: "best"`, runAnswer, event.RunNoted{Run: "train-1", Note: ptr("good"), Name: ptr("best")},
			func(p payload) bool { return p.Run.Name == "best" && p.Run.Note == "good" }},
		{"archiveRun", `id: "train-1", archived: true`, runAnswer, event.RunArchived{Run: "train-1", Archived: true},
			func(p payload) bool { return p.Run.Archived }},
		{"deleteRun", `id: "train-2", by: "ada"`, `{ deletedId userErrors { code } }`, event.RunDeleted{Run: "train-2", By: "ada"},
			func(p payload) bool { return *p.DeletedID == "train-2" }},
		{"createExperiment", `name: "depth", objective: {metric: "val/loss", direction: "min"}, suites: ["quick"], budget: {dollars: 9.5}, note: "?", by: "ada"`, experiment,
			event.ExperimentCreated{Experiment: "made-1", Name: "depth", Objective: &event.Objective{Metric: "val/loss", Direction: "min"}, Suites: []string{"quick"}, Budget: &event.Budget{Dollars: 9.5}, Note: "?", By: "ada"},
			func(p payload) bool { return p.Experiment.ID == "made-1" && p.Experiment.Budget.Dollars == 9.5 }},
		{"updateExperiment", `id: "learning rate", name: "rates", note: "!", archived: true, suites: ["long"], objective: {metric: "x", direction: "max"}, budget: {deviceSeconds: 60}`, experiment,
			event.ExperimentUpdated{Experiment: "exp-lr", Name: ptr("rates"), Note: ptr("!"), Archived: ptr(true), Suites: []string{"long"}, Objective: &event.Objective{Metric: "x", Direction: "max"}, Budget: &event.Budget{DeviceSeconds: 60}},
			func(p payload) bool {
				return p.Experiment.Name == "rates" && p.Experiment.Archived && p.Experiment.Objective.Direction == "max"
			}},
		{"setAlias", `experiment: "learning rate", alias: "production", run: "train-1", step: 400, by: "ada"`, `{ alias { name run { id } checkpoint { digest } } userErrors { code } }`,
			event.AliasSet{Experiment: "exp-lr", Alias: "production", Run: "train-1", Step: 400, Checkpoint: second, By: "ada"},
			func(p payload) bool {
				return p.Alias.Name == "production" && p.Alias.Run.ID == "train-1" && p.Alias.Checkpoint.Digest == string(second)
			}},
		{"setPrice", `device: "gpu:*H200*", perHour: 3.5, perKwh: 0.1, perGbMonth: 0.02, source: "us"`, `{ price { device perHour from } userErrors { code } }`,
			event.PriceSet{Device: "gpu:*H200*", PerHour: 3.5, PerKWh: 0.1, PerGBMonth: 0.02, From: "2026-11-21", Source: "us"},
			func(p payload) bool { return p.Price.Device == "gpu:*H200*" && p.Price.From == "2026-11-21" }},
	} {
		t.Run(c.mutation, func(t *testing.T) {
			l := newLab(t)
			l.write(t, story(t)...)
			got, fact := l.wish(t, c.mutation, c.input, c.answer)
			if r, ok := c.want.(event.RunRequested); ok {
				digest, err := r.Spec.Digest()
				if err != nil {
					t.Fatal(err)
				}
				r.SpecDigest = digest
				c.want = r
			}
			if !reflect.DeepEqual(fact, c.want) {
				t.Errorf("published\n%+v, want\n%+v", fact, c.want)
			}
			if len(got.UserErrors) > 0 || !c.see(got) {
				t.Errorf("the answer does not show it: %+v", got)
			}
		})
	}
}

func TestRefusalsAreUserErrorsAndPublishNothing(t *testing.T) {
	l := newLab(t)
	l.write(t, story(t)...)
	before := len(l.facts)
	for _, c := range []struct {
		mutation, input, answer, code, field string
	}{
		{"startRun", `kind: TRAIN, config: {no_such_key: 1}`, runAnswer, "INVALID", "input.config.no_such_key"},
		{"stopRun", `id: "nobody"`, runAnswer, "NOT_FOUND", "input.id"},
		{"reproduceRun", `id: "nobody"`, runAnswer, "NOT_FOUND", "input.id"},
		{"tagRun", `id: "nobody"`, runAnswer, "NOT_FOUND", "input.id"},
		{"noteRun", `id: "nobody"`, runAnswer, "NOT_FOUND", "input.id"},
		{"archiveRun", `id: "nobody", archived: true`, runAnswer, "NOT_FOUND", "input.id"},
		{"deleteRun", `id: ""`, `{ deletedId userErrors { field message hint code } }`, "NOT_FOUND", "input.id"},
		{"evaluateCheckpoint", `run: "nobody", suite: "quick"`, runAnswer, "NOT_FOUND", "input.run"},
		{"evaluateCheckpoint", `run: "train-2", suite: "quick"`, runAnswer, "NOT_FOUND", "input.step"},
		{"evaluateCheckpoint", `run: "train-1", step: 7, suite: "quick"`, runAnswer, "NOT_FOUND", "input.step"},
		{"setAlias", `experiment: "exp-lr", alias: "a", run: "train-1", step: 7`, `{ alias { name } userErrors { field message hint code } }`, "NOT_FOUND", "input.step"},
		{"setAlias", `experiment: "exp-lr", alias: "a", run: "nobody", step: 7`, `{ alias { name } userErrors { field message hint code } }`, "NOT_FOUND", "input.run"},
		{"setPrice", `device: "H200", perHour: 1`, `{ price { device } userErrors { field message hint code } }`, "INVALID", "input.device"},
		{"setPrice", `device: "gpu:*", perHour: -1`, `{ price { device } userErrors { field message hint code } }`, "INVALID", "input.device"},
		{"setPrice", `device: "gpu:*", perHour: 1, from: "yesterday"`, `{ price { device } userErrors { field message hint code } }`, "INVALID", "input.from"},
		{"createExperiment", `name: "learning rate"`, `{ experiment { id } userErrors { field message hint code } }`, "CONFLICT", "input.name"},
	} {
		got, _ := l.wish(t, c.mutation, c.input, c.answer)
		if len(got.UserErrors) != 1 || got.Run != nil || got.Experiment != nil || got.Alias != nil || got.Price != nil || got.DeletedID != nil {
			t.Errorf("%s %s: %+v", c.mutation, c.input, got)
			continue
		}
		e := got.UserErrors[0]
		if e.Code != c.code || strings.Join(e.Field, ".") != c.field || e.Message == "" {
			t.Errorf("%s %s: %+v", c.mutation, c.input, e)
		}
	}
	if got, _ := l.wish(t, "startRun", `kind: TRAIN, config: {no_such_key: 1}`, runAnswer); *got.UserErrors[0].Hint != "did you mean steps?" {
		t.Errorf("the hint is lost: %+v", got.UserErrors)
	}
	if len(l.facts) != before {
		t.Errorf("%d facts were published", len(l.facts)-before)
	}
}

func TestWhatIsBrokenIsLoggedAndNotShown(t *testing.T) {
	l := newLab(t)
	l.write(t, story(t)...)
	l.broken = errDisk
	for _, m := range []string{
		`startRun(input: {kind: TRAIN, config: {}}) { run { id } }`, `stopRun(input: {id: "repro-1"}) { run { id } }`,
		`createExperiment(input: {name: "x"}) { experiment { id } }`, `deleteRun(input: {id: "train-2"}) { deletedId }`,
		`setAlias(input: {experiment: "exp-lr", alias: "a", run: "train-1", step: 200}) { alias { name } }`,
		`setPrice(input: {device: "gpu:*", perHour: 1}) { price { device } }`,
	} {
		a := l.ask(t, "mutation { "+m+" }", nil)
		if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "INTERNAL" || strings.Contains(a.Errors[0].Message, "secret") {
			t.Errorf("%s: %+v", m, a.Errors)
		}
	}
	if code := l.code(t, `{ system { lastSeq } }`, nil); code != "INTERNAL" {
		t.Error(code)
	}
	if n := strings.Count(l.errors.String(), "/secret/path"); n != 7 {
		t.Errorf("%d of 7 errors were logged: %s", n, l.errors)
	}
	// A refusal with a code that nobody knows is shown, as internal.
	l.broken = refusal{code: "ODD", text: "odd"}
	got, _ := l.wish(t, "stopRun", `id: "repro-1"`, runAnswer)
	if got.UserErrors[0].Code != "INTERNAL" || got.UserErrors[0].Message != "odd" {
		t.Errorf("%+v", got.UserErrors)
	}
}
