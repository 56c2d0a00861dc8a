package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"millrace/client"
)

// node starts the program and waits until it is ready. stop ends it.
func (b *bench) node(ctx context.Context, data string, args ...string) (url string, ready time.Duration, pid int, stop func() error, err error) {
	cmd := exec.CommandContext(ctx, b.bin, append([]string{"up", "--data", data, "--addr", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), b.env...)
	errOut, err := cmd.StderrPipe()
	if err != nil {
		return "", 0, 0, nil, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return "", 0, 0, nil, err
	}
	lines := bufio.NewScanner(errOut)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		if _, at, ok := strings.Cut(lines.Text(), "ready at "); ok {
			ready = time.Since(began)
			go func() { _, _ = io.Copy(io.Discard, errOut) }()
			return at, ready, cmd.Process.Pid, func() error {
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					return err
				}
				return cmd.Wait()
			}, nil
		}
	}
	return "", 0, 0, nil, fmt.Errorf("the node does not come up: %s: %w", strings.Join(said, "; "), cmd.Wait())
}

// start is how long an empty directory takes to be a node, and what it weighs then.
func start(ctx context.Context, b *bench) ([]Row, error) {
	var millis, rss []float64
	for i := range 7 {
		_, ready, pid, stop, err := b.node(ctx, filepath.Join(b.tmp, fmt.Sprintf("start%d", i)))
		if err != nil {
			return nil, err
		}
		weight, err := residentMB(pid)
		if err != nil {
			return nil, errors.Join(err, stop())
		}
		millis, rss = append(millis, float64(ready.Microseconds())/1000), append(rss, weight)
		if err := stop(); err != nil {
			return nil, err
		}
	}
	return []Row{
		{Name: "start_to_ready", Value: median(millis), Unit: "ms", Better: "lower", Bar: ptr(200), Note: "process start to serving, empty directory, median of 7"},
		{Name: "start_rss", Value: median(rss), Unit: "MB", Better: "lower", Bar: ptr(100), Note: "resident when ready"},
	}, nil
}

func residentMB(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(raw)
	if m == nil {
		return 0, fmt.Errorf("process %d does not tell its size", pid)
	}
	kb, err := strconv.ParseFloat(string(m[1]), 64)
	return kb / 1024 * 1.048576, err
}

// ingest is 16 writers of 100-point frames, each durable before its writer goes on.
func ingest(ctx context.Context, _ *bench) ([]Row, error) {
	v, err := goBench(ctx, "./services/bus", "BenchmarkGroupCommit", `writers=16/points=100\b`, "points/s")
	if err != nil {
		return nil, err
	}
	return []Row{{Name: "durable_ingest", Value: v, Unit: "points/s", Better: "higher", Bar: ptr(100_000), Note: "16 writers × 100-point frames, fsync before each answer, median of 3"}}, nil
}

// training is the small GPT, against llm.c where its binary is named.
func training(ctx context.Context, _ *bench) ([]Row, error) {
	v, err := goBench(ctx, "./trainer", "BenchmarkTraining/threads=2", `.*`, "tokens/s")
	if err != nil {
		return nil, err
	}
	r := Row{Name: "train_tokens_per_second", Value: v, Unit: "tokens/s", Better: "higher", Peer: "llm.c", Note: "4 layers, d 128, 4 heads, T 128, B 8, V 256, 2 threads, float32, median of 3"}
	peer, err := llmc(ctx, "PEER_LLMC", tinyGPT)
	if err != nil {
		return nil, err
	}
	if r.PeerValue = peer; peer != nil {
		r.Bar = ptr(2 * *peer)
	} else {
		r.Note += "; PEER_LLMC names no binary"
	}
	return []Row{r}, nil
}

// llmc runs the train_gpt2 of llm.c that a variable of the environment names, built for a shape (it finds its own files in its folder), and
// reads tokens/s from its steps' times; nil where none is named.
func llmc(ctx context.Context, variable string, s size) (*float64, error) {
	bin := os.Getenv(variable)
	if bin == "" {
		return nil, nil
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin)
	cmd.Dir, cmd.Env = filepath.Dir(bin), append(os.Environ(), "OMP_NUM_THREADS=2")
	out, err := cmd.Output()
	var millis []float64
	for _, m := range regexp.MustCompile(`step \d+: train loss [\d.]+ \(took ([\d.]+) ms\)`).FindAllSubmatch(out, -1) {
		if v, err := strconv.ParseFloat(string(m[1]), 64); err == nil {
			millis = append(millis, v)
		}
	}
	if len(millis) < 5 {
		return nil, fmt.Errorf("%s=%s: %d steps with a time in its output: %w", variable, bin, len(millis), err)
	}
	return ptr(s.tokens() / (median(millis[1:]) / 1000)), nil
}

