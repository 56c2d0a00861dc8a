package rules_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"millrace/event"
	"millrace/services/rules"
	"millrace/storage/readmodel"
)

// TestARuleStopsARun: a fact that a rule is on, saved while others are heard, a condition over the fact and the run, one stop.
func TestARuleStopsARun(t *testing.T) {
	l := start(t, rules.Notify{})
	l.train("A")
	l.train("B")
	id := l.save(event.RuleSaved{Name: "careful", On: "run.alert_raised", When: `event.level == "error" && run.config.steps > 50 && run.name == "A"`, Then: event.RawJSON(`{"stop":{"reason":"='alert: ' + event.title"}}`)})
	l.say(
		event.AlertRaised{Run: "B", Level: "error", Title: "not A"},
		event.AlertRaised{Run: "A", Level: "warn", Title: "no error"},
		event.AlertRaised{Run: "A", Level: "error", Title: "hot"},
		event.AlertRaised{Run: "A", Level: "error", Title: "hotter"},
	)
	got := l.acted(id, 2)
	if len(got) != 2 || got[1].Acted.Outcome != event.Done {
		t.Fatalf("%+v", got)
	}
	a, _ := l.model.Run("A")
	b, _ := l.model.Run("B")
	if a.Stop == nil || a.Stop.Reason != "alert: hot" || a.Stop.By != event.RuleBy(id) || b.Stop != nil {
		t.Fatalf("A %+v, B %+v", a.Stop, b.Stop)
	}
}

// TestPointsFireOnce: NaN among values that are looked at together fires once for a run, also when the rules begin anew and read the points
// again.
func TestPointsFireOnce(t *testing.T) {
	l := start(t, rules.Notify{})
	id := l.save(event.RuleSaved{Name: "NaN", On: "points", Metric: "*loss*", When: `values.exists(v, isnan(v) || isinf(v))`, Then: event.RawJSON(`{"stop":{"reason":"='NaN in ' + key + ' at step ' + string(step)"}}`)})
	l.train("A")
	l.train("B")
	l.log("B", "train/loss", 1, 5, 4, 3)
	l.log("A", "train/loss", 1, 5, 4, math.NaN(), 3)
	if f := l.acted(id, 1); f[0].Run != "A" || f[0].Key != "train/loss" || *f[0].Step != 4 {
		t.Fatalf("%+v", f[0])
	}
	l.end()
	l.begin()
	l.log("A", "train/loss", 5, math.NaN())
	l.log("B", "val/loss", 4, math.Inf(1))
	l.acted(id, 2)
	time.Sleep(1500 * time.Millisecond) // longer than a look
	if f := l.acted(id, 2); len(f) != 2 || f[0].Run != "B" {
		t.Fatalf("%+v", f)
	}
}

// TestAFailingExpressionIsToldOnceInAWhile, and the rules after it go on.
func TestAFailingExpressionIsToldOnceInAWhile(t *testing.T) {
	l := start(t, rules.Notify{})
	bad := l.save(event.RuleSaved{Name: "bad", On: "run.alert_raised", When: `run.config.optimiser.lr > 0.1`, Then: event.RawJSON(`{"stop":{}}`)})
	good := l.save(event.RuleSaved{Name: "good", On: "run.alert_raised", When: `run.config.optimizer.lr > 0.1`, Then: event.RawJSON(`{"stop":{"pause":true}}`)})
	l.train("A")
	for range 20 {
		l.say(event.AlertRaised{Run: "A", Level: "warn", Title: "t"})
	}
	l.acted(good, 20)
	f := l.acted(bad, 1)
	if len(f) > 2 || f[0].Failure.Code != "expression" || !strings.Contains(f[0].Failure.Message, "optimiser") {
		t.Fatalf("%d firings: %+v", len(f), f[0].Failure)
	}
	r, err := l.model.Rule(bad)
	if err != nil || r.Failure == nil {
		t.Fatalf("%+v %v", r, err)
	}
}

// TestRulesThatCauseEachOtherAreBounded: what cannot be proven to be a circle is stopped when it turns out to be one.
func TestRulesThatCauseEachOtherAreBounded(t *testing.T) {
	l := start(t, rules.Notify{})
	id := l.save(event.RuleSaved{Name: "echo", On: "run.alert_raised", When: `event.title.startsWith("again")`, Then: event.RawJSON(`{"alert":{"title":"=event.title + \"!\""}}`)})
	l.train("A")
	l.say(event.AlertRaised{Run: "A", Level: "warn", Title: "again"})
	f := l.acted(id, 4)
	if len(f) != 4 || f[0].Failure == nil || f[0].Failure.Code != "too_deep" || f[1].Depth != 3 {
		t.Fatalf("%+v", f)
	}
}

