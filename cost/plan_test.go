package cost_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"millrace/cost"
)

func laws(t interface{ Fatal(...any) }) []cost.Law {
	var all []cost.Law
	for _, name := range []string{"rule20", "epoch", "hoffmann", "kaplan"} {
		law, err := cost.LawNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, law)
	}
	return all
}

func TestChinchilla(t *testing.T) {
	// 70B on 1.4T: 6 × 70e9 × 1.4e12 = 5.88e23, which the paper gives as Gopher's 5.76e23.
	p, err := cost.For(cost.Rule20{}, 5.88e23)
	if err != nil || math.Abs(p.Params/70e9-1) > 0.001 || math.Abs(p.Tokens/1.4e12-1) > 0.001 {
		t.Errorf("%+v %v", p, err)
	}
	// Besiroglu et al. 2024: about 20 tokens a parameter at Chinchilla's budget. Hoffmann's constants want far more (the paper says 70).
	e, _ := cost.For(cost.Epoch(), 5.76e23)
	if r := e.Tokens / e.Params; r < 15 || r > 30 {
		t.Errorf("Epoch: %.1f tokens a parameter", r)
	}
	h, _ := cost.For(cost.Hoffmann(), 5.76e23)
	if r := h.Tokens / h.Params; r < 60 || r > 110 {
		t.Errorf("Hoffmann: %.1f tokens a parameter", r)
	}
	// Hoffmann et al. 2022, section 3.3: loss of Chinchilla by the constants.
	if l := cost.Hoffmann().Loss(70e9, 1.4e12); math.Abs(l-1.936) > 0.005 {
		t.Errorf("loss %.4f", l)
	}
	// Kaplan wants larger models on less text.
	k, _ := cost.For(cost.Kaplan{}, 5.76e23)
	if k.Params < 4*e.Params || k.Tokens > e.Tokens/4 {
		t.Errorf("%+v", k)
	}
	// Kaplan et al. 2020, table 2: infinite data, N_c: the loss of N_c parameters is 1.
	if l := (cost.Kaplan{}).Loss(6.4e13, math.Inf(1)); math.Abs(l-1) > 1e-12 {
		t.Errorf("%v", l)
	}
	if _, err := cost.LawNamed("moore"); !errors.Is(err, cost.ErrNoPlan) {
		t.Error(err)
	}
}

// What a law calls best is best: any other size for the same FLOPs is worse. The inverses come back.
func TestBestIsBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := math.Exp(rapid.Float64Range(math.Log(1e15), math.Log(1e26)).Draw(t, "log FLOPs"))
		for _, law := range laws(t) {
			p, err := cost.For(law, c)
			if err != nil || math.Abs(6*p.Params*p.Tokens/c-1) > 1e-9 {
				t.Fatalf("%+v %v", p, err)
			}
			more, _ := cost.For(law, 2*c)
			if more.Loss >= p.Loss || more.Params <= p.Params || more.Tokens <= p.Tokens {
				t.Fatalf("%s: %+v, for more %+v", law.Name(), p, more)
			}
			back, err := cost.ForParams(law, p.Params)
			if err != nil || math.Abs(back.FLOPs/c-1) > 1e-6 {
				t.Fatalf("%+v %v", back, err)
			}
			if back, err = cost.ForLoss(law, p.Loss); err != nil || math.Abs(back.Loss/p.Loss-1) > 1e-9 {
				t.Fatalf("%+v %v", back, err)
			}
		}
		for _, law := range []cost.Parametric{cost.Epoch(), cost.Hoffmann()} {
			n, d := law.Best(c)
			for _, k := range []float64{0.5, 0.9, 1.1, 2} {
				if law.Loss(n*k, d/k) <= law.Loss(n, d) {
					t.Fatalf("%s: %g times the best size is better", law.Name(), k)
				}
			}
		}
	})
}

func TestNoPlan(t *testing.T) {
	for _, err := range []error{
		func() error { _, err := cost.For(cost.Rule20{}, 0); return err }(),
		func() error { _, err := cost.For(cost.Rule20{}, math.NaN()); return err }(),
		func() error { _, err := cost.ForLoss(cost.Epoch(), 1.5); return err }(), // below the floor
		func() error { _, err := cost.ForParams(cost.Rule20{}, math.Inf(1)); return err }(),
	} {
		if !errors.Is(err, cost.ErrNoPlan) {
			t.Error(err)
		}
	}
}

// grid are runs whose losses follow a law, with so much noise.
func grid(law cost.Law, noise float64, seed uint64) []cost.Trained {
	random := rand.New(rand.NewPCG(seed, 1))
	var runs []cost.Trained
	for _, n := range []float64{1e6, 3e6, 1e7, 3e7, 1e8} {
		for _, d := range []float64{2e7, 1e8, 5e8, 2.5e9} {
			runs = append(runs, cost.Trained{Params: n, Tokens: d, Loss: law.Loss(n, d) * math.Exp(noise*random.NormFloat64())})
		}
	}
	return runs
}

