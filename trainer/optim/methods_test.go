package optim_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/optim"
	"millrace/trainer/random"
)

var names = []string{"adamw", "adam", "sgd", "lion", "muon"}

// fill gives a slice normal values.
func fill(x []float32, seed uint64) {
	for i := range x {
		a, _ := random.Normal(seed, uint64(i))
		x[i] = float32(a)
	}
}

// by writes a method down as its paper has it, in float64: it returns the parameter after steps on a gradient that is the same each time.
var by = map[string]func(p, g []float64, c optim.Config, lr float64, steps int) []float64{
	"adam": func(p, g []float64, c optim.Config, lr float64, steps int) []float64 {
		m, v := make([]float64, len(p)), make([]float64, len(p))
		for s := 1; s <= steps; s++ {
			for i := range p {
				d := g[i] + c.WeightDecay*p[i]
				m[i], v[i] = c.Beta1*m[i]+(1-c.Beta1)*d, c.Beta2*v[i]+(1-c.Beta2)*d*d
				p[i] -= lr * m[i] / (1 - math.Pow(c.Beta1, float64(s))) / (math.Sqrt(v[i]/(1-math.Pow(c.Beta2, float64(s)))) + c.Eps)
			}
		}
		return p
	},
	"sgd": func(p, g []float64, c optim.Config, lr float64, steps int) []float64 {
		m := make([]float64, len(p))
		for range steps {
			for i := range p {
				d := g[i] + c.WeightDecay*p[i]
				m[i] = c.Momentum*m[i] + d
				if c.Nesterov {
					p[i] -= lr * (d + c.Momentum*m[i])
				} else {
					p[i] -= lr * m[i]
				}
			}
		}
		return p
	},
	"lion": func(p, g []float64, c optim.Config, lr float64, steps int) []float64 {
		m := make([]float64, len(p))
		for range steps {
			for i := range p {
				u := c.Beta1*m[i] + (1-c.Beta1)*g[i]
				sign := 0.0
				if u != 0 {
					sign = math.Copysign(1, u)
				}
				p[i] -= lr * (sign + c.WeightDecay*p[i])
				m[i] = c.Beta2*m[i] + (1-c.Beta2)*g[i]
			}
		}
		return p
	},
}

func TestMethodsFollowTheirDefinitions(t *testing.T) {
	k := cpu.Reference()
	for name, definition := range by {
		for _, decay := range []float64{0, 0.3} {
			for _, momentum := range []float64{0, 0.8} {
				c := optim.Default(name)
				c.LR, c.WeightDecay = 0.01, decay
				if name == "sgd" {
					c.Momentum, c.Nesterov = momentum, momentum > 0 && decay > 0
				}
				p := engine.NewParameter(k, "p", true, 2, 3)
				start, grad := []float64{1, -2, 0.5, 3, 0, -1}, []float64{0.3, -4, 0.01, 0, 2, 0.5}
				o, err := optim.New(c, k, []*engine.Parameter{p})
				if err != nil {
					t.Fatal(err)
				}
				for i := range start {
					p.Value[i] = float32(start[i])
				}
				for s := int64(1); s <= 12; s++ {
					for i := range grad {
						p.Grad[i] = float32(grad[i] * 6) // as large as they are with a loss scale of 3 and clipped to half
					}
					o.Step(optim.Update{Step: s, Rate: 0.5, Norm: 2, Clip: 1, Scale: 3})
				}
				want := definition(start, grad, c, 0.005, 12)
				for i := range want {
					if math.Abs(float64(p.Value[i])-want[i]) > 1e-5 {
						t.Errorf("%s, decay %g: p[%d] = %g, want %g", name, decay, i, p.Value[i], want[i])
					}
				}
			}
		}
	}
}

// Muon's step is an orthogonal matrix times 0.2·√max(rows, columns)·lr, along the momentum.
func TestMuonOrthogonalises(t *testing.T) {
	k := cpu.Reference()
	for _, shape := range [][2]int{{8, 8}, {6, 20}, {20, 6}, {1, 9}} {
		rows, cols := shape[0], shape[1]
		p := engine.NewParameter(k, "h.weight", true, rows, cols)
		c := optim.Default("muon")
		c.LR, c.WeightDecay = 1, 0
		o, err := optim.New(c, k, []*engine.Parameter{p})
		if err != nil {
			t.Fatal(err)
		}
		fill(p.Grad, 5)
		along := append([]float32(nil), p.Grad...)
		o.Step(optim.Update{Step: 1, Rate: 1})
		size := 0.2 * math.Sqrt(float64(max(rows, cols)))
		// The smaller side's Gram matrix of the step is near the unit matrix.
		n := min(rows, cols)
		at := func(i, j int) float64 { // j-th element of the i-th vector of the smaller side
			if rows <= cols {
				return float64(p.Value[i*cols+j]) / size
			}
			return float64(p.Value[j*cols+i]) / size
		}
		for a := range n {
			for b := range n {
				dot, want := 0.0, 0.0
				for j := range max(rows, cols) {
					dot += at(a, j) * at(b, j)
				}
				if a == b {
					want = 1
				}
				if math.Abs(dot-want) > 0.2 {
					t.Errorf("%v: [%d,%d] of the Gram matrix is %.3f", shape, a, b, dot)
				}
			}
		}
		down := 0.0
		for i, g := range along {
			down -= float64(g) * float64(p.Value[i])
		}
		if down <= 0 {
			t.Errorf("%v: it goes up the gradient", shape)
		}
		// Its size does not depend on the gradient's.
		q := engine.NewParameter(k, "h.weight", true, rows, cols)
		if o, err = optim.New(c, k, []*engine.Parameter{q}); err != nil {
			t.Fatal(err)
		}
		for i := range along {
			q.Grad[i] = along[i] * 1e-3
		}
		o.Step(optim.Update{Step: 1, Rate: 1})
		for i := range p.Value {
			if math.Abs(float64(p.Value[i]-q.Value[i])) > 0.2*size {
				t.Fatalf("%v: [%d] is %g, and %g of a thousandth of the gradient", shape, i, p.Value[i], q.Value[i])
			}
		}
	}
	// A gradient of nothing moves nothing.
	p := engine.NewParameter(k, "h.weight", true, 2, 2)
	o, err := optim.New(optim.Default("muon"), k, []*engine.Parameter{p})
	if err != nil {
		t.Fatal(err)
	}
	o.Step(optim.Update{Step: 1, Rate: 1})
	for _, v := range p.Value {
		if v != 0 {
			t.Errorf("%v", p.Value)
		}
	}
}

