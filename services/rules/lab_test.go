package rules_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/rules"
	"millrace/services/tracker"
	"millrace/storage/readmodel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a log, its view, a tracker and rules in a temporary directory.
type lab struct {
	*testing.T
	dir     string
	bus     *bus.Bus
	model   *readmodel.Model
	tracker *tracker.Tracker
	service *rules.Service
	end     func() // of the rules, as a kill would
	told    *talk  // what the process says of itself
}

func start(t *testing.T, notify rules.Notify) *lab {
	t.Helper()
	return startAt(t, notify, nil)
}

// startAt is a lab with a clock of its own for what is published.
func startAt(t *testing.T, notify rules.Notify, now func() time.Time) *lab {
	t.Helper()
	told := &talk{}
	quiet := told.logger()
	dir := t.TempDir()
	b, err := bus.Open(t.Context(), bus.Config{Dir: filepath.Join(dir, "log"), Source: "/test", Log: quiet, Relaxed: true, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	state, err := b.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m, err := readmodel.Open(filepath.Join(dir, "view.db"), readmodel.Options{Identity: state.Identity, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{T: t, dir: dir, bus: b, model: m, told: told}
	l.tracker = &tracker.Tracker{
		Bus: b, Model: m, Now: time.Now, Random: rand.Reader, Log: quiet,
		CheckRule: func(r event.RuleSaved) (event.RuleSaved, error) { return rules.Save(m, r) },
	}
	l.service = &rules.Service{Bus: b, Model: m, Tracker: l.tracker, Dir: dir, Notify: notify, Now: time.Now, Log: quiet}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.tracker.Run(ctx) }()
	l.begin()
	t.Cleanup(func() {
		l.end()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := errors.Join(m.Close(), b.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return l
}

// begin runs the rules.
func (l *lab) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.service.Run(ctx) }()
	l.end = func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			l.Error(err)
		}
	}
}

// say publishes facts as workers would, and waits until they are folded.
func (l *lab) say(facts ...event.Event) {
	l.Helper()
	var seq uint64
	var err error
	for _, f := range facts {
		if seq, err = l.bus.Publish(l.Context(), f); err != nil {
			l.Fatal(err)
		}
	}
	if err := l.model.WaitFor(l.Context(), seq); err != nil {
		l.Fatal(err)
	}
}

// save saves a rule and returns its id.
func (l *lab) save(r event.RuleSaved) event.RuleID {
	l.Helper()
	r.Enabled = true
	env, err := l.tracker.Submit(l.Context(), r)
	if err != nil {
		l.Fatal(err)
	}
	return env.Event.(event.RuleSaved).Rule
}

// train begins a run that a worker has.
func (l *lab) train(id event.RunID) {
	l.Helper()
	l.say(
		event.RunRequested{Run: id, Name: string(id), Experiment: "X", Spec: event.Spec{Kind: event.Train, Config: json.RawMessage(`{"steps":100,"optimizer":{"lr":0.5}}`)}},
		event.RunStarted{Run: id, Attempt: 1, Worker: "w"},
	)
}

// log logs values of a metric at steps from one on.
func (l *lab) log(id event.RunID, key string, from int64, values ...float64) {
	l.Helper()
	x := event.Series{Key: key, Values: values}
	for i := range values {
		x.Steps, x.Times = append(x.Steps, from+int64(i)), append(x.Times, 1790000000000000+from+int64(i))
	}
	l.say(event.MetricsLogged{Gateway: "w", Frames: []event.Frame{{Run: id, Writer: "a", Series: []event.Series{x}}}})
}

// until waits for something to become true.
func (l *lab) until(what string, is func() bool) {
	l.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			f, _ := l.model.Firings(readmodel.FiringFilter{}, 0)
			raw, _ := json.MarshalIndent(f, "", " ")
			l.Fatalf("never: %s\nfirings %s", what, raw)
		}
	}
}

// acted waits until n firings of a rule have come to an end, and returns them, newest first.
func (l *lab) acted(rule event.RuleID, n int) []readmodel.Firing {
	l.Helper()
	var out []readmodel.Firing
	l.until("firings acted on", func() bool {
		out, _ = l.model.Firings(readmodel.FiringFilter{Rule: rule}, 0)
		done := 0
		for _, f := range out {
			if f.Acted != nil || f.Failure != nil {
				done++
			}
		}
		return done >= n
	})
	return out
}
