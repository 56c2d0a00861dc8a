package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"millrace/event"
)

// Rule is a saved rule that was read and can be asked.
type Rule struct {
	event.RuleSaved
	when   *expression
	then   action
	repeat repeat
	every  time.Duration // of repeatAfter
	since  uint64        // the place from which it is in force
}

type repeat uint8

const (
	repeatFact repeat = iota
	repeatRun
	repeatAfter
)

// Points is the type of the facts that carry metric points. In a rule it may be written "points" too.
const Points event.Type = "metrics.logged"

// The bounds of a rule's texts, in bytes.
const (
	maxName = 200
	maxNote = 10_000
	maxThen = 64 << 10
)

// Error is what is wrong with a rule, and with which of its fields.
type Error struct {
	field string
	hint  string
	err   error
}

func (e *Error) Error() string   { return e.err.Error() }
func (e *Error) Unwrap() error   { return e.err }
func (e *Error) Hint() string    { return e.hint }
func (e *Error) Field() []string { return []string{e.field} }
func (e *Error) Code() string    { return "INVALID" }

func wrong(field, hint, format string, args ...any) error {
	return &Error{field, hint, fmt.Errorf(format, args...)}
}

// deaf are the facts that no rule may be on: they come all the time and say nothing that a run's state does not.
var deaf = []event.Type{"run.heartbeat", "run.progressed", "run.usage_sampled", "run.lines_logged", "run.rows_logged", "run.batch_logged", "run.text_logged", "trace.spans_logged",
	"log.archived", "snapshot.taken"}

// Kinds lists the facts that a rule may be on.
func Kinds() []event.Type {
	var out []event.Type
	for _, e := range event.Set() {
		if !slices.Contains(deaf, e.Type()) {
			out = append(out, e.Type())
		}
	}
	slices.Sort(out)
	return out
}

// Parse reads a rule and writes out its defaults. Errors: *Error.
func Parse(saved event.RuleSaved) (*Rule, error) {
	r := &Rule{RuleSaved: saved}
	r.Name = strings.TrimSpace(r.Name)
	if r.Name == "" || len(r.Name) > maxName {
		return nil, wrong("name", "", "a rule's name has 1-%d bytes", maxName)
	}
	if len(r.Note) > maxNote {
		return nil, wrong("note", "", "a note has at most %d bytes", maxNote)
	}
	if r.On == "points" {
		r.On = Points
	}
	if !slices.Contains(Kinds(), r.On) {
		return nil, wrong("on", fmt.Sprintf("one of points, %v", Kinds()), "a rule cannot be on %q", r.On)
	}
	if (r.Metric != "") != (r.On == Points) {
		return nil, wrong("metric", "", "a rule on points names a metric, such as train/loss or *loss*, and no other rule does")
	}
	if len(r.Metric) > maxName {
		return nil, wrong("metric", "", "a metric's name has at most %d bytes", maxName)
	}
	var err error
	if r.repeat, r.every, err = parseRepeat(r.Repeat, r.On); err != nil {
		return nil, err
	}
	if r.when, err = compile(r.When, r.On); err != nil {
		return nil, &Error{"when", "docs/rules.md has the language", err}
	}
	if r.then, err = parseAction(r.Then, r.On); err != nil {
		return nil, &Error{"then", "docs/rules.md lists the actions", err}
	}
	if r.Then, err = event.CanonicalJSON(r.Then); err != nil {
		return nil, &Error{"then", "", err}
	}
	return r, nil
}

func parseRepeat(text string, on event.Type) (repeat, time.Duration, error) {
	switch text {
	case "fact":
		if on == Points {
			return 0, 0, wrong("repeat", "run, or a duration such as 10m", "a rule on points cannot fire for each of them")
		}
		return repeatFact, 0, nil
	case "run":
		return repeatRun, 0, nil
	case "":
		if on == Points {
			return repeatRun, 0, nil
		}
		return repeatFact, 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second || d > 366*24*time.Hour {
		return 0, 0, wrong("repeat", "", "%q is not \"fact\", \"run\" or a duration of 1s-366d such as 10m", text)
	}
	return repeatAfter, d, nil
}

// same tells whether two rules do the same: then a save is no new version.
func same(a, b event.RuleSaved) bool {
	return a.On == b.On && a.When == b.When && string(canonical(a.Then)) == string(canonical(b.Then)) && a.Experiment == b.Experiment && a.Metric == b.Metric && a.Repeat == b.Repeat
}

func canonical(raw json.RawMessage) []byte {
	if c, err := event.CanonicalJSON(raw); err == nil {
		return c
	}
	return raw
}

// fits tells whether a metric's key is what a pattern asks for.
func fits(pattern, key string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == key
	}
	if !strings.HasPrefix(key, parts[0]) {
		return false
	}
	key = key[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(key, p)
		if i < 0 {
			return false
		}
		key = key[i+len(p):]
	}
	return strings.HasSuffix(key, parts[len(parts)-1])
}
