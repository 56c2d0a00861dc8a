package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

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

func TestEverythingThatCanBeLogged(t *testing.T) {
	c := lab(t, "")
	o := options(t, c.URL())
	o.Name, o.Config, o.Tags, o.Labels, o.Note = "all", map[string]any{"lr": 0.1, "bad": math.NaN()}, map[string]string{"team": "a"}, []string{"x"}, "first"
	run := open(t, o)
	loss := run.Metric("loss")
	for step := range int64(1000) {
		loss.Log(step, float64(step)/7)
		run.Log(step, map[string]float64{"a": 1, "b": math.NaN(), "c": math.Inf(-1)})
	}
	if err := run.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	run.Params(map[string]any{"late": 1, "nested": map[string]any{"x": math.Inf(1)}})
	run.Text("sample", 7, "once", "upon")
	run.Table("confusion", 7, []string{"is", "was"}, [][]any{{1, 0.5}, {"two", math.NaN()}})
	run.Alert("warn", "look", "here")
	run.Tag("seed", "7")
	run.Label("y")
	run.Note("second")
	run.Progress("train", 7, 10, "steps")
	run.Define(event.MetricDefined{Key: "loss", Goal: "min"})
	run.Usage(event.Usage{CPUPercent: 99, RSS: 1 << 20})
	run.Spent(event.Device{Kind: "cpu", Name: "a processor", Count: 2}, 14)
	run.Rows("history", 0, map[string]any{"_step": 1, "x": math.NaN()})
	out := run.Writer("stdout")
	for _, piece := range []string{"one\ntw", "o\n10%\r20%\r", "30%\nfour"} {
		if _, err := out.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	run.Line("stderr", "oh")
	run.Image("grid", 7, []byte("\x89PNG\r\n\x1a\n and so on"), "")
	file := filepath.Join(t.TempDir(), "model.bin")
	if err := os.WriteFile(file, bytes.Repeat([]byte("weights"), 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	run.Artifact(file, "model")
	loss.Log(1000, 1000/7.)
	if err := run.End(soon(t), "", nil); err != nil {
		t.Fatal(err)
	}
	if n := run.Counts(); n.Delivered != 4001 || n.Dropped+n.Refused+n.Waiting != 0 || run.Err() != nil {
		t.Errorf("%+v %v", n, run.Err())
	}
	empty(t, o.Dir)

	whole(t, "loss", seriesOf(t, c, run.ID(), "loss")[run.WriterName()], 1001)
	got, err := c.Run(t.Context(), run.ID())
	if err != nil || got.Status != "FINISHED" || got.Kind != "EXTERNAL" || !strings.Contains(string(got.Config), `"lr":0.1`) || len(got.Tags) != 2 {
		t.Errorf("%+v %s %v", got, got.Config, err)
	}
	if v, ok := got.Last("c"); !ok || !math.IsInf(v, -1) || len(got.Metrics) != 4 || got.Cost.DeviceSeconds != 14 {
		t.Errorf("%+v %+v", got.Metrics, got.Cost)
	}
	what := said(t, c, run.ID())
	if !slices.Equal(what.Texts, []string{"sample 7 once upon"}) || !slices.Equal(what.Alerts, []string{"look"}) ||
		!slices.Equal(what.Lines, []string{"stderr 0 oh", "stdout 0 one", "stdout 1 two", "stdout 2 30%", "stdout 3 four"}) {
		t.Errorf("%+v", what)
	}
	_, _, last, _, err := c.System(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	artifacts := map[string]event.ArtifactLogged{}
	err = c.Events(t.Context(), 1, last, nil, func(e client.LoggedEvent) error {
		if e.Type == "run.artifact_logged" {
			var a event.ArtifactLogged
			if err := json.Unmarshal(e.Body, &a); err != nil {
				return err
			}
			artifacts[a.Path] = a
		}
		return nil
	})
	if err != nil || len(artifacts) != 3 || artifacts["grid/7.png"].Role != "image" || artifacts["model.bin"].File.Size != 700_000 {
		t.Fatalf("%+v %v", artifacts, err)
	}
	for path, a := range artifacts {
		if raw, err := c.Blob(t.Context(), a.File.Digest); err != nil || int64(len(raw)) != a.File.Size {
			t.Errorf("%s: %d bytes of %d: %v", path, len(raw), a.File.Size, err)
		}
	}
}

// words is what a run was told beside points.
type words struct{ Texts, Lines, Alerts []string }

func said(t testing.TB, c *client.Client, run string) (w words) {
	t.Helper()
	var data struct {
		Run struct {
			Texts []struct {
				Key, Prompt, Text string
				Step              int64
			}
			Console []struct {
				Stream, Text string
				Line         int64
			}
			Alerts []struct{ Title string }
		}
	}
	err := c.Do(t.Context(), `query($id: ID!) { run(id: $id) { texts(last: 10000) { key step prompt text } console(last: 10000) { stream line text } alerts { title } } }`, map[string]any{"id": run}, &data)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range data.Run.Texts {
		w.Texts = append(w.Texts, fmt.Sprint(x.Key, " ", x.Step, " ", x.Prompt, " ", x.Text))
	}
	for _, x := range data.Run.Console {
		w.Lines = append(w.Lines, fmt.Sprint(x.Stream, " ", x.Line, " ", x.Text))
	}
	for _, x := range data.Run.Alerts {
		w.Alerts = append(w.Alerts, x.Title)
	}
	slices.Sort(w.Texts)
	slices.Sort(w.Lines)
	slices.Sort(w.Alerts)
	return w
}

func TestNobodyThereThenSync(t *testing.T) {
	c := lab(t, "secret of the test")
	o := options(t, "http://127.0.0.1:1")
	run := open(t, o)
	for step := range int64(100) {
		run.Log(step, map[string]float64{"loss": float64(step) / 7})
	}
	run.Image("grid", 1, []byte("GIF89a"), "")
	run.Artifact(filepath.Join(o.Dir, "nowhere"), "model")
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := run.End(ctx, "", errors.New("it broke")); !errors.Is(err, client.ErrNotSent) || !errors.Is(err, client.ErrUnreachable) {
		t.Fatal(err)
	}
	if run.Err() == nil || !strings.Contains(run.Err().Error(), "nowhere") || run.Counts().Waiting != 100 {
		t.Errorf("%v %+v", run.Err(), run.Counts())
	}
	// A point logged after the end is not silently gone.
	run.Log(1, map[string]float64{"late": 1})
	if !errors.Is(run.Err(), client.ErrDropped) {
		t.Errorf("after the end: %v", run.Err())
	}
	sync := func(server, token string) client.SyncedJournal {
		t.Helper()
		got, err := client.Sync(soon(t), o.Dir, client.SyncOptions{Server: server, Token: token})
		if err != nil || len(got) != 1 {
			t.Fatalf("%+v %v", got, err)
		}
		return got[0]
	}
	if got := sync("", ""); got.State != "left" || !errors.Is(got.Err, client.ErrUnreachable) {
		t.Errorf("%+v", got)
	}
	var refused *client.DoorError
	if got := sync(c.URL(), "another"); got.State != "left" || !errors.As(got.Err, &refused) || refused.Status != 401 {
		t.Errorf("%+v", got)
	}
	if got := sync(c.URL(), "secret of the test"); got.State != "sent" || got.Points != 100 || got.Err != nil {
		t.Fatalf("%+v", got)
	}
	whole(t, "loss", seriesOf(t, c, run.ID(), "loss")[run.WriterName()], 100)
	got, err := c.Run(t.Context(), run.ID())
	if err != nil || got.Status != "FAILED" || got.Failure == nil || got.Failure.Message != "it broke" {
		t.Errorf("%+v %v", got, err)
	}
	empty(t, o.Dir)
}

func TestRefusedIsSetAside(t *testing.T) {
	c := lab(t, "")
	o := options(t, c.URL())
	run := open(t, o)
	run.Table("no columns", 1, nil, nil)
	if err := run.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	run.Log(0, map[string]float64{"loss": 0})
	err := run.End(soon(t), "", nil)
	var refused *client.DoorError
	if err != nil || !errors.Is(run.Err(), client.ErrSetAside) || !errors.As(run.Err(), &refused) || refused.Code != "INVALID" {
		t.Errorf("%v %v", err, run.Err())
	}
	whole(t, "loss", seriesOf(t, c, run.ID(), "loss")[run.WriterName()], 1)
	files, _ := filepath.Glob(filepath.Join(o.Dir, "*", "*", "refused", "*"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil || !strings.Contains(string(raw), "entries[0]") || !strings.Contains(string(raw), `"no columns"`) {
		t.Errorf("%s %v", raw, err)
	}
	if got, err := client.Sync(soon(t), o.Dir, client.SyncOptions{}); err != nil || len(got) != 1 || got[0].State != "sent" || len(got[0].Refused) != 1 {
		t.Errorf("%+v %v", got, err)
	}
}

// The next process that logs sends what a dead one left; a run that has ended goes on under its id, and a wish to stop is heard.
func TestResumeCatchUpAndStop(t *testing.T) {
	c := lab(t, "")
	o := options(t, c.URL())
	o.ID = "goes-on"
	left := options(t, c.URL())
	left.Dir = o.Dir
	dead := open(t, left)
	dead.Log(0, map[string]float64{"loss": 0})
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = dead.Close(over) // as if it had died

	for life := range int64(2) {
		run := open(t, o)
		run.Log(life, map[string]float64{"loss": float64(life) / 7})
		if err := run.End(soon(t), "", nil); err != nil {
			t.Fatal(err)
		}
	}
	joined := o
	joined.Join = true
	run := open(t, joined)
	run.Log(2, map[string]float64{"loss": 2 / 7.})
	if err := run.End(soon(t), event.Failed, nil); err != nil { // it is not its to end
		t.Fatal(err)
	}
	got, err := c.Run(t.Context(), "goes-on")
	if err != nil || got.Status != "FINISHED" || got.Attempts != 2 {
		t.Errorf("%+v %v", got, err)
	}
	run = open(t, o)
	if err := run.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	run.Log(3, map[string]float64{"loss": 3 / 7.})
	if err := run.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Stop(t.Context(), "goes-on", "enough"); err != nil {
		t.Fatal(err)
	}
	run.Log(4, map[string]float64{"loss": 4 / 7.})
	select {
	case <-run.StopRequested():
	case <-soon(t).Done():
		t.Error("nobody heard the wish to stop")
	}
	if err := run.End(soon(t), event.Stopped, nil); err != nil {
		t.Fatal(err)
	}
	if series := seriesOf(t, c, "goes-on", "loss"); len(series) != 4 {
		t.Errorf("%v", series)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if series, err := c.Series(t.Context(), []string{dead.ID()}, []string{"loss"}, 10); err == nil && len(series) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("what the dead process left was not sent")
		}
	}
}

// TestAnyDays logs anything at random while the network comes and goes and the process ends and begins again: at the end everything is there
// once.
func TestAnyDays(t *testing.T) {
	c := lab(t, "")
	net := badNetwork(t, c.URL())
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue { // each costs a hundred fsyncs
		if err := f.Value.Set("12"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
	}
	days := 0
	rapid.Check(t, func(r *rapid.T) {
		days++
		o := options(t, net.url)
		o.ID, o.Writer = fmt.Sprint("days-", days), "w"
		net.calm.Store(false)
		net.down.Store(false)
		run := open(t, o)
		n := int64(0)
		want := words{}
		steps := int64(0)
		for range rapid.IntRange(1, 25).Draw(r, "ops") {
			n++
			switch rapid.SampledFrom([]string{"points", "points", "text", "alert", "line", "net", "die", "flush", "wait"}).Draw(r, "op") {
			case "points":
				for range rapid.IntRange(1, 200).Draw(r, "n") {
					run.Log(steps, map[string]float64{"loss": float64(steps) / 7})
					steps++
				}
			case "text":
				run.Text("sample", n, "p", "t")
				want.Texts = append(want.Texts, fmt.Sprint("sample ", n, " p t"))
			case "alert":
				run.Alert("info", fmt.Sprint("alert ", n), "")
				want.Alerts = append(want.Alerts, fmt.Sprint("alert ", n))
			case "line":
				run.Line(fmt.Sprint("s", n), "x")
				want.Lines = append(want.Lines, fmt.Sprint("s", n, " 0 x"))
			case "net":
				net.down.Store(!net.down.Load())
				net.cut()
			case "die":
				over, cancel := context.WithCancel(context.Background())
				cancel()
				_ = run.Close(over)
				run = open(t, o)
			case "flush":
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
				_ = run.Flush(ctx)
				cancel()
			case "wait":
				time.Sleep(10 * time.Millisecond)
			}
		}
		net.calm.Store(true)
		net.down.Store(false)
		if err := run.End(soon(t), "", nil); err != nil {
			r.Fatal(err)
		}
		if err := run.Err(); err != nil {
			r.Fatal(err)
		}
		if steps > 0 {
			whole(t, o.ID, seriesOf(t, c, o.ID, "loss")["w"], steps)
		}
		slices.Sort(want.Texts)
		slices.Sort(want.Alerts)
		slices.Sort(want.Lines)
		if got := said(t, c, o.ID); !slices.Equal(got.Texts, want.Texts) || !slices.Equal(got.Alerts, want.Alerts) || !slices.Equal(got.Lines, want.Lines) {
			r.Fatalf("%+v\nwant\n%+v", got, want)
		}
		empty(t, o.Dir)
	})
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
