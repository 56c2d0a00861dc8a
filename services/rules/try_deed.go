package rules

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"millrace/event"
	"millrace/storage/readmodel"
)

// foresee says what is to be expected of a firing by a read model: what would be asked for, that it is so already, or why it cannot be. What
// only the tracker knows (whether a configuration can be trained) is not asked.
func foresee(m *readmodel.Model, fired event.RuleFired) (event.RuleActed, error) {
	acted := event.RuleActed{Rule: fired.Rule, Firing: fired.Firing, Seq: fired.Seq, Outcome: event.Done, Run: fired.Run}
	a, err := argsOf(fired)
	if err == nil {
		acted.Run = a.Run
		err = foretell(m, fired, a, &acted)
	}
	var refused *Error
	if errors.As(err, &refused) {
		acted.Outcome, acted.Result, acted.Failure = event.Refused, "", &event.Failure{Code: refused.Code(), Message: cut(refused.Error(), 2000), Hint: refused.Hint()}
		return acted, nil
	}
	return acted, err
}

func foretell(m *readmodel.Model, fired event.RuleFired, a args, acted *event.RuleActed) error {
	because := func(text string) string {
		if a.Reason != "" {
			text += ": " + a.Reason
		}
		return text
	}
	run := func() (readmodel.Run, error) {
		r, err := m.Run(a.Run)
		if errors.Is(err, readmodel.ErrNotFound) {
			return r, wrong("run", "", "there is no run %q", a.Run)
		}
		return r, err
	}
	switch fired.Action {
	case "stop":
		r, err := run()
		if err != nil {
			return err
		}
		if why := stopped(r); why != "" {
			acted.Outcome, acted.Result = event.Needless, why
			return nil
		}
		verb := "stop"
		if a.Pause {
			verb = "pause"
		}
		acted.Result = because(verb + " " + named(r))
	case "rollback":
		r, err := run()
		if err != nil {
			return err
		}
		step, err := backTo(m, fired, a)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("rewind %s to step %d and resume it", named(r), step)
		if a.changes() {
			text = fmt.Sprintf("stop %s and go on from step %d with %s", named(r), step, a.Config)
		}
		acted.Result = because(text)
	case "alias":
		r, err := run()
		if err != nil {
			return err
		}
		step, err := promoted(m, fired, a)
		if err != nil {
			return err
		}
		acted.Result = fmt.Sprintf("%s is %s at step %d", a.Alias, named(r), step)
		if was, err := m.Alias(r.Experiment, a.Alias); err == nil {
			acted.Result += fmt.Sprintf(", not %s at step %d", was.Run, was.Step)
		}
	case "evaluate":
		acted.Result = fmt.Sprintf("evaluate %s by suite %s", at(a.Run, stepOf(fired, a)), a.Suite)
	case "fork", "reproduce":
		acted.Result = fmt.Sprintf("%s %s", fired.Action, at(a.Run, a.Step))
	case "train", "finetune", "curate":
		acted.Result = strings.TrimSpace(fired.Action + " " + a.Name)
	case "alert":
		acted.Result = fmt.Sprintf("alert (%s): %s", cmp.Or(a.Level, "warn"), a.Title)
	case "webhook":
		place := "the address in $" + a.URLEnv
		if u, err := url.Parse(a.URL); a.URL != "" && err == nil {
			place = u.Host
		}
		acted.Result = fmt.Sprintf("webhook to %s: %s", place, a.Title)
	case "email":
		var to []string
		_ = json.Unmarshal(a.To, &to)
		acted.Result = fmt.Sprintf("e-mail to %s: %s", strings.Join(to, ", "), a.Title)
	}
	return nil
}

// named is a run as people know it.
func named(r readmodel.Run) string {
	if r.Name == "" || r.Name == string(r.ID) {
		return string(r.ID)
	}
	return fmt.Sprintf("%s (%s)", r.Name, r.ID)
}

// at is a run, or its checkpoint at a step.
func at(run event.RunID, step int64) string {
	if step == 0 {
		return string(run)
	}
	return fmt.Sprintf("%s at step %d", run, step)
}
