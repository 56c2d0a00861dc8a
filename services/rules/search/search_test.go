package search_test

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"millrace/services/rules/search"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func space(t testing.TB, raw string) (s search.Space) {
	t.Helper()
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGridIsEveryCombination(t *testing.T) {
	p := search.Plan{Method: search.Grid, Direction: "min", Parallel: 1,
		Space: space(t, `{"b":{"values":[1,"x",null]},"a.lr":{"min":0.001,"max":0.1,"log":true,"count":3},"c":{"min":2,"max":3,"int":true}}`)}
	if err := p.Check(); err != nil || p.Total() != 18 {
		t.Fatalf("%d: %v", p.Total(), err)
	}
	var got []string
	for i := range p.Total() {
		raw, err := json.Marshal(p.Settings(i))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(raw))
	}
	if got[0] != `{"a.lr":0.001,"b":1,"c":2}` || got[1] != `{"a.lr":0.001,"b":1,"c":3}` || got[8] != `{"a.lr":0.01,"b":"x","c":2}` || got[17] != `{"a.lr":0.1,"b":null,"c":3}` {
		t.Errorf("%v", got)
	}
	if slices.Sort(got); len(slices.Compact(got)) != 18 {
		t.Errorf("some are twice: %v", got)
	}
	if p.MaxRuns = 5; p.Total() != 5 {
		t.Errorf("%d of at most 5", p.Total())
	}
}

func TestDrawsAreWithinAndTheSame(t *testing.T) {
	p := search.Plan{Method: search.Random, Direction: "max", Parallel: 2, MaxRuns: 400, Seed: 3,
		Space: space(t, `{"lr":{"min":1e-4,"max":1e-1,"log":true},"n":{"min":-1,"max":2,"int":true},"u":{"min":0.5,"max":1},"v":{"values":[true,false]}}`)}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	small, seen := 0, map[string]int{}
	for i := range p.Total() {
		s := p.Settings(i)
		if !reflect.DeepEqual(s, p.Settings(i)) {
			t.Fatal("asked again, it says something else")
		}
		var lr, u float64
		if json.Unmarshal(s["lr"], &lr) != nil || json.Unmarshal(s["u"], &u) != nil || lr < 1e-4 || lr > 1e-1 || u < 0.5 || u > 1 {
			t.Fatalf("%s", s)
		}
		if lr < 1e-3 {
			small++
		}
		seen["n "+string(s["n"])]++
		seen["v "+string(s["v"])]++
	}
	if small < 90 || small > 180 { // a third of the decades
		t.Errorf("%d of 400 in the first decade", small)
	}
	for _, k := range []string{"n -1", "n 0", "n 1", "n 2", "v true", "v false"} {
		if seen[k] < 50 {
			t.Errorf("%s came %d times", k, seen[k])
		}
	}
	if len(seen) != 6 {
		t.Errorf("%v", seen)
	}
}

func TestApply(t *testing.T) {
	got, err := search.Apply(json.RawMessage(`{"steps":10,"optimizer":{"lr":1e-3,"beta":0.9}}`), map[string]json.RawMessage{"optimizer.lr": json.RawMessage("0.01"), "model.n_layer": json.RawMessage("2")})
	if err != nil || string(got) != `{"model":{"n_layer":2},"optimizer":{"beta":0.9,"lr":0.01},"steps":10}` {
		t.Errorf("%s %v", got, err)
	}
	if _, err := search.Apply(json.RawMessage(`{"steps":10}`), map[string]json.RawMessage{"steps.x": json.RawMessage("1")}); err == nil {
		t.Error("a number was taken for an object")
	}
	if _, err := search.Apply(json.RawMessage(`[1]`), nil); err == nil {
		t.Error("a list was taken for a configuration")
	}
}

