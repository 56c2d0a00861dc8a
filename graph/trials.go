package graph

import (
	"context"
	"encoding/json"
	"time"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// RuleTrialWish says what is tried. The zero Since is a week ago, the zero First the usual number; Time bounds the trial unless 0.
type RuleTrialWish struct {
	Rule  event.RuleSaved
	Since time.Time
	First int
	Time  time.Duration
}

// RuleTrial is what a rule would have done.
type RuleTrial struct {
	Rule event.RuleSaved // as it was tried
	// Refused is why it could not be saved: a Refusal, nil when it could.
	Refused             error
	Since, From, Until  time.Time // asked for; of the first and the last fact
	FromSeq, UntilSeq   uint64
	Facts, Heard        int64
	Fired, Runs, Failed int64
	Firings, Errors     []readmodel.Firing
	Ended               string
	Notes               []string
}

// tryRule tries a rule; told hears how far it is and may be nil.
func (r *resolver) tryRule(ctx context.Context, in gen.DryRunRuleInput, limit time.Duration, told func(done, total uint64)) (*gen.RuleTrial, error) {
	if r.TryRule == nil {
		return nil, refusal{code: "UNAVAILABLE", message: "rules are not tried here: ask a node with the role tracker"}
	}
	saved, err := r.ruleOf(ruleWish{in.ID, in.Ready, in.Set, in.Rule})
	if err != nil {
		return nil, err
	}
	if in.First != nil && *in.First < 1 {
		return nil, refusal{code: "INVALID", message: "first is the number of firings that are listed, 1 or more", field: []string{"first"}}
	}
	t, err := r.TryRule(ctx, RuleTrialWish{Rule: saved, Since: deref(in.Since), First: deref(in.First), Time: limit}, told)
	if err != nil {
		return nil, err
	}
	refused, err := r.userErrors(ctx, t.Refused)
	if err != nil {
		return nil, err
	}
	return trialOf(t, refused)
}

func trialOf(t RuleTrial, refused []gen.UserError) (*gen.RuleTrial, error) {
	raw, err := json.Marshal(t.Rule)
	if err != nil {
		return nil, err
	}
	firings := func(all []readmodel.Firing) []view.RuleFiring {
		out := make([]view.RuleFiring, len(all))
		for i, f := range all {
			out[i] = view.RuleFiring{Firing: f}
		}
		return out
	}
	out := &gen.RuleTrial{
		Rule: raw, Since: t.Since, FromSeq: int64(t.FromSeq), UntilSeq: int64(t.UntilSeq), Facts: t.Facts, Heard: t.Heard, Fired: t.Fired, Runs: t.Runs,
		Failed: t.Failed, Firings: firings(t.Firings), Errors: firings(t.Errors), Notes: append([]string{}, t.Notes...),
	}
	if len(refused) > 0 {
		out.Refused = &refused[0]
	}
	if t.FromSeq > 0 {
		out.From, out.Until = &t.From, &t.Until
	}
	if t.Ended != "" {
		out.Ended = &t.Ended
	}
	return out, nil
}

// followTrial says how far a trial is, and at last what came of it.
func (r *resolver) followTrial(ctx context.Context, in gen.DryRunRuleInput) (<-chan *gen.DryRunRulePayload, error) {
	return follow(r, ctx, func(ctx context.Context, send func(*gen.DryRunRulePayload) error) error {
		out := gen.DryRunRulePayload{UserErrors: []gen.UserError{}}
		trial, err := r.tryRule(ctx, in, 0, func(done, total uint64) {
			out.Folded, out.Total = ptr(int64(done)), ptr(int64(total))
			_ = send(ptr(out)) // whoever has left ends the trial by the context
		})
		out.Trial = trial
		if out.UserErrors, err = r.userErrors(ctx, err); err != nil {
			return err
		}
		return send(&out)
	})
}
