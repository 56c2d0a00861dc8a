package client

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Rule is what is done when something happens (docs/rules.md).
type Rule struct {
	ID         string          `json:"id"` // begins with "rule:"
	Name       string          `json:"name"`
	On         string          `json:"on"`
	Metric     string          `json:"metric,omitempty"`
	When       string          `json:"when"`
	Then       json.RawMessage `json:"then"`
	Repeat     string          `json:"repeat,omitempty"`
	Note       string          `json:"note,omitempty"`
	Experiment string          `json:"experimentId,omitempty"`
	Enabled    bool            `json:"enabled"`
	Version    int64           `json:"version"`
	By         string          `json:"by"`
	CreatedAt  time.Time       `json:"createdAt"`
	UpdatedAt  time.Time       `json:"updatedAt"`
	Firings    int64           `json:"firings"`
	Trouble    *string         `json:"trouble"` // why it could not decide, nil when it could
}

// RuleFiring is a decision of a rule and what came of it: "done", "needless", "refused", "failed", "open" or "error".
type RuleFiring struct {
	ID      string          `json:"id"`
	Rule    string          `json:"rule"`
	Name    string          `json:"ruleName"` // the rule's then
	Version int64           `json:"version"`
	Run     string          `json:"run"`
	At      time.Time       `json:"at"`
	Seq     int64           `json:"seq"`
	Key     string          `json:"key,omitempty"` // the series that fired it, "" for none
	Step    *int64          `json:"step"`
	Action  string          `json:"action"`
	Then    json.RawMessage `json:"then"`
	Outcome string          `json:"outcome"`
	Made    string          `json:"made"`
	Result  string          `json:"result"`
}

// ReadyRule is a template: Set says what can be set in Rule, and what it is otherwise; "" must be set.
type ReadyRule struct {
	Name string            `json:"ready"`
	Note string            `json:"note"`
	Set  map[string]string `json:"set"`
	Rule json.RawMessage   `json:"rule"`
}

// SaveRule makes a rule, or replaces the one that ID names by id or name. Rule is JSON; with Ready it is laid over that template, filled
// with Set; of a rule that is replaced what it leaves out stays.
type SaveRule struct {
	ID    string          `json:"id,omitempty"`
	Rule  json.RawMessage `json:"rule,omitempty"`
	Ready string          `json:"ready,omitempty"`
	Set   []Tag           `json:"set,omitempty"`
	By    string          `json:"by,omitempty"`
}

const (
	ruleFields   = ` id name on metric when then repeat note experimentId enabled version by createdAt updatedAt firings trouble `
	firingFields = ` id rule ruleName version run at seq key step action then outcome made result `
)

// SaveRule makes or replaces a rule.
func (c *Client) SaveRule(ctx context.Context, in SaveRule) (out Rule, err error) {
	err = c.mutate(ctx, `mutation($input: SaveRuleInput!) { saveRule(input: $input) { rule {`+ruleFields+`}`+whyNot+`} }`, "saveRule", "rule", in, &out)
	return out, err
}

// RemoveRule ends a rule, by its id or name. What it did stays readable.
func (c *Client) RemoveRule(ctx context.Context, rule, by string) error {
	var gone *Rule
	return c.mutate(ctx, `mutation($input: RemoveRuleInput!) { removeRule(input: $input) { rule { id }`+whyNot+`} }`, "removeRule", "rule", map[string]any{"id": rule, "by": by}, &gone)
}

// Rules lists rules in the order in which they were made, at most 500.
func (c *Client) Rules(ctx context.Context) ([]Rule, error) {
	var data struct{ Rules struct{ Nodes []Rule } }
	err := c.Do(ctx, `{ rules(first: 500) { nodes {`+ruleFields+`} } }`, nil, &data)
	return data.Rules.Nodes, err
}

// Rule is a rule by its id or name. ErrNotFound.
func (c *Client) Rule(ctx context.Context, idOrName string) (Rule, error) {
	var data struct{ Rule *Rule }
	err := c.Do(ctx, `query($id: ID!) { rule(id: $id) {`+ruleFields+`} }`, map[string]any{"id": idOrName}, &data)
	if err == nil && data.Rule == nil {
		err = fmt.Errorf("client: rule %q: %w", idOrName, ErrNotFound)
	}
	if err != nil {
		return Rule{}, err
	}
	return *data.Rule, nil
}

// RuleFirings lists what rules did, newest first: of one rule by its id or name, about one run; "" is all.
func (c *Client) RuleFirings(ctx context.Context, rule, run string, first int) ([]RuleFiring, error) {
	vars := map[string]any{"first": first}
	for name, v := range map[string]string{"rule": rule, "run": run} {
		if v != "" {
			vars[name] = v
		}
	}
	var data struct{ RuleFirings []RuleFiring }
	err := c.Do(ctx, `query($rule: ID, $run: ID, $first: Int) { ruleFirings(rule: $rule, run: $run, first: $first) {`+firingFields+`} }`, vars, &data)
	return data.RuleFirings, err
}

// ReadyRules lists the templates of rules.
func (c *Client) ReadyRules(ctx context.Context) ([]ReadyRule, error) {
	var data struct{ ReadyRules []ReadyRule }
	err := c.Do(ctx, `{ readyRules }`, nil, &data)
	return data.ReadyRules, err
}