// reaction is from a checkpoint's fact to the start of its evaluation, while the training goes on.
func reaction(ctx context.Context, b *bench) (_ []Row, err error) {
	url, _, _, stop, err := b.node(ctx, filepath.Join(b.tmp, "reaction"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	text, err := someText(filepath.Join(b.tmp, "text"))
	if err != nil {
		return nil, err
	}
	c := client.New(url, "")
	recipe, err := json.Marshal(map[string]any{"name": "text", "sources": []map[string]any{{"folder": text}}, "held_out": 0.2, "tokenizer": map[string]any{"kind": "byte"}})
	if err != nil {
		return nil, err
	}
	set, err := ended(ctx, c, client.StartRun{Kind: "CURATE", Config: recipe})
	if err != nil {
		return nil, err
	}
	run, err := ended(ctx, c, client.StartRun{
		Kind: "TRAIN", Suites: []string{"quick"}, Inputs: []client.Input{{Role: "dataset", Digest: set.Output("dataset")}},
		Config: json.RawMessage(`{"model":{"n_layer":4,"n_head":4,"d_model":128,"context":128},"steps":240,"checkpoint_every":40,"eval_every":240}`),
	})
	if err != nil {
		return nil, err
	}
	var data struct {
		Run struct {
			Checkpoints []struct {
				SavedAt     time.Time
				Evaluations []struct{ Run struct{ StartedAt time.Time } }
			}
		}
	}
	var waits []float64
	for deadline := time.Now().Add(time.Minute); len(waits) < 6; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("only %d of 6 checkpoints were judged", len(waits))
		}
		if err := c.Do(ctx, `query($id: ID!) { run(id: $id) { checkpoints { savedAt evaluations { run { startedAt } } } } }`, map[string]any{"id": run.ID}, &data); err != nil {
			return nil, err
		}
		waits = waits[:0]
		for _, k := range data.Run.Checkpoints {
			for _, e := range k.Evaluations {
				waits = append(waits, e.Run.StartedAt.Sub(k.SavedAt).Seconds())
			}
		}
	}
	return []Row{{Name: "checkpoint_to_evaluation", Value: slices.Max(waits), Unit: "s", Better: "lower", Bar: ptr(1), Note: fmt.Sprintf("slowest of 6 while training goes on, median %.3f s", median(waits))}}, nil
}

// demo is the whole loop as a newcomer meets it.
func demo(ctx context.Context, b *bench) ([]Row, error) {
	cmd := exec.CommandContext(ctx, b.bin, "demo", "--data", filepath.Join(b.tmp, "demo"), "--addr", "127.0.0.1:0", "--exit")
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("demo: %w\n%s", err, out)
	}
	rows := []Row{{Name: "demo", Value: time.Since(began).Seconds(), Unit: "s", Better: "lower", Bar: ptr(180), Note: "make demo from a built binary"}}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		rows = append(rows, Row{Name: "demo_peak_memory", Value: float64(usage.Maxrss) / (1 << 20), Unit: "GiB", Better: "lower", Bar: ptr(2), Note: "largest resident size"})
	}
	return rows, nil
}

// nanoGPT is the published CPU setting on the published text, when the text is given.
func nanoGPT(ctx context.Context, b *bench) ([]Row, error) {
	text := os.Getenv("TINYSHAKESPEARE")
	if text == "" {
		fmt.Fprintln(os.Stderr, "loop/nanogpt_val_loss is left out: TINYSHAKESPEARE does not name the text")
		return nil, nil
	}
	loss, took, err := shakespeare(ctx, b, text)
	if err != nil {
		return nil, err
	}
	return []Row{{Name: "nanogpt_val_loss", Value: loss, Unit: "nats", Better: "lower", Bar: ptr(1.90), Peer: "nanoGPT, published", PeerValue: ptr(1.88),
		Note: fmt.Sprintf("character Shakespeare, 2,000 iterations in %.0f s", took.Seconds())}}, nil
}

// ended starts a run and waits for its good end.
func ended(ctx context.Context, c *client.Client, s client.StartRun) (client.Run, error) {
	run, err := c.Start(ctx, s)
	if err != nil {
		return run, err
	}
	err = c.WatchRun(ctx, run.ID, func(r client.Run) error { run = r; return nil })
	if err == nil && run.Status != "FINISHED" {
		err = fmt.Errorf("run %s is %s: %+v", run.ID, run.Status, run.Failure)
	}
	return run, err
}

// someText writes a folder of documents made by rule.
func someText(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for d := range 200 {
		var s strings.Builder
		for i := range 200 {
			fmt.Fprintf(&s, "%d times %d is %d.\n", d, i, d*i)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.txt", d)), []byte(s.String()), 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// goBench runs a Go benchmark three times and returns the median of the metric named unit over the sub-benchmarks that match.
func goBench(ctx context.Context, pkg, name, match, unit string) (float64, error) {
	out, err := exec.CommandContext(ctx, "go", "test", pkg, "-run", "^$", "-bench", "^"+strings.ReplaceAll(name, "/", "$/^")+"$", "-count", "3").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w\n%s", pkg, name, err, out)
	}
	line := regexp.MustCompile(`(?m)^(Benchmark\S+)\s.*?([\d.e+]+) ` + regexp.QuoteMeta(unit) + `\b`)
	pick := regexp.MustCompile(match)
	var values []float64
	for _, m := range line.FindAllSubmatch(out, -1) {
		if v, err := strconv.ParseFloat(string(m[2]), 64); err == nil && pick.Match(m[1]) {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return 0, fmt.Errorf("%s %s: no %s in its output:\n%s", pkg, name, unit, out)
	}
	return median(values), nil
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
