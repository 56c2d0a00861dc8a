package view

import (
	"cmp"
	"encoding/json"
	"time"

	"millrace/storage/readmodel"
)

// ExperimentID is the experiment that the rule is bound to, "" for all.
func (r Rule) ExperimentID() string { return string(r.Experiment) }

// Trouble is the last reason why it could not decide, nil when there is none.
func (r Rule) Trouble() *string {
	if r.Failure == nil {
		return nil
	}
	return &r.Failure.Message
}

// RuleFiring is a decision of a rule and what came of it.
type RuleFiring struct{ Firing readmodel.Firing }

// What a firing has come to while RuleActed has not said it.
const (
	firingOpen  = "open"
	firingError = "error"
)

// ID names the decision, "" where nothing could be decided.
func (f RuleFiring) ID() string { return string(f.Firing.Firing) }

// Rule is the rule's own id.
func (f RuleFiring) Rule() string { return string(f.Firing.Rule) }

// Version is that of the rule that decided.
func (f RuleFiring) Version() int64 { return f.Firing.Version }

// Run is what the fact was about, "" for none.
func (f RuleFiring) Run() string { return string(f.Firing.Run) }

// At is when it was decided.
func (f RuleFiring) At() time.Time { return f.Firing.At }

// Seq is the fact's place in the log.
func (f RuleFiring) Seq() int64 { return int64(f.Firing.Seq) }

// Key is the series that fired it, "" for none.
func (f RuleFiring) Key() string { return f.Firing.Key }

// Step is the newest of its points, nil where no point fired it.
func (f RuleFiring) Step() *int64 { return f.Firing.Step }

// RuleName is the rule's name when it decided.
func (f RuleFiring) RuleName() string { return f.Firing.Name }

// Action is what was to be done.
func (f RuleFiring) Action() string { return f.Firing.Action }

// Then is the action with every expression worked out, nil where nothing was to be done.
func (f RuleFiring) Then() json.RawMessage { return json.RawMessage(f.Firing.Then) }

// Outcome is one of event.Done, Needless, Refused, GivenUp, or "open", or "error".
func (f RuleFiring) Outcome() string {
	switch {
	case f.Firing.Acted != nil:
		return f.Firing.Acted.Outcome
	case f.Firing.Failure != nil:
		return firingError
	}
	return firingOpen
}

// Made is the run that was made, "" for none.
func (f RuleFiring) Made() string {
	if f.Firing.Acted == nil {
		return ""
	}
	return string(f.Firing.Acted.Made)
}

// Result says what came of it, or why not. What became of a message is said where there was one.
func (f RuleFiring) Result() string {
	if f.Firing.Failure != nil {
		return f.Firing.Failure.Message
	}
	if n := f.Firing.Notification; n != nil && n.Failed != nil {
		return "the message was given up: " + n.Failed.Failure.Message
	} else if n != nil && n.Delivered != nil {
		return "the message was delivered"
	}
	a := f.Firing.Acted
	switch {
	case a == nil:
		return f.Firing.Result
	case a.Failure != nil:
		return cmp.Or(a.Failure.Message, a.Result)
	}
	return a.Result
}
