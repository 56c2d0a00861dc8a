package trainer_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"millrace/trainer"
	"millrace/trainer/data"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
)

// A child of this test binary trains in a folder, going on from the newest checkpoint there: it is killed for real.
const (
	childFolder  = "MILLRACE_TEST_CHILD_FOLDER"
	childThreads = "MILLRACE_TEST_CHILD_THREADS"
)

// folder is a Recorder that keeps checkpoints and points as files: a checkpoint appears in one rename.
type folder struct {
	dir    string
	points *os.File
}

func (f folder) Metrics(_ context.Context, step int64, points []trainer.Point) error {
	var b bytes.Buffer
	for _, p := range points {
		if trainer.Deterministic(p.Key) {
			fmt.Fprintf(&b, "%d %s %016x\n", step, p.Key, math.Float64bits(p.Value))
		}
	}
	_, err := f.points.Write(b.Bytes())
	return err
}

func (f folder) Spiked(_ context.Context, s trainer.Spike) error {
	_, err := fmt.Fprintf(f.points, "%d spike %016x\n", s.Step, s.To)
	return err
}

func (folder) Sampled(context.Context, trainer.Sampled) error { return nil }

func (f folder) Checkpoint(_ context.Context, c trainer.Checkpoint) error {
	part := filepath.Join(f.dir, "part")
	if err := errors.Join(os.RemoveAll(part), os.Mkdir(part, 0o700)); err != nil {
		return err
	}
	for _, file := range c.Files {
		w, err := os.Create(filepath.Join(part, file.Name))
		if err != nil {
			return err
		}
		_, err = io.Copy(w, io.NewSectionReader(file.Body, 0, file.Size))
		if err = errors.Join(err, w.Close()); err != nil {
			return err
		}
	}
	whole := filepath.Join(f.dir, fmt.Sprintf("step%06d", c.Step))
	if _, err := os.Stat(whole); err == nil {
		return os.RemoveAll(part) // of an attempt before
	}
	return os.Rename(part, whole)
}

// trainIn trains in a folder to the end.
func trainIn(dir string, threads int) error {
	raw, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return err
	}
	c, err := trainer.Parse(raw)
	if err != nil {
		return err
	}
	k, err := cpu.Open(threads)
	if err != nil {
		return err
	}
	points, err := os.OpenFile(filepath.Join(dir, "points"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer points.Close()
	j := trainer.Job{Config: c, Kernels: k, Train: text(3000, 1), Val: data.IDs(text(300, 2)), Recorder: folder{dir, points}}
	saved, err := filepath.Glob(filepath.Join(dir, "step*"))
	if err != nil {
		return err
	}
	if len(saved) > 0 {
		j.Resume = func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(saved[len(saved)-1], name)) }
	}
	_, err = trainer.Run(context.Background(), j)
	return err
}

// child is the main function of a child, if this process is one.
func child() {
	dir := os.Getenv(childFolder)
	if dir == "" {
		return
	}
	threads, _ := strconv.Atoi(os.Getenv(childThreads))
	if err := trainIn(dir, threads); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Killed at random instants and continued on other numbers of threads, a training tells the same points and ends in the same checkpoints, to the
// bit, as one that was left alone: with every optimizer's state, a growing batch, dropout, half precision and guards that do something.
func TestKilledAtAnyInstantTheTrainingIsTheSame(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: a child process is killed, run in the pass before it")
	}
	skip := trainer.Guard{Action: "skip", Window: 8, LossZ: 1.2, NormZ: 1.5}
	back := skip
	back.Action, back.LossZ, back.NormZ = "rollback", 2.2, 2.5
	seed := uint64(time.Now().UnixNano())
	for name, change := range map[string]func(c *trainer.Config){
		"skip": func(c *trainer.Config) {
			c.Guard, c.BatchRamp, c.Model.Dropout = skip, trainer.BatchRamp{From: 4, Tokens: 9000}, 0.1
		},
		"rollback": func(c *trainer.Config) { c.Guard, c.Precision, c.Optimizer.Name = back, "bf16", "muon" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := tiny()
			c.Model = model.Config{Arch: "llama", NLayer: 2, NHead: 2, DModel: 32, Context: 24, VocabSize: 11}
			c.Steps, c.CheckpointEvery, c.EvalEvery = 150, 9, 40
			change(&c)
			raw := c.JSON()
			if c.Optimizer.Name == "muon" { // with its own figures
				var m map[string]any
				if err := json.Unmarshal(raw, &m); err != nil {
					t.Fatal(err)
				}
				m["optimizer"] = map[string]any{"name": "muon", "lr": 0.01}
				raw, _ = json.Marshal(m)
			}
			alone, killed := t.TempDir(), t.TempDir()
			for _, dir := range []string{alone, killed} {
				if err := os.WriteFile(filepath.Join(dir, "config.json"), raw, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := trainIn(alone, 1); err != nil {
				t.Fatal(err)
			}
			random := rand.New(rand.NewPCG(seed, 1))
			kills := 0
			for attempt := 0; ; attempt++ {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), childFolder+"="+killed, fmt.Sprintf("%s=%d", childThreads, 1+random.IntN(3)))
				cmd.Stderr = os.Stderr
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				if attempt < 8 {
					time.Sleep(time.Duration(50+random.IntN(400)) * time.Millisecond)
					if err := cmd.Process.Kill(); err == nil {
						kills++
					}
				}
				if err := cmd.Wait(); err == nil {
					break
				} else if attempt > 8 {
					t.Fatal(err)
				}
			}
			t.Logf("seed %d, %d kills", seed, kills)
			compareFolders(t, alone, killed)
		})
	}
}

func compareFolders(t *testing.T, alone, killed string) {
	t.Helper()
	want, got := pointsIn(t, alone), pointsIn(t, killed)
	spikes := 0
	for key, v := range want {
		if got[key] != v {
			t.Errorf("%s is %s, and %s left alone", key, got[key], v)
		}
		if strings.HasSuffix(key, "spike") {
			spikes++
		}
	}
	if len(got) != len(want) || len(want) < 100 || spikes == 0 {
		t.Errorf("%d points, %d left alone, %d spikes", len(got), len(want), spikes)
	}
	saved, err := filepath.Glob(filepath.Join(alone, "step*", "*"))
	if err != nil || len(saved) != 4*17 {
		t.Fatalf("%d files: %v", len(saved), err)
	}
	for _, file := range saved {
		a, err := os.ReadFile(file)
		b, err2 := os.ReadFile(strings.Replace(file, alone, killed, 1))
		if err != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs: %v %v", strings.TrimPrefix(file, alone), err, err2)
		}
	}
}

// pointsIn reads a folder's points. A step that was told twice was told the same twice; a line that was cut off by a kill is not there.
func pointsIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "points"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	points := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		words := strings.Fields(s.Text())
		if len(words) != 3 || len(words[2]) != 16 {
			continue
		}
		key := words[0] + " " + words[1]
		if old, ok := points[key]; ok && old != words[2] {
			t.Errorf("%s is %s and then %s", key, old, words[2])
		}
		points[key] = words[2]
	}
	return points
}
