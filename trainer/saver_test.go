package trainer_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"millrace/trainer"
	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
)

// slow is a Recorder that holds checkpoints up.
type slow struct {
	*memory
	told    atomic.Int64 // step of the latest Metrics
	holding atomic.Bool
	hold    func(step int64) error
}

func (s *slow) Metrics(ctx context.Context, step int64, points []trainer.Point) error {
	s.told.Store(step)
	return s.memory.Metrics(ctx, step, points)
}

func (s *slow) Checkpoint(ctx context.Context, c trainer.Checkpoint) error {
	if !s.holding.CompareAndSwap(false, true) {
		return errors.New("two checkpoints are on their way")
	}
	defer s.holding.Store(false)
	if err := s.hold(c.Step); err != nil {
		return err
	}
	return s.memory.Checkpoint(ctx, c)
}

// until waits for a step's metrics.
func (s *slow) until(step int64) error {
	for deadline := time.Now().Add(time.Minute); s.told.Load() < step; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return errors.New("training does not go on")
		}
	}
	return nil
}

func TestTrainingGoesOnWhileACheckpointIsSaved(t *testing.T) {
	c := tiny() // a checkpoint every 10 of 40 steps
	plain := newMemory()
	j := job(c, cpu.Reference(), plain)
	j.MemoryLimit = int64(c.Model.TrainingBytes(c.BatchSize, c.Model.Context)) + 10 // no room for a copy: training waits
	if _, err := trainer.Run(context.Background(), j); err != nil {
		t.Fatal(err)
	}
	s := &slow{memory: newMemory()}
	s.hold = func(step int64) error {
		if step == 40 {
			return nil
		}
		if err := s.until(step + 10); err != nil { // the step after which the next is due
			return err
		}
		time.Sleep(20 * time.Millisecond)
		if told := s.told.Load(); told != step+10 {
			t.Errorf("while the checkpoint of step %d is on its way step %d is made: the next was due before", step, told)
		}
		return nil
	}
	j = job(c, cpu.Reference(), nil)
	j.Recorder = s
	if r, err := trainer.Run(context.Background(), j); err != nil || !r.Done {
		t.Fatalf("%+v %v", r, err)
	}
	if !slices.Equal(s.order, []int64{10, 20, 30, 40}) {
		t.Errorf("%v", s.order)
	}
	same(t, plain, s.memory, 1) // the files are those of their step
}

// counting counts what is taken of a device's memory.
type counting struct {
	engine.Kernels
	taken atomic.Int64
}

func (c *counting) Alloc(n int) []float32 {
	c.taken.Add(1)
	return c.Kernels.Alloc(n)
}

// The copies of checkpoints take no memory while training goes on, and none at all where nothing comes after the only one.
func TestTheMemoryOfCopiesIsTakenBeforeTheFirstStep(t *testing.T) {
	takes := func(every int64) (before, after int64) {
		c := tiny()
		c.CheckpointEvery = every
		k, m := &counting{Kernels: cpu.Reference()}, newMemory()
		m.onMetrics = func(step int64) error {
			if step == 1 {
				before = k.taken.Load()
			}
			after = k.taken.Load()
			return nil
		}
		if _, err := trainer.Run(context.Background(), job(c, k, m)); err != nil {
			t.Fatal(err)
		}
		return before, after
	}
	often, end := takes(10)
	if often != end {
		t.Errorf("%d pieces of memory were taken during the training", end-often)
	}
	if last, _ := takes(40); last >= often {
		t.Errorf("%d pieces of memory were taken with one checkpoint at the end, %d with several", last, often)
	}
}

func TestACheckpointThatCannotBeSavedEndsTheTraining(t *testing.T) {
	full := errors.New("the disk is full")
	for failing, most := range map[int64]int64{10: 20, 40: 40} {
		s := &slow{memory: newMemory()}
		s.hold = func(step int64) error {
			if step == failing {
				return full
			}
			return nil
		}
		j := job(tiny(), cpu.Reference(), nil)
		j.Recorder = s
		r, err := trainer.Run(context.Background(), j)
		if !errors.Is(err, full) || !strings.Contains(err.Error(), "save the checkpoint of step ") || r.Step > most {
			t.Errorf("%+v %v", r, err)
		}
		if slices.Contains(s.order, failing) || len(s.order) > 3 {
			t.Errorf("%v", s.order)
		}
	}
}

func BenchmarkSnapshot(b *testing.B) {
	c := tiny()
	c.Model.NLayer, c.Model.DModel, c.Model.VocabSize = 6, 512, 8192 // 23 million parameters
	c.Steps, c.CheckpointEvery, c.BatchSize, c.GradAccum, c.EvalEvery = int64(b.N)+2, 1, 1, 1, 1<<30
	m := &paused{}
	j := job(c, fast(b, 1), nil)
	j.Recorder, j.Val, j.Now = m, nil, nil
	if _, err := trainer.Run(context.Background(), j); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(m.least*1e3, "ms/checkpoint")
	b.ReportMetric(12*float64(c.Model.Parameters().Total)/m.least/1e9, "GB/s")
}

// paused remembers the shortest pause by a checkpoint.
type paused struct {
	starter
	least float64
}

func (p *paused) Metrics(_ context.Context, step int64, points []trainer.Point) error {
	for _, x := range points {
		if x.Key == trainer.KeySavingSeconds && x.Value > 0 && (p.least == 0 || x.Value < p.least) {
			p.least = x.Value
		}
	}
	return nil
}

func (p *paused) Checkpoint(context.Context, trainer.Checkpoint) error { return nil }
