package trainer_test

import (
	"strings"
	"testing"

	"millrace/trainer"
)

func TestAValueOfTheWrongKindIsNamedByItsKey(t *testing.T) {
	for text, want := range map[string]string{
		`{"steps": "abc"}`:             "steps: a string does not fit here, want a whole number",
		`{"optimizer": {"lr": "big"}}`: "optimizer.lr: a string does not fit here, want a number",
		`{"model": 3}`:                 "model: a number does not fit here, want a mapping",
		`{"model": {"arch": 1}}`:       "model.arch: a number does not fit here, want text",
	} {
		if _, err := trainer.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
