package bus_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/event"
	"millrace/services/bus"
)

// TestMain doubles as the program that a crash test kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDirEnv); dir != "" {
		os.Exit(publishUntilKilled(dir))
	}
	goleak.VerifyTestMain(m)
}

// soon bounds everything a test waits for. It is long: nothing here asserts a time.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// open opens a bus and closes it at the end of the test.
func open(t testing.TB, c bus.Config) *bus.Bus {
	t.Helper()
	if c.Log == nil {
		c.Log = quiet()
	}
	b, err := bus.Open(soon(t), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, b) })
	return b
}

func embedded(t testing.TB) *bus.Bus { return open(t, bus.Config{Dir: t.TempDir()}) }

func shut(t testing.TB, b *bus.Bus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Error(err)
	}
}

func publish(t testing.TB, b *bus.Bus, e event.Event) uint64 {
	t.Helper()
	seq, err := b.Publish(soon(t), e)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func beat(run string) event.Event { return event.RunHeartbeat{Run: event.RunID(run), Writer: "w"} }

// following reads the log in the background into a growing list.
type following struct {
	mu   sync.Mutex
	got  []event.Envelope
	more chan struct{}
	done chan error
	stop context.CancelFunc
}

func follow(t testing.TB, b *bus.Bus, from uint64, filters ...string) *following {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &following{more: make(chan struct{}, 1), done: make(chan error, 1), stop: cancel}
	go func() {
		f.done <- b.Follow(ctx, from, filters, func(env event.Envelope) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.got = append(f.got, env)
			select {
			case f.more <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	t.Cleanup(cancel)
	return f
}

// until waits for n facts.
func (f *following) until(t testing.TB, n int) []event.Envelope {
	t.Helper()
	ctx := soon(t)
	for {
		f.mu.Lock()
		got := append([]event.Envelope(nil), f.got...)
		f.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-f.more:
		case err := <-f.done:
			t.Fatalf("Follow ended after %d of %d facts: %v", len(got), n, err)
		case <-ctx.Done():
			t.Fatalf("%d of %d facts came", len(got), n)
		}
	}
}

func seqs(envs []event.Envelope) []uint64 {
	out := make([]uint64, len(envs))
	for i, e := range envs {
		out[i] = e.Seq
	}
	return out
}

func upTo(n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = uint64(i + 1)
	}
	return out
}
