package engine_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"millrace/trainer/engine"
)

// Every operation's gradients, in a network that ends in the mean loss of six rows of six scores.
func TestGradientsOfOperations(t *testing.T) {
	const rows, seq, v = 6, 3, 6
	type build = func(f *fixture, g *engine.Graph, x *engine.Tensor) *engine.Tensor
	grouped := engine.Heads{Q: 3, KV: 1, Dim: 2}
	cases := map[string]struct {
		cols  int
		setup func(f *fixture) build // makes the parameters
	}{
		"rms norm": {v, func(f *fixture) build {
			gain := f.param("gain", 1, v)
			return func(f *fixture, g *engine.Graph, x *engine.Tensor) *engine.Tensor {
				return g.RMSNorm("norm", x, gain, 1e-5)
			}
		}},
		"head norm and rotation": {grouped.Width(), func(f *fixture) build {
			qGain, kGain := f.param("q", 1, 2), f.param("k", 1, 2)
			by := angles(seq+1, grouped.Dim)
			return func(f *fixture, g *engine.Graph, x *engine.Tensor) *engine.Tensor {
				x = g.Rotate("rotate", g.HeadNorm("norm", x, qGain, kGain, 1e-5, grouped), by, seq, grouped)
				return g.Attention("attention", x, engine.AttentionOptions{T: seq, Heads: grouped, Causal: true})
			}
		}},
		"rotation after what needs its output": {2 * v, func(f *fixture) build {
			heads := engine.Heads{Q: 2, KV: 2, Dim: 2}
			by, w := angles(seq, heads.Dim), f.param("w", 0, 4, v)
			return func(f *fixture, g *engine.Graph, x *engine.Tensor) *engine.Tensor {
				x = g.SoftCap("cap", x, 1.5)
				a := g.Attention("attention", g.Rotate("rotate", x, by, seq, heads), engine.AttentionOptions{T: seq, Heads: heads})
				return g.Linear("out", a, w, nil, false)
			}
		}},
		"gelu exact": {v, func(*fixture) build { return activated(engine.GELUExact) }},
		"silu":       {v, func(*fixture) build { return activated(engine.SiLU) }},
		"relu2":      {v, func(*fixture) build { return activated(engine.ReLUSquared) }},
		"swiglu": {2 * v, func(*fixture) build {
			return func(_ *fixture, g *engine.Graph, x *engine.Tensor) *engine.Tensor {
				return g.Gate("gate", x, engine.SiLU)
			}
		}},
		"grouped attention with slopes and lengths": {grouped.Width(), func(*fixture) build {
			return func(_ *fixture, g *engine.Graph, x *engine.Tensor) *engine.Tensor {
				return g.Attention("attention", x, engine.AttentionOptions{
					T: seq, Heads: grouped, Slopes: []float32{0.5, 0.25, 0}, Lengths: []int32{3, 2}, Scale: 0.6,
				})
			}
		}},
		"cross attention": {v, func(f *fixture) build {
			w, heads := f.param("kv", 0, v, 4), engine.Heads{Q: 3, KV: 1, Dim: 2}
			return func(f *fixture, g *engine.Graph, x *engine.Tensor) *engine.Tensor {
				kv := g.Linear("kv.linear", g.Activate("act", x, engine.SiLU), w, nil, false)
				return g.CrossAttention("attention", x, kv, engine.AttentionOptions{T: seq, Heads: heads, Lengths: []int32{2, 3}})
			}
		}},
		"cross attention to keys of another length": {v, func(f *fixture) build {
			table, heads := f.param("source", 0, 5, v), engine.Heads{Q: 3, KV: 1, Dim: 2}
			w := f.param("kv", 0, v, 4)
			return func(f *fixture, g *engine.Graph, x *engine.Tensor) *engine.Tensor {
				source := g.Embed("source.embed", table, nil, []int32{0, 1, 2, 3, 4, 0, 1, 1}, 4)
				kv := g.Linear("kv.linear", source, w, nil, false)
				return g.CrossAttention("attention", x, kv, engine.AttentionOptions{T: seq, Heads: heads})
			}
		}},
		"relative bias shared by two attentions": {3 * v, func(f *fixture) build {
			table, w, heads := f.param("buckets", 0, 8, 3), f.param("w", 0, v, 3*v), engine.Heads{Q: 3, KV: 3, Dim: 2}
			return func(f *fixture, g *engine.Graph, x *engine.Tensor) *engine.Tensor {
				bias := g.RelativeBias("bias", table, engine.RelativeOptions{TQ: seq, TK: seq, MaxDistance: 16, Bidirectional: true})
				o := engine.AttentionOptions{T: seq, Heads: heads, Scale: 1, Bias: bias}
				y := g.Attention("first", x, o)
				return g.Attention("second", g.Linear("linear", y, w, nil, false), o)
			}
		}},
		"dropout": {v, func(f *fixture) build {
			key := uint64(3)
			return func(_ *fixture, g *engine.Graph, x *engine.Tensor) *engine.Tensor {
				return g.Add("residual", x, g.Dropout("dropout", g.Activate("act", x, engine.GELU), 0.4, &key))
			}
		}},
		"soft cap before the loss": {v, func(*fixture) build {
			return func(_ *fixture, g *engine.Graph, x *engine.Tensor) *engine.Tensor { return g.SoftCap("cap", x, 0.8) }
		}},
		"scale": {v, func(*fixture) build {
			return func(_ *fixture, g *engine.Graph, x *engine.Tensor) *engine.Tensor { return g.Scale("scale", x, -1.7) }
		}},
		"pick": {v, func(f *fixture) build {
			w := f.param("w", 0, v, v)
			return func(_ *fixture, g *engine.Graph, x *engine.Tensor) *engine.Tensor {
				return g.Linear("linear", g.Pick("pick", x, []int32{5, 0, 0, 2, 5, 1}), w, nil, false)
			}
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, rows)
			table, pos := f.param("table", 0, 5, tc.cols), f.param("pos", 0, seq, tc.cols)
			network := tc.setup(f)
			f.check(func(g *engine.Graph) *engine.Tensor {
				return g.CrossEntropy("loss", network(f, g, g.Embed("embed", table, pos, f.ids, seq)), f.targets)
			})
		})
	}
}

