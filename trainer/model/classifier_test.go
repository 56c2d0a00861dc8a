package model_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
)

// A classifier looks at its texts alone: not at what lies behind them. Its gradient is that of its loss.
func TestClassifier(t *testing.T) {
	for _, pool := range []model.Pooling{model.LastToken, model.MeanToken} {
		t.Run(string(pool), func(t *testing.T) {
			k := cpu.Reference()
			c := tuned()
			c.NLabel, c.Pool = 3, pool
			base, err := model.New(tuned(), k, 3)
			if err != nil {
				t.Fatal(err)
			}
			m, err := model.New(c, k, 4)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Begin(tuned(), bytes.NewReader(written(t, base.File())), 1); err != nil {
				t.Fatal(err)
			}
			train, err := m.Classifier(2, 6, true)
			if err != nil {
				t.Fatal(err)
			}
			only, err := m.Classifier(2, 6, false)
			if err != nil {
				t.Fatal(err)
			}
			ids := []int32{1, 2, 3, 0, 0, 0, 4, 5, 6, 7, 8, 9}
			for _, p := range []*model.Classifier{train, only} {
				copy(p.IDs, ids)
				copy(p.Lengths, []int32{3, 6})
				copy(p.Labels, []int32{2, 0})
			}
			loss, err := train.Run(1)
			if err != nil {
				t.Fatal(err)
			}
			again, err := only.Run(0)
			if err != nil || math.Abs(loss-again) > 1e-5 {
				t.Errorf("the loss is %g in training and %g otherwise, %v", loss, again, err)
			}
			p := only.Probabilities(0)
			if s := p[0] + p[1] + p[2]; math.Abs(s-1) > 1e-12 || p[only.Predicted(0)] != slices.Max(p) {
				t.Errorf("%v", p)
			}
			only.IDs[4] = 12
			if _, err := only.Run(0); err != nil || !slices.Equal(p, only.Probabilities(0)) {
				t.Errorf("what lies behind a text changed it: %v, %v", only.Probabilities(0), err)
			}
			head := m.Parameters()[len(m.Parameters())-1]
			if head.Name != "score.weight" {
				t.Fatal(head.Name)
			}
			for _, q := range []int{0, 13, 35} {
				const h = 1e-2
				x, analytic := head.Value[q], float64(head.Grad[q])
				only.IDs[4] = 0
				head.Value[q] = x + h
				up, _ := only.Run(0)
				head.Value[q] = x - h
				down, _ := only.Run(0)
				head.Value[q] = x
				if numeric := (up - down) / (2 * h); math.Abs(numeric-analytic) > 1e-3 {
					t.Errorf("element %d: gradient %g, want %g", q, analytic, numeric)
				}
			}
			only.Labels[0] = 3
			if _, err := only.Run(0); err == nil || !strings.Contains(err.Error(), "label") {
				t.Error(err)
			}
			if _, err := m.Batch(1, 4); err == nil || !strings.Contains(err.Error(), "classifier") {
				t.Error(err)
			}
			if _, err := base.Classifier(1, 4, true); err == nil || !strings.Contains(err.Error(), "n_label") {
				t.Error(err)
			}
		})
	}
}

func TestLabelsOfAConfig(t *testing.T) {
	names := []string{"bad", "good", "so \"so\""}
	b, err := model.WithLabels(tuned().HuggingFace(), names)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := model.Labels(b); err != nil || !slices.Equal(got, names) || !bytes.Contains(b, []byte("GPT2ForSequenceClassification")) {
		t.Errorf("%v, %v\n%s", got, err, b)
	}
	if _, err := model.Labels([]byte(`{"id2label":{"1":"x"}}`)); err == nil {
		t.Error("a class without a number passes")
	}
	classifier := tuned()
	classifier.NLabel = 3
	if b, err = model.WithLabels(classifier.HuggingFace(), names); err != nil {
		t.Fatal(err)
	}
	if classifier, err = classifier.Resolve(); err != nil {
		t.Fatal(err)
	}
	if got, err := model.ParseHuggingFace(b); err != nil || got != classifier {
		t.Errorf("%+v, %v\n%s", got, err, b)
	}
	for want, c := range map[string]model.Config{"n_label: 1": {NLabel: 1}, "pool is for": {Pool: "last"}, `pool: "first"`: {NLabel: 2, Pool: "first"}} {
		d := tuned()
		d.NLabel, d.Pool = c.NLabel, c.Pool
		if err := d.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
