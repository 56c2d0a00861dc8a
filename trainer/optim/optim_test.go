package optim_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/optim"
)

func TestScheduleShape(t *testing.T) {
	s := optim.Schedule{Name: "cosine", Warmup: 10, FinalFraction: 0.1}
	for _, c := range []struct {
		step int64
		want float64
	}{{1, 1.0 / 11}, {10, 10.0 / 11}, {11, 1}, {61, 0.55}, {111, 0.1}, {500, 0.1}} {
		if got := s.Rate(c.step, 110); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("step %d: %g, want %g", c.step, got, c.want)
		}
	}
	for step := int64(12); step <= 110; step++ {
		if s.Rate(step, 110) >= s.Rate(step-1, 110) {
			t.Errorf("the rate does not fall at step %d", step)
		}
	}
	if got := (optim.Schedule{Name: "constant"}).Rate(77, 100); got != 1 {
		t.Errorf("constant: %g", got)
	}
	if got := (optim.Schedule{Name: "cosine", Warmup: 200}).Rate(100, 100); math.Abs(got-100.0/201) > 1e-12 {
		t.Errorf("a run shorter than its warm-up: %g", got)
	}
}

func TestShapesOfSchedules(t *testing.T) {
	for _, c := range []struct {
		s    optim.Schedule
		want map[int64]float64 // of 100 steps
	}{
		{optim.Schedule{Name: "linear", Warmup: 4, FinalFraction: 0.2}, map[int64]float64{1: 0.2, 5: 1, 53: 0.6, 101: 0.2}},
		{optim.Schedule{Name: "wsd", Warmup: 4, Decay: 20}, map[int64]float64{1: 0.2, 5: 1, 81: 1, 86: 0.75, 91: 0.5, 100: 0.05, 101: 0}},
		{optim.Schedule{Name: "wsd", Warmup: 4, Decay: 20, FinalFraction: 0.5}, map[int64]float64{91: 0.75, 101: 0.5, 200: 0.5}},
		{optim.Schedule{Name: "wsd", Warmup: 90, Decay: 20}, map[int64]float64{90: 90.0 / 91, 91: 1, 96: 0.5}}, // no time to stay
	} {
		if err := c.s.Validate(); err != nil {
			t.Error(err)
		}
		for step, want := range c.want {
			if got := c.s.Rate(step, 100); math.Abs(got-want) > 1e-12 {
				t.Errorf("%+v step %d: %g, want %g", c.s, step, got, want)
			}
		}
	}
	if got := (optim.Schedule{Name: "wsd", Warmup: -1}).Resolve(500); got.Warmup != 50 || got.Decay != 100 {
		t.Errorf("%+v", got)
	}
	if err := (optim.Schedule{Name: "cosine", Decay: 3}).Validate(); err == nil || !strings.Contains(err.Error(), "schedule.decay") {
		t.Errorf("%v", err)
	}
}

// AdamW by its definition (Loshchilov & Hutter 2019, algorithm 2), in float64.
func reference(p, g []float64, c optim.Config, lr func(int) float64, decay float64, clip float64, steps int) []float64 {
	m, v := make([]float64, len(p)), make([]float64, len(p))
	p = append([]float64(nil), p...)
	norm := 0.0
	for _, x := range g {
		norm += x * x
	}
	scale := min(1, clip/math.Sqrt(norm))
	for s := 1; s <= steps; s++ {
		for i := range p {
			d := g[i] * scale
			m[i] = c.Beta1*m[i] + (1-c.Beta1)*d
			v[i] = c.Beta2*v[i] + (1-c.Beta2)*d*d
			mh, vh := m[i]/(1-math.Pow(c.Beta1, float64(s))), v[i]/(1-math.Pow(c.Beta2, float64(s)))
			p[i] -= lr(s) * (mh/(math.Sqrt(vh)+c.Eps) + decay*p[i])
		}
	}
	return p
}

func TestAdamWFollowsItsDefinition(t *testing.T) {
	k := cpu.Reference()
	c := optim.Config{Name: "adamw", LR: 0.01, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.1}
	for _, shape := range [][]int{{4}, {2, 2}} {
		p := engine.NewParameter(k, "p", true, shape...)
		start, grad := []float64{1, -2, 0.5, 3}, []float64{0.3, -4, 0.01, 0}
		for i := range start {
			p.Value[i], p.Grad[i] = float32(start[i]), float32(grad[i])
		}
		o, err := optim.New(c, k, []*engine.Parameter{p})
		if err != nil {
			t.Fatal(err)
		}
		for s := int64(1); s <= 20; s++ {
			o.Step(optim.Update{Step: s, Rate: 0.5, Norm: o.GradNorm(), Clip: 1})
		}
		decay := 0.0
		if len(shape) == 2 {
			decay = 0.1
		}
		want := reference(start, grad, c, func(int) float64 { return 0.005 }, decay, 1, 20)
		for i := range want {
			if math.Abs(float64(p.Value[i])-want[i]) > 1e-5 {
				t.Errorf("shape %v: p[%d] = %g, want %g", shape, i, p.Value[i], want[i])
			}
		}
	}
}

func TestStateRoundTrip(t *testing.T) {
	k := cpu.Reference()
	train := func(steps int64, from *bytes.Buffer, first int64, p *engine.Parameter) *optim.Optimizer {
		o, err := optim.New(optim.Default("adamw"), k, []*engine.Parameter{p})
		if err != nil {
			t.Fatal(err)
		}
		if from != nil {
			if err := o.Load(from); err != nil {
				t.Fatal(err)
			}
		}
		for s := first; s <= steps; s++ {
			for i := range p.Grad {
				p.Grad[i] = float32(i) - float32(s)
			}
			o.Step(optim.Update{Step: s, Rate: 1, Norm: o.GradNorm()})
		}
		return o
	}
	a := engine.NewParameter(k, "p", true, 3, 5)
	train(10, nil, 1, a)
	b := engine.NewParameter(k, "p", true, 3, 5)
	o := train(4, nil, 1, b)
	var state bytes.Buffer
	if _, err := o.File().WriteTo(&state); err != nil {
		t.Fatal(err)
	}
	train(10, &state, 5, b)
	for i := range a.Value {
		if math.Float32bits(a.Value[i]) != math.Float32bits(b.Value[i]) {
			t.Fatalf("p[%d] = %g after a restart, %g without", i, b.Value[i], a.Value[i])
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for want, change := range map[string]func(*optim.Config){
		"optimizer.name":         func(c *optim.Config) { c.Name = "adamx" },
		"optimizer.lr":           func(c *optim.Config) { c.LR = math.NaN() },
		"optimizer.beta2":        func(c *optim.Config) { c.Beta2 = 1 },
		"optimizer.eps":          func(c *optim.Config) { c.Eps = 0 },
		"optimizer.weight_decay": func(c *optim.Config) { c.WeightDecay = -1 },
	} {
		c := optim.Default("adamw")
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := (optim.Schedule{Name: "line"}).Validate(); err == nil || !strings.Contains(err.Error(), "schedule.name") {
		t.Errorf("got %v", err)
	}
	k := cpu.Reference()
	if _, err := optim.New(optim.Default("adamw"), k, []*engine.Parameter{engine.NewParameter(k, "frozen", false, 3)}); err == nil {
		t.Error("a parameter without gradient was accepted")
	}
}
