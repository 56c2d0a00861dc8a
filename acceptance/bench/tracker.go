package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"millrace/client"
)

// tracking measures the tracker from outside: a node of its own, asked over HTTP by writers and readers on the same two cores.
// ONLY picks parts; RUNS and POINTS make the big node bigger.
func tracking(ctx context.Context, b *bench) ([]Row, error) {
	var rows []Row
	for _, part := range []struct {
		name    string
		measure func(context.Context, *bench) ([]Row, error)
	}{
		{"ingest", trackerIngest}, {"latency", trackerLatency}, {"lists", trackerLists}, {"charts", trackerCharts}, {"kill", trackerKill}, {"client", trackerCall}, {"forecast", trackerForecast}, {"big", trackerBig}, {"peers", trackerPeers},
	} {
		if only := os.Getenv("ONLY"); only != "" && !slices.Contains(strings.Split(only, ","), part.name) {
			continue
		}
		got, err := part.measure(ctx, b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

// fresh starts a node on an empty directory.
func (b *bench) fresh(ctx context.Context, name string) (d door, data string, pid int, stop func() error, err error) {
	data = filepath.Join(b.tmp, name)
	url, _, pid, stop, err := b.node(ctx, data)
	return newDoor(url), data, pid, stop, err
}

// trackerIngest is durable points over HTTP: each frame is fsynced before its writer goes on.
func trackerIngest(ctx context.Context, b *bench) (rows []Row, err error) {
	for _, c := range []struct {
		name            string
		writers, points int // of a frame
		total           int64
		bar             float64
	}{{"ingest_16x100", 16, 100, 2_000_000, 250_000}, {"ingest_64x1000", 64, 1000, 16_000_000, 2_000_000}} {
		var rates []float64
		for n := range 3 {
			rate, err := ingestOnce(ctx, b, fmt.Sprint(c.name, n), c.writers, c.points, c.total)
			if err != nil {
				return nil, err
			}
			rates = append(rates, rate)
		}
		rows = append(rows, Row{Name: c.name, Value: median(rates), Unit: "points/s", Better: "higher", Bar: ptr(c.bar),
			Note: fmt.Sprintf("%d writers × %d-point frames of 10 keys over HTTP, fsync before each answer; writers on the same cores; median of 3", c.writers, c.points)})
	}
	return rows, nil
}

func ingestOnce(ctx context.Context, b *bench, name string, writers, points int, total int64) (rate float64, err error) {
	d, data, _, stop, err := b.fresh(ctx, name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stop(), os.RemoveAll(data)) }()
	var all []*writer
	for i := range writers {
		run, err := d.open(ctx, map[string]any{"name": fmt.Sprint("writer-", i)})
		if err != nil {
			return 0, err
		}
		all = append(all, newWriter(d, run, "w", 10, uint64(i)))
	}
	return flood(ctx, all, points/10, total)
}

// trackerLatency is from the call that publishes a frame to the subscriber that has it, at 20,000 points a second.
func trackerLatency(ctx context.Context, b *bench) (_ []Row, err error) {
	d, data, _, stop, err := b.fresh(ctx, "latency")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop(), os.RemoveAll(data)) }()
	run, err := d.open(ctx, map[string]any{"name": "seen"})
	if err != nil {
		return nil, err
	}
	const frames, perSecond = 2000, 200
	sent, seen := make([]time.Time, 10*frames+1), make([]time.Time, 10*frames+1)
	var mu sync.Mutex
	reading, done := context.WithCancel(ctx)
	defer done()
	over, begun := make(chan error, 1), make(chan struct{})
	go func() {
		over <- client.New(d.url, "").Subscribe(reading, `subscription($run: ID!) { points(run: $run, keys: ["train/metric-0"]) { steps } }`, map[string]any{"run": run}, func(raw json.RawMessage) error {
			now := time.Now()
			var data struct{ Points []struct{ Steps []int64 } }
			if err := json.Unmarshal(raw, &data); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, s := range data.Points {
				for _, step := range s.Steps {
					if step == 1 {
						close(begun)
					}
					seen[step] = now
				}
			}
			return nil
		})
	}()
	// 200 frames a second of 10 keys × 10 steps. The first one only tells that the subscription stands.
	w := newWriter(d, run, "w", 10, 1)
	if err := w.log(ctx, 1); err != nil {
		return nil, err
	}
	select {
	case <-begun:
	case err := <-over:
		return nil, err
	case <-time.After(10 * time.Second):
		return nil, errors.New("the subscription sends nothing")
	}
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	for range frames - 1 {
		<-tick.C
		first := w.step + 1
		mu.Lock()
		sent[first] = time.Now()
		mu.Unlock()
		if err := w.log(ctx, 10); err != nil {
			return nil, err
		}
	}
	time.Sleep(time.Second)
	done()
	<-over
	mu.Lock()
	defer mu.Unlock()
	var took []float64
	for step, at := range sent {
		if at.IsZero() {
			continue
		}
		if seen[step].IsZero() {
			return nil, fmt.Errorf("the subscriber never saw step %d", step)
		}
		took = append(took, float64(seen[step].Sub(at).Microseconds())/1000)
	}
	took = sorted(took)
	note := "20,000 points/s offered in 100-point frames over HTTP, fsync on, GraphQL subscription (SSE) of one of ten keys"
	return []Row{
		{Name: "publish_to_subscriber_p50", Value: quantile(took, 0.5), Unit: "ms", Better: "lower", Bar: ptr(5), Note: note},
		{Name: "publish_to_subscriber_p99", Value: quantile(took, 0.99), Unit: "ms", Better: "lower", Bar: ptr(25), Note: "the same"},
	}, nil
}

