package trainer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"millrace/trainer"
	"millrace/trainer/data"
	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/random"
)

func TestMain(m *testing.M) {
	child()
	goleak.VerifyTestMain(m)
}

// text is a language that can be learnt: each token is the one before plus one or two, modulo 11.
func text(n int, seed uint64) data.IDs {
	ids := make(data.IDs, n)
	for i := 1; i < n; i++ {
		ids[i] = (ids[i-1] + 1 + int32(random.Below(seed, uint64(i), 2))) % 11
	}
	return ids
}

func tiny() trainer.Config {
	c := trainer.Default()
	c.Model = model.Config{Arch: "gpt2", NLayer: 2, NHead: 2, DModel: 16, Context: 12, VocabSize: 11, Bias: true}
	c.BatchSize, c.GradAccum, c.Steps = 4, 2, 40
	c.CheckpointEvery, c.EvalEvery, c.EvalBatches = 10, 10, 3
	c.Optimizer.LR = 0.01
	c.Seed = 3
	return c
}

func job(c trainer.Config, k engine.Kernels, m *memory) trainer.Job {
	tick := time.Unix(0, 0)
	return trainer.Job{
		Config: c, Kernels: k, Train: text(2000, 1), Val: text(300, 2), Recorder: m,
		Now: func() time.Time { tick = tick.Add(time.Second); return tick },
	}
}

func TestTrainingLearns(t *testing.T) {
	m := newMemory()
	c := tiny()
	c.Steps = 120
	r, err := trainer.Run(context.Background(), job(c, cpu.Reference(), m))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Done || r.Step != 120 || r.Tokens != 120*4*2*12 {
		t.Errorf("result %+v", r)
	}
	first, last := m.value(1, "train/loss"), m.value(120, "train/loss")
	if math.Abs(first-math.Log(11)) > 0.1 {
		t.Errorf("the first loss %g is not that of knowing nothing, %g", first, math.Log(11))
	}
	// Two equally likely continuations: the best loss is ln 2 = 0.693.
	if last > 0.85 || r.ValLoss > 0.85 || r.ValLoss < 0.69 || r.Loss != last {
		t.Errorf("loss %g, held-out %g after training, want about 0.7", last, r.ValLoss)
	}
	if got := m.value(120, "val/loss"); got != r.ValLoss {
		t.Errorf("val/loss %g, result %g", got, r.ValLoss)
	}
	for key, want := range map[string]float64{
		"tokens": 120 * 96, "epoch": 120 * 96 / 2000.0, // The clock ticks whenever it is asked: after each of two micro-batches was read and computed, and after the update.
		"step_seconds": 5, "tokens_per_second": 96 / 5.0, "time/data": 2, "time/compute": 2, "time/update": 1} {
		if got := m.value(120, key); got != want {
			t.Errorf("%s = %g, want %g", key, got, want)
		}
	}
	if want := []int64{10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120}; !slices.Equal(m.order, want) {
		t.Errorf("checkpoints %v", m.order)
	}
}

// same compares two recordings bit by bit, from a step on.
func same(t *testing.T, a, b *memory, from int64) {
	t.Helper()
	compared := 0
	for i, step := range b.steps {
		if step < from {
			continue
		}
		for key, v := range b.points[i] {
			if trainer.Deterministic(key) && math.Float64bits(a.value(step, key)) != math.Float64bits(v) {
				t.Errorf("step %d: %s is %v and %v", step, key, a.value(step, key), v)
			}
			compared++
		}
	}
	for step, files := range b.checkpoints {
		if step < from {
			continue
		}
		for name, content := range files {
			if !bytes.Equal(content, a.checkpoints[step][name]) {
				t.Errorf("step %d: %s differs", step, name)
			}
			compared++
		}
	}
	if compared == 0 {
		t.Error("nothing was compared")
	}
}

