package engine_test

import (
	"math"
	"strings"
	"testing"

	"millrace/trainer/engine"
)

// A loss whose weights depend on the losses: the gradient is that of the objective which has those derivatives.
func TestGradientOfWeighedCrossEntropy(t *testing.T) {
	const rows, seq, v = 6, 3, 6
	f := newFixture(t, rows)
	table := f.param("table", 0, 5, v)
	objective := func(sums [2]float64) (float64, [2]float64) { // a difference of sums through a sigmoid, as preferences have
		d := sums[0] - sums[1]
		s := 1 / (1 + math.Exp(-d))
		return math.Log(1 + math.Exp(d)), [2]float64{s, -s}
	}
	var value float64
	p, err := engine.Build(f.k, true, func(g *engine.Graph) *engine.Tensor {
		return g.WeighedCrossEntropy("loss", g.Embed("embed", table, nil, f.ids, seq), f.targets, seq, func(losses, weights []float32) {
			var sums [2]float64
			for i, l := range losses {
				sums[i/seq] += float64(l)
			}
			var w [2]float64
			value, w = objective(sums)
			weights[0], weights[1] = float32(w[0]), float32(w[1])
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	run := func() float64 {
		f.k.Zero(table.Grad)
		if err := p.Run(0.5); err != nil {
			t.Fatal(err)
		}
		return value
	}
	run()
	got := append([]float32(nil), table.Grad...)
	for i, x := range table.Value {
		const h = 1e-3
		table.Value[i] = x + h
		up := run()
		table.Value[i] = x - h
		down := run()
		table.Value[i] = x
		if want := 0.5 * (up - down) / (2 * h); math.Abs(want-float64(got[i])) > 2e-3 {
			t.Errorf("element %d: gradient %g, want %g", i, got[i], want)
		}
	}
}

func TestGradientsOfFineTuning(t *testing.T) {
	const rows, seq, c, v = 6, 3, 4, 6
	for name, last := range map[string]bool{"mean": false, "last": true} {
		t.Run(name, func(t *testing.T) { pooled(t, last) })
	}
	t.Run("blocks", func(t *testing.T) {
		f := newFixture(t, rows)
		table, w := f.param("table", 0, 5, c), engine.NewParameter(f.k, "w", true, c, v)
		blocks := []engine.Block{{Row: 0, Rows: 1, Col: 0, Cols: 2}, {Row: 1, Rows: 3, Col: 3, Cols: 3}}
		inside := func(i int) bool {
			for _, b := range blocks {
				if r, col := i/v, i%v; r >= b.Row && r < b.Row+b.Rows && col >= b.Col && col < b.Col+b.Cols {
					return true
				}
			}
			return false
		}
		for i := range w.Value {
			if inside(i) {
				w.Value[i] = float32(i%5) / 5
			}
		}
		p, err := engine.Build(f.k, true, func(g *engine.Graph) *engine.Tensor {
			x := g.LinearBlocks("blocks", g.Embed("embed", table, nil, f.ids, seq), w, 0.5, blocks)
			return g.CrossEntropy("loss", x, f.targets)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		loss := func() (sum float64) {
			f.k.Zero(w.Grad)
			if err := p.Run(1); err != nil {
				t.Fatal(err)
			}
			for _, l := range p.Output() {
				sum += float64(l)
			}
			return sum
		}
		loss()
		got := append([]float32(nil), w.Grad...)
		for i, x := range w.Value {
			const h = 1e-2
			w.Value[i] = x + h
			up := loss()
			w.Value[i] = x - h
			down := loss()
			w.Value[i] = x
			want := (up - down) / (2 * h)
			if !inside(i) {
				want = 0
			}
			if math.Abs(want-float64(got[i])) > 1e-2 {
				t.Errorf("element %d: gradient %g, want %g", i, got[i], want)
			}
		}
	})
	t.Run("mistakes", func(t *testing.T) {
		f := newFixture(t, rows)
		table, w := f.param("table", 0, 5, c), f.param("w", 0, c, v)
		for want, build := range map[string]func(g *engine.Graph, x *engine.Tensor) *engine.Tensor{
			"does not fit a weight": func(g *engine.Graph, x *engine.Tensor) *engine.Tensor {
				return g.LinearBlocks("b", x, w, 1, []engine.Block{{Row: 0, Rows: 4, Col: 3, Cols: 4}})
			},
			"with blocks of 3 rows": func(g *engine.Graph, x *engine.Tensor) *engine.Tensor {
				return g.LinearBlocks("b", x, w, 1, []engine.Block{{Row: 0, Rows: 3, Col: 0, Cols: 6}})
			},
			"2 lengths": func(g *engine.Graph, x *engine.Tensor) *engine.Tensor {
				return g.Pool("m", x, 2, make([]int32, 2), false)
			},
			"5 targets": func(g *engine.Graph, x *engine.Tensor) *engine.Tensor {
				return g.WeighedCrossEntropy("l", x, make([]int32, 5), 3, nil)
			},
		} {
			_, err := engine.Build(f.k, false, func(g *engine.Graph) *engine.Tensor { return build(g, g.Embed("embed", table, nil, f.ids, seq)) })
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
	})
}

func pooled(t *testing.T, last bool) {
	const rows, seq, c, v = 6, 3, 4, 6
	f := newFixture(t, rows)
	f.targets = []int32{1, 4}
	table, w := f.param("table", 0, 5, c), f.param("w", 0, c, v)
	lengths := []int32{3, 2}
	f.check(func(g *engine.Graph) *engine.Tensor {
		x := g.Pool("pool", g.Embed("embed", table, nil, f.ids, seq), seq, lengths, last)
		return g.CrossEntropy("loss", g.Linear("head", x, w, nil, false), f.targets)
	})
	p, err := engine.Build(f.k, false, func(g *engine.Graph) *engine.Tensor {
		return g.Pool("pool", g.Embed("embed", table, nil, f.ids, seq), seq, lengths, last)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Run(0); err != nil {
		t.Fatal(err)
	}
	row := func(i int) []float32 { return table.Value[int(f.ids[i])*c : int(f.ids[i]+1)*c] }
	for j := range c {
		want := (row(3)[j] + row(4)[j]) / 2
		if last {
			want = row(4)[j]
		}
		if got := p.Output()[c+j]; math.Abs(float64(got-want)) > 1e-6 {
			t.Errorf("column %d: %g, want %g", j, got, want)
		}
	}
}
