package graph_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"millrace/event"
	"millrace/graph"
	"millrace/storage/readmodel"
)

// tries is a node where a trial finds two firings and a failure, whatever is tried; services/rules has the real one, cmd/millrace asks it through
// GraphQL.
func tries(c *graph.Config) {
	c.TryRule = func(ctx context.Context, w graph.RuleTrialWish, told func(done, total uint64)) (graph.RuleTrial, error) {
		if w.Rule.When == "1 +" {
			return graph.RuleTrial{}, refusal{code: "INVALID", text: "the expression cannot be read"}
		}
		if told != nil {
			told(3, 7)
			told(7, 7)
		}
		if ctx.Err() != nil {
			return graph.RuleTrial{}, ctx.Err()
		}
		day := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
		step := int64(20)
		fired := func(seq uint64, outcome, result string) readmodel.Firing {
			return readmodel.Firing{At: day, RuleFired: event.RuleFired{Rule: w.Rule.Rule, Name: w.Rule.Name, Seq: seq, Run: "A", Action: "stop", Firing: "F", Version: 2, Key: "loss", Step: &step, Then: w.Rule.Then},
				Acted: &event.RuleActed{Outcome: outcome, Result: result, Run: "A"}}
		}
		t := graph.RuleTrial{
			Rule: w.Rule, Refused: refusal{code: "INVALID", text: "this would never end", hint: "narrow it", field: []string{"then"}},
			Since: w.Since, From: day, Until: day.Add(time.Hour), FromSeq: 4, UntilSeq: 7, Facts: 4, Heard: 3, Fired: 2, Runs: 1, Failed: 1,
			Firings: []readmodel.Firing{fired(4, event.Done, "stop A"), fired(5, event.Needless, "it was asked to stop already")},
			Errors:  []readmodel.Firing{{At: day, RuleFired: event.RuleFired{Seq: 6, Run: "B", Failure: &event.Failure{Message: "no such key"}}}},
			Ended:   "its time was over", Notes: []string{"history begins late"},
		}
		t.Firings = t.Firings[:min(w.First, 2)]
		if w.Rule.When == "true" {
			t.Ended, t.Refused, t.FromSeq, t.Firings, t.Errors = "", nil, 0, nil, nil
		}
		return t, nil
	}
}

const tryIt = `($i: DryRunRuleInput!) { it: %s(input: $i) { folded total trial { rule from ended refused { message } firings { seq } notes } userErrors { code message hint field } } }`

type tried struct {
	It struct {
		Folded, Total *int64
		Trial         *struct {
			Rule        event.RuleSaved
			From, Ended *string
			Refused     *struct{ Message string }
			Firings     []struct{ Seq int64 }
		}
		UserErrors []struct {
			Code, Message, Hint string
			Field               []string
		}
	}
}

func TestARuleIsTriedAsItWouldBeSaved(t *testing.T) {
	l := newLab(t, tries)
	then := event.RawJSON(`{"stop":{"reason":"kept"}}`)
	l.write(t, event.RuleSaved{Rule: "R", Name: "careful", On: "run.alert_raised", When: "false", Then: then, Version: 3})
	ask := func(in map[string]any) tried {
		t.Helper()
		return get[tried](t, l, "mutation"+strings.Replace(tryIt, "%s", "dryRunRule", 1), map[string]any{"i": in})
	}
	a := ask(map[string]any{"id": "careful", "rule": map[string]any{"when": "true"}}).It
	if a.Trial == nil || a.Trial.Rule.Rule != "R" || a.Trial.Rule.When != "true" || string(a.Trial.Rule.Then) != string(then) || a.Trial.From != nil || a.Trial.Ended != nil || a.Trial.Refused != nil {
		t.Errorf("%+v", a.Trial)
	}
	if *a.Folded != 7 || *a.Total != 7 || len(a.UserErrors) != 0 {
		t.Errorf("%+v", a)
	}
	for want, in := range map[string]map[string]any{
		"cannot be read":   {"rule": map[string]any{"when": "1 +"}},
		"there is no rule": {"id": "nobody"},
		"no templates":     {"ready": "t"},
		"number of":        {"id": "R", "first": 0},
		"wehn":             {"rule": map[string]any{"wehn": "true"}},
	} {
		if a := ask(in).It; a.Trial != nil || len(a.UserErrors) != 1 || !strings.Contains(a.UserErrors[0].Message, want) {
			t.Errorf("%s: %+v", want, a)
		}
	}
	none := newLab(t)
	if a := get[tried](t, none, "mutation"+strings.Replace(tryIt, "%s", "dryRunRule", 1), map[string]any{"i": map[string]any{}}).It; a.Trial != nil || len(a.UserErrors) != 1 || a.UserErrors[0].Code != "UNAVAILABLE" {
		t.Errorf("%+v", a)
	}
	if was, err := l.model.Rule("R"); err != nil || was.When != "false" || was.Version != 3 {
		t.Errorf("%+v, %v", was, err)
	}
	// Five of them at once are more than one may ask for.
	if code := l.code(t, `mutation { a: dryRunRule(input: {}) { total } b: dryRunRule(input: {}) { total } c: dryRunRule(input: {}) { total } d: dryRunRule(input: {}) { total } e: dryRunRule(input: {}) { total } }`, nil); code != "COMPLEXITY_LIMIT_EXCEEDED" {
		t.Error(code)
	}
}

func TestATrialIsFollowed(t *testing.T) {
	c := dial(t, newLab(t, tries))
	_, fields, _ := strings.Cut(tryIt, "(input: $i)")
	c.subscribe("1", `subscription { it: ruleTrial(input: {rule: {name: "n"}, first: 1})`+fields)
	var got []tried
	for {
		m := c.next()
		if m.Type == "complete" {
			break
		}
		var one struct{ Data tried }
		if err := json.Unmarshal(m.Payload, &one); err != nil || m.Type != "next" {
			t.Fatalf("%s %v", m.Payload, err)
		}
		got = append(got, one.Data)
	}
	if len(got) != 3 || *got[0].It.Folded != 3 || *got[0].It.Total != 7 || got[0].It.Trial != nil || got[2].It.Trial == nil || len(got[2].It.Trial.Firings) != 1 || got[2].It.Trial.Refused == nil {
		t.Errorf("%+v", got)
	}
}
