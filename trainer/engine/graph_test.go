package engine_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a network under test: parameters by name, ids, targets, and the mean loss as its objective.
type fixture struct {
	t       *testing.T
	k       engine.Kernels
	rng     *rand.Rand
	params  []*engine.Parameter
	ids     []int32
	targets []int32
}

func newFixture(t *testing.T, rows int) *fixture {
	f := &fixture{t: t, k: cpu.Reference(), rng: rand.New(rand.NewPCG(1, 2)), ids: make([]int32, rows), targets: make([]int32, rows)}
	for i := range rows {
		f.ids[i] = int32(f.rng.IntN(5))
		f.targets[i] = int32(f.rng.IntN(6))
	}
	f.targets[1] = -1
	return f
}

// param makes a trained parameter of normal values around mean.
func (f *fixture) param(name string, mean float64, shape ...int) *engine.Parameter {
	p := engine.NewParameter(f.k, name, true, shape...)
	for i := range p.Value {
		p.Value[i] = float32(mean + 0.5*f.rng.NormFloat64())
	}
	f.params = append(f.params, p)
	return p
}

// check compares the gradient of every element of every parameter with a central difference, and a second run's, which must
// have been added.
func (f *fixture) check(describe func(*engine.Graph) *engine.Tensor) {
	f.t.Helper()
	p, err := engine.Build(f.k, true, describe)
	if err != nil {
		f.t.Fatal(err)
	}
	defer p.Close()
	scale := 1 / float32(len(p.Output()))
	loss := func() float64 {
		for _, q := range f.params {
			f.k.Zero(q.Grad)
		}
		if err := p.Run(scale); err != nil {
			f.t.Fatal(err)
		}
		sum := 0.0
		for _, l := range p.Output() {
			sum += float64(l)
		}
		return sum * float64(scale)
	}
	loss()
	want := map[string][]float32{}
	for _, q := range f.params {
		want[q.Name] = append([]float32(nil), q.Grad...)
	}
	for _, q := range f.params {
		worst := 0.0
		for i, v := range q.Value {
			const h = 1e-2
			q.Value[i] = v + h
			up := loss()
			q.Value[i] = v - h
			down := loss()
			q.Value[i] = v
			numeric := (up - down) / (2 * h)
			analytic := float64(want[q.Name][i])
			worst = max(worst, math.Abs(numeric-analytic)/(0.02+math.Abs(numeric)+math.Abs(analytic)))
		}
		if worst > 0.02 {
			f.t.Errorf("%s: gradient is off by %.3g (relative)", q.Name, worst)
		}
	}
	loss()
	if err := p.Run(scale); err != nil {
		f.t.Fatal(err)
	}
	for _, q := range f.params {
		for i, g := range q.Grad {
			if math.Abs(float64(g-2*want[q.Name][i])) > 1e-5+1e-4*math.Abs(float64(g)) {
				f.t.Fatalf("%s[%d]: a second backward pass gave %g, want twice %g", q.Name, i, g, want[q.Name][i])
			}
		}
	}
}

