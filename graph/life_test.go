package graph_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"millrace/event"
	"millrace/graph"
)

// standing is what the wishes about a run's life change.
type standing struct {
	ID, Status  string
	Starred     bool
	Archived    bool
	Resumptions int
	RewoundTo   *int64
	Stop        *struct {
		By, Reason string
		Pause      bool
	}
	Budget        *struct{ Dollars, DeviceSeconds float64 }
	BudgetReached *struct {
		Percent                int
		Dollars, DeviceSeconds float64
		Budget                 struct{ DeviceSeconds float64 }
	}
	Branch *struct {
		RunID, Kind string
		Step        int64
	}
	Config any
}

const standingFields = `{ id status starred archived resumptions rewoundTo stop { by reason pause } budget { dollars deviceSeconds }
	budgetReached { percent dollars deviceSeconds budget { deviceSeconds } } branch { runId kind step } config }`

func TestAWishAboutARunsLifeBecomesItsEvent(t *testing.T) {
	stopped := event.RunEnded{Run: "train-1", Attempt: 9, Status: event.Paused}
	for _, c := range []struct {
		mutation, input string
		want            event.Event
		see             func(r standing) bool
	}{
		{"pauseRun", `id: "repro-1", reason: "the night", by: "ada"`, event.RunStopRequested{Run: "repro-1", By: "ada", Reason: "the night", Pause: true},
			func(r standing) bool { return r.Stop != nil && r.Stop.Pause && r.Stop.Reason == "the night" }},
		{"resumeRun", `id: "train-1", by: "ada", budget: {dollars: 3}`, event.RunRequested{Run: "train-1", Resume: 1, By: "ada", Spec: trainSpec("0.001"), Budget: &event.Budget{Dollars: 3}},
			func(r standing) bool { return r.Status == "PENDING" && r.Resumptions == 1 && r.Stop == nil }},
		{"forkRun", `id: "train-1", step: 200, config: {steps: 800, optimizer: {lr: 0.5}}, name: "child", experiment: "other", suites: ["quick"], stopAfter: 300, budget: {deviceSeconds: 60},
			tags: [{key: "a", value: "b"}], labels: ["l"], by: "ada"`,
			event.RunRequested{Run: "made-1", Branch: &event.Branch{From: "train-1", Kind: event.Fork, Step: 200}, Spec: event.Spec{Config: []byte(`{"optimizer":{"lr":0.5},"steps":800}`)},
				Name: "child", Experiment: "other", Suites: []string{"quick"}, StopAfter: 300, Budget: &event.Budget{DeviceSeconds: 60}, Tags: map[string]string{"a": "b"}, Labels: []string{"l"}, By: "ada"},
			func(r standing) bool {
				return r.ID == "made-1" && r.Branch.RunID == "train-1" && r.Branch.Kind == "fork" && r.Branch.Step == 200 && r.Budget.DeviceSeconds == 60
			}},
		{"rewindRun", `id: "train-1", step: 200`, event.RunRewound{Run: "train-1", Step: 200},
			func(r standing) bool { return r.RewoundTo != nil && *r.RewoundTo == 200 }},
		{"starRun", `id: "train-1", by: "ada"`, event.RunStarred{Run: "train-1", Starred: true, By: "ada"}, func(r standing) bool { return r.Starred }},
		{"starRun", `id: "train-1", starred: false`, event.RunStarred{Run: "train-1"}, func(r standing) bool { return !r.Starred }},
		{"restoreRun", `id: "train-1"`, event.RunArchived{Run: "train-1"}, func(r standing) bool { return !r.Archived }},
		{"setRunBudget", `id: "train-1", budget: {dollars: 2.5}, by: "ada"`, event.RunBudgetSet{Run: "train-1", Budget: event.Budget{Dollars: 2.5}, By: "ada"},
			func(r standing) bool { return r.Budget.Dollars == 2.5 }},
	} {
		t.Run(c.mutation, func(t *testing.T) {
			l := newLab(t)
			l.write(t, story(t)...)
			l.write(t, stopped)
			got := get[map[string]struct {
				Run        standing
				UserErrors []userError
			}](t, l, fmt.Sprintf("mutation { %s(input: {%s}) { run %s userErrors { message } } }", c.mutation, c.input, standingFields), nil)[c.mutation]
			fact := l.facts[len(l.facts)-1].Event
			if r, ok := fact.(event.RunRequested); ok {
				r.SpecDigest = ""
				fact = r
			}
			if !reflect.DeepEqual(fact, c.want) {
				t.Errorf("published\n%+v, want\n%+v", fact, c.want)
			}
			if len(got.UserErrors) > 0 || !c.see(got.Run) {
				t.Errorf("the answer does not show it: %+v", got)
			}
			before := len(l.facts)
			if a := l.ask(t, fmt.Sprintf("mutation { %s(input: {%s}) { userErrors { code field } } }", c.mutation, replaceID(c.input)), nil); len(l.facts) != before {
				t.Errorf("of nobody: %s", a.Data)
			}
		})
	}
}

// replaceID makes an input about a run that is not there.
func replaceID(input string) string {
	var out []byte
	quotes := 0
	for i := range len(input) {
		if input[i] == '"' {
			quotes++
		}
		if quotes == 1 && input[i] != '"' {
			continue
		}
		out = append(out, input[i])
		if quotes == 1 {
			out = append(out, "nobody"...)
		}
	}
	return string(out)
}

