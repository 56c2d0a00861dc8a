package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"millrace/client"
	"millrace/curator/words"
)

// pipelineSize is how much text goes through the whole pipeline, unless SIZE says otherwise.
const pipelineSize = 64 << 20

// pipeline is a node that curates JSON Lines into shards: cleaning, all filters, personal data, near duplicates, tokens. Once with one core and once with two, or as CORES says.
func (s *curatorBench) pipeline(ctx context.Context) ([]Row, error) {
	size, err := parseSize(os.Getenv("SIZE"))
	if err != nil {
		return nil, err
	}
	file, tokenizer := filepath.Join(s.tmp, "pipeline.jsonl"), filepath.Join(s.tmp, "tokenizer.json")
	verdicts, _, err := judge(s.text.docs, words.Simple, 1)
	if err != nil {
		return nil, err
	}
	var good []string
	for i, v := range verdicts {
		if v != dropped {
			good = append(good, s.text.docs[i])
		}
	}
	if err := writeMixed(file, good, size); err != nil {
		return nil, err
	}
	if err := s.learn(ctx); err != nil {
		return nil, err
	}
	if err := os.WriteFile(tokenizer, s.bpe.JSON(), 0o644); err != nil {
		return nil, err
	}
	recipe, err := json.Marshal(map[string]any{
		"name": "pipeline", "sources": []map[string]any{{"jsonl": file, "text_field": "text"}}, "clean": map[string]any{}, "privacy": map[string]any{},
		"filters": map[string]any{"gopher_repetition": map[string]any{}, "gopher_quality": map[string]any{}, "c4": map[string]any{}, "fineweb": map[string]any{}},
		"dedup":   "minhash", "tokenizer": map[string]any{"file": tokenizer},
	})
	if err != nil {
		return nil, err
	}
	cores, err := parseCores(os.Getenv("CORES"))
	if err != nil {
		return nil, err
	}
	var rows []Row
	var peak, mb float64
	var temporary int64
	took := map[int]curated{}
	for _, n := range cores {
		c, err := s.curate(ctx, recipe, n)
		if err != nil {
			return nil, err
		}
		if first := took[cores[0]]; n != cores[0] && first.dataset != c.dataset {
			return nil, fmt.Errorf("the dataset of %d cores is %s, of %d %s", cores[0], first.dataset, n, c.dataset)
		}
		took[n] = c
		mb, peak, temporary = float64(c.input)/1e6, max(peak, c.peak), max(temporary, c.temporary)
		rows = append(rows, Row{Name: "pipeline_" + []string{"one_core", "two_cores"}[n-1], Value: mb / c.seconds, Unit: "MB/s", Better: "higher",
			Note: fmt.Sprintf("%.0f MB of JSON Lines: clean, filters, privacy, minhash, BPE; a node with its storage, by the clock; %s; %.1f CPU seconds", mb, c.kept, c.cpu)})
	}
	if len(cores) == 2 {
		rows = append(rows, Row{Name: "pipeline_scaling", Value: took[1].seconds / took[2].seconds, Unit: "times", Better: "higher", Bar: ptr(1.8), Note: "two cores to one; the same dataset"})
	}
	return append(rows, Row{Name: "pipeline_peak_memory", Value: peak, Unit: "GiB", Better: "lower", Bar: ptr(1), Note: "largest resident size of the node"},
		Row{Name: "pipeline_temporary", Value: float64(temporary) / (mb * 1e6), Unit: "of the input", Better: "lower", Bar: ptr(1), Note: "most bytes in temporary files at once"}), nil
}

// parseCores reads with how many cores the pipeline is run: "1", "2", or both, which is "" where there are two.
func parseCores(s string) ([]int, error) {
	switch {
	case s == "1" || s == "" && runtime.NumCPU() == 1:
		return []int{1}, nil
	case s == "2":
		return []int{2}, nil
	case s == "":
		return []int{1, 2}, nil
	}
	return nil, fmt.Errorf("CORES is %q: want 1 or 2, or nothing for both", s)
}

