package tracker

import (
	"errors"

	"millrace/event"
)

// admitRule completes a rule that is to be saved: a new one gets an id, and each save that changes what a rule does another version.
func (t *Tracker) admitRule(w event.RuleSaved) (event.Event, error) {
	if t.CheckRule == nil {
		return nil, refuse(Invalid, "", "", "this process knows no rules")
	}
	if w.Experiment != "" {
		x, err := t.Model.Experiment(w.Experiment)
		if err != nil {
			if x, err = t.Model.ExperimentByName(string(w.Experiment)); err != nil {
				return nil, refuse(NotFound, "experiment", "", "there is no experiment %q", w.Experiment)
			}
		}
		w.Experiment = x.ID
	}
	if w.Rule == "" {
		id, err := t.newID()
		if err != nil {
			return nil, err
		}
		w.Rule = event.RuleID(id)
	} else if !event.ValidID(string(w.Rule)) {
		return nil, refuse(Invalid, "id", "", "%.80q cannot name a rule: 1-64 letters, digits, '-' and '_'", w.Rule)
	}
	fact, err := t.CheckRule(w)
	var known interface {
		Code() string
		Field() []string
		Hint() string
	}
	if errors.As(err, &known) {
		return nil, &Refusal{code: known.Code(), hint: known.Hint(), field: known.Field(), err: err}
	}
	if err != nil {
		return nil, asRefusal("", err)
	}
	return fact, nil
}
