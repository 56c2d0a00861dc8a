package optim

import (
	"fmt"
	"math"
)

// Config is an optimizer as data.
type Config struct {
	Name        string  `json:"name"` // "adamw"
	LR          float64 `json:"lr"`   // peak learning rate
	Beta1       float64 `json:"beta1"`
	Beta2       float64 `json:"beta2"`
	Eps         float64 `json:"eps"`
	WeightDecay float64 `json:"weight_decay"` // decoupled; applies to matrices only; 0 is none
}

// Default is AdamW as GPT-2-sized models are commonly trained with.
func Default() Config {
	return Config{Name: "adamw", LR: 1e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1}
}

// Validate names the first key that is wrong.
func (c Config) Validate() error {
	if c.Name != "adamw" {
		return fmt.Errorf(`optimizer.name: %q is not known; use "adamw"`, c.Name)
	}
	for _, f := range []struct {
		key        string
		v          float64
		least, top float64
	}{
		{"lr", c.LR, 0, 100}, {"eps", c.Eps, 1e-45, 1}, {"weight_decay", c.WeightDecay, 0, 100},
	} {
		if !(f.v >= f.least && f.v <= f.top) {
			return fmt.Errorf("optimizer.%s: %g is not between %g and %g", f.key, f.v, f.least, f.top)
		}
	}
	for key, b := range map[string]float64{"beta1": c.Beta1, "beta2": c.Beta2} {
		if !(b >= 0 && b < 1) {
			return fmt.Errorf("optimizer.%s: %g is not at least 0 and below 1", key, b)
		}
	}
	return nil
}

// Schedule is how the learning rate changes with the step.
type Schedule struct {
	Name          string  `json:"name"`           // "cosine" or "constant"
	Warmup        int64   `json:"warmup"`         // steps of linear rise; 0 is none
	FinalFraction float64 `json:"final_fraction"` // cosine's last rate as a fraction of the peak; 0 decays to nothing
}

// DefaultSchedule decays by a cosine to a tenth. Its warm-up of -1 is for the trainer to choose by the number of steps.
func DefaultSchedule() Schedule { return Schedule{Name: "cosine", Warmup: -1, FinalFraction: 0.1} }

// Validate names the first key that is wrong.
func (s Schedule) Validate() error {
	if s.Name != "cosine" && s.Name != "constant" {
		return fmt.Errorf(`schedule.name: %q is not known; use "cosine" or "constant"`, s.Name)
	}
	if s.Warmup < 0 {
		return fmt.Errorf("schedule.warmup: %d is negative", s.Warmup)
	}
	if !(s.FinalFraction >= 0 && s.FinalFraction <= 1) {
		return fmt.Errorf("schedule.final_fraction: %g is not between 0 and 1", s.FinalFraction)
	}
	return nil
}

// Rate is the factor on the peak learning rate at a step counted from 1, of a run of steps. It rises linearly, step/(warmup+1),
// then follows half a cosine from 1 to FinalFraction, which is reached one step after the last (as nanoGPT counts).
func (s Schedule) Rate(step, steps int64) float64 {
	done := step - 1
	if done < s.Warmup {
		return float64(step) / float64(s.Warmup+1)
	}
	if s.Name == "constant" {
		return 1
	}
	if done >= steps {
		return s.FinalFraction
	}
	x := float64(done-s.Warmup) / float64(steps-s.Warmup)
	return s.FinalFraction + (1-s.FinalFraction)*0.5*(1+math.Cos(math.Pi*x))
}
