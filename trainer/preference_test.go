package trainer

import (
	"math"
	"testing"

	"millrace/trainer/data"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"pgregory.net/rapid"
)

// The loss is the paper's formula, and its derivative that of the formula.
func TestDPOIsTheFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		margin := rapid.Float64Range(-30, 30).Draw(t, "margin")
		e := rapid.Float64Range(0, 0.49).Draw(t, "smoothing")
		loss, slope := dpo(margin, e)
		sigma := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
		want := -(1-e)*math.Log(sigma(margin)) - e*math.Log(sigma(-margin))
		if math.Abs(loss-want) > 1e-9*(1+math.Abs(want)) {
			t.Fatalf("loss %v, want %v", loss, want)
		}
		const h = 1e-5
		up, _ := dpo(margin+h, e)
		down, _ := dpo(margin-h, e)
		if numeric := (up - down) / (2 * h); math.Abs(slope-numeric) > 1e-6 {
			t.Fatalf("slope %v, want %v", slope, numeric)
		}
	})
	for _, far := range []float64{-1e6, 1e6} {
		if loss, slope := dpo(far, 0); math.IsNaN(loss) || math.IsInf(loss, 0) || math.IsNaN(slope) {
			t.Errorf("at %g: loss %g, slope %g", far, loss, slope)
		}
	}
}

// The gradient of whole pairs, against central differences of the loss.
func TestPreferenceGradient(t *testing.T) {
	k := cpu.Reference()
	c := Default()
	c.Model = model.Config{Arch: "gpt2", NLayer: 1, NHead: 2, DModel: 8, Context: 8, VocabSize: 7, Bias: true}
	c.BatchSize, c.Objective, c.Finetune.LabelSmoothing = 3, Preference, 0.1
	c, err := c.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(c.Model, k, 5)
	if err != nil {
		t.Fatal(err)
	}
	c.Finetune.Beta = 0.5
	pairs := []data.Pair{
		{Chosen: data.Answered{IDs: []int32{1, 2, 3, 4}, Answer: 2}, Rejected: data.Answered{IDs: []int32{1, 2, 6, 5, 0}, Answer: 2}},
		{Chosen: data.Answered{IDs: []int32{3, 3, 1}, Answer: 1}, Rejected: data.Answered{IDs: []int32{3, 0}, Answer: 1}},
	}
	o, err := newPreference(c, m, pairs, longest(pairs), true)
	if err != nil {
		t.Fatal(err)
	}
	o.reference = [][2]float64{{-3, -4.5}, {-4, -1}}
	o.put(0, 0)
	o.put(1, 1)
	o.clear(2)
	loss := func() float64 {
		for _, p := range m.Learnt() {
			k.Zero(p.Grad)
		}
		l, err := o.run(1)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	loss()
	for _, p := range m.Learnt() {
		analytic := append([]float32(nil), p.Grad...)
		for i := 0; i < len(p.Value); i += 7 {
			const h = 1e-3
			x := p.Value[i]
			p.Value[i] = x + h
			up := loss()
			p.Value[i] = x - h
			down := loss()
			p.Value[i] = x
			if numeric := (up - down) / (2 * h); math.Abs(numeric-float64(analytic[i])) > 1e-3+0.02*math.Abs(numeric) {
				t.Errorf("%s[%d]: gradient %g, want %g", p.Name, i, analytic[i], numeric)
			}
		}
	}
}
