package readmodel

import (
	"time"

	"millrace/event"
)

// ruleSaved makes a rule or replaces it; its history of firings stays.
func (f *fold) ruleSaved(e event.RuleSaved) error {
	e.Then = validJSON(e.Then)
	r, ok := f.rules[e.Rule]
	if !ok {
		r = Rule{Seq: f.env.Seq, CreatedAt: f.at}
	}
	if e.Version != r.Version || e.Enabled && !r.Enabled || !ok {
		r.Since, r.Failure, r.FailedAt = f.env.Seq, nil, time.Time{}
	}
	r.RuleSaved, r.UpdatedAt = e, f.at
	return f.saveRule(r)
}

func (f *fold) saveRule(r Rule) error {
	if err := f.put(tableRule, "", parts(string(r.Rule)), r); err != nil {
		return err
	}
	f.rules[r.Rule] = r
	return nil
}

// ruleRemoved ends a rule. What it did stays readable.
func (f *fold) ruleRemoved(e event.RuleRemoved) error {
	delete(f.rules, e.Rule)
	f.pending.remove(tableRule, "", parts(string(e.Rule)))
	return nil
}

func (f *fold) ruleFired(e event.RuleFired) error {
	if e.Run != "" {
		f.touched[e.Run] = struct{}{}
	}
	if len(e.Then) > 0 {
		e.Then = validJSON(e.Then)
	}
	rest := parts(f.env.Seq)
	f.pending.put(tableFiringOrder, "", rest, []byte(e.Rule))
	if err := f.put(tableFiring, string(e.Rule), rest, Firing{RuleFired: e, FiredSeq: f.env.Seq, At: f.at}); err != nil {
		return err
	}
	if err := f.countFiring(e); err != nil {
		return err
	}
	r, ok := f.rules[e.Rule]
	if !ok {
		return nil
	}
	r.Firings++
	r.LastFired = later(r.LastFired, f.at)
	if e.Failure != nil {
		r.Failure, r.FailedAt = e.Failure, f.at
	}
	return f.saveRule(r)
}

// countFiring notes that a version of a rule fired for a run, so that it can be told how often it did.
func (f *fold) countFiring(e event.RuleFired) error {
	if e.Failure != nil {
		return nil
	}
	rest := parts(string(e.Run), e.Version)
	var n Fired
	if raw := f.v.get(tableFired, string(e.Rule), rest); raw != nil {
		var err error
		if n, err = decode[Fired](raw); err != nil {
			return err
		}
	}
	n.Count++
	n.At, n.Seq = f.at, f.env.Seq
	return f.put(tableFired, string(e.Rule), rest, n)
}

// ruleActed says beside a firing what came of it.
func (f *fold) ruleActed(e event.RuleActed) error {
	return f.amend(e.Rule, e.Seq, func(x *Firing) { x.Acted, x.ActedAt = &e, f.at })
}

// told says beside a firing what became of its message.
func (f *fold) told(rule event.RuleID, seq uint64, change func(*Notification)) error {
	return f.amend(rule, seq, func(x *Firing) {
		var n Notification
		if x.Notification != nil {
			n = *x.Notification
		}
		change(&n)
		x.Notification = &n
	})
}

// amend changes a firing by its place; one that is not there is left out.
func (f *fold) amend(rule event.RuleID, seq uint64, change func(*Firing)) error {
	rest := parts(seq)
	raw := f.v.get(tableFiring, string(rule), rest)
	if raw == nil {
		return nil
	}
	x, err := decode[Firing](raw)
	if err != nil {
		return err
	}
	if x.Run != "" {
		f.touched[x.Run] = struct{}{}
	}
	change(&x)
	return f.put(tableFiring, string(rule), rest, x)
}
