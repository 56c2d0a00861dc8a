package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"time"

	"millrace/trainer"
	"millrace/trainer/data"
	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/random"
)

// do does a task in a process of its own and prints one JSON object.
func do(task string, args []string) error {
	var out any
	var err error
	switch task {
	case "train":
		out, err = childTrains(args, 0)
	case "pause":
		out, err = childTrains(append(args, "f32", "2", "60s"), 20)
	case "generate":
		out, err = childGenerates(args)
	case "judge":
		out, err = childJudges(args)
	case "product":
		out, err = childMultiplies(args)
	default:
		err = fmt.Errorf("there is no task %q", task)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// numbers reads the first n arguments as whole numbers.
func numbers(args []string, n int) ([]int, error) {
	if len(args) < n {
		return nil, fmt.Errorf("%d arguments, want %d", len(args), n)
	}
	out := make([]int, n)
	for i := range out {
		var err error
		if out[i], err = strconv.Atoi(args[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// timer is a Recorder that keeps how long steps took, and stops the training when it has seen enough.
type timer struct {
	stop     func()
	until    time.Time
	steps    []float64
	mallocs  []float64
	began    time.Time // the third step's end: what was before does not count
	ended    time.Time // of the latest step
	between  float64   // seconds that passed between steps
	folder   string
	lastSeen uint64
	resident int64 // most bytes, without checkpoints while none was made
}

func (t *timer) Metrics(_ context.Context, step int64, points []trainer.Point) error {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	for _, p := range points {
		if p.Key == trainer.KeyStepSeconds && step > 3 {
			t.steps = append(t.steps, p.Value)
			t.between += time.Since(t.ended).Seconds() - p.Value
			t.mallocs = append(t.mallocs, float64(m.Mallocs-t.lastSeen))
		}
	}
	if step == 3 {
		t.began = time.Now()
	}
	t.resident = mostResident()
	runtime.ReadMemStats(&m) // what this function allocates is not the step's
	t.lastSeen = m.Mallocs
	t.ended = time.Now()
	if time.Now().After(t.until) && len(t.steps) >= 5 {
		t.stop()
	}
	return nil
}

func (t *timer) Spiked(context.Context, trainer.Spike) error    { return nil }
func (t *timer) Sampled(context.Context, trainer.Sampled) error { return nil }

// Checkpoint does what storage does: it hashes the files and writes them to the disk.
func (t *timer) Checkpoint(_ context.Context, c trainer.Checkpoint) error {
	for _, f := range c.Files {
		file, err := os.Create(filepath.Join(t.folder, f.Name))
		if err != nil {
			return err
		}
		if _, err := f.Body.WriteTo(io.MultiWriter(file, sha256.New())); err != nil {
			return err
		}
		if err := errors.Join(file.Sync(), file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// childTrains trains a GPT-2 on random tokens. With every, checkpoints are made so often.
func childTrains(args []string, every int64) (stepped, error) {
	n, err := numbers(args, 6)
	if err != nil || len(args) != 9 {
		return stepped{}, fmt.Errorf("arguments %v: %w", args, err)
	}
	if every == 0 {
		every = 1_000_000
	}
	threads, err := strconv.Atoi(args[7])
	if err != nil {
		return stepped{}, err
	}
	length, err := time.ParseDuration(args[8])
	if err != nil {
		return stepped{}, err
	}
	k, err := cpu.Open(threads)
	if err != nil {
		return stepped{}, err
	}
	c, err := trainer.Parse(fmt.Appendf(nil, `{"model": {"n_layer": %d, "d_model": %d, "n_head": %d, "context": %d, "vocab_size": %d}, "batch_size": %d, "precision": %q, "steps": 1000000,
		"checkpoint_every": %d, "schedule": {"name": "constant"}, "optimizer": {"name": "adamw", "lr": 1e-4, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1}}`,
		n[0], n[1], n[2], n[3], n[5], n[4], args[6], every))
	if err != nil {
		return stepped{}, err
	}
	ids := make(data.IDs, 1<<20)
	for i := range ids {
		ids[i] = int32(random.Below(1, uint64(i), uint64(n[5])))
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	folder, err := os.MkdirTemp("", "millrace-bench-")
	if err != nil {
		return stepped{}, err
	}
	defer os.RemoveAll(folder)
	t := &timer{stop: stop, until: time.Now().Add(length), folder: folder}
	_, err = trainer.Run(ctx, trainer.Job{Config: c, Kernels: k, Train: ids, Recorder: t})
	if !errors.Is(err, trainer.ErrStopped) {
		return stepped{}, err
	}
	step := median(t.steps)
	slices.Sort(t.mallocs)
	if c.Model, err = c.Model.Resolve(); err != nil {
		return stepped{}, err
	}
	peak := 0.0
	if p, ok := k.(interface{ PeakFLOPS() float64 }); ok {
		peak = p.PeakFLOPS()
	}
	return stepped{
		Seconds: step, FLOPs: c.Model.FLOPsPerToken(n[3]) * float64(n[3]*n[4]), PeakFMA: peak, Peak: t.resident, Saving: mostResident(),
		Minimum: c.Model.TrainingBytes(n[4], n[3]), Mallocs: t.mallocs[len(t.mallocs)/2], Slower: 1 - step*float64(len(t.steps))/t.ended.Sub(t.began).Seconds(),
		Between: t.between / t.ended.Sub(t.began).Seconds(),
	}, nil
}

// mostResident is the most memory this process has had, in bytes; 0 where the system does not tell.
func mostResident() int64 {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(raw)
	if m == nil {
		return 0
	}
	kb, _ := strconv.ParseInt(string(m[1]), 10, 64) // digits, by the expression
	return kb * 1024
}

// childMultiplies times one product for half a second.
func childMultiplies(args []string) (out struct{ Seconds float64 }, err error) {
	n, err := numbers(args, 3)
	if err != nil || len(args) != 5 {
		return out, fmt.Errorf("arguments %v: %w", args, err)
	}
	threads, err := strconv.Atoi(args[4])
	if err != nil {
		return out, err
	}
	k, err := cpu.Open(threads)
	if err != nil {
		return out, err
	}
	if k, err = k.With(engine.Precision(args[3])); err != nil {
		return out, err
	}
	x, w, y := k.Alloc(n[0]*n[1]), k.Alloc(n[1]*n[2]), k.Alloc(n[0]*n[2])
	for _, buffer := range [][]float32{x, w} {
		host := make([]float32, len(buffer))
		for i := range host {
			host[i] = float32(i%17-8) / 16
		}
		k.Upload(buffer, host)
	}
	var times []float64
	k.Linear(y, x, w, nil, n[0], n[1], n[2], false)
	for began := time.Now(); len(times) < 10 || time.Since(began) < time.Second/2; {
		at := time.Now()
		k.Linear(y, x, w, nil, n[0], n[1], n[2], false)
		times = append(times, time.Since(at).Seconds())
	}
	out.Seconds = undisturbed(times)
	return out, nil
}

// undisturbed is the least median of ten stretches of successive times: a virtual machine's other guests come and go within a second.
func undisturbed(times []float64) float64 {
	size, least := max(1, len(times)/10), math.Inf(1)
	for ; len(times) >= size; times = times[size:] {
		least = min(least, median(times[:size]))
	}
	return least
}