func TestGradients(t *testing.T) {
	const rows, seq, c, v = 6, 3, 4, 6
	// start is an embedding, so that every operation under test has something trained before it.
	start := func(f *fixture, g *engine.Graph, cols int, ps map[string]*engine.Parameter) *engine.Tensor {
		return g.Embed("embed", ps["table"], ps["pos"], f.ids, seq)
	}
	cases := map[string]struct {
		cols  int
		setup func(f *fixture) map[string]*engine.Parameter
		build func(f *fixture, g *engine.Graph, x *engine.Tensor, ps map[string]*engine.Parameter) *engine.Tensor
	}{
		"embed": {cols: v, build: func(f *fixture, g *engine.Graph, x *engine.Tensor, _ map[string]*engine.Parameter) *engine.Tensor {
			return x
		}},
		"linear": {cols: c,
			setup: func(f *fixture) map[string]*engine.Parameter {
				return map[string]*engine.Parameter{"w": f.param("w", 0, c, v), "b": f.param("b", 0, v)}
			},
			build: func(f *fixture, g *engine.Graph, x *engine.Tensor, ps map[string]*engine.Parameter) *engine.Tensor {
				return g.Linear("linear", x, ps["w"], ps["b"], false)
			}},
		"linear transposed without bias": {cols: c,
			setup: func(f *fixture) map[string]*engine.Parameter {
				return map[string]*engine.Parameter{"w": f.param("w", 0, v, c)}
			},
			build: func(f *fixture, g *engine.Graph, x *engine.Tensor, ps map[string]*engine.Parameter) *engine.Tensor {
				return g.Linear("linear", x, ps["w"], nil, true)
			}},
		"layer norm": {cols: v,
			setup: func(f *fixture) map[string]*engine.Parameter {
				return map[string]*engine.Parameter{"gain": f.param("gain", 1, v), "bias": f.param("bias", 0, v)}
			},
			build: func(f *fixture, g *engine.Graph, x *engine.Tensor, ps map[string]*engine.Parameter) *engine.Tensor {
				return g.LayerNorm("norm", x, ps["gain"], ps["bias"], 1e-5)
			}},
		"layer norm without bias": {cols: v,
			setup: func(f *fixture) map[string]*engine.Parameter {
				return map[string]*engine.Parameter{"gain": f.param("gain", 1, v)}
			},
			build: func(f *fixture, g *engine.Graph, x *engine.Tensor, ps map[string]*engine.Parameter) *engine.Tensor {
				return g.LayerNorm("norm", x, ps["gain"], nil, 1e-5)
			}},
		"gelu": {cols: v, build: func(f *fixture, g *engine.Graph, x *engine.Tensor, _ map[string]*engine.Parameter) *engine.Tensor {
			return g.Activate("gelu", x, engine.GELU)
		}},
		"attention": {cols: 3 * v, build: func(f *fixture, g *engine.Graph, x *engine.Tensor, _ map[string]*engine.Parameter) *engine.Tensor {
			return g.Attention("attention", x, engine.AttentionOptions{T: seq, Heads: engine.Heads{Q: 2, KV: 2, Dim: v / 2}, Causal: true})
		}},
		"two branches of one input": {cols: v, build: func(f *fixture, g *engine.Graph, x *engine.Tensor, _ map[string]*engine.Parameter) *engine.Tensor {
			return g.Add("add", g.Scale("scale", x, -0.7), g.Activate("silu", x, engine.SiLU))
		}},
		"residual stream read three times": {cols: v, build: func(f *fixture, g *engine.Graph, x *engine.Tensor, _ map[string]*engine.Parameter) *engine.Tensor {
			y := g.Add("add", x, g.Activate("gelu", x, engine.GELU))
			return g.Add("add2", g.Add("twice", y, y), x)
		}},
		"one weight used twice": {cols: v,
			setup: func(f *fixture) map[string]*engine.Parameter {
				return map[string]*engine.Parameter{"w": f.param("w", 0, v, v)}
			},
			build: func(f *fixture, g *engine.Graph, x *engine.Tensor, ps map[string]*engine.Parameter) *engine.Tensor {
				return g.Linear("second", g.Activate("gelu", g.Linear("first", x, ps["w"], nil, false), engine.GELU), ps["w"], nil, true)
			}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, rows)
			ps := map[string]*engine.Parameter{"table": f.param("table", 0, 5, tc.cols), "pos": f.param("pos", 0, seq, tc.cols)}
			if tc.setup != nil {
				for k, p := range tc.setup(f) {
					ps[k] = p
				}
			}
			f.check(func(g *engine.Graph) *engine.Tensor {
				return g.CrossEntropy("loss", tc.build(f, g, start(f, g, tc.cols, ps), ps), f.targets)
			})
		})
	}
}

// A forward program shares buffers between layers; it must compute what the one that keeps them all computes.
func TestForwardProgramEqualsTrainingProgram(t *testing.T) {
	const rows, seq, c = 8, 4, 6
	f := newFixture(t, rows)
	table, pos := f.param("table", 0, 6, c), f.param("pos", 0, seq, c)
	var ws, gains []*engine.Parameter
	for l := range 5 {
		ws = append(ws, f.param(fmt.Sprint("w", l), 0, c, 3*c), f.param(fmt.Sprint("o", l), 0, c, c))
		gains = append(gains, f.param(fmt.Sprint("gain", l), 1, c))
	}
	describe := func(g *engine.Graph) *engine.Tensor {
		x := g.Embed("embed", table, pos, f.ids, seq)
		for l := range 5 {
			h := g.Linear(fmt.Sprint("qkv", l), g.LayerNorm(fmt.Sprint("norm", l), x, gains[l], nil, 1e-5), ws[2*l], nil, false)
			h = g.Linear(fmt.Sprint("out", l), g.Attention(fmt.Sprint("attention", l), h, engine.AttentionOptions{T: seq, Heads: engine.Heads{Q: 2, KV: 2, Dim: c / 2}, Causal: true}), ws[2*l+1], nil, false)
			x = g.Add(fmt.Sprint("add", l), x, g.Activate(fmt.Sprint("gelu", l), h, engine.GELU))
		}
		return g.CrossEntropy("loss", g.Linear("head", x, table, nil, true), f.targets)
	}
	train, err := engine.Build(f.k, true, describe)
	if err != nil {
		t.Fatal(err)
	}
	defer train.Close()
	forward, err := engine.Build(f.k, false, describe)
	if err != nil {
		t.Fatal(err)
	}
	defer forward.Close()
	if train.Operations() != 2*forward.Operations() { // additions have no backward operation, but gradients of the stream are summed
		t.Errorf("%d operations with gradients, %d without", train.Operations(), forward.Operations())
	}
	for range 3 {
		for _, p := range []*engine.Program{train, forward} {
			if err := p.Run(1); err != nil {
				t.Fatal(err)
			}
		}
		for i, want := range train.Output() {
			if got := forward.Output()[i]; math.Float32bits(got) != math.Float32bits(want) {
				t.Fatalf("loss %d: forward program gave %g, training program %g", i, got, want)
			}
		}
		f.ids[0]++
	}
}