// TestCirclesAreRefused where they can be proven.
func TestCirclesAreRefused(t *testing.T) {
	l := start(t, rules.Notify{})
	cases := []struct {
		rule    event.RuleSaved
		refused string
	}{
		{event.RuleSaved{Name: "self", On: "run.alert_raised", When: "true", Then: event.RawJSON(`{"alert":{"title":"t"}}`)}, "never end"},
		{event.RuleSaved{Name: "other level", On: "run.alert_raised", When: `event.level == "error"`, Then: event.RawJSON(`{"alert":{"title":"t","level":"info"}}`)}, ""},
		{event.RuleSaved{Name: "to b", On: "alias.set", When: `event.alias == "a"`, Then: event.RawJSON(`{"alias":{"alias":"b"}}`)}, ""},
		{event.RuleSaved{Name: "to a", On: "alias.set", When: `event.alias == "b"`, Then: event.RawJSON(`{"alias":{"alias":"a"}}`)}, "to a"},
		{event.RuleSaved{Name: "train on", On: "run.ended", When: `run.kind == "train" || run.kind == "curate"`, Then: event.RawJSON(`{"train":{"inputs":[]}}`)}, "never end"},
		{event.RuleSaved{Name: "judge", On: "run.ended", When: `run.kind == "train" && run.status == "finished"`, Then: event.RawJSON(`{"evaluate":{"suite":"quick"}}`)}, ""},
		{event.RuleSaved{Name: "notify of notes", On: "notification.requested", When: `event.channel == "webhook"`, Then: event.RawJSON(`{"webhook":{"url":"https://example.com","title":"t"}}`)}, "never end"},
	}
	for _, c := range cases {
		c.rule.Enabled = true
		_, err := l.tracker.Submit(t.Context(), c.rule)
		if c.refused == "" && err != nil || c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)) {
			t.Errorf("%s: %v", c.rule.Name, err)
		}
	}
}

// TestAnAliasIsSetByAnEvaluation: promote the best by a metric.
func TestAnAliasIsSetByAnEvaluation(t *testing.T) {
	l := start(t, rules.Notify{})
	l.say(event.ExperimentCreated{Experiment: "X", Name: "x"})
	const key = "eval/quick/heldout/bits_per_byte"
	id := l.save(event.RuleSaved{Name: "best", On: "evaluation.completed", Then: event.RawJSON(`{"alias":{"alias":"best","step":"=event.step"}}`),
		When: `"` + key + `" in scores && (!("best" in aliases) || scores["` + key + `"] < aliases.best.metrics["` + key + `"])`})
	l.train("A")
	judge := func(step int64, value float64) {
		digest := event.DigestOf([]byte{byte(step)})
		l.say(event.CheckpointSaved{Run: "A", Experiment: "X", Step: step, Checkpoint: digest},
			event.EvaluationCompleted{Run: "E", Of: "A", Step: step, Checkpoint: digest, Suite: "quick", Scores: []event.Score{{Task: "heldout", Metric: "bits_per_byte", Value: event.Number(value), N: 1}}})
	}
	best := func() int64 { a, _ := l.model.Alias("X", "best"); return a.Step }
	judge(10, 3)
	l.until("the first is the best", func() bool { return best() == 10 })
	judge(20, 2)
	l.until("the second is better", func() bool { return best() == 20 })
	judge(30, 2.5)
	judge(40, 1)
	l.until("the fourth is the best", func() bool { return best() == 40 })
	if f := l.acted(id, 3); len(f) != 3 {
		raw, _ := json.Marshal(f)
		t.Fatalf("%s", raw)
	}
}

// TestBadRulesAreRefused with the field at fault.
func TestBadRulesAreRefused(t *testing.T) {
	l := start(t, rules.Notify{})
	good := event.RuleSaved{Name: "n", On: "run.ended", When: "true", Then: event.RawJSON(`{"stop":{}}`)}
	for _, c := range []struct {
		change func(r *event.RuleSaved)
		want   string
	}{
		{func(r *event.RuleSaved) { r.Name = " " }, "name"},
		{func(r *event.RuleSaved) { r.On = "run.heartbeat" }, "cannot be on"},
		{func(r *event.RuleSaved) { r.On = "points" }, "names a metric"},
		{func(r *event.RuleSaved) { r.Metric = "loss" }, "names a metric"},
		{func(r *event.RuleSaved) { r.When = "" }, "missing"},
		{func(r *event.RuleSaved) { r.When = "run.stats == 1" }, `run has no "stats"`},
		{func(r *event.RuleSaved) { r.When = "event.stat == 1" }, "has no"},
		{func(r *event.RuleSaved) { r.When = "1 +" }, "cannot be read"},
		{func(r *event.RuleSaved) { r.When = strings.Repeat("1+", 4000) + "1 > 0" }, "at most"},
		{func(r *event.RuleSaved) { r.Then = event.RawJSON(`{}`) }, "one key"},
		{func(r *event.RuleSaved) { r.Then = event.RawJSON(`{"explode":{}}`) }, "no action"},
		{func(r *event.RuleSaved) { r.Then = event.RawJSON(`{"stop":{"force":true}}`) }, "no argument"},
		{func(r *event.RuleSaved) { r.Then = event.RawJSON(`{"evaluate":{}}`) }, "needs"},
		{func(r *event.RuleSaved) { r.Then = event.RawJSON(`{"webhook":{"url":"ftp://x","title":"t"}}`) }, "address"},
		{func(r *event.RuleSaved) { r.Then = event.RawJSON(`{"webhook":{"url":"https://u:p@x","title":"t"}}`) }, "password"},
		{func(r *event.RuleSaved) { r.Then = event.RawJSON(`{"email":{"to":["nobody"],"title":"t"}}`) }, "not an address"},
		{func(r *event.RuleSaved) { r.Then = event.RawJSON(`{"stop":{"reason":"=run.nam"}}`) }, "run has no"},
		{func(r *event.RuleSaved) { r.Repeat = "sometimes" }, "not \"fact\""},
	} {
		r := good
		c.change(&r)
		if _, err := l.tracker.Submit(t.Context(), r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q, got %v", c.want, err)
		}
	}
	if all, _ := l.model.Rules(); len(all) != 0 {
		t.Errorf("%d rules were saved", len(all))
	}
	_ = readmodel.Rule{}
}
