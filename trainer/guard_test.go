package trainer_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"millrace/trainer"
	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
)

// hiccups are kernels whose loss is spoilt in the passes that are named, counted from 1: multiplied, or no number.
type hiccups struct {
	engine.Kernels
	passes map[int]float32
	count  *int
}

func spoilt(passes map[int]float32) hiccups { return hiccups{cpu.Reference(), passes, new(int)} }

func (h hiccups) CrossEntropyBackward(dlogits, probs []float32, targets []int32, scale float32, m, v int) {
	h.Kernels.CrossEntropyBackward(dlogits, probs, targets, scale, m, v)
	*h.count++
	if f, ok := h.passes[*h.count]; ok {
		h.Kernels.Scale(dlogits, f)
	}
}

var notANumber = float32(math.NaN())

// guarded makes a training of one pass a step.
func guarded(action string) trainer.Config {
	c := tiny()
	c.GradAccum, c.Steps = 1, 40
	c.Guard = trainer.Guard{Action: action, Window: 8, LossZ: -1, NormZ: 30}
	return c
}

func TestASpikeIsLeftOut(t *testing.T) {
	m := newMemory()
	r, err := trainer.Run(context.Background(), job(guarded("skip"), spoilt(map[int]float32{14: 1e4, 22: notANumber, 23: notANumber}), m))
	if err != nil || !r.Done {
		t.Fatalf("%+v %v", r, err)
	}
	var at []int64
	for _, s := range m.spikes {
		at = append(at, s.Step)
		if s.Key != trainer.KeyGradNorm || s.To != s.Step-1 || s.Action != "skip" || !strings.Contains(s.String(), "left out") {
			t.Errorf("%+v: %s", s, s)
		}
	}
	if !slices.Equal(at, []int64{14, 22, 23}) || m.spikes[0].Z < 30 || !math.IsNaN(m.spikes[1].Z) {
		t.Errorf("%+v", m.spikes)
	}
	if got := m.value(40, "skipped"); got != 3 {
		t.Errorf("%g steps skipped", got)
	}
	// With the same hiccups and no guard the weights would be no numbers.
	if math.IsNaN(r.Loss) || r.ValLoss > 1.5 {
		t.Errorf("%+v", r)
	}
	// Where nothing is out of order, a guard changes nothing.
	plain, watched := newMemory(), newMemory()
	c := guarded("skip")
	if _, err := trainer.Run(context.Background(), job(c, cpu.Reference(), watched)); err != nil {
		t.Fatal(err)
	}
	c.Guard = trainer.Guard{}
	if _, err := trainer.Run(context.Background(), job(c, cpu.Reference(), plain)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{trainer.ModelFile, trainer.OptimizerFile} {
		if !slices.Equal(plain.checkpoints[40][name], watched.checkpoints[40][name]) {
			t.Errorf("%s differs", name)
		}
	}
}

func TestARollbackGoesOnFromTheLatestCheckpointWithOtherText(t *testing.T) {
	m := newMemory()
	r, err := trainer.Run(context.Background(), job(guarded("rollback"), spoilt(map[int]float32{5: notANumber, 17: 1e4}), m))
	if err != nil || !r.Done {
		t.Fatalf("%+v %v", r, err)
	}
	if len(m.spikes) != 2 || m.spikes[0].To != 0 || m.spikes[1].To != 10 || m.spikes[1].Step != 17 {
		t.Fatalf("%+v", m.spikes)
	}
	// Steps 1 to 5 are gone, and then 11 to 17.
	for step, want := range map[int64]float64{4: 0, 5: 5, 10: 5, 16: 5, 17: 12, 40: 12} {
		if got := m.value(step, "skipped"); got != want {
			t.Errorf("after step %d %g steps are skipped, want %g", step, got, want)
		}
	}
	// After the rollback to the start the weights are those of step 0: the loss of step 6 is of knowing nothing.
	if got := m.value(6, "train/loss"); math.Abs(got-math.Log(11)) > 0.1 {
		t.Errorf("the loss after going back to the start is %g", got)
	}
	if r.ValLoss > 1.5 {
		t.Errorf("%+v", r)
	}
}

// Whatever a guard does, an interrupted run does it again: the same spikes, points and checkpoints.
func TestAnInterruptedRunMeetsTheSameSpikes(t *testing.T) {
	for _, action := range []string{"skip", "rollback"} {
		t.Run(action, func(t *testing.T) {
			c := guarded(action)
			passes := map[int]float32{14: 1e4, 15: notANumber, 27: notANumber}
			straight := newMemory()
			if _, err := trainer.Run(context.Background(), job(c, spoilt(passes), straight)); err != nil {
				t.Fatal(err)
			}
			for _, stop := range []int64{13, 15, 29} {
				shifts := newMemory()
				ctx, cancel := context.WithCancel(context.Background())
				shifts.onMetrics = func(step int64) error {
					if step == stop {
						cancel()
					}
					return nil
				}
				if _, err := trainer.Run(ctx, job(c, spoilt(passes), shifts)); !errors.Is(err, trainer.ErrStopped) {
					t.Fatal(err)
				}
				shifts.onMetrics = nil
				from := shifts.order[len(shifts.order)-1]
				if want := stop; action == "skip" && from != want || action == "rollback" && from != stop/10*10 {
					t.Errorf("stopped after step %d it goes on from step %d", stop, from)
				}
				later := map[int]float32{} // the passes that the second attempt makes
				for pass, f := range passes {
					later[pass-int(from)] = f
				}
				again := newMemory()
				again.checkpoints[from] = shifts.checkpoints[from]
				j := job(c, spoilt(later), again)
				j.Resume = again.open(from)
				if _, err := trainer.Run(context.Background(), j); err != nil {
					t.Fatal(err)
				}
				delete(again.checkpoints, from)
				same(t, straight, again, from+1)
			}
		})
	}
}

func TestAGuardGivesUp(t *testing.T) {
	passes := map[int]float32{}
	for i := 20; i < 100; i++ {
		passes[i] = notANumber
	}
	for action, want := range map[string]string{"skip": "the 4th step in a row", "rollback": "after 3 rollbacks to step 10"} {
		c := guarded(action)
		c.Guard.Limit = 3
		c.CheckpointEvery = 10
		if action == "rollback" {
			passes[20] = 1
		}
		m := newMemory()
		r, err := trainer.Run(context.Background(), job(c, spoilt(passes), m))
		want = strings.Replace(want, "step 10", "step 20", 1)
		if !errors.Is(err, trainer.ErrDiverged) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v %v, want %q", action, r, err, want)
		}
		if len(m.order) == 0 || !strings.Contains(err.Error(), "the latest checkpoint is of step "+map[string]string{"skip": "20", "rollback": "20"}[action]) {
			t.Errorf("%s: %v: %v", action, m.order, err)
		}
	}
}

