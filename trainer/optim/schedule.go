package optim

import (
	"fmt"
	"math"
	"slices"
)

// Schedule is how the learning rate changes with the step: a linear rise over Warmup steps, then by name.
type Schedule struct {
	// Name: "cosine" falls by half a cosine; "linear" by a line; "wsd" stays, and falls by a line over the last Decay steps
	// (warm-up, stable, decay: Hu et al. 2024); "constant" stays.
	Name          string  `json:"name"`
	Warmup        int64   `json:"warmup"`          // steps of linear rise; 0 is none
	FinalFraction float64 `json:"final_fraction"`  // where it falls to, as a fraction of the peak; 0 decays to nothing
	Decay         int64   `json:"decay,omitempty"` // wsd's last steps; 0 leaves the choice to the trainer: a fifth of steps
}

var shapes = []string{"cosine", "linear", "wsd", "constant"}

// DefaultSchedule decays by a cosine to a tenth. Its warm-up of -1 is for the trainer to choose by the number of steps.
func DefaultSchedule() Schedule { return Schedule{Name: "cosine", Warmup: -1, FinalFraction: 0.1} }

// Resolve writes down what is to be chosen by the number of steps: a warm-up of -1 is a tenth of them, at most 100; wsd's decay of 0 a fifth.
func (s Schedule) Resolve(steps int64) Schedule {
	if s.Warmup == -1 {
		s.Warmup = min(100, steps/10)
	}
	if s.Name == "wsd" && s.Decay == 0 {
		s.Decay = max(1, steps/5)
	}
	return s
}

// Validate names the first key that is wrong.
func (s Schedule) Validate() error {
	if !slices.Contains(shapes, s.Name) {
		return fmt.Errorf(`schedule.name: %q is not known; use %s`, s.Name, quoted(shapes))
	}
	if s.Warmup < 0 {
		return fmt.Errorf("schedule.warmup: %d is negative", s.Warmup)
	}
	if !(s.FinalFraction >= 0 && s.FinalFraction <= 1) {
		return fmt.Errorf("schedule.final_fraction: %g is not between 0 and 1", s.FinalFraction)
	}
	if s.Decay < 0 || s.Name != "wsd" && s.Decay != 0 {
		return fmt.Errorf(`schedule.decay: %d; it is the number of steps in which "wsd" falls, and no other schedule has it`, s.Decay)
	}
	return nil
}

// Rate is the factor on the peak learning rate at a step counted from 1, of a run of steps. It rises as step/(warmup+1), and falls from 1 to
// FinalFraction, which is reached one step after the last (as nanoGPT counts).
func (s Schedule) Rate(step, steps int64) float64 {
	done := step - 1
	if done < s.Warmup {
		return float64(step) / float64(s.Warmup+1)
	}
	from := s.Warmup
	switch s.Name {
	case "constant":
		return 1
	case "wsd":
		from = max(from, steps-s.Decay)
	}
	if done >= steps {
		return s.FinalFraction
	}
	x := float64(max(0, done-from)) / float64(steps-from)
	if s.Name == "cosine" {
		return s.FinalFraction + (1-s.FinalFraction)*0.5*(1+math.Cos(math.Pi*x))
	}
	return 1 - (1-s.FinalFraction)*x
}
