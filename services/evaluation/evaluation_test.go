package evaluation_test

import (
	"encoding/json"
	"strings"
	"testing"

	"millrace/event"
	"millrace/services/evaluation"
)

func TestResolvePinsTheSuite(t *testing.T) {
	spec, err := evaluation.Resolve(t.Context(), event.Spec{Kind: event.Evaluate, Config: json.RawMessage(`{"suite": "quick"}`)})
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Suite  string       `json:"suite"`
		Digest event.Digest `json:"suite_digest"`
	}
	if err := json.Unmarshal(spec.Config, &config); err != nil || config.Suite != "quick" || !config.Digest.Valid() {
		t.Errorf("%s %v", spec.Config, err)
	}
	again, err := evaluation.Resolve(t.Context(), spec)
	if err != nil || string(again.Config) != string(spec.Config) {
		t.Errorf("%s, then %s: %v", spec.Config, again.Config, err)
	}
	for config, says := range map[string]string{`{"suite": "qiuck"}`: "qiuck", `{"siute": "quick"}`: "siute", `{}`: "no suite", `[`: "configuration"} {
		if _, err := evaluation.Resolve(t.Context(), event.Spec{Config: json.RawMessage(config)}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func TestCheckNamesTheSuiteThatIsNotThere(t *testing.T) {
	if err := evaluation.Check([]string{"quick", "heldout"}); err != nil {
		t.Error(err)
	}
	if err := evaluation.Check([]string{"quick", "qiuck"}); err == nil || !strings.Contains(err.Error(), `"qiuck"`) || !strings.Contains(err.Error(), "heldout") {
		t.Errorf("%v", err)
	}
}
