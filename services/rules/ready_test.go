package rules_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"millrace/event"
	"millrace/services/rules"
)

// TestRulesOfTheConfigurationAreSavedOnce and act.
func TestRulesOfTheConfigurationAreSavedOnce(t *testing.T) {
	l := start(t, rules.Notify{})
	file := filepath.Join(t.TempDir(), "rule.json")
	if err := os.WriteFile(file, []byte(`{"ready":"stop-on-nan","set":{"metric":"train/*"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l.end()
		l.service.Files = []string{file, "missing.json"}
		l.begin()
		l.until("a rule", func() bool { all, _ := l.model.Rules(); return len(all) == 1 && all[0].Version == 1 })
	}
	all, _ := l.model.Rules()
	l.train("A")
	l.log("A", "train/loss", 1, 2, math.NaN())
	if f := l.acted(all[0].RuleSaved.Rule, 1); f[0].Acted.Outcome != event.Done {
		t.Fatalf("%+v", f[0])
	}
}

// TestReadyMadeRulesCanBeRead with what must be set in them.
func TestReadyMadeRulesCanBeRead(t *testing.T) {
	all, err := rules.Ready()
	if err != nil || len(all) != 6 {
		t.Fatalf("%d templates, %v", len(all), err)
	}
	for _, raw := range all {
		var named struct {
			Ready string            `json:"ready"`
			Set   map[string]string `json:"set"`
		}
		if err := json.Unmarshal(raw, &named); err != nil {
			t.Fatal(err)
		}
		set := map[string]string{}
		for key, value := range named.Set {
			if value == "" {
				set[key] = "1.5"
			}
		}
		saved, err := rules.Fill(named.Ready, set)
		if err != nil {
			t.Errorf("%s: %v", named.Ready, err)
			continue
		}
		if _, err := rules.Parse(saved); err != nil {
			t.Errorf("%s: %v", named.Ready, err)
		}
		if _, err := rules.Fill(named.Ready, map[string]string{"nonsense": "1"}); err == nil {
			t.Errorf("%s took a setting that it does not have", named.Ready)
		}
	}
}