// curated is what a run of the pipeline took.
type curated struct {
	seconds   float64
	cpu       float64 // seconds
	peak      float64 // GiB
	temporary int64   // bytes
	input     int64   // bytes
	dataset   string
	kept      string // in words
}

func (s *curatorBench) curate(ctx context.Context, recipe json.RawMessage, cores int) (c curated, err error) {
	data := filepath.Join(s.tmp, fmt.Sprint("pipeline-", cores))
	s.env = []string{fmt.Sprint("GOMAXPROCS=", cores)}
	url, _, pid, stop, err := s.node(ctx, data)
	s.env = nil
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, stop(), os.RemoveAll(data)) }()
	watch, done := context.WithCancel(ctx)
	most := make(chan int64)
	go func() { most <- mostBytes(watch, data, pid) }()
	began := time.Now()
	run, err := ended(ctx, client.New(url, ""), client.StartRun{Kind: "CURATE", Config: recipe})
	c.seconds = time.Since(began).Seconds()
	done()
	c.temporary = <-most
	if err != nil {
		return c, err
	}
	c.dataset = string(run.Output("dataset"))
	set, err := client.New(url, "").Dataset(ctx, c.dataset)
	if err != nil {
		return c, err
	}
	var documents, dropped, tokens int64
	for _, split := range set.Splits {
		documents, tokens = documents+split.Documents, tokens+split.Tokens
	}
	for _, d := range set.Dropped {
		dropped += d.Documents
	}
	c.kept = fmt.Sprintf("%d of %d documents kept, %d tokens", documents, documents+dropped, tokens)
	info, err := os.Stat(filepath.Join(s.tmp, "pipeline.jsonl"))
	if err != nil {
		return c, err
	}
	c.input = info.Size()
	if c.peak, err = peakGiB(pid); err != nil {
		return c, err
	}
	c.cpu, err = cpuOf(pid)
	return c, err
}

// mostBytes is the largest sum of the sizes of a node's temporary files that was seen until ctx ended: of those in its folders for them, and of those that it has
// open without a name.
func mostBytes(ctx context.Context, data string, pid int) (most int64) {
	for ctx.Err() == nil {
		sum := int64(0)
		_ = filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error { // files come and go
			if err == nil && !d.IsDir() && strings.Contains(path[len(data):], string(filepath.Separator)+"tmp"+string(filepath.Separator)) {
				if info, err := d.Info(); err == nil {
					sum += info.Size()
				}
			}
			return nil
		})
		open := fmt.Sprintf("/proc/%d/fd", pid)
		fds, _ := os.ReadDir(open) // none where there is no /proc
		for _, fd := range fds {
			path := filepath.Join(open, fd.Name())
			if name, err := os.Readlink(path); err != nil || !strings.HasPrefix(name, data) || !strings.HasSuffix(name, " (deleted)") {
				continue
			}
			if info, err := os.Stat(path); err == nil {
				sum += info.Size()
			}
		}
		most = max(most, sum)
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return most
}

func peakGiB(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(raw)
	if m == nil {
		return 0, fmt.Errorf("process %d does not tell its largest size", pid)
	}
	kb, err := strconv.ParseFloat(string(m[1]), 64)
	return kb / (1 << 20), err
}

// cpuOf is the CPU seconds of a process until now.
func cpuOf(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("process %d does not tell its time", pid)
	}
	user, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100, err // Linux counts in hundredths, whatever its clock
}

// parseSize reads "64MB" or "10GB"; "" is pipelineSize.
func parseSize(s string) (int64, error) {
	if s == "" {
		return pipelineSize, nil
	}
	unit := int64(1)
	number := strings.ToUpper(s)
	for suffix, n := range map[string]int64{"MB": 1e6, "GB": 1e9} {
		if rest, ok := strings.CutSuffix(number, suffix); ok {
			number, unit = rest, n
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("SIZE=%s: want a number of bytes, or one with MB or GB", s)
	}
	return n * unit, nil
}
