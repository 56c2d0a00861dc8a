package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// rival is another tracker that speaks MLflow's protocol.
type rival struct {
	name    string
	install string // bench/peers/<install>.txt
	command func(bin, data, addr string) *exec.Cmd
	ready   string
}

func rivals() []rival {
	return []rival{
		{"MLflow", "mlflow", func(bin, data, addr string) *exec.Cmd {
			host, port, _ := net.SplitHostPort(addr)
			return exec.Command(filepath.Join(bin, "mlflow"), "server", "--backend-store-uri", "sqlite:///"+filepath.Join(data, "mlflow.db"),
				"--default-artifact-root", filepath.Join(data, "artifacts"), "--host", host, "--port", port, "--workers", "2")
		}, "/health"},
		{"FastTrackML", "fasttrackml", func(bin, data, addr string) *exec.Cmd {
			return exec.Command(filepath.Join(bin, "fml"), "server", "--listen-address", addr, "--database-uri", "sqlite://"+filepath.Join(data, "fml.db"), "--log-level", "error")
		}, "/health"},
	}
}

// trackerPeers asks other trackers what can be asked of all: 100-point frames from 16 writers, the first page of runs by a metric, and a chart.
func trackerPeers(ctx context.Context, b *bench) (rows []Row, err error) {
	n, err := setting("PEER_RUNS", 1000)
	if err != nil {
		return nil, err
	}
	ours, err := ourselves(ctx, b, int(n))
	if err != nil {
		return nil, err
	}
	for _, r := range rivals() {
		theirs, why, err := r.measure(ctx, b, int(n))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		for i, row := range ours {
			row.Name += "_vs_" + r.install
			row.Peer = r.name
			if why != "" {
				row.Note += "; " + why
			} else {
				row.PeerValue = ptr(theirs[i])
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// ourselves does with a node what measure does with a rival.
func ourselves(ctx context.Context, b *bench, n int) (_ []Row, err error) {
	rate, err := ingestOnce(ctx, b, "peer-ingest", 16, 100, 1_000_000)
	if err != nil {
		return nil, err
	}
	d, _, _, stop, err := b.fresh(ctx, "peer-lists")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if _, err = seedRuns(ctx, d, n); err != nil {
		return nil, err
	}
	list, err := timed(20, func() error {
		_, err := d.ask(ctx, `{ runs(first: 50, where: "metric[\"train/metric-0\"] < 8.5", orderBy: [{field: METRIC, key: "train/metric-0", direction: ASC}]) { nodes { id name metrics { key last } tags { key value } config } } }`, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	long, err := d.open(ctx, map[string]any{"name": "long"})
	if err != nil {
		return nil, err
	}
	w := newWriter(d, long, "w", 1, 1)
	for range 100 {
		if err := w.log(ctx, 1000); err != nil {
			return nil, err
		}
	}
	chart, err := timed(20, func() error {
		_, err := d.ask(ctx, `query($r: [ID!]!) { metricSeries(runs: $r, keys: ["train/metric-0"], maxPoints: 1000) { steps values min max } }`, map[string]any{"r": []string{long}})
		return err
	})
	if err != nil {
		return nil, err
	}
	return []Row{
		{Name: "ingest_16x100", Value: rate, Unit: "points/s", Better: "higher", Note: "16 writers × 100 points a request over HTTP; the peer does not fsync each answer (SQLite)"},
		{Name: "list", Value: quantile(list, 0.5), Unit: "ms", Better: "lower", Note: fmt.Sprintf("%d runs, filtered and ordered by a metric, 50 of them with their metrics and parameters, p50 of 20", n)},
		{Name: "chart", Value: quantile(chart, 0.5), Unit: "ms", Better: "lower", Note: "a series of 100,000 points drawn with at most 1,000, p50 of 20"},
	}, nil
}

// measure starts a rival and asks it. why says what keeps it from being there.
func (r rival) measure(ctx context.Context, b *bench, n int) (values []float64, why string, err error) {
	p := newPeers(ctx, r.install)
	if p.missing != "" {
		return nil, p.missing, nil
	}
	data := filepath.Join(b.tmp, r.install)
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, "", err
	}
	addr, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	cmd := r.command(filepath.Dir(p.python), data, addr)
	cmd.Dir, cmd.Env = data, append(os.Environ(), "PATH="+filepath.Dir(p.python)+":"+os.Getenv("PATH"), "MLFLOW_DISABLE_TELEMETRY=true", "DO_NOT_TRACK=true")
	inGroup(cmd)
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, endGroup(cmd)) }()
	d := newDoor("http://" + addr)
	if err := r.awake(ctx, d); err != nil {
		return nil, "", err
	}
	rate, err := mlflowIngest(ctx, d)
	if err != nil {
		return nil, "", err
	}
	experiment, err := mlflowSeed(ctx, d, n)
	if err != nil {
		return nil, "", err
	}
	list, err := timed(20, func() error {
		_, err := d.mlflow(ctx, "runs/search", map[string]any{"experiment_ids": []string{experiment}, "filter": "metrics.`train/metric-0` < 8.5", "order_by": []string{"metrics.`train/metric-0` ASC"}, "max_results": 50})
		return err
	})
	if err != nil {
		return nil, "", err
	}
	chart, err := mlflowChart(ctx, d)
	return []float64{rate, quantile(list, 0.5), chart}, "", err
}

func (r rival) awake(ctx context.Context, d door) error {
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		resp, err := d.http.Get(d.url + r.ready)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == 200 {
				return nil
			}
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("%s does not come up: %w", r.name, err)
		}
	}
}

// mlflow does one call of MLflow's protocol.
func (d door) mlflow(ctx context.Context, call string, body map[string]any) (map[string]json.RawMessage, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	if raw, err = d.post(ctx, "/api/2.0/mlflow/"+call, "application/json", nil, raw); err != nil {
		return nil, err
	}
	var out map[string]json.RawMessage
	return out, json.Unmarshal(raw, &out)
}

func (d door) mlflowRun(ctx context.Context, experiment, name string) (string, error) {
	out, err := d.mlflow(ctx, "runs/create", map[string]any{"experiment_id": experiment, "start_time": time.Now().UnixMilli(), "run_name": name})
	if err != nil {
		return "", err
	}
	var run struct {
		Info struct {
			ID string `json:"run_id"`
		}
	}
	return run.Info.ID, json.Unmarshal(out["run"], &run)
}

// mlflowMetrics is steps steps of keys metrics, beginning after from.
func mlflowMetrics(keys, from, steps int) []map[string]any {
	var out []map[string]any
	for i := range steps {
		for k := range keys {
			out = append(out, map[string]any{"key": fmt.Sprint("train/metric-", k), "value": 2 + 8/float64(1+from+i+k), "timestamp": 1790000000000 + int64(from+i)*200, "step": from + i})
		}
	}
	return out
}

// mlflowIngest is 16 writers of batches of 100 metrics for ten seconds.
func mlflowIngest(ctx context.Context, d door) (float64, error) {
	const writers = 16
	counts := make([]int, writers)
	began := time.Now()
	err := together(ctx, writers, func(ctx context.Context, i int) error {
		run, err := d.mlflowRun(ctx, "0", fmt.Sprint("writer-", i))
		if err != nil {
			return err
		}
		for step := 0; time.Since(began) < 10*time.Second; step += 10 {
			if _, err := d.mlflow(ctx, "runs/log-batch", map[string]any{"run_id": run, "metrics": mlflowMetrics(10, step, 10)}); err != nil {
				return err
			}
			counts[i] += 100
		}
		return nil
	})
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(began).Seconds(), err
}

// mlflowSeed makes n runs as seedRuns does.
func mlflowSeed(ctx context.Context, d door, n int) (string, error) {
	out, err := d.mlflow(ctx, "experiments/create", map[string]any{"name": "sweep"})
	if err != nil {
		return "", err
	}
	var experiment string
	if err := json.Unmarshal(out["experiment_id"], &experiment); err != nil {
		return "", err
	}
	const workers = 8
	return experiment, together(ctx, workers, func(ctx context.Context, k int) error {
		for i := k; i < n; i += workers {
			run, err := d.mlflowRun(ctx, experiment, fmt.Sprintf("run-%06d", i))
			if err != nil {
				return err
			}
			params := []map[string]string{{"key": "optimizer.lr", "value": fmt.Sprint(1e-4 * float64(1+i%97))}, {"key": "model.n_layer", "value": fmt.Sprint(2 + i%30)}, {"key": "seed", "value": fmt.Sprint(i)}}
			if _, err := d.mlflow(ctx, "runs/log-batch", map[string]any{"run_id": run, "metrics": mlflowMetrics(3, i%7, 3), "params": params, "tags": []map[string]string{{"key": "team", "value": "nlp"}}}); err != nil {
				return err
			}
		}
		return nil
	})
}

// mlflowChart reads a series of 100,000 points as its page does: a sample of at most 1,000.
func mlflowChart(ctx context.Context, d door) (float64, error) {
	run, err := d.mlflowRun(ctx, "0", "long")
	if err != nil {
		return 0, err
	}
	for step := 0; step < 100_000; step += 1000 {
		if _, err := d.mlflow(ctx, "runs/log-batch", map[string]any{"run_id": run, "metrics": mlflowMetrics(1, step, 1000)}); err != nil {
			return 0, err
		}
	}
	paths := []string{"/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?run_ids=" + run + "&metric_key=" + url.QueryEscape("train/metric-0") + "&max_results=1000",
		"/api/2.0/mlflow/metrics/get-history?run_id=" + run + "&metric_key=" + url.QueryEscape("train/metric-0")}
	for _, path := range paths {
		took, err := timed(20, func() error { _, err := d.get(ctx, path); return err })
		if err == nil {
			return quantile(took, 0.5), nil
		}
	}
	return 0, errors.New("it answers neither call for a metric's history")
}

// freeAddress is one that nobody listens on just now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// inGroup gives a command a process group of its own: servers of Python have children.
func inGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// endGroup kills a command and its children, and reaps it.
func endGroup(cmd *exec.Cmd) error {
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	_ = cmd.Wait() // it was killed: that is no news
	return err
}
