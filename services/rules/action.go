package rules

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"millrace/event"
)

// action is what a rule does: one key that names it, with its arguments. A string that begins with '=' is an expression, worked out when
// the rule fires; "==" begins a string with one '='.
type action struct {
	name string
	args map[string]any
	// expressions by their text.
	expressions map[string]*expression
}

// The arguments of each action, those that must be there with a '!'.
var actions = map[string][]string{
	"stop":      {"run", "reason", "pause"},
	"rollback":  {"run", "to", "config", "name", "reason"},
	"fork":      {"run", "step", "config", "name", "experiment", "suites", "stop_after", "tags", "labels", "budget"},
	"alias":     {"!alias", "run", "step"},
	"evaluate":  {"!suite", "run", "step"},
	"reproduce": {"run", "steps", "name"},
	"train":     {"!inputs", "config", "name", "experiment", "suites", "stop_after", "tags", "labels", "budget", "engine"},
	"finetune":  {"!inputs", "config", "name", "experiment", "suites", "stop_after", "tags", "labels", "budget", "engine"},
	"curate":    {"!config", "inputs", "name", "experiment", "tags", "labels", "budget"},
	"alert":     {"!title", "run", "level", "text"},
	"webhook":   {"url", "url_env", "secret_env", "!title", "text"},
	"email":     {"!to", "!title", "text"},
}

// Actions lists the names of what rules can do.
func Actions() []string { return sortedKeys(actions) }

// parseAction reads {"stop": {…}}.
func parseAction(raw json.RawMessage, on event.Type) (action, error) {
	if len(raw) > maxThen {
		return action{}, fmt.Errorf("an action has at most %d bytes, this one has %d", maxThen, len(raw))
	}
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(raw, &outer); err != nil || len(outer) != 1 {
		return action{}, fmt.Errorf("an action is an object with one key, one of %s, such as {\"stop\": {}}", strings.Join(Actions(), ", "))
	}
	a := action{expressions: map[string]*expression{}}
	var inner json.RawMessage
	for a.name, inner = range outer {
	}
	known, ok := actions[a.name]
	if !ok {
		return action{}, fmt.Errorf("there is no action %q; there are %s", a.name, strings.Join(Actions(), ", "))
	}
	if a.args, ok = parsed(inner).(map[string]any); !ok {
		if string(bytes.TrimSpace(inner)) != "null" {
			return action{}, fmt.Errorf("the arguments of %s are an object", a.name)
		}
		a.args = map[string]any{}
	}
	for _, key := range sortedKeys(a.args) {
		if !slices.Contains(known, key) && !slices.Contains(known, "!"+key) {
			return action{}, fmt.Errorf("%s has no argument %q; it has %s", a.name, key, strings.ReplaceAll(strings.Join(known, ", "), "!", ""))
		}
	}
	for _, key := range known {
		if name, must := strings.CutPrefix(key, "!"); must && a.args[name] == nil {
			return action{}, fmt.Errorf("%s needs %q", a.name, name)
		}
	}
	if err := a.compile(a.args, on); err != nil {
		return action{}, fmt.Errorf("%s: %w", a.name, err)
	}
	return a, a.check(a.args, func(v any) bool { s, is := v.(string); return is && a.expressions[s] != nil })
}

// compile reads the expressions among the arguments.
func (a *action) compile(v any, on event.Type) error {
	switch v := v.(type) {
	case string:
		text, is := expressionIn(v)
		if !is {
			return nil
		}
		x, err := compile(text, on)
		if err != nil {
			return fmt.Errorf("%q: %w", v, err)
		}
		a.expressions[v] = x
	case map[string]any:
		for _, k := range sortedKeys(v) {
			if err := a.compile(v[k], on); err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
		}
	case []any:
		for _, x := range v {
			if err := a.compile(x, on); err != nil {
				return err
			}
		}
	}
	return nil
}

