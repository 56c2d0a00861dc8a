package rules

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"millrace/event"
)

// Circle finds rules that would cause each other for ever, beginning and ending with r; nil when that cannot be proven. An action causes facts
// of certain types; of each it is known in part what it says (an alias's name, the kind of the run that is made). A rule on the fact answers it
// for certain when its condition holds whatever the rest says; such a chain that comes back is a circle. What may go in a circle, or may not,
// is bounded when it runs: after three rules in a row nothing more is done.
func Circle(r *Rule, others []*Rule) []*Rule {
	all := append([]*Rule{r}, others...)
	var walk func(path []*Rule) []*Rule
	walk = func(path []*Rule) []*Rule {
		last := path[len(path)-1]
		for _, next := range all {
			if !certain(last, next) {
				continue
			}
			if next == r {
				return path
			}
			seen := false
			for _, p := range path {
				seen = seen || p == next
			}
			if seen || len(path) > 8 {
				continue
			}
			if found := walk(append(path[:len(path):len(path)], next)); found != nil {
				return found
			}
		}
		return nil
	}
	return walk([]*Rule{r})
}

// consequence is a fact that an action causes whatever happens, and what is known of it.
type consequence struct {
	on    event.Type
	event map[string]any
	run   map[string]any
}

// consequences lists what an action surely causes.
func consequences(r *Rule) []consequence {
	by := event.RuleBy(r.Rule)
	made := func(kind event.RunKind) []consequence {
		run := map[string]any{"by": by}
		if kind != "" {
			run["kind"] = string(kind)
		}
		return []consequence{{"run.requested", map[string]any{"by": by}, run}, {"run.started", nil, run}, {"run.ended", nil, run}}
	}
	constant := func(key, otherwise string) any {
		if s, ok := r.then.args[key].(string); ok && r.then.expressions[s] == nil {
			return s
		} else if !ok && otherwise != "" {
			return otherwise
		}
		return nil
	}
	acted := consequence{"rule.acted", map[string]any{"rule": string(r.Rule)}, nil}
	fired := consequence{"rule.fired", map[string]any{"rule": string(r.Rule), "action": r.then.name}, nil}
	out := []consequence{acted, fired}
	switch r.then.name {
	case "alias":
		out = append(out, consequence{"alias.set", known("alias", constant("alias", ""), "by", by), nil})
	case "alert":
		out = append(out, consequence{"run.alert_raised", known("title", constant("title", ""), "level", constant("level", "warn")), nil})
	case "train", "finetune", "curate":
		out = append(out, made(event.RunKind(r.then.name))...)
	case "reproduce", "fork":
		out = append(out, made("")...)
	case "webhook", "email":
		out = append(out, consequence{"notification.requested", map[string]any{"channel": r.then.name, "rule": string(r.Rule)}, nil})
	}
	return out
}

// known is a map of what is known: values that are nil are not.
func known(pairs ...any) map[string]any {
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != nil {
			out[pairs[i].(string)] = pairs[i+1]
		}
	}
	return out
}

// certain tells whether what a rule does surely makes another fire.
func certain(cause, effect *Rule) bool {
	if effect.repeat == repeatAfter || effect.Experiment != "" && effect.Experiment != cause.Experiment {
		return false
	}
	for _, c := range consequences(cause) {
		if c.on != effect.On {
			continue
		}
		if effect.repeat == repeatRun && c.run == nil {
			continue // once for a run that is there already
		}
		if holdsFor(effect.when, c) {
			return true
		}
	}
	return false
}

// holdsFor tells whether a condition holds of a fact of which only a part is known.
func holdsFor(x *expression, c consequence) bool {
	var unknown []*cel.AttributePatternType
	for _, v := range variables {
		if v != "event" && v != "run" {
			unknown = append(unknown, cel.AttributePattern(v))
		}
	}
	part := func(name string, fields []string, is map[string]any) {
		for _, f := range fields {
			if _, ok := is[f]; !ok {
				unknown = append(unknown, cel.AttributePattern(name).QualString(f))
			}
		}
	}
	if zero := zeroOf(c.on); zero != nil {
		part("event", fieldsOf(zero), c.event)
	}
	part("run", runFields, c.run)
	vars, err := cel.PartialVars(map[string]any{"event": orEmpty(c.event), "run": orEmpty(c.run)}, unknown...)
	if err != nil {
		return false
	}
	v, _, err := x.program.Eval(vars)
	return err == nil && v == types.True
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}
