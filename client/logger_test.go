package client_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/client"
	"millrace/event"
)

func options(t testing.TB, server string) client.RunOptions {
	return client.RunOptions{Server: server, Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Every: 5 * time.Millisecond}
}

func open(t testing.TB, o client.RunOptions) *client.Logger {
	t.Helper()
	run, err := client.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// soon is a context that ends a test that hangs.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func empty(t testing.TB, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("the journal's folder has %v left: %v", left, err)
	}
}

func TestLogAndEnd(t *testing.T) {
	d := fake(t)
	o := options(t, d.URL)
	o.Config = map[string]any{"lr": 0.1}
	run := open(t, o)
	loss := run.Metric("train/loss")
	for step := range int64(1000) {
		loss.Log(step, 1/float64(step))
		run.Log(step, map[string]float64{"a": 1, "b": 2})
	}
	if err := run.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	run.Text("sample", 7, "once", "upon")
	_, _ = run.Writer("stdout").Write([]byte("one\ntwo\nthr"))
	loss.Log(5000, 1)
	if err := run.End(soon(t), event.Finished, nil); err != nil {
		t.Fatal(err)
	}
	if c := run.Counts(); c.Delivered != 3001 || c.Dropped != 0 || run.Err() != nil {
		t.Errorf("%+v %v", c, run.Err())
	}
	if d.points["train/loss"] != 1001 || d.points["a"] != 1000 || d.ended != "finished" || len(d.entries) != 3 {
		t.Errorf("%v %q %q", d.points, d.entries, d.ended)
	}
	empty(t, o.Dir)
}

func TestNobodyThereThenSync(t *testing.T) {
	d := fake(t)
	url := d.URL
	o := options(t, "http://127.0.0.1:1")
	run := open(t, o)
	for step := range int64(100) {
		run.Log(step, map[string]float64{"a": 1})
	}
	run.Note("hello")
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := run.End(ctx, event.Finished, nil); !errors.Is(err, client.ErrNotSent) || !errors.Is(err, client.ErrUnreachable) {
		t.Fatal(err)
	}
	got, err := client.Sync(soon(t), o.Dir, client.SyncOptions{})
	if err != nil || len(got) != 1 || got[0].State != "left" || !errors.Is(got[0].Err, client.ErrUnreachable) {
		t.Fatalf("%+v %v", got, err)
	}
	got, err = client.Sync(soon(t), o.Dir, client.SyncOptions{Server: url})
	if err != nil || len(got) != 1 || got[0].State != "sent" || got[0].Points != 100 || got[0].Err != nil {
		t.Fatalf("%+v %v", got, err)
	}
	if d.points["a"] != 100 || len(d.entries) != 1 || d.ended != "finished" {
		t.Errorf("%v %q %q", d.points, d.entries, d.ended)
	}
	empty(t, o.Dir)
}

func TestRefusedIsSetAside(t *testing.T) {
	d := fake(t)
	d.refuse = func(path string, body []byte) (int, string) {
		if strings.Contains(string(body), "poison") {
			return 400, `{"error":{"code":"INVALID","message":"poison","field":"entries[0]"}}`
		}
		return 0, ""
	}
	o := options(t, d.URL)
	run := open(t, o)
	run.Note("poison")
	if err := run.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	run.Log(1, map[string]float64{"a": 1})
	err := run.End(soon(t), event.Finished, nil)
	if err != nil || d.points["a"] != 1 || !errors.Is(run.Err(), client.ErrSetAside) {
		t.Errorf("%v %v %v", err, d.points, run.Err())
	}
	files, _ := filepath.Glob(filepath.Join(o.Dir, "*", "*", "refused", "*"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	raw, _ := os.ReadFile(files[0])
	if !strings.Contains(string(raw), "entries[0]") || !strings.Contains(string(raw), `"note":"poison"`) {
		t.Errorf("%s", raw)
	}
	if got, err := client.Sync(soon(t), o.Dir, client.SyncOptions{Server: d.URL}); err != nil || len(got) != 1 || got[0].State != "sent" || len(got[0].Refused) != 1 {
		t.Errorf("%+v %v", got, err)
	}
}

func BenchmarkMetricLog(b *testing.B) {
	run := open(b, options(b, "http://127.0.0.1:1"))
	m := run.Metric("train/loss")
	b.ReportAllocs()
	step := int64(0)
	for b.Loop() {
		step++
		m.Log(step, 1.5)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = run.Close(ctx)
	b.ReportMetric(float64(run.Counts().Dropped), "dropped")
}

func BenchmarkLogMap(b *testing.B) {
	run := open(b, options(b, "http://127.0.0.1:1"))
	values := map[string]float64{"train/loss": 1.5, "train/lr": 3e-4, "tokens_per_second": 17_000}
	b.ReportAllocs()
	step := int64(0)
	for b.Loop() {
		step++
		run.Log(step, values)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = run.Close(ctx)
	b.ReportMetric(float64(run.Counts().Dropped), "dropped")
}

// BenchmarkEndToEnd is from the first call until the node has every point, durable.
func BenchmarkEndToEnd(b *testing.B) {
	c := lab(b, "")
	const n = 1_000_000
	for b.Loop() {
		run := open(b, options(b, c.URL()))
		m := run.Metric("train/loss")
		for step := range int64(n) {
			m.Log(step, float64(step))
			if step%100_000 == 99_999 { // faster than any disk: let it breathe
				for run.Counts().Logged-run.Counts().Delivered > 400_000 {
					time.Sleep(time.Millisecond)
				}
			}
		}
		if err := run.Flush(soon(b)); err != nil || run.Counts().Dropped > 0 {
			b.Fatal(err, run.Counts())
		}
		b.StopTimer()
		_ = run.End(soon(b), "", nil)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "points/s")
}