// Embeddings, heads, gains and biases are AdamW's.
func TestMuonLeavesTheRestToAdamW(t *testing.T) {
	k := cpu.Reference()
	var params []*engine.Parameter
	for _, name := range []string{"transformer.wte.weight", "lm_head.weight", "model.embed_tokens.weight", "shared.weight", "transformer.h.0.attn.c_attn.weight"} {
		params = append(params, engine.NewParameter(k, name, true, 3, 4))
	}
	params = append(params, engine.NewParameter(k, "transformer.ln_f.weight", true, 4))
	o, err := optim.New(optim.Default("muon"), k, params)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range o.File().Tensors {
		if strings.HasPrefix(x.Name, "momentum_buffer.") {
			got = append(got, x.Name)
		}
	}
	if len(got) != 1 || got[0] != "momentum_buffer.transformer.h.0.attn.c_attn.weight" || len(o.File().Tensors) != 11 {
		t.Errorf("%v of %d", got, len(o.File().Tensors))
	}
}

func TestWhatDecays(t *testing.T) {
	k := cpu.Reference()
	for decay, want := range map[string][3]bool{"": {true, true, false}, "linear": {false, true, false}, "all": {true, true, true}} {
		params := []*engine.Parameter{
			engine.NewParameter(k, "transformer.wte.weight", true, 2, 2), engine.NewParameter(k, "h.0.mlp.c_fc.weight", true, 2, 2), engine.NewParameter(k, "h.0.mlp.c_fc.bias", true, 2),
		}
		for _, name := range names {
			c := optim.Default(name)
			c.Decay, c.WeightDecay = decay, 0.5
			o, err := optim.New(c, k, params)
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range params {
				p.Value[0] = 1
				o.ZeroGrad()
				o.Step(optim.Update{Step: 1, Rate: 1})
				if decayed := p.Value[0] < 1; decayed != want[i] {
					t.Errorf("%s, decay %q: %s decays: %t", name, decay, p.Name, decayed)
				}
			}
		}
	}
}

// Each method goes on from its file to the same bits, also when steps are on other numbers of threads.
func TestEveryMethodGoesOnFromItsState(t *testing.T) {
	for _, name := range names {
		train := func(p []*engine.Parameter, k engine.Kernels, first, last int64, state *bytes.Buffer) *optim.Optimizer {
			o, err := optim.New(optim.Default(name), k, p)
			if err != nil {
				t.Fatal(err)
			}
			if state != nil {
				if err := o.Load(state); err != nil {
					t.Fatal(err)
				}
			}
			for s := first; s <= last; s++ {
				for i := range p {
					fill(p[i].Grad, uint64(s)*7+uint64(i))
				}
				o.Step(optim.Update{Step: s, Rate: 1, Norm: o.GradNorm(), Clip: 1})
			}
			return o
		}
		make3 := func(k engine.Kernels) []*engine.Parameter {
			p := []*engine.Parameter{
				engine.NewParameter(k, "transformer.wte.weight", true, 37, 24), engine.NewParameter(k, "h.weight", true, 24, 51), engine.NewParameter(k, "h.bias", true, 51),
			}
			for i := range p {
				fill(p[i].Value, uint64(i))
			}
			return p
		}
		one, err := cpu.Open(1)
		if err != nil {
			t.Fatal(err)
		}
		two, err := cpu.Open(2)
		if err != nil {
			t.Fatal(err)
		}
		a, b := make3(one), make3(two)
		train(a, one, 1, 9, nil)
		var state bytes.Buffer
		if _, err := train(b, two, 1, 4, nil).File().WriteTo(&state); err != nil {
			t.Fatal(err)
		}
		train(b, one, 5, 9, &state)
		for i := range a {
			for j := range a[i].Value {
				if math.Float32bits(a[i].Value[j]) != math.Float32bits(b[i].Value[j]) {
					t.Fatalf("%s: %s[%d] is %g after a restart and %g without", name, a[i].Name, j, b[i].Value[j], a[i].Value[j])
				}
			}
		}
	}
}

func TestKeysThatAMethodDoesNotHave(t *testing.T) {
	for want, c := range map[string]optim.Config{
		"optimizer.momentum: adamw has none":       {Name: "adamw", LR: 1, Eps: 1e-8, Momentum: 0.9},
		"optimizer.beta1: sgd has none":            {Name: "sgd", LR: 1, Beta1: 0.9},
		"optimizer.eps: lion has none":             {Name: "lion", LR: 1, Eps: 1e-8},
		"optimizer.nesterov":                       {Name: "sgd", LR: 1, Nesterov: true},
		"optimizer.decay":                          {Name: "sgd", LR: 1, Decay: "biases"},
		`"adamw", "adam", "sgd", "lion" or "muon"`: {Name: "adagrad"},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, name := range names {
		if err := optim.Default(name).Validate(); err != nil {
			t.Error(err)
		}
	}
}