func TestBuildNamesTheMistake(t *testing.T) {
	f := newFixture(t, 6)
	table := f.param("table", 0, 5, 4)
	w := f.param("w", 0, 3, 7)
	cases := map[string]func(g *engine.Graph) *engine.Tensor{
		"linear: weight [3 7]": func(g *engine.Graph) *engine.Tensor {
			return g.Linear("linear", g.Embed("embed", table, nil, f.ids, 3), w, nil, false)
		},
		`two nodes named "embed"`: func(g *engine.Graph) *engine.Tensor {
			g.Embed("embed", table, nil, f.ids, 3)
			return g.Embed("embed", table, nil, f.ids, 3)
		},
		"no output": func(g *engine.Graph) *engine.Tensor { return nil },
		"6 ids are not sequences of 4": func(g *engine.Graph) *engine.Tensor {
			return g.Embed("embed", table, nil, f.ids, 4)
		},
		"2 targets for 6 rows": func(g *engine.Graph) *engine.Tensor {
			return g.CrossEntropy("loss", g.Embed("embed", table, nil, f.ids, 3), f.targets[:2])
		},
		"attention: 4 columns": func(g *engine.Graph) *engine.Tensor {
			return g.Attention("attention", g.Embed("embed", table, nil, f.ids, 3), engine.AttentionOptions{T: 3, Heads: engine.Heads{Q: 1, KV: 1, Dim: 1}})
		},
	}
	for want, describe := range cases {
		if _, err := engine.Build(f.k, true, describe); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// A step allocates nothing: its memory is planned when it is built, and Gorgonia, which allocates for every node, ran it then.
func TestRunAllocatesNothing(t *testing.T) {
	f := newFixture(t, 6)
	table := f.param("table", 0, 5, 6)
	p, err := engine.Build(f.k, true, func(g *engine.Graph) *engine.Tensor {
		x := g.Embed("embed", table, nil, f.ids, 3)
		y := g.Add("add", x, g.Activate("gelu", x, engine.GELU))
		return g.CrossEntropy("loss", g.Linear("head", y, table, nil, true), []int32{0, 1, 2, 3, 4, 0})
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if n := testing.AllocsPerRun(20, func() {
		if err := p.Run(1); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%.0f allocations a run", n)
	}
}

// Gradients that are forgotten come out as those that were cleared, whatever they held and whoever adds to them first.
func TestForgottenGradientsCountAsZero(t *testing.T) {
	f := newFixture(t, 6)
	table, pos, gain := f.param("table", 0, 6, 6), f.param("pos", 0, 3, 6), f.param("gain", 1, 6)
	weight, bias, unused := f.param("weight", 0, 6, 6), f.param("bias", 0, 6), f.param("unused", 0, 4)
	params := []*engine.Parameter{table, pos, gain, weight, bias, unused}
	p, err := engine.Build(f.k, true, func(g *engine.Graph) *engine.Tensor {
		x := g.LayerNorm("ln", g.Embed("embed", table, pos, f.ids, 3), gain, nil, 1e-5)
		x = g.Linear("again", g.Linear("linear", x, weight, bias, false), weight, nil, true)
		return g.CrossEntropy("loss", g.Linear("head", x, table, nil, true), f.targets)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var want [][]float32
	for _, forget := range []bool{false, true} {
		for _, p := range params {
			if f.k.Zero(p.Grad); forget {
				for i := range p.Grad {
					p.Grad[i] = float32(math.NaN())
				}
				p.Forget()
			}
		}
		for range 2 {
			if err := p.Run(0.5); err != nil {
				t.Fatal(err)
			}
		}
		for i, p := range params {
			p.Settle(f.k)
			if !forget {
				want = append(want, append([]float32(nil), p.Grad...))
			} else if !slices.Equal(p.Grad, want[i]) {
				t.Errorf("%s: %v, want %v", p.Name, p.Grad, want[i])
			}
		}
	}
}

// A closed program says so.
func TestAClosedProgramDoesNotRun(t *testing.T) {
	f := newFixture(t, 6)
	table := f.param("table", 0, 5, 6)
	p, err := engine.Build(f.k, true, func(g *engine.Graph) *engine.Tensor {
		return g.CrossEntropy("loss", g.Embed("embed", table, nil, f.ids, 3), f.targets)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Run(1); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("running it gave %v", err)
	}
}
