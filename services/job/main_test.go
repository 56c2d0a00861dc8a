package job_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/job"
	"millrace/services/meter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon bounds everything a test waits for. Nothing here asserts a time.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func open(t *testing.T, c bus.Config) *bus.Bus {
	t.Helper()
	c.Log = slog.New(slog.DiscardHandler)
	b, err := bus.Open(soon(t), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, b) })
	return b
}

func shut(t *testing.T, b *bus.Bus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Error(err)
	}
}

func runner(t *testing.T, b *bus.Bus) *job.Runner {
	t.Helper()
	m := meter.New(meter.Config{Dir: t.TempDir()})
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return &job.Runner{
		Bus: b, Meter: m, Worker: "here", Environment: func() event.Environment { return event.Environment{CPU: "test"} },
		Device: event.Device{Kind: "cpu", Name: "test", Count: 1}, Backoff: []time.Duration{20 * time.Millisecond},
		Lease: 2 * time.Second, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
}

// working takes jobs until stop is called, or the test ends.
func working(t *testing.T, r *job.Runner, do job.Do) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Work(ctx, event.Train, do) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Work: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func request(t *testing.T, b *bus.Bus, run event.RunID) event.RunRequested {
	t.Helper()
	req := event.RunRequested{Run: run, Name: string(run), Spec: event.Spec{Kind: event.Train, Config: []byte(`{}`)}}
	publish(t, b, req)
	return req
}

func publish(t *testing.T, b *bus.Bus, e event.Event) {
	t.Helper()
	if _, err := b.Publish(soon(t), e); err != nil {
		t.Fatal(err)
	}
}

var errFound = errors.New("found")

// ended waits for a run's last word and returns everything in the log about the run up to there.
func ended(t *testing.T, b *bus.Bus, run event.RunID) (event.RunEnded, []event.Event) {
	t.Helper()
	var end event.RunEnded
	var all []event.Event
	err := b.Follow(soon(t), 1, nil, func(env event.Envelope) error {
		switch e := env.Event.(type) {
		case event.MetricsLogged:
			for _, f := range e.Frames {
				if f.Run == run {
					all = append(all, event.MetricsLogged{Gateway: e.Gateway, Frames: []event.Frame{f}})
				}
			}
			return nil
		case event.RunEnded:
			if e.Run == run {
				end = e
				return errFound
			}
		case event.RunStarted:
			if e.Run == run {
				all = append(all, e)
			}
		case event.RunProgressed:
			if e.Run == run {
				all = append(all, e)
			}
		case event.LinesLogged:
			if e.Run == run {
				all = append(all, e)
			}
		case event.CheckpointSaved:
			if e.Run == run {
				all = append(all, e)
			}
		case event.ResourcesSpent:
			if e.Run == run {
				all = append(all, e)
			}
		}
		return nil
	})
	if !errors.Is(err, errFound) {
		t.Fatalf("run %s does not end: %v", run, err)
	}
	return end, all
}

// of picks the facts of one type.
func of[E event.Event](all []event.Event) (out []E) {
	for _, e := range all {
		if x, ok := e.(E); ok {
			out = append(out, x)
		}
	}
	return out
}

// steps lists, in the log's order, the steps of a metric.
func steps(all []event.Event, key string) (out []int64) {
	for _, m := range of[event.MetricsLogged](all) {
		for _, f := range m.Frames {
			for _, s := range f.Series {
				if s.Key == key {
					out = append(out, s.Steps...)
				}
			}
		}
	}
	return out
}

func upTo(n int64) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i + 1)
	}
	return out
}
