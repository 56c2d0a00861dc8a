package rules

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"millrace/event"
)

//go:embed ready/*.json
var readyFiles embed.FS

// template is a rule with "${name}" where something can be set; set has what is meant otherwise, "" where it must be.
type template struct {
	Ready string            `json:"ready"`
	Note  string            `json:"note"`
	Set   map[string]string `json:"set"`
	Rule  json.RawMessage   `json:"rule"`
}

// Ready lists the templates, each as JSON: ready (its name), note, set and rule.
func Ready() ([]json.RawMessage, error) {
	names, err := fs.Glob(readyFiles, "ready/*.json")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var out []json.RawMessage
	for _, name := range names {
		raw, err := readyFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		out = append(out, raw)
	}
	return out, nil
}

// Fill makes a rule of a template.
func Fill(name string, set map[string]string) (event.RuleSaved, error) {
	saved := event.RuleSaved{Enabled: true}
	raw, err := readyFiles.ReadFile("ready/" + name + ".json")
	if err != nil {
		return saved, fmt.Errorf("there is no ready-made rule %q", name)
	}
	var t template
	if err := json.Unmarshal(raw, &t); err != nil {
		return saved, fmt.Errorf("rules: template %s: %w", name, err)
	}
	for _, key := range sortedKeys(set) {
		if _, ok := t.Set[key]; !ok {
			return saved, fmt.Errorf("%s has no %q to set; it has %s", name, key, strings.Join(sortedKeys(t.Set), ", "))
		}
	}
	text := string(t.Rule)
	for _, key := range sortedKeys(t.Set) {
		value := t.Set[key]
		if v, ok := set[key]; ok {
			value = v
		}
		if value == "" {
			return saved, fmt.Errorf("%s needs %q to be set", name, key)
		}
		if strings.ContainsAny(value, "'\"\\\n$") {
			return saved, fmt.Errorf("%q cannot be %q: quotes, backslashes and $ have no place in it", key, value)
		}
		text = strings.ReplaceAll(text, "${"+key+"}", value)
	}
	if err := json.Unmarshal([]byte(text), &saved); err != nil {
		return saved, fmt.Errorf("%s: %w", name, err)
	}
	return saved, nil
}