func TestWrongPlans(t *testing.T) {
	ok := func() search.Plan {
		return search.Plan{Method: search.ASHA, Direction: "min", MaxRuns: 9, Parallel: 2, MinSteps: 10, MaxSteps: 90, Eta: 3, Space: space(t, `{"lr":{"min":1,"max":2}}`)}
	}
	if err := ok().Check(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*search.Plan){
		"0 settings":    func(p *search.Plan) { p.Space = nil },
		"no method":     func(p *search.Plan) { p.Method = "bayes" },
		"direction":     func(p *search.Plan) { p.Direction = "" },
		"max_runs":      func(p *search.Plan) { p.MaxRuns = 0 },
		"parallel":      func(p *search.Plan) { p.Parallel = 0 },
		"eta":           func(p *search.Plan) { p.Eta = 1 },
		"min_steps":     func(p *search.Plan) { p.MinSteps = 90 },
		"are of asha":   func(p *search.Plan) { p.Method = search.Random },
		"min below max": func(p *search.Plan) { p.Space = space(t, `{"lr":{"min":2,"max":1}}`) },
		"above 0":       func(p *search.Plan) { p.Space = space(t, `{"lr":{"min":0,"max":1,"log":true}}`) },
		"whole numbers": func(p *search.Plan) { p.Space = space(t, `{"lr":{"min":0.5,"max":1,"int":true}}`) },
		"not both":      func(p *search.Plan) { p.Space = space(t, `{"lr":{"min":0.5,"values":[1]}}`) },
		"want values":   func(p *search.Plan) { p.Space = space(t, `{"lr":{}}`) },
		"want a path":   func(p *search.Plan) { p.Space = space(t, `{"a..b":{"values":[1]}}`) },
		"a grid wants": func(p *search.Plan) {
			*p = search.Plan{Method: search.Grid, Direction: "min", Parallel: 1, Space: p.Space}
		},
		"more than 1000": func(p *search.Plan) {
			*p = search.Plan{Method: search.Grid, Direction: "min", Parallel: 1, Space: space(t, `{"a":{"min":1,"max":900,"int":true},"b":{"min":1,"max":900,"int":true}}`)}
		},
	} {
		p := ok()
		change(&p)
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}

// lab runs a plan: trials end in an order that something decides, with values that the trial and the rung decide.
func lab(p search.Plan, pick func(running int) int, value func(trial, rung int) float64) (trials []search.Trial, steps []search.Step, most int) {
	for range 100_000 {
		next, done := p.Next(trials)
		if done {
			return trials, steps, most
		}
		steps = append(steps, next...)
		for _, s := range next {
			if i := slices.IndexFunc(trials, func(t search.Trial) bool { return t.Number == s.Number }); i >= 0 {
				trials[i].Rung = s.Rung
			} else {
				trials = append(trials, search.Trial{Number: s.Number})
			}
		}
		var running []int
		for i, t := range trials {
			if len(t.Values) <= t.Rung {
				running = append(running, i)
			}
		}
		most = max(most, len(running))
		t := &trials[running[pick(len(running))]]
		t.Values = append(t.Values, value(t.Number, t.Rung))
	}
	panic("it does not end")
}

func TestSuccessiveHalving(t *testing.T) {
	p := search.Plan{Method: search.ASHA, Direction: "max", MaxRuns: 27, Parallel: 1, MinSteps: 10, MaxSteps: 200, Eta: 3, Space: space(t, `{"lr":{"min":1,"max":2}}`)}
	if got := fmt.Sprint(p.Rungs()); got != "[10 30 90 200]" {
		t.Fatalf("rungs %s", got)
	}
	trials, steps, _ := lab(p, func(int) int { return 0 }, func(trial, rung int) float64 { return float64(trial) })
	at := make([]int, 4)
	for _, s := range steps {
		at[s.Rung]++
		if s.Until != p.Rungs()[s.Rung] {
			t.Errorf("%+v", s)
		}
	}
	// One at a time, each better than all before: of every three the newest is promoted at once, so more go on than of a set that is
	// known from the start, and never fewer.
	if at[0] != 27 || at[1] < 9 || at[2] < 3 || at[3] < 1 || at[1] > 25 {
		t.Errorf("trials by rung %v", at)
	}
	if best, value, ok := p.Best(trials); !ok || best != 26 || value != 26 {
		t.Errorf("the best is %d with %v", best, value)
	}
	if best, _, ok := p.Best(nil); ok {
		t.Errorf("the best of none is %d", best)
	}
}

func TestSweepsEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := search.Plan{Method: rapid.SampledFrom([]string{search.Random, search.ASHA}).Draw(t, "method"), Direction: rapid.SampledFrom([]string{"min", "max"}).Draw(t, "direction"),
			MaxRuns: rapid.IntRange(1, 30).Draw(t, "runs"), Parallel: rapid.IntRange(1, 5).Draw(t, "parallel"), Space: search.Space{"x": {Values: []json.RawMessage{json.RawMessage("1")}}}}
		if p.Method == search.ASHA {
			p.Eta, p.MinSteps = rapid.IntRange(2, 4).Draw(t, "eta"), rapid.Int64Range(1, 5).Draw(t, "min")
			p.MaxSteps = p.MinSteps + rapid.Int64Range(1, 100).Draw(t, "more")
		}
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
		values := map[[2]int]float64{}
		trials, steps, most := lab(p, func(running int) int { return rapid.IntRange(0, running-1).Draw(t, "ends") }, func(trial, rung int) float64 {
			v := rapid.Float64Range(-1, 1).Draw(t, "value")
			if rapid.IntRange(0, 9).Draw(t, "fails") == 0 {
				v = math.NaN()
			}
			values[[2]int{trial, rung}] = v
			return v
		})
		if len(trials) != p.Total() || most > p.Parallel {
			t.Fatalf("%d trials of %d, %d at once of %d", len(trials), p.Total(), most, p.Parallel)
		}
		seen := map[[2]int]bool{}
		for _, s := range steps {
			if k := [2]int{s.Number, s.Rung}; seen[k] {
				t.Fatalf("%v twice", k)
			} else if seen[k] = true; s.Rung > 0 && (!seen[[2]int{s.Number, s.Rung - 1}] || math.IsNaN(values[[2]int{s.Number, s.Rung - 1}])) {
				t.Fatalf("%v without the rung below, or after it failed", k)
			}
		}
		// At the end every rung has sent on at least the share that it may, unless too many failed.
		for rung := range len(p.Rungs()) - 1 {
			reached, failed, ahead := 0, 0, 0
			for _, tr := range trials {
				if len(tr.Values) > rung {
					reached++
					if math.IsNaN(tr.Values[rung]) {
						failed++
					}
				}
				if tr.Rung > rung {
					ahead++
				}
			}
			if ahead < min(reached/p.Eta, reached-failed) {
				t.Fatalf("rung %d: %d of %d went on", rung, ahead, reached)
			}
		}
	})
}

func FuzzSpace(f *testing.F) {
	f.Add(`{"lr":{"min":1e-4,"max":1,"log":true},"b":{"values":[1,{"x":[]}]}}`, `{"lr":{}}`)
	f.Add(`{"a.b.c":{"min":-1e300,"max":1e300}}`, ``)
	f.Fuzz(func(t *testing.T, raw, config string) {
		var s search.Space
		if json.Unmarshal([]byte(raw), &s) != nil {
			return
		}
		for _, method := range []string{search.Grid, search.Random} {
			p := search.Plan{Method: method, Direction: "min", MaxRuns: 3, Parallel: 1, Space: s}
			if p.Check() != nil {
				continue
			}
			for i := range p.Total() {
				out, err := search.Apply(json.RawMessage(config), p.Settings(i))
				if err == nil && !json.Valid(out) {
					t.Fatalf("%s", out)
				}
			}
		}
	})
}