func TestResumeEqualsNoInterruption(t *testing.T) {
	for _, order := range []string{data.Epoch, data.Random} {
		t.Run(order, func(t *testing.T) {
			c := tiny()
			c.Data.Order = order
			straight := newMemory()
			if _, err := trainer.Run(context.Background(), job(c, cpu.Reference(), straight)); err != nil {
				t.Fatal(err)
			}

			// Two shifts; the first ends off a checkpoint.
			shifts := newMemory()
			j := job(c, cpu.Reference(), shifts)
			j.StopAfter = 23
			r, err := trainer.Run(context.Background(), j)
			if err != nil || r.Done || r.Step != 23 {
				t.Fatalf("%+v, %v", r, err)
			}
			if !slices.Equal(shifts.order, []int64{10, 20, 23}) {
				t.Errorf("checkpoints %v", shifts.order)
			}
			j = job(c, cpu.Reference(), shifts)
			j.Resume = shifts.open(23)
			if r, err = trainer.Run(context.Background(), j); err != nil || !r.Done {
				t.Fatalf("%+v, %v", r, err)
			}
			delete(shifts.checkpoints, 23)
			same(t, straight, shifts, 1)
			if r.ValLoss != straight.value(40, "val/loss") {
				t.Errorf("result %+v", r)
			}
		})
	}
}

