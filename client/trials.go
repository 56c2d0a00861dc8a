package client

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// TryRule says what is tried: a rule as JSON, a template (Ready, Set), or one that is there (ID, its id or name), each with Rule laid over it.
type TryRule struct {
	ID    string          `json:"id,omitempty"`
	Rule  json.RawMessage `json:"rule,omitempty"`
	Ready string          `json:"ready,omitempty"`
	Set   []Tag           `json:"set,omitempty"`
	Since *time.Time      `json:"since,omitempty"` // nil: a week ago
	First int             `json:"first,omitempty"` // so many firings are listed; 0: 100
}

// RuleTrial is what a rule would have done. What it would have caused did not come to pass: a run that it would have stopped goes on.
type RuleTrial struct {
	Rule     json.RawMessage `json:"rule"`    // as it was tried
	Refused  *UserError      `json:"refused"` // why it could not be saved, nil when it could
	Since    time.Time       `json:"since"`
	From     *time.Time      `json:"from"` // when the first fact happened that was looked at, nil when there was none
	Until    *time.Time      `json:"until"`
	FromSeq  int64           `json:"fromSeq"`
	UntilSeq int64           `json:"untilSeq"`
	Facts    int64           `json:"facts"`
	Heard    int64           `json:"heard"` // of its kind; on points, looks at a series
	Fired    int64           `json:"fired"`
	Runs     int64           `json:"runs"`
	Firings  []RuleFiring    `json:"firings"` // the first, oldest first, with what was to be expected then
	Failed   int64           `json:"failed"`
	Errors   []RuleFiring    `json:"errors"` // the first few, each message once
	Ended    *string         `json:"ended"`  // why it ended early, nil when it did not
	Notes    []string        `json:"notes"`
}

// TryRule tells what a rule would have done. told hears how many facts of how many are folded; it may be nil. Errors: *Refused for a rule that
// cannot work.
func (c *Client) TryRule(ctx context.Context, in TryRule, told func(done, total int64)) (out RuleTrial, err error) {
	const query = `subscription($input: DryRunRuleInput!) { ruleTrial(input: $input) { folded total trial {
		rule refused { message hint code field } since from until fromSeq untilSeq facts heard fired runs failed ended notes
		firings {` + firingFields + `} errors {` + firingFields + `} }` + whyNot + `} }`
	done := false
	err = c.Subscribe(ctx, query, map[string]any{"input": in}, func(raw json.RawMessage) error {
		var data struct {
			RuleTrial struct {
				Folded, Total int64
				Trial         *RuleTrial
				UserErrors    []UserError
			}
		}
		if err := json.Unmarshal(raw, &data); err != nil {
			return fmt.Errorf("client: ruleTrial: %w", err)
		}
		is := data.RuleTrial
		switch {
		case len(is.UserErrors) > 0:
			return &Refused{is.UserErrors}
		case is.Trial != nil:
			out, done = *is.Trial, true
		case told != nil:
			told(is.Folded, is.Total)
		}
		return nil
	})
	if err == nil && !done {
		err = fmt.Errorf("client: the trial ended without an answer: %w", ErrUnreachable)
	}
	return out, err
}
