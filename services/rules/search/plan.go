package search

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
)

// The methods.
const (
	Grid   = "grid"   // every combination, the last setting by name the fastest
	Random = "random" // draws, each from the seed and its number
	ASHA   = "asha"   // draws of which the best go on: asynchronous successive halving (Li et al. 2020)
)

// Plan is a sweep's.
type Plan struct {
	Space     Space  `json:"space"`
	Method    string `json:"method"`
	Direction string `json:"direction"` // "min" or "max"
	MaxRuns   int    `json:"max_runs"`  // at most so many configurations; of a grid 0 is all
	Parallel  int    `json:"parallel"`  // at most so many at once
	Seed      uint64 `json:"seed,omitempty"`
	// Of ASHA: everybody trains MinSteps; the best of Eta go on to Eta times as many, and so forth until MaxSteps.
	MinSteps int64 `json:"min_steps,omitempty"`
	MaxSteps int64 `json:"max_steps,omitempty"`
	Eta      int   `json:"eta,omitempty"`
}

// Bounds on plans.
const (
	MaxTrials   = 10_000
	MaxParallel = 1000
)

// Check refuses a plan that makes no sense.
func (p Plan) Check() error {
	if err := p.Space.check(p.Method == Grid); err != nil {
		return err
	}
	least := 1
	if p.Method == Grid {
		least = 0
	}
	switch {
	case p.Method != Grid && p.Method != Random && p.Method != ASHA:
		return fmt.Errorf("search: there is no method %.40q; there are grid, random and asha", p.Method)
	case p.Direction != "min" && p.Direction != "max":
		return fmt.Errorf("search: direction %.40q: want min or max", p.Direction)
	case p.MaxRuns < least || p.MaxRuns > MaxTrials:
		return fmt.Errorf("search: max_runs %d: want %d to %d", p.MaxRuns, least, MaxTrials)
	case p.Parallel < 1 || p.Parallel > MaxParallel:
		return fmt.Errorf("search: parallel %d: want 1 to %d", p.Parallel, MaxParallel)
	case p.Method == ASHA && (p.Eta < 2 || p.Eta > 100):
		return fmt.Errorf("search: eta %d: want 2 to 100", p.Eta)
	case p.Method == ASHA && !(0 < p.MinSteps && p.MinSteps < p.MaxSteps && p.MaxSteps < 1<<53):
		return fmt.Errorf("search: min_steps %d and max_steps %d: want 0 < min_steps < max_steps", p.MinSteps, p.MaxSteps)
	case p.Method != ASHA && (p.Eta != 0 || p.MinSteps != 0 || p.MaxSteps != 0):
		return fmt.Errorf("search: min_steps, max_steps and eta are of asha, not of %s", p.Method)
	}
	if n := p.combinations(); p.Method == Grid && p.MaxRuns == 0 && n > MaxTrials {
		return fmt.Errorf("search: the grid has more than %d combinations: take fewer, or say max_runs", MaxTrials)
	}
	return nil
}

// combinations is the size of a grid, bounded.
func (p Plan) combinations() int {
	n := 1
	for _, path := range p.Space.paths() {
		if n *= len(p.Space[path].grid()); n > MaxTrials {
			return MaxTrials + 1
		}
	}
	return n
}

// Total is how many configurations are tried.
func (p Plan) Total() int {
	if p.Method != Grid {
		return p.MaxRuns
	}
	n := p.combinations()
	if p.MaxRuns > 0 {
		n = min(n, p.MaxRuns)
	}
	return n
}

// Settings are those of a trial, counted from 0. They follow from the plan alone.
func (p Plan) Settings(trial int) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	paths := p.Space.paths()
	if p.Method == Grid {
		for i := len(paths) - 1; i >= 0; i-- {
			values := p.Space[paths[i]].grid()
			out[paths[i]] = values[trial%len(values)]
			trial /= len(values)
		}
		return out
	}
	random := rand.New(rand.NewPCG(p.Seed, uint64(trial)))
	for _, path := range paths {
		out[path] = p.Space[path].draw(random)
	}
	return out
}

