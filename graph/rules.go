package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// ruleNamed finds a rule by its id, with or without the prefix of global ids, or by its name. Errors: readmodel.ErrNotFound.
func (r *resolver) ruleNamed(name string) (readmodel.Rule, error) {
	rule, err := r.Model.Rule(event.RuleID(strings.TrimPrefix(name, view.RulePrefix)))
	if !errors.Is(err, readmodel.ErrNotFound) {
		return rule, err
	}
	all, listErr := r.Model.Rules()
	if listErr != nil {
		return rule, listErr
	}
	if i := slices.IndexFunc(all, func(x readmodel.Rule) bool { return strings.EqualFold(x.Name, name) }); i >= 0 {
		return all[i], nil
	}
	return rule, err
}

// ruleWished is ruleNamed for a wish: what is not there is refused.
func (r *resolver) ruleWished(name string) (readmodel.Rule, error) {
	rule, err := r.ruleNamed(name)
	if errors.Is(err, readmodel.ErrNotFound) {
		return rule, refusal{code: "NOT_FOUND", message: "there is no rule \"" + name + "\"", hint: "list them with: millrace rule list", field: []string{"id"}}
	}
	return rule, err
}

// ruleWish is a rule as somebody describes it: laid over one that is there, or over a template.
type ruleWish struct {
	id, ready *string
	set       []gen.TagInput
	rule      json.RawMessage
}

// ruleOf lays what was given over the rule that is there, or over a template. Of a rule that is there it has the id.
func (r *resolver) ruleOf(in ruleWish) (event.RuleSaved, error) {
	saved := event.RuleSaved{Enabled: true}
	var id event.RuleID
	if in.id != nil {
		was, err := r.ruleWished(*in.id)
		if err != nil {
			return saved, err
		}
		saved, id = was.RuleSaved, was.Rule
	}
	if name := deref(in.ready); name != "" {
		if r.FillRule == nil {
			return saved, refusal{code: "NOT_FOUND", message: "there are no templates here", field: []string{"ready"}}
		}
		var err error
		if saved, err = r.FillRule(name, tags(in.set)); err != nil {
			return saved, refusal{code: "INVALID", message: err.Error(), hint: "list them with: millrace rule ready", field: []string{"ready"}}
		}
	} else if len(in.set) > 0 {
		return saved, refusal{code: "INVALID", message: "only a template has something to set", hint: "name it: ready", field: []string{"set"}}
	}
	if len(in.rule) > 0 {
		saved.Then = bytes.Clone(saved.Then) // it is the read model's, and decoding writes over it
		dec := json.NewDecoder(bytes.NewReader(in.rule))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&saved); err != nil {
			return saved, refusal{code: "INVALID", message: "the rule cannot be read: " + err.Error(), hint: "it is an object with name, on, when and then (docs/rules.md)", field: []string{"rule"}}
		}
	}
	saved.Rule = id
	return saved, nil
}

// saveRule makes a rule or replaces one.
func (r *resolver) saveRule(ctx context.Context, in gen.SaveRuleInput) (*view.Rule, error) {
	saved, err := r.ruleOf(ruleWish{in.ID, in.Ready, in.Set, in.Rule})
	if err != nil {
		return nil, err
	}
	saved.By = deref(in.By)
	env, err := r.Tracker.Submit(ctx, saved)
	if err != nil {
		return nil, err
	}
	rule, err := r.Model.Rule(env.Event.(event.RuleSaved).Rule)
	return &view.Rule{Rule: rule}, err
}

// removeRule ends a rule.
func (r *resolver) removeRule(ctx context.Context, in gen.RemoveRuleInput) error {
	rule, err := r.ruleWished(in.ID)
	if err != nil {
		return err
	}
	_, err = r.Tracker.Submit(ctx, event.RuleRemoved{Rule: rule.Rule, By: deref(in.By)})
	return err
}

// firings are what rules did.
func (r *resolver) firings(of readmodel.FiringFilter, first *int) ([]view.RuleFiring, error) {
	list, err := r.Model.Firings(of, max(1, pageSize(first)))
	out := make([]view.RuleFiring, len(list))
	for i, f := range list {
		if f.Name == "" { // of a time when firings did not say it
			if rule, err := r.Model.Rule(f.Rule); err == nil {
				f.Name = rule.Name
			}
		}
		out[i] = view.RuleFiring{Firing: f}
	}
	return out, err
}
