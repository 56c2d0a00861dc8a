package trainer

import (
	"fmt"
	"math"
	"slices"
)

// Guard is what happens when the loss or the gradient norm of a step is not a number, or is far above those of the steps before it.
// The zero Guard ends the training at the first that is not a number (ErrDiverged).
type Guard struct {
	// Action: "skip" leaves the step's update out; "rollback" also puts weights and moments back to where they were at the latest
	// checkpoint of CheckpointEvery, or at the start, and goes on with the text that follows, as PaLM's training did (Chowdhery et
	// al. 2022, section 5.1). Steps are counted on in both cases: the same text is not shown again.
	Action string `json:"action"`
	// Window is how many steps the mean and the deviation are taken of; nothing is an outlier before it is full. 0 chooses 128, as llm.c.
	Window int `json:"window"`
	// LossZ and NormZ are by how many deviations above the mean a loss and a gradient norm are outliers; 0 chooses 7, -1 is never.
	LossZ float64 `json:"loss_z"`
	NormZ float64 `json:"norm_z"`
	// Limit is how many steps in a row may be left out, or how often a training may go back to one checkpoint; 0 chooses 10. Beyond it
	// the training ends with ErrDiverged.
	Limit int `json:"limit"`
}

const (
	actionSkip     = "skip"
	actionRollback = "rollback"
	maxWindow      = 4096
)

func (g Guard) resolve() Guard {
	if g.Action == "" {
		return g
	}
	for _, f := range []struct {
		value *int
		def   int
	}{{&g.Window, 128}, {&g.Limit, 10}} {
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	for _, z := range []*float64{&g.LossZ, &g.NormZ} {
		if *z == 0 {
			*z = 7
		}
	}
	return g
}

func (g Guard) validate() error {
	if g == (Guard{}) {
		return nil
	}
	if g.Action != actionSkip && g.Action != actionRollback {
		return fmt.Errorf(`guard.action: %q is not known; use "skip" or "rollback", or leave guard out`, g.Action)
	}
	if g.Window < 2 || g.Window > maxWindow {
		return fmt.Errorf("guard.window: %d is not between 2 and %d steps", g.Window, maxWindow)
	}
	if g.Limit < 1 || g.Limit > maxBatch {
		return fmt.Errorf("guard.limit: %d is not between 1 and %d", g.Limit, maxBatch)
	}
	for key, z := range map[string]float64{"loss_z": g.LossZ, "norm_z": g.NormZ} {
		if !(z > 0 && z <= 1e6) && z != -1 {
			return fmt.Errorf("guard.%s: %g is not a number of deviations; use 7, or -1 for never", key, z)
		}
	}
	return nil
}

// Spike is a step that a Guard took out.
type Spike struct {
	Step   int64
	Key    string  // KeyLoss or KeyGradNorm
	Value  float64 // may be NaN or infinite
	Z      float64 // deviations above the mean; NaN where Value is not a finite number
	Action string  // as Guard.Action
	To     int64   // the step whose weights the training goes on with
}

// String says what happened.
func (s Spike) String() string {
	what := fmt.Sprintf("%s is %.4g", s.Key, s.Value)
	if finite(s.Value) {
		what += fmt.Sprintf(", %.1f deviations above its mean", s.Z)
	}
	if s.Action == actionRollback {
		return fmt.Sprintf("step %d: %s; the weights are those of step %d again, and the text goes on", s.Step, what, s.To)
	}
	return fmt.Sprintf("step %d: %s; its update was left out", s.Step, what)
}

// watch is a Guard at work. Its fields are part of a checkpoint.
type watch struct {
	Loss []float64 `json:"loss"` // of the latest steps whose loss was a number, oldest first
	Norm []float64 `json:"norm"`
	Row  int       `json:"row,omitempty"` // spikes without a good step in between
}

// look judges a step and remembers it. ok is false without a spike.
func (w *watch) look(g Guard, step int64, loss, norm float64) (s Spike, ok bool) {
	for _, f := range []struct {
		key    string
		value  float64
		past   *[]float64
		most   float64
		number bool
	}{{KeyLoss, loss, &w.Loss, g.LossZ, finite(loss)}, {KeyGradNorm, norm, &w.Norm, g.NormZ, finite(norm)}} {
		z := math.NaN()
		if f.number {
			z = deviations(*f.past, g.Window, f.value)
			if len(*f.past) == g.Window {
				*f.past = slices.Delete(*f.past, 0, 1)
			}
			*f.past = append(*f.past, f.value)
		}
		if !ok && (!f.number || f.most > 0 && z > f.most) {
			s, ok = Spike{Step: step, Key: f.key, Value: f.value, Z: z, Action: g.Action, To: step - 1}, true
		}
	}
	if ok {
		w.Row++
	} else {
		w.Row = 0
	}
	return s, ok
}

// deviations is how many standard deviations x is above the mean of the values before it; NaN until there are n, or where they are all
// the same. llm.c counts x among them, which bounds the result by √n.
func deviations(past []float64, n int, x float64) float64 {
	if len(past) < n {
		return math.NaN()
	}
	mean := 0.0
	for _, v := range past {
		mean += v
	}
	mean /= float64(n)
	square := 0.0
	for _, v := range past {
		square += (v - mean) * (v - mean)
	}
	if square == 0 {
		return math.NaN()
	}
	return (x - mean) / math.Sqrt(square/float64(n))
}

// valid refuses a watch that no training with this Guard can have.
func (w *watch) valid(g Guard) error {
	for _, v := range slices.Concat(w.Loss, w.Norm) {
		if !finite(v) {
			return fmt.Errorf("guard: %g is not a finite number", v)
		}
	}
	if len(w.Loss) > g.Window || len(w.Norm) > g.Window || w.Row < 0 {
		return fmt.Errorf("guard: %d and %d steps are more than its window of %d", len(w.Loss), len(w.Norm), g.Window)
	}
	return nil
}