// seedRuns opens runs with a configuration and a few points each, as sweeps leave them.
func seedRuns(ctx context.Context, d door, n int) ([]string, error) {
	ids := make([]string, n)
	const workers = 32
	err := together(ctx, workers, func(ctx context.Context, k int) error {
		for i := k; i < n; i += workers {
			id, err := d.open(ctx, map[string]any{
				"name": fmt.Sprintf("run-%06d", i), "tags": map[string]string{"team": []string{"nlp", "vision", "audio"}[i%3]}, "labels": []string{"sweep"},
				"config": map[string]any{"optimizer": map[string]any{"lr": 1e-4 * float64(1+i%97), "name": "adamw", "betas": []float64{0.9, 0.95}},
					"model": map[string]any{"n_layer": 2 + i%30, "n_head": 8, "d_model": 512, "vocab": 50257}, "seed": i, "data": fmt.Sprint("shard-", i%13)},
			})
			if err != nil {
				return err
			}
			ids[i] = id
			if err := newWriter(d, id, "w", 3, uint64(i)).log(ctx, 3); err != nil {
				return err
			}
			if _, err := d.post(ctx, "/api/v1/runs/"+id+"/end", "application/json", nil, []byte(`{"writer":"w","status":"finished"}`)); err != nil {
				return err
			}
		}
		return nil
	})
	return ids, err
}

// questions are what a page of runs asks.
var questions = []struct{ name, args string }{
	{"newest", `first: 50`},
	{"config filter", `first: 50, where: "config.optimizer.lr < 0.001 and config.model.n_layer > 10"`},
	{"metric filter and sort", `first: 50, where: "metric[\"train/metric-0\"] < 8.5", orderBy: [{field: METRIC, key: "train/metric-0", direction: ASC}]`},
	{"sort by config", `first: 50, orderBy: [{field: CONFIG, key: "optimizer.lr", direction: DESC}]`},
	{"words and tags", `first: 50, where: "tags.team = nlp and run-0012"`},
}

// trackerLists is the first page of many runs, filtered and sorted, and a thousand of them compared.
func trackerLists(ctx context.Context, b *bench) (_ []Row, err error) {
	n, err := setting("RUNS", 100_000)
	if err != nil {
		return nil, err
	}
	url, _, _, stop, err := b.node(ctx, filepath.Join(b.tmp, "lists"))
	if err != nil {
		return nil, err
	}
	d := newDoor(url)
	began := time.Now()
	ids, err := seedRuns(ctx, d, int(n))
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	opened := float64(n) / time.Since(began).Seconds()
	if err := stop(); err != nil {
		return nil, err
	}
	url, ready, pid, stop, err := b.node(ctx, filepath.Join(b.tmp, "lists"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop(), os.RemoveAll(filepath.Join(b.tmp, "lists"))) }()
	d = newDoor(url)
	note := fmt.Sprintf("%d external runs with a configuration of 8 values, tags and 3 metrics; over HTTP", n)
	rows := []Row{
		{Name: "open_runs", Value: opened, Unit: "runs/s", Better: "higher", Note: "opened, logged to and ended by 32 clients, each step durable"},
		{Name: "start_with_runs", Value: ready.Seconds(), Unit: "s", Better: "lower", Bar: ptr(2), Note: note},
	}
	for _, q := range questions {
		took, err := timed(400, func() error {
			_, err := d.ask(ctx, `{ runs(`+q.args+`) { totalCount nodes { id name status createdAt tags { key value } metrics(match: "train/metric-0") { last } } } }`, nil)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.name, err)
		}
		rows = append(rows, Row{Name: "list_" + strings.ReplaceAll(q.name, " ", "_"), Value: quantile(took, 0.5), Unit: "ms", Better: "lower", Bar: ptr(10), Note: fmt.Sprintf("p50 of 400, p99 %.1f ms; first page of 50", quantile(took, 0.99))})
	}
	some := ids[:min(1000, len(ids))]
	took, err := timed(400, func() error {
		_, err := d.ask(ctx, `query($ids: [ID!]!) { compareRuns(ids: $ids) { metrics(keys: ["train/metric-0"]) { key last } } }`, map[string]any{"ids": some})
		return err
	})
	if err != nil {
		return nil, err
	}
	weight, err := residentMB(pid)
	if err != nil {
		return nil, err
	}
	return append(rows,
		Row{Name: "compare_1000", Value: quantile(took, 0.5), Unit: "ms", Better: "lower", Bar: ptr(5), Note: fmt.Sprintf("%d runs × 1 metric, last value; p50 of 400, p99 %.1f ms", len(some), quantile(took, 0.99))},
		Row{Name: "rss_with_runs", Value: weight, Unit: "MB", Better: "lower", Bar: ptr(1074), Note: "after these questions"},
	), nil
}

// setting reads a number from the environment.
func setting(name string, otherwise int64) (int64, error) {
	text := os.Getenv(name)
	if text == "" {
		return otherwise, nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v < 1 {
		return 0, fmt.Errorf("%s=%s is no number of them", name, text)
	}
	return int64(v), nil
}

// weigh adds up the files whose path ends so.
func weigh(folder, suffix string) (n int64, err error) {
	err = filepath.Walk(folder, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() && strings.HasSuffix(path, suffix) {
			n += info.Size()
		}
		return err
	})
	return n, err
}

func sorted(v []float64) []float64 { return slices.Sorted(slices.Values(v)) }

// quantile of sorted values.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return v[min(len(v)-1, int(q*float64(len(v))))]
}
