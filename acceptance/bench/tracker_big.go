package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// trackerCharts is one long series drawn, and ten million points read.
func trackerCharts(ctx context.Context, b *bench) (_ []Row, err error) {
	d, data, _, stop, err := b.fresh(ctx, "charts")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop(), os.RemoveAll(data)) }()
	long, err := d.open(ctx, map[string]any{"name": "long"})
	if err != nil {
		return nil, err
	}
	if _, err := flood(ctx, []*writer{newWriter(d, long, "w", 1, 1)}, 10_000, 10_000_000); err != nil {
		return nil, err
	}
	chart, err := timed(40, func() error {
		_, err := d.ask(ctx, `query($r: [ID!]!) { metricSeries(runs: $r, keys: ["train/metric-0"], maxPoints: 1000) { steps values min max } }`, map[string]any{"r": []string{long}})
		return err
	})
	if err != nil {
		return nil, err
	}
	var runs []string
	var writers []*writer
	for i := range 10 {
		run, err := d.open(ctx, map[string]any{"name": fmt.Sprint("ten-", i)})
		if err != nil {
			return nil, err
		}
		runs, writers = append(runs, run), append(writers, newWriter(d, run, "w", 10, uint64(i)))
	}
	if _, err := flood(ctx, writers, 1000, 10_000_000); err != nil {
		return nil, err
	}
	size := 0
	whole, err := timed(5, func() error {
		size = 0
		for _, run := range runs {
			n, err := d.ask(ctx, `query($r: [ID!]!) { metricSeries(runs: $r, keys: ["train/*"], maxPoints: 100000) { key stepsBase64 valuesBase64 } }`, map[string]any{"r": []string{run}})
			if err != nil {
				return err
			}
			size += n
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	model, err := goBench(ctx, "./storage/readmodel", "BenchmarkReadTenMillion", ".*", "s/read")
	if err != nil {
		return nil, err
	}
	return []Row{
		{Name: "chart_10M", Value: quantile(chart, 0.5), Unit: "ms", Better: "lower", Bar: ptr(10), Note: fmt.Sprintf("one series of 10 M points at 1,000 pixels, true minimum and maximum, over HTTP; p50 of 40, p99 %.1f ms", quantile(chart, 0.99))},
		{Name: "read_10M", Value: model, Unit: "s", Better: "lower", Bar: ptr(0.5), Note: "10 runs × 10 keys × 100,000 points from the read model, whole"},
		{Name: "read_10M_http", Value: quantile(whole, 0.5) / 1000, Unit: "s", Better: "lower", Note: fmt.Sprintf("the same as base 64 in JSON, %d MB, run after run", size/1_000_000)},
	}, nil
}

// trackerBig fills a node to POINTS points (10 M) over RUNS runs, and asks the same at every power of ten on the way.
func trackerBig(ctx context.Context, b *bench) (rows []Row, err error) {
	runs, err := setting("RUNS", 1000)
	if err != nil {
		return nil, err
	}
	points, err := setting("POINTS", 10_000_000)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(b.tmp, "big")
	url, _, filling, stop, err := b.node(ctx, data)
	if err != nil {
		return nil, err
	}
	running := true
	defer func() {
		if running {
			err = errors.Join(err, stop())
		}
		err = errors.Join(err, os.RemoveAll(data))
	}()
	d := newDoor(url)
	ids, err := seedRuns(ctx, d, int(runs))
	if err != nil {
		return nil, err
	}
	// The points go to a hundred of the runs, as they would: most runs are over.
	var writers []*writer
	for i := range min(100, len(ids)) {
		writers = append(writers, newWriter(d, ids[i], "big", 10, uint64(i)))
	}
	var table strings.Builder
	done := int64(0)
	for upTo := int64(math.Min(1e5, float64(points))); ; upTo = min(10*upTo, points) {
		rate, err := flood(ctx, writers, 100, upTo-done)
		if err != nil {
			return nil, err
		}
		took, err := bigQuestions(ctx, d, ids[0])
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&table, "| %.0e\t| %s\t| %.1f\t| %.1f\t| %.1f\t|\n", float64(upTo), figure(rate), took[0], took[1], took[2])
		rows = append(rows, Row{Name: fmt.Sprintf("flat_ingest_%.0e", float64(upTo)), Value: rate, Unit: "points/s", Better: "higher",
			Note: fmt.Sprintf("from %.0e points to %.0e, 100 writers × 1,000-point frames; then list %.1f ms, chart %.1f ms, last values %.1f ms", float64(done), float64(upTo), took[0], took[1], took[2])})
		if done = upTo; done == points {
			break
		}
	}
	fmt.Fprintf(os.Stderr, "| points\t| ingest, points/s\t| list, ms\t| chart, ms\t| last of 50, ms\t|\n|---\t|---\t|---\t|---\t|---\t|\n%s", table.String())
	busy, err := residentMB(filling)
	if err != nil {
		return nil, err
	}
	if err := folded(ctx, d); err != nil {
		return nil, err
	}
	running = false
	if err := stop(); err != nil {
		return nil, err
	}
	url, ready, pid, stop, err := b.node(ctx, data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if _, err := bigQuestions(ctx, newDoor(url), ids[0]); err != nil {
		return nil, err
	}
	weight, err := residentMB(pid)
	if err != nil {
		return nil, err
	}
	size, err := weigh(data, "readmodel.db")
	if err != nil {
		return nil, err
	}
	log, err := weigh(filepath.Join(data, "log"), "")
	if err != nil {
		return nil, err
	}
	note := fmt.Sprintf("%d runs, %.0e points", runs, float64(points))
	return append(rows,
		Row{Name: "big_start", Value: ready.Seconds(), Unit: "s", Better: "lower", Bar: ptr(2), Note: note},
		Row{Name: "big_rss", Value: weight, Unit: "MB", Better: "lower", Bar: ptr(1074), Note: note + ", after questions"},
		Row{Name: "big_rss_filling", Value: busy, Unit: "MB", Better: "lower", Note: note + ", while it still folds the last of them; pages of the mapped file among them, which the system takes back when it needs memory"},
		Row{Name: "big_bytes_per_point", Value: float64(size) / float64(points), Unit: "B/point", Better: "lower", Bar: ptr(6), Note: note + fmt.Sprintf("; step and time included, the read model's whole file; the log has %.1f", float64(log)/float64(points))},
	), nil
}

// folded waits until the read model has all of the log: a node that is stopped before folds the rest at its next start.
func folded(ctx context.Context, d door) error {
	for {
		page, err := d.get(ctx, "/metrics")
		if err != nil {
			return err
		}
		var applied, last string
		for line := range strings.Lines(string(page)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch name {
			case "millrace_applied_seq":
				applied = value
			case "millrace_last_seq":
				last = value
			}
		}
		if applied != "" && applied == last {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// bigQuestions are the milliseconds of a first page, a chart and the last values of a page of runs.
func bigQuestions(ctx context.Context, d door, run string) ([3]float64, error) {
	var out [3]float64
	for i, q := range []string{
		`{ runs(first: 50) { totalCount nodes { id name status } } }`,
		`query($r: [ID!]!) { metricSeries(runs: $r, keys: ["train/metric-0"], maxPoints: 1000) { steps values min max } }`,
		`{ runs(first: 50, orderBy: [{field: METRIC, key: "train/metric-0", direction: ASC}]) { nodes { id metrics(match: "train/metric-0") { last } } } }`,
	} {
		vars := map[string]any{}
		if i == 1 {
			vars["r"] = []string{run}
		}
		took, err := timed(20, func() error { _, err := d.ask(ctx, q, vars); return err })
		if err != nil {
			return out, err
		}
		out[i] = quantile(took, 0.5)
	}
	return out, nil
}