// fast are the kernels users get.
func fast(t testing.TB, threads int) engine.Kernels {
	k, err := cpu.Open(threads)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// On the kernels that users get: a run on one thread, and one stopped and resumed on two, agree to the bit.
func TestThreadsAndInterruptionsChangeNothing(t *testing.T) {
	c := tiny()
	c.Model.DModel, c.Model.VocabSize, c.Model.Context = 48, 67, 33 // sizes that no tile divides
	c.Steps = 20
	one := newMemory()
	if _, err := trainer.Run(context.Background(), job(c, fast(t, 1), one)); err != nil {
		t.Fatal(err)
	}
	two := newMemory()
	ctx, cancel := context.WithCancel(context.Background())
	two.onMetrics = func(step int64) error {
		if step == 7 {
			cancel()
		}
		return nil
	}
	r, err := trainer.Run(ctx, job(c, fast(t, 2), two))
	if !errors.Is(err, trainer.ErrStopped) || !errors.Is(err, context.Canceled) || r.Step != 7 {
		t.Fatalf("%+v, %v", r, err)
	}
	two.onMetrics = nil
	j := job(c, fast(t, 3), two)
	j.Resume = two.open(7)
	if _, err := trainer.Run(context.Background(), j); err != nil {
		t.Fatal(err)
	}
	delete(two.checkpoints, 7)
	same(t, one, two, 1)
}

func TestDivergenceKeepsTheLastGoodCheckpoint(t *testing.T) {
	c := tiny()
	c.Optimizer.LR, c.Clip, c.CheckpointEvery, c.Schedule.Warmup, c.Optimizer.WeightDecay = 100, 0, 1, 0, 90
	m := newMemory()
	r, err := trainer.Run(context.Background(), job(c, cpu.Reference(), m))
	if !errors.Is(err, trainer.ErrDiverged) {
		t.Fatalf("%+v, %v", r, err)
	}
	if r.Step == 0 || len(m.order) == 0 || m.order[len(m.order)-1] != r.Step {
		t.Fatalf("checkpoints %v, result %+v", m.order, r)
	}
	failed := m.steps[len(m.steps)-1]
	if failed != r.Step+1 || !strings.Contains(err.Error(), "at step") {
		t.Errorf("step %d failed after %d good ones: %v", failed, r.Step, err)
	}
	if l, n := m.value(failed, "train/loss"), m.value(failed, "grad_norm"); !math.IsNaN(l) && !math.IsInf(l, 0) && !math.IsNaN(n) && !math.IsInf(n, 0) {
		t.Errorf("loss %g and norm %g were recorded", l, n)
	}
}

func TestFineTuningStartsFromWeights(t *testing.T) {
	m := newMemory()
	c := tiny()
	if _, err := trainer.Run(context.Background(), job(c, cpu.Reference(), m)); err != nil {
		t.Fatal(err)
	}
	tuned := newMemory()
	c.Seed, c.Steps = 99, 5
	j := job(c, cpu.Reference(), tuned)
	j.Init = m.open(40)
	if _, err := trainer.Run(context.Background(), j); err != nil {
		t.Fatal(err)
	}
	if first, before := tuned.value(1, "train/loss"), m.value(1, "train/loss"); first > before-0.5 {
		t.Errorf("fine-tuning began at %g, training at %g", first, before)
	}
}

func TestMistakesAreNamedBeforeWorkBegins(t *testing.T) {
	done := newMemory()
	c := tiny()
	c.Steps, c.CheckpointEvery = 2, 2
	if _, err := trainer.Run(context.Background(), job(c, cpu.Reference(), done)); err != nil {
		t.Fatal(err)
	}
	corrupt := newMemory()
	corrupt.checkpoints[2] = map[string][]byte{}
	for name, b := range done.checkpoints[2] {
		corrupt.checkpoints[2][name] = b
	}
	corrupt.checkpoints[2][trainer.ModelFile] = done.checkpoints[2][trainer.ModelFile][:500]
	for want, change := range map[string]func(*trainer.Job){
		"model.vocab_size":                 func(j *trainer.Job) { j.Config.Model.VocabSize = 0 },
		"fewer than the 8 of one step":     func(j *trainer.Job) { j.Train = text(60, 1) },
		"fewer than one window":            func(j *trainer.Job) { j.Train = text(5, 1) },
		"held-out text":                    func(j *trainer.Job) { j.Val = text(5, 1) },
		"is not below vocab_size":          func(j *trainer.Job) { j.Config.Model.VocabSize = 10 },
		"GB are allowed":                   func(j *trainer.Job) { j.MemoryLimit = 1000 },
		"needs Kernels":                    func(j *trainer.Job) { j.Recorder = nil },
		"seed differs":                     func(j *trainer.Job) { j.Resume, j.Config.Seed = done.open(2), 8 },
		"model differs":                    func(j *trainer.Job) { j.Resume, j.Config.Model.NHead = done.open(2), 4 },
		"the text has 1999 tokens":         func(j *trainer.Job) { j.Resume, j.Train = done.open(2), text(1999, 1) },
		"at step 2 of 1":                   func(j *trainer.Job) { j.Resume, j.Config.Steps = done.open(2), 1 },
		"open the checkpoint's trainer.js": func(j *trainer.Job) { j.Resume = done.open(3) },
		"read the checkpoint's model.safe": func(j *trainer.Job) { j.Resume = corrupt.open(2) },
		"architecture is not the base's":   func(j *trainer.Job) { j.Init, j.Config.Model.NLayer = done.open(2), 3 },
		"than the 11 that the base knows":  func(j *trainer.Job) { j.Init, j.Config.Model.VocabSize = done.open(2), 10 },
	} {
		m := newMemory()
		j := job(c, cpu.Reference(), m)
		change(&j)
		if _, err := trainer.Run(context.Background(), j); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if len(m.steps) > 0 {
			t.Errorf("%q: step %v was made", want, m.steps)
		}
	}
}

func TestRecorderErrorsEndTheTraining(t *testing.T) {
	full := errors.New("the disk is full")
	m := newMemory()
	m.onMetrics = func(step int64) error {
		if step == 3 {
			return full
		}
		return nil
	}
	if r, err := trainer.Run(context.Background(), job(tiny(), cpu.Reference(), m)); !errors.Is(err, full) || r.Step != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

// The files of a checkpoint are what other tools expect, and the state says where the text stands.
func TestCheckpointFiles(t *testing.T) {
	m := newMemory()
	c := tiny()
	c.Steps, c.CheckpointEvery = 3, 3
	if _, err := trainer.Run(context.Background(), job(c, cpu.Reference(), m)); err != nil {
		t.Fatal(err)
	}
	files := m.checkpoints[3]
	if len(files) != 4 {
		t.Fatalf("%d files", len(files))
	}
	arch, err := model.ParseHuggingFace(files[trainer.ConfigFile])
	if err != nil || arch.Record() != c.Model {
		t.Errorf("config.json gives %+v, %v", arch, err)
	}
	if _, err := model.Read(arch, cpu.Reference(), bytes.NewReader(files[trainer.ModelFile])); err != nil {
		t.Error(err)
	}
	var st struct {
		Step, Samples, Tokens int64
		Config                json.RawMessage
	}
	if err := json.Unmarshal(files[trainer.TrainerFile], &st); err != nil {
		t.Fatal(err)
	}
	if st.Step != 3 || st.Samples != 3*8 || st.Tokens != 3*8*12 {
		t.Errorf("trainer.json: %+v", st)
	}
	back, err := trainer.Parse(st.Config)
	if want, _ := c.Resolve(); err != nil || back != want {
		t.Errorf("recorded config %+v, %v", back, err)
	}
}

// trainer.json is pinned: a resume reads what an older program wrote. UPDATE_GOLDEN=1 rewrites it.
func TestTrainerFileIsPinned(t *testing.T) {
	m := newMemory()
	c := tiny()
	c.Steps, c.CheckpointEvery = 3, 3
	j := job(c, cpu.Reference(), m)
	j.Val = nil
	if _, err := trainer.Run(context.Background(), j); err != nil {
		t.Fatal(err)
	}
	const path = "testdata/trainer.json"
	got := m.checkpoints[3][trainer.TrainerFile]
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("trainer.json changed:\n%s\nwant\n%s", got, want)
	}
}

// A checkpoint may come from anywhere: whatever trainer.json holds, resuming ends in an error or a good run.
func FuzzResume(f *testing.F) {
	m := newMemory()
	c := tiny()
	c.Model.NLayer, c.Steps, c.CheckpointEvery = 1, 2, 1
	if _, err := trainer.Run(context.Background(), job(c, cpu.Reference(), m)); err != nil {
		f.Fatal(err)
	}
	f.Add(m.checkpoints[1][trainer.TrainerFile])
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		again := newMemory()
		again.checkpoints[1] = map[string][]byte{}
		for name, content := range m.checkpoints[1] {
			again.checkpoints[1][name] = content
		}
		again.checkpoints[1][trainer.TrainerFile] = b
		j := job(c, cpu.Reference(), again)
		j.Resume = again.open(1)
		if r, err := trainer.Run(context.Background(), j); err == nil && !r.Done {
			t.Fatalf("%+v", r)
		}
	})
}

