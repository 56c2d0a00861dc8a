// Package torch_test holds the PyTorch script to what the native trainer does: the numbers in testdata are the script's, of two processes.
package torch_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/trainer"
	"millrace/trainer/data"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "run the script and write its numbers to testdata (needs torchrun in PATH)")

// near is how far losses may lie apart, in nats.
const near = 1e-4

// processes is how many the script ran as.
const processes = 2

// shapes are the trainings that both do.
func shapes() map[string]string {
	const rest = `"batch_size":4,"grad_accum":2,"steps":20,"seed":7,"checkpoint_every":10,"eval_every":10,"eval_batches":3,"optimizer":{"name":"adamw","lr":0.003,"beta1":0.9,"beta2":0.95,"eps":1e-8,"weight_decay":0.1}}`
	return map[string]string{
		"gpt2":  `{"model":{"arch":"gpt2","n_layer":2,"n_head":2,"d_model":16,"context":12},` + rest,
		"llama": `{"model":{"arch":"llama","n_layer":2,"n_head":4,"n_kv_head":2,"d_model":16,"context":12,"bias":false},` + rest,
	}
}

// text is what both learn: squares modulo 61, of whose second shard a mask leaves out every fifth target.
func text(from, to int64) data.IDs {
	var ids data.IDs
	for i := from; i < to; i++ {
		ids = append(ids, int32((i*i+i/7)%61))
	}
	return ids
}

const vocab, cut, middle, end = 64, 3500, 5000, 6000

// mask is a shard's: its bit i is 1 when token i counts.
func mask(n int) []byte {
	out := make([]byte, (n+7)/8)
	for i := range n {
		if i%5 != 0 {
			out[i/8] |= 1 << (i % 8)
		}
	}
	return out
}

// native trains with our own trainer and returns the losses and the last held-out loss.
func native(t *testing.T, config string) ([]float64, float64) {
	t.Helper()
	c, err := trainer.Parse([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	c.Model.VocabSize = vocab
	second, err := data.WithMask(text(cut, middle), mask(middle-cut))
	if err != nil {
		t.Fatal(err)
	}
	var r losses
	result, err := trainer.Run(t.Context(), trainer.Job{
		Config: c, Kernels: cpu.Reference(), Train: data.Concat(text(0, cut), second), Val: text(middle, end), Recorder: &r, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, result.ValLoss
}

// losses is a recorder of the loss of each step.
type losses []float64

func (l *losses) Metrics(_ context.Context, _ int64, points []trainer.Point) error {
	for _, p := range points {
		if p.Key == trainer.KeyLoss {
			*l = append(*l, p.Value)
		}
	}
	return nil
}

func (*losses) Spiked(context.Context, trainer.Spike) error          { return nil }
func (*losses) Sampled(context.Context, trainer.Sampled) error       { return nil }
func (*losses) Checkpoint(context.Context, trainer.Checkpoint) error { return nil }

// golden is what the script said.
type golden struct {
	Command string    `json:"command"`
	Losses  []float64 `json:"losses"` // of steps 1, 2, …
	Val     float64   `json:"val_loss"`
}

func TestTheScriptLosesWhatTheNativeTrainerLoses(t *testing.T) {
	for name, config := range shapes() {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join("testdata", name)
			if *update {
				regenerate(t, folder, config)
			}
			var want golden
			raw, err := os.ReadFile(filepath.Join(folder, "losses.json"))
			if err == nil {
				err = json.Unmarshal(raw, &want)
			}
			if err != nil {
				t.Fatal(err)
			}
			got, val := native(t, config)
			if len(got) != 20 || len(want.Losses) != 20 {
				t.Fatalf("%d steps, and %d of the script", len(got), len(want.Losses))
			}
			most := math.Abs(val - want.Val)
			for i := range got {
				most = max(most, math.Abs(got[i]-want.Losses[i]))
			}
			t.Logf("the greatest difference is %.2g", most)
			if !(most <= near) {
				t.Errorf("native %v, held-out %g\nscript %v, held-out %g", got, val, want.Losses, want.Val)
			}
		})
	}
}

// A checkpoint of the script, as it lies in testdata, is one of ours: what reads any checkpoint reads it, and it is the same network.
func TestItsCheckpointsAreRead(t *testing.T) {
	for name := range shapes() {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("testdata", name, "losses.json"))
			if err != nil {
				t.Fatal(err)
			}
			var want golden
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatal(err)
			}
			if got := judge(t, filepath.Join("testdata", name)); math.Abs(got-want.Val) > near {
				t.Errorf("held-out loss %g, the script said %g", got, want.Val)
			}
		})
	}
}