func activated(a engine.Activation) func(*fixture, *engine.Graph, *engine.Tensor) *engine.Tensor {
	return func(_ *fixture, g *engine.Graph, x *engine.Tensor) *engine.Tensor { return g.Activate("act", x, a) }
}

func angles(t, dim int) engine.Angles {
	var by engine.Angles
	for i := range t * dim / 2 {
		sin, cos := math.Sincos(float64(i) + 0.3)
		by.Cos, by.Sin = append(by.Cos, float32(cos)), append(by.Sin, float32(sin))
	}
	return by
}

// The same key drops the same values in both passes and in every run, another key others; without gradients nothing is dropped.
func TestDropout(t *testing.T) {
	f := newFixture(t, 6)
	table, key := f.param("table", 0, 5, 400), uint64(1)
	build := func(gradients bool) *engine.Program {
		p, err := engine.Build(f.k, gradients, func(g *engine.Graph) *engine.Tensor {
			x := g.Dropout("dropout", g.Embed("embed", table, nil, f.ids, 3), 0.5, &key)
			return g.CrossEntropy("loss", x, []int32{7, 7, 7, 7, 7, 7})
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		return p
	}
	train, forward := build(true), build(false)
	run := func(p *engine.Program) string {
		f.k.Zero(table.Grad)
		if err := p.Run(1); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(p.Output(), table.Grad)
	}
	first := run(train)
	dropped := 0
	for _, g := range table.Grad {
		if g == 0 {
			dropped++
		}
	}
	if dropped == 0 {
		t.Error("no gradient was dropped")
	}
	if run(train) != first {
		t.Error("a second run with the same key differs")
	}
	whole := run(forward)
	key = 2
	if run(train) == first {
		t.Error("another key drops the same values")
	}
	if run(forward) != whole {
		t.Error("a forward program depends on the key")
	}
}

// T5's buckets as transformers has them: 32 buckets, up to 128 apart.
func TestRelativeBuckets(t *testing.T) {
	for _, c := range []struct {
		distance      int
		bidirectional bool
		want          int32
	}{
		{0, true, 0}, {-1, true, 1}, {-7, true, 7}, {-8, true, 8}, {-11, true, 8}, {-12, true, 9}, {-16, true, 10}, {-64, true, 14},
		{-127, true, 15}, {-5000, true, 15}, {1, true, 17}, {8, true, 24}, {200, true, 31},
		{0, false, 0}, {5, false, 0}, {-15, false, 15}, {-16, false, 16}, {-20, false, 17}, {-32, false, 21}, {-64, false, 26},
		{-113, false, 31}, {-4000, false, 31},
	} {
		if got := engine.RelativeBucket(c.distance, 32, 128, c.bidirectional); got != c.want {
			t.Errorf("distance %d, bidirectional %t: bucket %d, want %d", c.distance, c.bidirectional, got, c.want)
		}
	}
}

// What LoRA needs: below the lowest weight that is trained nothing is computed backwards, and inputs of weights that are not
// trained are not kept.
func TestFrozenWeightsCostNoBackwardPass(t *testing.T) {
	f := newFixture(t, 6)
	const c = 64
	build := func(trained bool) *engine.Program {
		table, w1 := engine.NewParameter(f.k, "table", trained, 5, c), engine.NewParameter(f.k, "w1", trained, c, c)
		w2, w3 := engine.NewParameter(f.k, "w2", true, c, c), engine.NewParameter(f.k, "w3", trained, c, 6)
		p, err := engine.Build(f.k, true, func(g *engine.Graph) *engine.Tensor {
			x := g.Linear("one", g.Embed("embed", table, nil, f.ids, 3), w1, nil, false)
			x = g.Linear("three", g.Linear("two", x, w2, nil, false), w3, nil, false)
			return g.CrossEntropy("loss", x, f.targets)
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		return p
	}
	all, one := build(true), build(false)
	if all.Operations() != 10 || one.Operations() != 8 {
		t.Errorf("%d steps to train all, %d to train one; want 10 and 8", all.Operations(), one.Operations())
	}
	if one.Memory() >= all.Memory() {
		t.Errorf("%d bytes to train one weight, %d to train all", one.Memory(), all.Memory())
	}
}

// The memory of a training step is what its backward pass reads, and little more.
func TestMemoryOfATrainingStep(t *testing.T) {
	const layers, rows, seq, c, h, vocab = 6, 32, 16, 64, 4, 200
	f := newFixture(t, rows)
	targets := make([]int32, rows)
	table := engine.NewParameter(f.k, "table", true, vocab, c)
	weights := func(name string, shape ...int) *engine.Parameter {
		return engine.NewParameter(f.k, name, true, shape...)
	}
	heads := engine.Heads{Q: h, KV: h, Dim: c / h}
	p, err := engine.Build(f.k, true, func(g *engine.Graph) *engine.Tensor {
		x := g.Embed("embed", table, nil, f.ids, seq)
		for l := range layers {
			n := func(name string) string { return fmt.Sprint(l, ".", name) }
			y := g.LayerNorm(n("ln1"), x, weights(n("g1"), c), nil, 1e-5)
			y = g.Linear(n("qkv"), y, weights(n("wqkv"), c, 3*c), nil, false)
			y = g.Attention(n("attention"), y, engine.AttentionOptions{T: seq, Heads: heads, Causal: true})
			x = g.Add(n("add1"), x, g.Linear(n("proj"), y, weights(n("wproj"), c, c), nil, false))
			y = g.LayerNorm(n("ln2"), x, weights(n("g2"), c), nil, 1e-5)
			y = g.Activate(n("act"), g.Linear(n("up"), y, weights(n("wup"), c, 4*c), nil, false), engine.GELU)
			x = g.Add(n("add2"), x, g.Linear(n("down"), y, weights(n("wdown"), 4*c, c), nil, false))
		}
		x = g.LayerNorm("ln", x, weights("g", c), nil, 1e-5)
		return g.CrossEntropy("loss", g.Linear("head", x, table, nil, true), targets)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	// Of every row and layer: the stream twice, two norms with mean and rstd, q|k|v, one sum for each head, what attention
	// makes, and four times the width before and after the activation. At the end the last norm and its input, the scores, and
	// the first gradient.
	least := int64(4 * rows * (layers*(16*c+4+h) + 2*c + 2 + vocab + c + 1))
	if got := p.Memory(); float64(got) > 1.02*float64(least) {
		t.Errorf("%d bytes where %d are needed, %.3f times", got, least, float64(got)/float64(least))
	}
}

func TestBuildNamesTheMistakeOfAnOperation(t *testing.T) {
	f := newFixture(t, 6)
	table, vector := f.param("table", 0, 5, 12), f.param("vector", 1, 3)
	heads := engine.Heads{Q: 2, KV: 1, Dim: 3}
	cases := map[string]func(g *engine.Graph, x *engine.Tensor) *engine.Tensor{
		"norm: gain [3]": func(g *engine.Graph, x *engine.Tensor) *engine.Tensor { return g.RMSNorm("norm", x, vector, 1e-5) },
		"norm: gains [3] and [5 ": func(g *engine.Graph, x *engine.Tensor) *engine.Tensor {
			return g.HeadNorm("norm", x, vector, table, 1e-5, heads)
		},
		"rotate: 2 and 2 angles": func(g *engine.Graph, x *engine.Tensor) *engine.Tensor {
			return g.Rotate("rotate", x, engine.Angles{Cos: []float32{1, 1}, Sin: []float32{0, 0}}, 3, engine.Heads{Q: 4, KV: 1, Dim: 2})
		},
		"attention: 2 query heads": func(g *engine.Graph, x *engine.Tensor) *engine.Tensor {
			return g.Attention("attention", x, engine.AttentionOptions{T: 3, Heads: engine.Heads{Q: 2, KV: 5, Dim: 1}})
		},
		"attention: 1 slopes": func(g *engine.Graph, x *engine.Tensor) *engine.Tensor {
			return g.Attention("attention", x, engine.AttentionOptions{T: 3, Heads: heads, Slopes: []float32{1}})
		},
		"attention: 3 lengths for 2": func(g *engine.Graph, x *engine.Tensor) *engine.Tensor {
			return g.Attention("attention", x, engine.AttentionOptions{T: 3, Heads: heads, Lengths: []int32{1, 1, 1}})
		},
		"attention: a bias of 6×12": func(g *engine.Graph, x *engine.Tensor) *engine.Tensor {
			return g.Attention("attention", x, engine.AttentionOptions{T: 3, Heads: heads, Bias: x})
		},
		"cross: 12 and 12 columns": func(g *engine.Graph, x *engine.Tensor) *engine.Tensor {
			return g.CrossAttention("cross", x, x, engine.AttentionOptions{T: 3, Heads: heads})
		},
		"bias: a table [5 12] for 3 queries on 0": func(g *engine.Graph, x *engine.Tensor) *engine.Tensor {
			return g.RelativeBias("bias", table, engine.RelativeOptions{TQ: 3, MaxDistance: 16})
		},
		"dropout: a share of 1": func(g *engine.Graph, x *engine.Tensor) *engine.Tensor { return g.Dropout("dropout", x, 1, new(uint64)) },
		"cap: a cap of 0":       func(g *engine.Graph, x *engine.Tensor) *engine.Tensor { return g.SoftCap("cap", x, 0) },
		"pick: no rows":         func(g *engine.Graph, x *engine.Tensor) *engine.Tensor { return g.Pick("pick", x, nil) },
	}
	for want, describe := range cases {
		_, err := engine.Build(f.k, true, func(g *engine.Graph) *engine.Tensor {
			return describe(g, g.Embed("embed", table, nil, f.ids, 3))
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
