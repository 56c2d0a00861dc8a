package curation_test

import (
	"encoding/json"
	"strings"
	"testing"

	"millrace/event"
	"millrace/services/curation"
)

func TestResolveWritesDefaultsOutAndNamesWhatIsWrong(t *testing.T) {
	spec, err := curation.Resolve(t.Context(), event.Spec{Kind: event.Curate, Config: json.RawMessage(`{"name": "mill", "sources": [{"folder": "/srv/mill"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	var recipe map[string]any
	if err := json.Unmarshal(spec.Config, &recipe); err != nil || recipe["held_out"] != 0.05 || recipe["dedup"] != "exact" {
		t.Errorf("%s %v", spec.Config, err)
	}
	again, err := curation.Resolve(t.Context(), spec)
	if err != nil || string(again.Config) != string(spec.Config) {
		t.Errorf("%s, then %s: %v", spec.Config, again.Config, err)
	}
	for config, says := range map[string]string{
		`{"nmae": "mill"}`: "nmae", `{"name": "mill"}`: "source", `{"name": "mill", "sources": [{"folder": "/srv"}], "held_out": 2}`: "held_out", `[`: "recipe",
	} {
		if _, err := curation.Resolve(t.Context(), event.Spec{Config: json.RawMessage(config)}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", config, err)
		}
	}
}
