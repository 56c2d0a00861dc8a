package external_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/external"
	"millrace/services/job"
	"millrace/services/meter"
	"millrace/storage/blob"
	"millrace/storage/s3embed"
)

// TestMain makes of this test binary the guard that commands are started by, and a command that leaves a process behind.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "guard" {
		os.Exit(external.Guard(os.Args[2:]))
	}
	goleak.VerifyTestMain(m)
}

// lab is a worker of commands with a real log and a real object store.
type lab struct {
	t     *testing.T
	bus   *bus.Bus
	blobs *blob.Store
	dir   string
	s3    blob.Config
}

func newLab(t *testing.T) *lab {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	b, err := bus.Open(t.Context(), bus.Config{Dir: t.TempDir(), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	s3, err := s3embed.Open(t.Context(), s3embed.Config{Dir: t.TempDir(), AccessKey: "key", SecretKey: "a-secret-of-the-test", Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s3.Close(); err != nil {
			t.Error(err)
		}
	})
	l := &lab{t: t, bus: b, dir: t.TempDir(), s3: blob.Config{Endpoint: s3.Endpoint(), AccessKey: "key", SecretKey: "a-secret-of-the-test", Bucket: "millrace"}}
	if l.blobs, err = blob.Open(t.Context(), l.s3); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.blobs.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// work starts a worker; leave makes it go, as a node does that is asked to stop.
func (l *lab) work() (leave func()) {
	l.t.Helper()
	m := meter.New(meter.Config{Dir: l.dir})
	quiet := slog.New(slog.DiscardHandler)
	s := external.Service{
		Jobs: &job.Runner{
			Bus: l.bus, Meter: m, Worker: "here", Environment: func() event.Environment { return event.Environment{CPU: "test"} },
			Device: event.Device{Kind: "cpu", Name: "test", Count: 1}, Backoff: []time.Duration{10 * time.Millisecond}, Lease: 2 * time.Second,
			Grace: 30 * time.Second, Now: time.Now, Log: quiet,
		},
		Blobs: l.blobs, Dir: l.dir, URL: "http://127.0.0.1:1", Token: "a-token", Guard: []string{os.Args[0], "guard"},
		Poll: 20 * time.Millisecond, Log: quiet, Now: time.Now,
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	leave = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			l.t.Errorf("Run: %v", err)
		}
		if err := m.Close(); err != nil {
			l.t.Error(err)
		}
	})
	l.t.Cleanup(leave)
	return leave
}

// request asks for a run of a shell script. more is laid over the command.
func (l *lab) request(run event.RunID, script, more string, inputs ...event.Input) {
	l.t.Helper()
	spec := event.Spec{Kind: event.External, Config: []byte(`{"steps":4,"lr":0.5}`), Inputs: inputs}
	spec.Command = []byte(`{"args":["sh","-c",` + quoted(script) + `]` + more + `}`)
	spec, err := external.Resolve(l.t.Context(), spec)
	if err != nil {
		l.t.Fatal(err)
	}
	l.publish(event.RunRequested{Run: run, Name: string(run), Spec: spec, Suites: []string{"quick"}})
}

func (l *lab) publish(e event.Event) {
	l.t.Helper()
	if _, err := l.bus.Publish(l.t.Context(), e); err != nil {
		l.t.Fatal(err)
	}
}

var errFound = errors.New("found")

// until reads the log until a fact is what is looked for, and returns all up to it.
func (l *lab) until(is func(event.Event) bool) (all []event.Event) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 2*time.Minute)
	defer cancel()
	err := l.bus.Follow(ctx, 1, nil, func(env event.Envelope) error {
		all = append(all, env.Event)
		if is(env.Event) {
			return errFound
		}
		return nil
	})
	if !errors.Is(err, errFound) {
		l.t.Fatalf("it does not come: %v\n%v", err, lines(all))
	}
	return all
}

// ended waits for a run's last word.
func (l *lab) ended(run event.RunID) (event.RunEnded, []event.Event) {
	l.t.Helper()
	all := l.until(func(e event.Event) bool { x, ok := e.(event.RunEnded); return ok && x.Run == run })
	return all[len(all)-1].(event.RunEnded), all
}

func lines(all []event.Event) (out []string) {
	for _, e := range all {
		if x, ok := e.(event.LinesLogged); ok {
			out = append(out, x.Lines...)
		}
	}
	return out
}

func of[E event.Event](all []event.Event) (out []E) {
	for _, e := range all {
		if x, ok := e.(E); ok {
			out = append(out, x)
		}
	}
	return out
}

func exists(path ...string) bool {
	_, err := os.Stat(filepath.Join(path...))
	return err == nil
}

// eventually waits for what a process does. Nothing asserts a time.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