// judge computes a checkpoint's held-out loss, over the windows that a training looks at.
func judge(t *testing.T, folder string) float64 {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(folder, trainer.ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	c, err := model.ParseHuggingFace(raw)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(folder, trainer.ModelFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := model.Read(c, cpu.Reference(), f)
	if err != nil {
		t.Fatal(err)
	}
	windows, err := data.NewSampler(text(middle, end), c.Context, data.Sequential, 0)
	if err != nil {
		t.Fatal(err)
	}
	const count = 3 * 4
	b, err := m.Evaluation(count, c.Context)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(count) {
		at := int(i) * c.Context
		if err := windows.Sample(b.IDs[at:at+c.Context], b.Targets[at:at+c.Context], i*windows.Windows()/count); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := b.Run(0)
	if err != nil {
		t.Fatal(err)
	}
	return sum / float64(count*c.Context)
}

// The script itself, where it can run: in one go, and going on from its checkpoint of step 10.
func TestTheScriptRunsAndGoesOn(t *testing.T) {
	torchrun := find(t)
	for name, config := range shapes() {
		t.Run(name, func(t *testing.T) {
			var want golden
			raw, err := os.ReadFile(filepath.Join("testdata", name, "losses.json"))
			if err == nil {
				err = json.Unmarshal(raw, &want)
			}
			if err != nil {
				t.Fatal(err)
			}
			out := t.TempDir()
			// The first ten replicated, the rest sharded: one checkpoint for both.
			first := script(t, torchrun, strings.TrimSuffix(config, "}")+`,"parallel":"replicate"}`, out, "")
			second := script(t, torchrun, config, out, filepath.Join(out, "step-10"))
			if len(first) != 20 || len(second) != 10 {
				t.Fatalf("%d steps, and %d of the second half", len(first), len(second))
			}
			for i, loss := range append(first[:10:10], second...) {
				if math.Abs(loss-want.Losses[i]) > near {
					t.Errorf("step %d: %g, want %g", i+1, loss, want.Losses[i])
				}
			}
		})
	}
}

// A shard or a mask that was damaged or cut short is refused by its name.
func TestTheScriptRefusesADamagedShard(t *testing.T) {
	find(t)
	for _, name := range []string{"train-00001.bin", "train-00001.mask", "held_out-00000.bin"} {
		for how, spoil := range map[string]func([]byte) []byte{
			"turned": func(b []byte) []byte { b[7] ^= 1; return b }, "cut": func(b []byte) []byte { return b[:len(b)-2] },
		} {
			set := dataset(t)
			file := filepath.Join(set, "shards", name)
			raw, err := os.ReadFile(file)
			if err == nil {
				err = os.WriteFile(file, spoil(raw), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), "python3", "-c", "import data, sys; data.dataset(sys.argv[1])", set).CombinedOutput()
			if err == nil || !strings.Contains(string(out), name) || !strings.Contains(string(out), "start the run again") {
				t.Errorf("%s %s: %v %s", name, how, err, out)
			}
		}
	}
}

// find is torchrun, of a Python that has what the script needs.
func find(t *testing.T) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: there is no python3")
	}
	if out, err := exec.Command(python, "-c", "import torch, numpy, safetensors").CombinedOutput(); err != nil {
		said := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Skip("SKIPPED: python3 lacks what requirements.txt names: ", said[len(said)-1])
	}
	torchrun, err := exec.LookPath("torchrun")
	if err != nil {
		t.Skip("SKIPPED: there is no torchrun")
	}
	return torchrun
}

var said = regexp.MustCompile(`(?m)^step (\d+) loss ([0-9.]+) `)

// script runs the script to its end and returns the losses that it prints.
func script(t *testing.T, torchrun, config, out, resume string) (list []float64) {
	t.Helper()
	set, file := dataset(t), filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, torchrun, append(command(), "--config", file, "--dataset", set, "--out", out, "--resume", resume)...)
	cmd.Env, cmd.WaitDelay = append(os.Environ(), "MILLRACE_URL="), 5*time.Second
	raw, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	for _, m := range said.FindAllStringSubmatch(string(raw), -1) {
		x, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, x)
	}
	return list
}

func command() []string {
	return []string{"--standalone", "--nproc-per-node", strconv.Itoa(processes), "train.py"}
}

// dataset lays the text out as a worker does.
func dataset(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, raw []byte) (digest string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("sha256:%x", sha256.Sum256(raw))
	}
	shard := func(name string, list data.IDs) string {
		var raw []byte
		for _, id := range list {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(id))
		}
		return fmt.Sprintf(`"tokens":%d,"size":%d,"digest":%q`, len(list), len(raw), write(name, raw))
	}
	write("manifest.json", fmt.Appendf(nil, `{"dtype":"uint16","tokenizer":{"vocab_size":%d},"splits":[
{"name":"train","shards":[{%s},{%s,"mask":%q}]},{"name":"held_out","shards":[{%s}]}]}`, vocab,
		shard("shards/train-00000.bin", text(0, cut)), shard("shards/train-00001.bin", text(cut, middle)), write("shards/train-00001.mask", mask(middle-cut)),
		shard("shards/held_out-00000.bin", text(middle, end))))
	return dir
}

// regenerate runs the script and keeps what it said, and its last checkpoint's config and weights.
func regenerate(t *testing.T, folder, config string) {
	t.Helper()
	out := t.TempDir()
	g := golden{Command: "torchrun " + strings.Join(command(), " ") + " (PyTorch 2.15.0, gloo, CPU, one thread each), from: go test -update", Losses: script(t, find(t), config, out, "")}
	var state struct {
		Val float64 `json:"val_loss"`
	}
	raw, err := os.ReadFile(filepath.Join(out, "step-20", trainer.TrainerFile))
	if err == nil {
		err = json.Unmarshal(raw, &state)
	}
	if err != nil {
		t.Fatal(err)
	}
	g.Val = state.Val
	if raw, err = json.MarshalIndent(g, "", " "); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "losses.json"), append(raw, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{trainer.ConfigFile, trainer.ModelFile} {
		if err := copyFile(filepath.Join(out, "step-20", name), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	raw, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o600)
}