func TestWhatWasGivenCanBeTakenAway(t *testing.T) {
	l := newLab(t)
	l.write(t, story(t)...)
	type answers struct {
		SetAlias, Refused struct{ UserErrors []userError }
		RemoveAlias       struct {
			Alias      *string
			UserErrors []userError
		}
		UpdateExperiment struct {
			Experiment struct {
				Objective *struct{ Metric string }
				Budget    *struct{ Dollars float64 }
				Suites    []string
			}
		}
	}
	got := get[answers](t, l, `mutation {
		setAlias(input: {experiment: "learning rate", alias: "kept", run: "train-1", step: 400}) { userErrors { message } }
		removeAlias(input: {experiment: "learning rate", alias: "kept", by: "ada"}) { alias userErrors { message } }
		updateExperiment(input: {id: "exp-lr", clear: [OBJECTIVE, SUITES, BUDGET]}) { experiment { objective { metric } budget { dollars } suites } }
	}`, nil)
	if got.RemoveAlias.Alias == nil || *got.RemoveAlias.Alias != "kept" {
		t.Errorf("%+v", got.RemoveAlias)
	}
	if _, err := l.model.Alias("exp-lr", "kept"); err == nil {
		t.Error("the alias is still there")
	}
	if x := got.UpdateExperiment.Experiment; x.Objective != nil || x.Budget != nil || len(x.Suites) != 0 {
		t.Errorf("%+v", x)
	}
}

func TestARunShowsItsTwinsItsBudgetAndWhatItInherits(t *testing.T) {
	l := newLab(t, func(c *graph.Config) {
		c.Foreseen = func(_ context.Context, of event.RunID) ([]string, error) {
			return []string{"kernels: avx512 → avx2 of " + string(of)}, nil
		}
		c.Compared = func(run event.RunID) (int64, int64) { return 41, 2 }
	})
	l.write(t, story(t)...)
	twin := request(t, "twin", "twin", trainSpec("0.001"))
	child := request(t, "child", "child", trainSpec("0.003"))
	child.Branch = &event.Branch{From: "parent", Kind: event.Fork, Step: 2}
	grandchild := request(t, "grandchild", "grandchild", trainSpec("0.004"))
	grandchild.Branch = &event.Branch{From: "child", Kind: event.Fork, Step: 4}
	l.write(t, twin, request(t, "parent", "parent", trainSpec("0.005")), child, grandchild,
		points("parent", "train/loss", 1, 9, 8, 7), points("child", "train/loss", 3, 6, 5, 4), points("grandchild", "train/loss", 5, 3, 2),
		event.RunBudgetReached{Run: "child", Spent: event.Reached{Percent: 80, Budget: event.Budget{DeviceSeconds: 100}, DeviceSeconds: 81}},
		event.ExperimentBudgetReached{Experiment: "exp-lr", Run: "train-1", Spent: event.Reached{Percent: 100, Budget: event.Budget{DeviceSeconds: 100}, DeviceSeconds: 181}})
	got := get[struct {
		Twin  struct{ SameSpec []struct{ ID string } }
		Child struct {
			standing
			Alerts []struct{ Level, Title, Text string }
		}
		Grandchild struct {
			Series, Own []struct {
				Run    string
				Steps  []int64
				Values []float64
			}
		}
		Early struct {
			Series []struct {
				Run   string
				Steps []int64
			}
		}
		Experiment struct{ BudgetReached struct{ Percent int } }
	}](t, l, `{
		twin: run(id: "twin") { sameSpec { id } }
		child: run(id: "child") { budgetReached { percent dollars deviceSeconds budget { deviceSeconds } } alerts { level title text } }
		grandchild: run(id: "grandchild") { series(keys: ["train/loss"], inherit: true) { run steps values } own: series(keys: ["train/loss"]) { run steps values } }
		early: run(id: "grandchild") { series(keys: ["train/loss"], inherit: true, toStep: 1) { run steps } }
		experiment(id: "exp-lr") { budgetReached { percent } }
	}`, nil)
	ids := map[string]bool{}
	for _, r := range got.Twin.SameSpec {
		ids[r.ID] = true
	}
	if !ids["train-1"] || ids["twin"] || ids["train-2"] {
		t.Errorf("%+v", got.Twin)
	}
	if r := got.Child.BudgetReached; r == nil || r.Percent != 80 || r.Budget.DeviceSeconds != 100 || len(got.Child.Alerts) != 1 || got.Child.Alerts[0].Text != "81 of 100 device-seconds" {
		t.Errorf("%+v %+v", r, got.Child.Alerts)
	}
	if got.Experiment.BudgetReached.Percent != 100 {
		t.Errorf("%+v", got.Experiment)
	}
	var steps []int64
	var runs []string
	for _, s := range got.Grandchild.Series {
		steps, runs = append(steps, s.Steps...), append(runs, s.Run)
	}
	if fmt.Sprint(steps) != "[1 2 3 4 5 6]" || fmt.Sprint(runs) != "[parent child grandchild]" || len(got.Grandchild.Own) != 1 {
		t.Errorf("%v of %v", steps, runs)
	}
	steps = nil
	for _, s := range got.Early.Series {
		steps = append(steps, s.Steps...)
	}
	if fmt.Sprint(steps) != "[1]" {
		t.Errorf("%v up to step 1", steps)
	}
	again := get[struct {
		ReproduceRun struct {
			Run struct {
				Reproduction struct {
					Verdict         string
					Points, Digests int64
				}
			}
			Warnings []string
		}
	}](t, l, `mutation { reproduceRun(input: {id: "train-1"}) { run { reproduction { verdict points digests } } warnings userErrors { message } } }`, nil).ReproduceRun
	if v := again.Run.Reproduction; v.Verdict != "running" || v.Points != 41 || v.Digests != 2 || len(again.Warnings) != 1 {
		t.Errorf("%+v", again)
	}
}