// Rungs are after how many steps trials are compared; one rung of 0 steps, which is as the configuration says, unless it is ASHA.
func (p Plan) Rungs() []int64 {
	if p.Method != ASHA {
		return []int64{0}
	}
	var out []int64
	for at := p.MinSteps; at < p.MaxSteps; at *= int64(p.Eta) {
		out = append(out, at)
	}
	return append(out, p.MaxSteps)
}

// Trial is what has been seen of one that was begun.
type Trial struct {
	Number int
	Rung   int // the highest that it was sent to
	// Values are by rung, as far as they are known; NaN where the trial failed, or logged no value.
	Values []float64
}

// running tells that a trial has not come to its rung.
func (t Trial) running() bool { return len(t.Values) <= t.Rung }

// Step sends a trial to a rung: a new one to the first, another from the rung below.
type Step struct {
	Number int
	Rung   int
	Until  int64 // steps, 0: as the configuration says
}

// Next says what is to be done now, given all trials that were begun: nothing while as many run as may. done tells that the sweep has
// ended. Promotions come before new trials, the highest rung first: of n values of a rung the best n/Eta may go on.
func (p Plan) Next(trials []Trial) (steps []Step, done bool) {
	seen := make(map[int]Trial, len(trials))
	running := 0
	for _, t := range trials {
		seen[t.Number] = t
		if t.running() {
			running++
		}
	}
	rungs := p.Rungs()
	for ; running < p.Parallel; running++ {
		step, ok := p.promotion(seen, rungs)
		if !ok {
			number := 0
			for ; number < p.Total(); number++ {
				if _, begun := seen[number]; !begun {
					break
				}
			}
			if number == p.Total() {
				break
			}
			step = Step{Number: number, Until: rungs[0]}
		}
		t := seen[step.Number]
		t.Number, t.Rung = step.Number, step.Rung
		seen[step.Number] = t
		steps = append(steps, step)
	}
	return steps, running == 0
}

// promotion finds who goes on.
func (p Plan) promotion(seen map[int]Trial, rungs []int64) (Step, bool) {
	for rung := len(rungs) - 2; rung >= 0; rung-- {
		reached, ahead := 0, 0 // at the rung, and sent beyond it
		best, found := Trial{}, false
		for number := range p.Total() {
			t, ok := seen[number]
			if !ok || len(t.Values) <= rung {
				continue
			}
			reached++
			if t.Rung > rung {
				ahead++
				continue
			}
			if !math.IsNaN(t.Values[rung]) && (!found || p.better(t.Values[rung], best.Values[rung])) {
				best, found = t, true
			}
		}
		if !found {
			continue
		}
		// It must be among the best of all that reached the rung, and not only of those that stayed.
		place := 0
		for _, t := range seen {
			if len(t.Values) > rung && !math.IsNaN(t.Values[rung]) && (p.better(t.Values[rung], best.Values[rung]) || t.Values[rung] == best.Values[rung] && t.Number < best.Number) {
				place++
			}
		}
		if place < reached/p.Eta {
			return Step{Number: best.Number, Rung: rung + 1, Until: rungs[rung+1]}, true
		}
	}
	return Step{}, false
}

func (p Plan) better(a, b float64) bool {
	if p.Direction == "max" {
		return a > b
	}
	return a < b
}

// Best is the trial with the best value at the highest rung that any has reached without failing; false when none has.
func (p Plan) Best(trials []Trial) (number int, value float64, ok bool) {
	for rung := len(p.Rungs()) - 1; rung >= 0 && !ok; rung-- {
		for _, t := range trials {
			if len(t.Values) > rung && !math.IsNaN(t.Values[rung]) && (!ok || p.better(t.Values[rung], value) || t.Values[rung] == value && t.Number < number) {
				number, value, ok = t.Number, t.Values[rung], true
			}
		}
	}
	return number, value, ok
}
