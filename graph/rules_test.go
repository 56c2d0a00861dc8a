package graph_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"millrace/event"
	"millrace/graph"
)

type ruleAnswer struct {
	Rule *struct {
		ID, Name, On, When, Note string
		Then                     json.RawMessage
		Enabled                  bool
		Version                  int64
	}
	UserErrors []struct {
		Code, Message, Hint string
		Field               []string
	}
}

type ruleDeed struct {
	ID, Rule, Run, Action, Outcome, Made, Result string
	Then                                         json.RawMessage
}

const saveIt = `mutation($i: SaveRuleInput!) { saveRule(input: $i) { rule { id name on when then note enabled version } userErrors { code message hint field } } }`

// ruling tells of a rule that did what it should, could not decide, and is about to do something.
func ruling() []event.Event {
	return []event.Event{
		event.RuleSaved{Rule: "R", Name: "careful", On: "run.failed", When: "true", Then: event.RawJSON(`{"stop":{}}`), Enabled: true, Version: 1},
		event.RuleFired{Rule: "R", Seq: 1, Run: "A", Action: "stop", Firing: "F1", Version: 1, Then: event.RawJSON(`{"stop":{"run":"A"}}`)},
		event.RuleActed{Rule: "R", Firing: "F1", Seq: 2, Outcome: event.Done, Run: "A", Made: "B", Result: "it was so"},
		event.RuleFired{Rule: "R", Seq: 1, Run: "C", Failure: &event.Failure{Message: "no such key"}},
		event.RuleFired{Rule: "R", Seq: 1, Run: "A", Action: "stop", Firing: "F2", Version: 1},
	}
}

// ready is a node with one template.
func ready(c *graph.Config) {
	c.ReadyRules = func() ([]json.RawMessage, error) { return []json.RawMessage{[]byte(`{"ready":"t"}`)}, nil }
}

func TestARuleIsChangedByWhatIsSaid(t *testing.T) {
	l := newLab(t)
	then := event.RawJSON(`{"stop":{"reason":"a long reason, so that a shorter one would fit"}}`)
	l.write(t, event.RuleSaved{Rule: "R", Name: "careful", On: "run.alert_raised", When: "true", Then: then, Enabled: true, Note: "kept", Version: 3})
	save := func(in map[string]any) ruleAnswer {
		return get[struct{ SaveRule ruleAnswer }](t, l, saveIt, map[string]any{"i": in}).SaveRule
	}
	for _, name := range []string{"careful", "Careful", "R", "rule:R"} {
		a := save(map[string]any{"id": name, "rule": map[string]any{"enabled": false}})
		if a.Rule == nil || a.Rule.ID != "rule:R" || a.Rule.Enabled || a.Rule.Note != "kept" || string(a.Rule.Then) != string(then) {
			t.Fatalf("%s: %+v", name, a)
		}
	}
	// A wish that is refused leaves what the read model holds as it was.
	l.broken = refusal{code: "INVALID", text: "no"}
	if a := save(map[string]any{"id": "R", "rule": map[string]any{"then": map[string]any{"stop": map[string]any{}}}}); len(a.UserErrors) != 1 || a.Rule != nil {
		t.Fatalf("%+v", a)
	}
	l.broken = nil
	if was, err := l.model.Rule("R"); err != nil || string(was.Then) != string(then) {
		t.Errorf("%s, %v", was.Then, err)
	}
	for want, in := range map[string]map[string]any{
		"there is no rule": {"id": "nobody", "rule": map[string]any{"enabled": false}},
		"wehn":             {"id": "R", "rule": map[string]any{"wehn": "true"}},
		"no templates":     {"ready": "stop-on-nan"},
		"only a template":  {"id": "R", "set": []map[string]string{{"key": "a", "value": "b"}}},
	} {
		if a := save(in); a.Rule != nil || len(a.UserErrors) != 1 || !strings.Contains(a.UserErrors[0].Message, want) || len(a.UserErrors[0].Field) == 0 {
			t.Errorf("%s: %+v", want, a)
		}
	}
}