func TestGuardMistakesAreNamed(t *testing.T) {
	for in, want := range map[string]string{
		`{"model":{"vocab_size":5},"guard":{"action":"stop"}}`:                "guard.action",
		`{"model":{"vocab_size":5},"guard":{"window":3}}`:                     "guard.action",
		`{"model":{"vocab_size":5},"guard":{"action":"skip","window":1}}`:     "guard.window: 1",
		`{"model":{"vocab_size":5},"guard":{"action":"skip","loss_z":-2}}`:    "guard.loss_z: -2",
		`{"model":{"vocab_size":5},"guard":{"action":"skip","limit":-1}}`:     "guard.limit: -1",
		`{"model":{"vocab_size":5},"guard":{"action":"skip","norm_zz":7}}`:    `unknown key "norm_zz"`,
		`{"model":{"vocab_size":5},"guard":{"action":"skip","window":"all"}}`: "guard.window",
	} {
		c, err := trainer.Parse([]byte(in))
		if err == nil {
			_, err = c.Resolve()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", in, err, want)
		}
	}
	c := guarded("rollback")
	j := job(c, cpu.Reference(), newMemory())
	need := c.Model.TrainingBytes(c.BatchSize, c.Model.Context)
	j.MemoryLimit = int64(need) + 100
	if _, err := trainer.Run(context.Background(), j); err == nil || !strings.Contains(err.Error(), "rollback keeps") {
		t.Errorf("%v", err)
	}
	// Without a rollback such a memory is enough: training waits until a checkpoint is saved.
	j = job(guarded("skip"), cpu.Reference(), newMemory())
	j.MemoryLimit = int64(need) + 100
	if r, err := trainer.Run(context.Background(), j); err != nil || !r.Done {
		t.Errorf("%+v %v", r, err)
	}
}