// masks makes the mask of a text: which of its tokens count.
func masks(t *testing.T, ids data.IDs, count func(i int) bool) data.Masked {
	t.Helper()
	mask := make([]byte, (len(ids)+7)/8)
	for i := range ids {
		if count(i) {
			mask[i/8] |= 1 << (i % 8)
		}
	}
	m, err := data.WithMask(ids, mask)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhatDoesNotCountIsNotLearnt(t *testing.T) {
	// Every second token is the one before plus one, the others are chance.
	half := func(n int, seed uint64) data.IDs {
		ids := make(data.IDs, n)
		for i := range ids {
			if ids[i] = int32(random.Below(seed, uint64(i), 11)); i%2 == 1 {
				ids[i] = (ids[i-1] + 1) % 11
			}
		}
		return ids
	}
	odd := func(i int) bool { return i%2 == 1 }
	c := tiny()
	c.Steps = 150
	j := job(c, cpu.Reference(), newMemory())
	j.Train, j.Val = masks(t, half(2000, 1), odd), masks(t, half(300, 2), odd)
	r, err := trainer.Run(context.Background(), j)
	if err != nil {
		t.Fatal(err)
	}
	if r.ValLoss > 0.3 || r.Loss > 0.3 { // with the others it is more than ln 11 / 2 = 1.2
		t.Errorf("loss %g, held-out %g, want near 0", r.Loss, r.ValLoss)
	}

	// When all counts, nothing changes.
	c.Steps = 10
	plain, all := newMemory(), newMemory()
	if _, err := trainer.Run(context.Background(), job(c, cpu.Reference(), plain)); err != nil {
		t.Fatal(err)
	}
	j = job(c, cpu.Reference(), all)
	every := func(int) bool { return true }
	j.Train, j.Val = masks(t, text(2000, 1), every), masks(t, text(300, 2), every)
	if _, err := trainer.Run(context.Background(), j); err != nil {
		t.Fatal(err)
	}
	for step := int64(1); step <= 10; step++ {
		if got, want := all.value(step, "train/loss"), plain.value(step, "train/loss"); got != want {
			t.Errorf("step %d: loss %g with a mask of ones, %g without", step, got, want)
		}
	}
	if all.value(10, "val/loss") != plain.value(10, "val/loss") {
		t.Error("val/loss differs")
	}

	// A step in which nothing counts changes nothing but by decay, and is no accident.
	none := func(int) bool { return false }
	c.Steps = 2
	j = job(c, cpu.Reference(), newMemory())
	j.Train = masks(t, text(2000, 1), none)
	if r, err = trainer.Run(context.Background(), j); err != nil || r.Loss != 0 {
		t.Errorf("loss %g: %v", r.Loss, err)
	}
	j.Val = masks(t, text(300, 2), none)
	if _, err = trainer.Run(context.Background(), j); err == nil || !strings.Contains(err.Error(), "no token of it counts") {
		t.Error(err)
	}
}
