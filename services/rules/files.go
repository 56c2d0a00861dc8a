package rules

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"millrace/event"
)

// saveFiles saves the rules that the configuration names. One that is there already as it should be is left alone; one that cannot be saved is
// told in the process's log, and the others are.
func (s *Service) saveFiles(ctx context.Context) {
	if state, err := s.Bus.State(ctx); err != nil || len(s.Files) == 0 || s.Model.WaitFor(ctx, state.Last) != nil {
		return
	}
	for _, file := range s.Files {
		if err := s.saveFile(ctx, file); err != nil && ctx.Err() == nil {
			s.Log.Error("a rule of the configuration (rules.files) was not saved", "file", file, "error", err)
		}
	}
}

func (s *Service) saveFile(ctx context.Context, file string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	saved, err := ReadRule(raw)
	if err != nil {
		return err
	}
	all, err := s.Model.Rules()
	if err != nil {
		return err
	}
	for _, was := range all {
		if strings.EqualFold(was.Name, saved.Name) {
			saved.Rule = was.Rule
			if r, err := Parse(saved); err == nil && same(r.RuleSaved, was.RuleSaved) && r.Enabled == was.Enabled {
				return nil
			}
		}
	}
	_, err = s.Tracker.Submit(ctx, saved)
	return err
}

// ReadRule reads a rule as JSON, or {"ready": NAME, "set": {…}} of a template. An unknown key is an error.
func ReadRule(raw []byte) (event.RuleSaved, error) {
	var of struct {
		Ready string            `json:"ready"`
		Set   map[string]string `json:"set"`
	}
	if json.Unmarshal(raw, &of) == nil && of.Ready != "" {
		return Fill(of.Ready, of.Set)
	}
	saved := event.RuleSaved{Enabled: true, By: "configuration"}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&saved); err != nil {
		return saved, fmt.Errorf("rules: a rule is an object with name, on, when and then: %w", err)
	}
	return saved, nil
}
