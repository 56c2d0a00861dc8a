package rules

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"

	"millrace/event"
	"millrace/storage/readmodel"
)

// decider decides by a read model: the lab's own, or one that a trial folds. Every decision of a rule comes through hear or show.
type decider struct {
	model *readmodel.Model
	// fired tells how often a rule has fired for a run where that is not the model's to tell.
	fired func(r *Rule, run event.RunID) (readmodel.Fired, error)
}

// carried are the facts that a message carries: itself, or each of a batch, with an id of its own. What of a batch cannot be read is left
// out: the fold says so.
func carried(env event.Envelope) iter.Seq[event.Envelope] {
	return func(yield func(event.Envelope) bool) {
		batch, ok := env.Event.(event.BatchLogged)
		if !ok {
			yield(env)
			return
		}
		n := 0
		for fact, err := range batch.Unpack() {
			n++
			if err != nil {
				continue
			}
			one := env
			one.ID, one.Event = fmt.Sprintf("%s/%d", env.ID, n), fact
			if !yield(one) {
				return
			}
		}
	}
}

// hear asks the rules on a fact about it, and has what they decide said. Points are shown otherwise.
func (d decider) hear(ctx context.Context, rules []*Rule, env event.Envelope, say func(*event.RuleFired) error) error {
	for _, r := range rules {
		if r.On != env.Event.Type() || r.On == Points {
			continue
		}
		fired, err := d.decide(ctx, r, &state{model: d.model, env: env, run: runOf(env.Event)})
		if err == nil && fired != nil {
			err = say(fired)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// decide tells what a rule does about a fact: nil for nothing. Its error is the platform's; one of the rule's own is in the decision.
func (d decider) decide(ctx context.Context, r *Rule, s *state) (*event.RuleFired, error) {
	if s.env.Seq <= r.since {
		return nil, nil // it was not in force
	}
	if r.Experiment != "" && r.Experiment != s.experimentID() {
		return nil, nil
	}
	firing := []string{"firing", string(r.Rule), strconv.FormatInt(r.Version, 10)}
	if r.repeat == repeatFact {
		firing = append(firing, "fact", s.env.ID)
	} else {
		ask := d.fired
		if ask == nil {
			ask = func(r *Rule, run event.RunID) (readmodel.Fired, error) { return d.model.Fired(r.Rule, r.Version, run) }
		}
		n, err := ask(r, s.run)
		if err != nil {
			return nil, err
		}
		if n.Count > 0 && (r.repeat == repeatRun || s.env.Time.Sub(n.At) < r.every) {
			return nil, nil
		}
		firing = append(firing, "run", string(s.run), strconv.FormatInt(n.Count, 10))
	}
	out := &event.RuleFired{
		Rule: r.Rule, Seq: s.env.Seq, Run: s.run, Action: r.then.name, Version: r.Version, Fact: s.env.ID, Key: s.key, Name: r.Name,
		Firing: event.FiringID(event.DerivedID(firing...)),
	}
	if s.key != "" {
		step := s.step
		out.Step = &step
	}
	fail := func(code, hint string, why error) (*event.RuleFired, error) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if errors.Is(why, readmodel.ErrClosed) || errors.Is(why, readmodel.ErrBroken) {
			return nil, why
		}
		// Said once in a while: the name of the firing has the time in it, not the fact.
		window := s.env.Time.Unix() / int64(failureEvery.Seconds())
		out.Firing = event.FiringID(event.DerivedID("firing", string(r.Rule), strconv.FormatInt(r.Version, 10), code, strconv.FormatInt(window, 10)))
		out.Failure = &event.Failure{Code: code, Message: cut(why.Error(), 2000), Hint: hint}
		return out, nil
	}
	yes, err := r.when.holds(ctx, s)
	if err != nil {
		return fail("expression", "mend the expression of the rule", err)
	}
	if !yes {
		return nil, nil
	}
	if out.Depth, err = d.depth(s); err != nil {
		return nil, err
	}
	if out.Depth++; out.Depth > maxDepth {
		return fail("too_deep", "rules that answer one another go in a circle: narrow one of them, for example by run.depth == 0",
			fmt.Errorf("%d rules in a row have caused this fact; at most %d may", out.Depth-1, maxDepth))
	}
	if out.Then, err = r.then.resolve(ctx, s); err != nil {
		return fail("expression", "mend the arguments of the rule's action", err)
	}
	return out, nil
}

// depth is how many rules stand between a fact and a person.
func (d decider) depth(s *state) (depth int, err error) {
	runs := []event.RunID{s.run}
	switch e := s.env.Event.(type) {
	case event.EvaluationCompleted:
		runs = append(runs, e.Run)
	case event.RunRequested:
		depth = e.Depth
	case event.AliasSet:
		depth = e.Depth
	case event.AlertRaised:
		depth = e.Depth
	case event.RuleFired:
		depth = e.Depth
	}
	for _, id := range runs {
		if id == "" {
			continue
		}
		r, err := d.model.Run(id)
		if errors.Is(err, readmodel.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		depth = max(depth, r.Depth)
	}
	return depth, nil
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}