func expressionIn(s string) (string, bool) {
	text, is := strings.CutPrefix(s, "=")
	return text, is && !strings.HasPrefix(text, "=")
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// check refuses arguments that cannot work; later tells of one that will be worked out.
func (a action) check(args map[string]any, later func(any) bool) error {
	texts := []string{"run", "reason", "name", "alias", "suite", "experiment", "title", "text", "level", "url", "url_env", "secret_env", "engine"}
	for _, key := range sortedKeys(args) {
		v := args[key]
		if v == nil || later(v) {
			continue
		}
		switch _, text := v.(string); {
		case slices.Contains(texts, key) && !text:
			return fmt.Errorf("%s: %q is a text", a.name, key)
		case slices.Contains([]string{"to", "step", "steps", "stop_after"}, key) && a.name != "email":
			if _, ok := v.(int64); !ok {
				return fmt.Errorf("%s: %q is a whole number", a.name, key)
			}
		}
	}
	for _, key := range []string{"url_env", "secret_env"} {
		if s, ok := args[key].(string); ok && !later(s) && !variable.MatchString(s) {
			return fmt.Errorf("%s: %q is the name of an environment variable, %q is none", a.name, key, s)
		}
	}
	switch a.name {
	case "webhook":
		if (args["url"] == nil) == (args["url_env"] == nil) {
			return errors.New("webhook needs \"url\", or \"url_env\": the environment variable that holds it")
		}
		if s, ok := args["url"].(string); ok && !later(s) {
			if u, err := url.Parse(s); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
				return fmt.Errorf("webhook: %q is not an address that begins with https:// or http://, without a password", s)
			}
		}
	case "email":
		to, ok := args["to"].([]any)
		if !ok || len(to) == 0 || len(to) > 20 {
			return errors.New("email: \"to\" is a list of 1-20 addresses")
		}
		for _, v := range to {
			s, ok := v.(string)
			if _, err := mail.ParseAddress(s); !ok || err != nil && !later(v) {
				return fmt.Errorf("email: %v is not an address", v)
			}
		}
	case "alert":
		if s, ok := args["level"].(string); ok && !later(s) && !slices.Contains([]string{"info", "warn", "error"}, s) {
			return fmt.Errorf("alert: %q is not a level: info, warn or error", s)
		}
	}
	return nil
}

// resolve works the arguments out: the action as it is to be done, as JSON.
func (a action) resolve(ctx context.Context, s *state) (json.RawMessage, error) {
	args, err := a.worked(ctx, a.args, s)
	if err != nil {
		return nil, err
	}
	if err := a.check(args.(map[string]any), func(any) bool { return false }); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(map[string]any{a.name: args})
	if err == nil && len(raw) > maxThen {
		err = fmt.Errorf("the action has %d bytes, at most %d", len(raw), maxThen)
	}
	return raw, err
}

func (a action) worked(ctx context.Context, v any, s *state) (any, error) {
	switch v := v.(type) {
	case string:
		x := a.expressions[v]
		if x == nil {
			return strings.TrimPrefix(v, "="), nil
		}
		got, err := x.eval(ctx, s)
		if err != nil {
			return nil, err
		}
		return native(got)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			var err error
			if out[k], err = a.worked(ctx, x, s); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			var err error
			if out[i], err = a.worked(ctx, x, s); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// native is what an expression gave, as JSON has it.
func native(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.String:
		return string(v), nil
	case types.Int:
		return int64(v), nil
	case types.Double:
		return event.Number(v), nil
	case types.Bool:
		return bool(v), nil
	case types.Null:
		return nil, nil
	}
	xs, err := numbers(v)
	if err != nil {
		return nil, fmt.Errorf("an argument is a text, a number, true or false, not a %s", v.Type().TypeName())
	}
	out := make([]any, len(xs))
	for i, x := range xs {
		out[i] = event.Number(x)
	}
	return out, nil
}