func TestFitFindsTheLawThatMadeTheRuns(t *testing.T) {
	for _, law := range []cost.Parametric{cost.Epoch(), cost.Hoffmann(), {E: 0.9, A: 60, B: 900, Alpha: 0.25, Beta: 0.4}} {
		f, err := cost.Fit(grid(law, 0, 1))
		if err != nil {
			t.Fatal(err)
		}
		if f.Error > 1e-4 {
			t.Errorf("%+v: error %g", law, f.Error)
		}
		for _, at := range [][2]float64{{1e6, 2e7}, {5e7, 1e9}, {1e9, 2e10}} {
			if got, want := f.Loss(at[0], at[1]), law.Loss(at[0], at[1]); math.Abs(got/want-1) > 0.005 {
				t.Errorf("%+v at %v: %.4f, want %.4f: %+v", law, at, got, want, f.Parametric)
			}
		}
		if math.Abs(f.Alpha-law.Alpha) > 0.02 || math.Abs(f.Beta-law.Beta) > 0.02 {
			t.Errorf("%+v: %+v", law, f.Parametric)
		}
	}
}

func TestFitTellsHowSureItIs(t *testing.T) {
	law := cost.Epoch()
	f, err := cost.Fit(grid(law, 0.005, 2))
	if err != nil {
		t.Fatal(err)
	}
	near, far := f.Within(3e7, 5e8), f.Within(1e11, 1e13)
	if !(near.Low <= near.Typical && near.Typical <= near.High) {
		t.Errorf("%+v", near)
	}
	if near.High-near.Low >= far.High-far.Low {
		t.Errorf("surer far away: %+v, %+v", near, far)
	}
	if got := near.Typical; math.Abs(got/law.Loss(3e7, 5e8)-1) > 0.01 {
		t.Errorf("%g", got)
	}
	if !f.Seen(3e7, 5e8) || f.Seen(1e11, 1e13) {
		t.Error("seen")
	}
	if f.Low.Alpha > f.Alpha || f.High.Alpha < f.Low.Alpha {
		t.Errorf("%+v", f)
	}
	again, _ := cost.Fit(grid(law, 0.005, 2))
	if again.Parametric != f.Parametric || again.Low != f.Low {
		t.Error("the same runs, another fit")
	}
}

func TestFitRefuses(t *testing.T) {
	all := grid(cost.Epoch(), 0, 1)
	if _, err := cost.Fit(all[:7]); !errors.Is(err, cost.ErrTooFew) {
		t.Error(err)
	}
	var bad []cost.Trained
	for i := range all {
		bad = append(bad, cost.Trained{Params: all[i].Params, Tokens: all[i].Tokens, Loss: math.NaN()})
	}
	if _, err := cost.Fit(bad); !errors.Is(err, cost.ErrTooFew) {
		t.Error(err)
	}
	var one, narrow []cost.Trained
	for i, r := range all {
		one = append(one, cost.Trained{Params: 1e7, Tokens: r.Tokens, Loss: r.Loss})
		narrow = append(narrow, cost.Trained{Params: r.Params, Tokens: 1e8 * (1 + float64(i)/20), Loss: r.Loss})
	}
	for _, runs := range [][]cost.Trained{one, narrow} {
		if _, err := cost.Fit(runs); !errors.Is(err, cost.ErrTooNarrow) {
			t.Error(err)
		}
	}
}

// Whatever the runs, a fit is finite or refused.
func TestFitOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var runs []cost.Trained
		for range rapid.IntRange(0, 14).Draw(t, "runs") {
			runs = append(runs, cost.Trained{
				Params: math.Exp(rapid.Float64Range(0, 25).Draw(t, "n")), Tokens: math.Exp(rapid.Float64Range(0, 30).Draw(t, "d")), Loss: rapid.Float64Range(-1, 20).Draw(t, "loss"),
			})
		}
		f, err := cost.Fit(runs)
		if err != nil {
			if !errors.Is(err, cost.ErrTooFew) && !errors.Is(err, cost.ErrTooNarrow) {
				t.Fatal(err)
			}
			return
		}
		for _, v := range []float64{f.E, f.A, f.B, f.Alpha, f.Beta, f.Error} {
			if math.IsNaN(v) {
				t.Fatalf("%+v", f)
			}
		}
	})
}

func BenchmarkFit(b *testing.B) {
	runs := grid(cost.Epoch(), 0.005, 2)
	for b.Loop() {
		if _, err := cost.Fit(runs); err != nil {
			b.Fatal(err)
		}
	}
}