func TestATemplateIsFilledAndChanged(t *testing.T) {
	l := newLab(t, func(c *graph.Config) {
		ready(c)
		c.FillRule = func(name string, set map[string]string) (event.RuleSaved, error) {
			if name != "t" {
				return event.RuleSaved{}, errors.New("there is none")
			}
			return event.RuleSaved{Name: set["a"], On: "run.failed", When: "true", Then: event.RawJSON(`{"alert":{}}`), Enabled: true}, nil
		}
	})
	in := map[string]any{"ready": "t", "set": []map[string]string{{"key": "a", "value": "b"}}, "rule": map[string]any{"note": "n"}}
	a := get[struct{ SaveRule ruleAnswer }](t, l, saveIt, map[string]any{"i": in}).SaveRule
	if a.Rule == nil || a.Rule.Name != "b" || a.Rule.Note != "n" || !a.Rule.Enabled {
		t.Errorf("%+v", a)
	}
	in["ready"] = "u"
	if a := get[struct{ SaveRule ruleAnswer }](t, l, saveIt, map[string]any{"i": in}).SaveRule; a.Rule != nil || len(a.UserErrors) != 1 {
		t.Errorf("%+v", a)
	}
	if got := get[struct{ ReadyRules []json.RawMessage }](t, l, `{ readyRules }`, nil).ReadyRules; len(got) != 1 || string(got[0]) != `{"ready":"t"}` {
		t.Errorf("%s", got)
	}
}

func TestWhatRulesDidIsReadAfterTheyAreGone(t *testing.T) {
	l := newLab(t)
	l.write(t, ruling()...)
	r := get[struct {
		Rule struct {
			Firings int64
			Trouble *string
			Deeds   []ruleDeed
		}
	}](t, l, `{ rule(id: "careful") { firings trouble deeds { id rule run action outcome made result then } } }`, nil).Rule
	if r.Firings != 3 || r.Trouble == nil || *r.Trouble != "no such key" || len(r.Deeds) != 3 {
		t.Fatalf("%+v", r)
	}
	for i, want := range []ruleDeed{
		{ID: "F2", Rule: "R", Run: "A", Action: "stop", Outcome: "open"}, {Rule: "R", Run: "C", Outcome: "error", Result: "no such key"},
		{ID: "F1", Rule: "R", Run: "A", Action: "stop", Outcome: "done", Made: "B", Result: "it was so"},
	} {
		d := r.Deeds[i]
		d.Then = nil
		if d.ID != want.ID || d.Outcome != want.Outcome || d.Made != want.Made || d.Result != want.Result || d.Run != want.Run || d.Rule != want.Rule {
			t.Errorf("%d: %+v, want %+v", i, d, want)
		}
	}
	gone := get[struct{ RemoveRule ruleAnswer }](t, l, `mutation { removeRule(input: {id: "careful"}) { rule { id } userErrors { code message hint field } } }`, nil).RemoveRule
	if gone.Rule != nil || len(gone.UserErrors) > 0 {
		t.Errorf("%+v", gone)
	}
	again := get[struct{ RemoveRule ruleAnswer }](t, l, `mutation { removeRule(input: {id: "careful"}) { rule { id } userErrors { code message hint field } } }`, nil).RemoveRule
	if len(again.UserErrors) != 1 || again.UserErrors[0].Code != "NOT_FOUND" {
		t.Errorf("%+v", again)
	}
	left := get[struct {
		Rule        *struct{ ID string }
		RuleFirings []ruleDeed
		About       []ruleDeed
	}](t, l, `{ rule(id: "careful") { id } ruleFirings(rule: "R") { id } about: ruleFirings(run: "A", first: 1) { id } }`, nil)
	if left.Rule != nil || len(left.RuleFirings) != 3 || len(left.About) != 1 || left.About[0].ID != "F2" {
		t.Errorf("%+v", left)
	}
}
