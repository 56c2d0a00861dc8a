package tracker_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/tracker"
	"millrace/storage/readmodel"
)

// clock runs as fast as it is told to.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// watched starts trackers over one log, all of which look for silent runs, by the same clock as the log's.
func watched(t *testing.T, n int) ([]*tracker.Tracker, *clock) {
	t.Helper()
	quiet, dir, c := slog.New(slog.DiscardHandler), t.TempDir(), &clock{}
	b, err := bus.Open(t.Context(), bus.Config{Dir: filepath.Join(dir, "log"), Source: "/test", Now: c.now, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	state, err := b.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []*tracker.Tracker
	for i := range n {
		m, err := readmodel.Open(filepath.Join(dir, string(rune('a'+i))+".db"), readmodel.Options{Identity: state.Identity, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		tr := &tracker.Tracker{
			Bus: b, Model: m, Now: c.now, Random: rand.Reader, Log: quiet, WatchEvery: 10 * time.Millisecond,
			Deterministic: func(string) bool { return true }, PinSuites: func(context.Context, []string) ([]event.SuitePin, error) { return nil, nil },
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- tr.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := errors.Join(<-done, m.Close()); err != nil {
				t.Error(err)
			}
		})
		out = append(out, tr)
	}
	return out, c
}

// until waits for a run to have a status; meanwhile the clock goes on by a step each time.
func until(t *testing.T, tr *tracker.Tracker, c *clock, step time.Duration, run event.RunID, want event.RunStatus) readmodel.Run {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		r, err := tr.Model.Run(run)
		if err == nil && r.Status == want {
			return r
		}
		c.advance(step)
	}
	t.Fatalf("run %s did not become %s", run, want)
	return readmodel.Run{}
}

func TestASilentRunIsSaidToHaveCrashedOnceByWhomever(t *testing.T) {
	trs, c := watched(t, 3)
	tr := trs[0]
	submit(t, tr, event.RunRequested{Run: "R1", HeartbeatSeconds: 10, Spec: event.Spec{Kind: event.External}})
	submit(t, tr, event.RunRequested{Run: "R2", HeartbeatSeconds: 3600, Spec: event.Spec{Kind: event.External}})
	began := c.now()
	run := until(t, tr, c, time.Second, "R1", event.Crashed)
	if quiet := run.EndedAt.Sub(began); quiet < 29*time.Second {
		t.Fatalf("it crashed after %v", quiet)
	}
	if run.Failure == nil || run.Failure.Code != "silent" || run.Failure.Hint == "" {
		t.Fatalf("%+v", run.Failure)
	}
	if r, _ := tr.Model.Run("R2"); r.Status != event.Running {
		t.Fatalf("a run with a slower heart is %s", r.Status)
	}
	// What it logs, whatever that is, brings it back; then it may be silent again.
	got, err := tr.Take(t.Context(), event.Batch{Run: "R1", Writer: "w", Facts: []event.Event{event.RunTagged{Run: "R1", AddLabels: []string{"back"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Await(t.Context(), got.Seq); err != nil {
		t.Fatal(err)
	}
	if r, _ := tr.Model.Run("R1"); r.Status != event.Running || r.Failure != nil || !r.EndedAt.IsZero() {
		t.Fatalf("%s %+v", r.Status, r.Failure)
	}
	until(t, tr, c, time.Second, "R1", event.Crashed)
	submit(t, tr, event.RunEnded{Run: "R1", Status: event.Finished})
	if r, _ := tr.Model.Run("R1"); r.Status != event.Finished {
		t.Fatal(r.Status)
	}
	ended := 0
	last, _ := tr.LastSeq(t.Context())
	enough := errors.New("enough")
	if err := tr.Follow(t.Context(), 1, nil, func(env event.Envelope) error {
		if _, ok := env.Event.(event.RunEnded); ok {
			ended++
		}
		if env.Seq >= last {
			return enough
		}
		return nil
	}); !errors.Is(err, enough) {
		t.Fatal(err)
	}
	if ended != 3 {
		t.Fatalf("three trackers said of two silences and an end %d times that the run ended", ended)
	}
}

func TestTimeThatNobodyListenedIsNoSilence(t *testing.T) {
	trs, c := watched(t, 1)
	tr := trs[0]
	submit(t, tr, event.RunRequested{Run: "R1", HeartbeatSeconds: 60, Spec: event.Spec{Kind: event.External}})
	for range 20 { // the machine sleeps for an hour, again and again
		c.advance(time.Hour)
		time.Sleep(30 * time.Millisecond)
	}
	if r, _ := tr.Model.Run("R1"); r.Status != event.Running {
		t.Fatalf("the run is %s, because of our own absence", r.Status)
	}
	until(t, tr, c, 5*time.Second, "R1", event.Crashed)
}
