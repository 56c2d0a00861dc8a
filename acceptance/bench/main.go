// Command bench measures the promises, a group at a time: `make bench GROUP=loop`. It prints a table and writes one JSON object
// a row. It exits non-zero only when it could not measure; whether a bar is reached is for the reader to see.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// Row is one figure.
type Row struct {
	Name      string   `json:"name"` // <group>/<what>
	Value     float64  `json:"value"`
	Unit      string   `json:"unit"`
	Better    string   `json:"better"` // "higher" or "lower"
	Bar       *float64 `json:"bar"`
	Peer      string   `json:"peer"`
	PeerValue *float64 `json:"peer_value"`
	Note      string   `json:"note"`
	Machine   string   `json:"machine"`
	Commit    string   `json:"commit"`
	Date      string   `json:"date"`
}

// reaches tells whether the row's bar is reached.
func (r Row) reaches() string {
	switch {
	case r.Bar == nil:
		return ""
	case r.Better == "higher" && r.Value >= *r.Bar, r.Better == "lower" && r.Value <= *r.Bar:
		return "yes"
	}
	return "NO"
}

// group is a list of measurements that share a name's first half.
type group struct {
	name    string
	measure []func(context.Context, *bench) ([]Row, error)
}

func groups() []group {
	return []group{
		{"loop", []func(context.Context, *bench) ([]Row, error){start, ingest, training, reaction, demo, nanoGPT}},
		{"curator", []func(context.Context, *bench) ([]Row, error){curation}},
		{"tracker", []func(context.Context, *bench) ([]Row, error){tracking}},
		{"trainer", []func(context.Context, *bench) ([]Row, error){trainers}},
		{"evaluator", []func(context.Context, *bench) ([]Row, error){evaluators}},
	}
}

// bench is what measurements need.
type bench struct {
	bin string // the program under test
	tmp string
	env []string // for nodes, beside our own
}

func main() {
	name := flag.String("group", "all", "which group")
	out := flag.String("out", "build/bench.jsonl", "where the rows go")
	bin := flag.String("bin", "bin/millrace", "the program")
	task := flag.String("child", "", "a part that is measured in a process of its own; the program starts it by itself")
	flag.Parse()
	if *task != "" {
		if err := do(*task, flag.Args()); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(*name, *out, *bin); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(name, out, bin string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	bin, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	if _, err := os.Stat(bin); err != nil {
		return fmt.Errorf("%w; run: make build", err)
	}
	tmp, err := os.MkdirTemp("", "millrace-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	b := &bench{bin: bin, tmp: tmp}
	machine, commit, date := machineName(), commitName(ctx), time.Now().UTC().Format(time.DateOnly)
	var rows []Row
	known := false
	for _, g := range groups() {
		if name != "all" && name != g.name {
			continue
		}
		known = true
		for _, m := range g.measure {
			got, err := m(ctx, b)
			if err != nil {
				return err
			}
			for _, r := range got {
				r.Name, r.Machine, r.Commit, r.Date = g.name+"/"+r.Name, machine, commit, date
				rows = append(rows, r)
				fmt.Fprintf(os.Stderr, "%s %s %s\n", r.Name, figure(r.Value), r.Unit)
			}
		}
	}
	if !known {
		return fmt.Errorf("there is no group %q", name)
	}
	if err := write(out, rows); err != nil {
		return err
	}
	return table(rows)
}

func write(path string, rows []Row) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, r := range rows {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// table prints the rows as Markdown, ready for docs/BENCHMARKS.md.
func table(rows []Row) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| what\t| value\t| bar\t| reached\t| peer\t| note\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, r := range rows {
		bar, peer := "", r.Peer
		if r.Bar != nil {
			bar = map[string]string{"higher": "≥ ", "lower": "≤ "}[r.Better] + figure(*r.Bar)
		}
		if r.PeerValue != nil {
			peer += " " + figure(*r.PeerValue)
		}
		fmt.Fprintf(w, "| %s\t| %s %s\t| %s\t| %s\t| %s\t| %s\t|\n", r.Name, figure(r.Value), r.Unit, bar, r.reaches(), peer, r.Note)
	}
	return w.Flush()
}

func figure(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func machineName() string {
	model := runtime.GOARCH
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				model = strings.TrimSpace(v)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s/%s, %s", model, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

func commitName(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func ptr(v float64) *float64 { return &v }
