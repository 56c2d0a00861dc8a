package sweeping_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/rules/search"
	"millrace/services/sweeping"
	"millrace/services/tracker"
	"millrace/storage/readmodel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a log, a tracker, and a worker that trains at once: its loss is the distance of the learning rate from 0.01, and 1/steps.
func lab(t *testing.T) *tracker.Tracker {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	b, err := bus.Open(t.Context(), bus.Config{Dir: filepath.Join(dir, "log"), Source: "/test", Log: quiet})
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
	tr := &tracker.Tracker{Bus: b, Model: m, Now: time.Now, Random: rand.Reader, Log: quiet, PinSuites: func(context.Context, []string) ([]event.SuitePin, error) { return nil, nil },
		Resolve: map[event.RunKind]func(context.Context, event.Spec) (event.Spec, error){
			event.Train: func(_ context.Context, s event.Spec) (event.Spec, error) {
				if lr := rate(s); lr > 0.9 {
					return s, errors.New("optimizer.lr is too large")
				}
				return s, nil
			},
		}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- tr.Run(ctx) }()
	go func() {
		err := b.Work(ctx, bus.Group{Name: "training", Filters: []string{event.RunRequested{Run: "*", Spec: event.Spec{Kind: event.Train}}.Subject()}}, func(ctx context.Context, env event.Envelope, _ bus.Delivery) error {
			return train(ctx, b, env.Event.(event.RunRequested))
		})
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if err := errors.Join(m.Close(), b.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return tr
}

func rate(s event.Spec) float64 {
	var c struct{ Optimizer struct{ LR float64 } }
	if err := json.Unmarshal(s.Config, &c); err != nil {
		return 1
	}
	return c.Optimizer.LR
}

func train(ctx context.Context, b *bus.Bus, req event.RunRequested) error {
	steps := max(req.StopAfter, 1)
	if rate(req.Spec) == 0.3 { // somebody who never begins
		<-ctx.Done()
		return ctx.Err()
	}
	attempt, lr := req.Attempts+1, rate(req.Spec)
	value := max(lr-0.01, 0.01-lr) + 1/float64(steps)
	end := event.RunEnded{Run: req.Run, Attempt: attempt, Status: event.Finished, Steps: steps}
	if lr == 0.5 {
		end.Status, end.Failure = event.Failed, &event.Failure{Code: "nan_loss", Message: "the loss is NaN"}
	}
	frame := event.Frame{Run: req.Run, Writer: event.WriterID(fmt.Sprintf("attempt-%d", attempt)), Series: []event.Series{{Key: "val/loss", Steps: []int64{steps}, Times: []int64{1_790_000_000_000_000 + steps}, Values: []float64{value}}}}
	for _, e := range []event.Event{event.RunStarted{Run: req.Run, Attempt: attempt}, event.MetricsLogged{Gateway: "worker", Frames: []event.Frame{frame}}, end} {
		if _, err := b.Publish(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func wish(space string) event.SweepStarted {
	return event.SweepStarted{Name: "rates", Experiment: "sweeps", Base: event.Spec{Kind: event.Train, Config: json.RawMessage(`{"steps":100}`), Inputs: []event.Input{{Role: "dataset", Digest: "books"}}},
		Space: event.RawJSON(space), Metric: "val/loss", Direction: "min", Parallel: 2}
}

func begin(t *testing.T, tr *tracker.Tracker, w event.SweepStarted) event.SweepStarted {
	t.Helper()
	seq, err := tr.Bus.Publish(t.Context(), event.DatasetPublished{Dataset: event.DigestOf([]byte("books")), Name: "books", Run: "C1", VocabSize: 256})
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Model.WaitFor(t.Context(), seq); err != nil {
		t.Fatal(err)
	}
	env, err := tr.Submit(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return env.Event.(event.SweepStarted)
}

// serve lets the service live until a sweep has ended; kill, when it is not 0, ends it again and again after a while.
func serve(t *testing.T, tr *tracker.Tracker, id event.SweepID, kills int) readmodel.Sweep {
	t.Helper()
	random := mrand.New(mrand.NewPCG(1, 1))
	for {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- (&sweeping.Service{Bus: tr.Bus, Tracker: tr, Log: slog.New(slog.DiscardHandler)}).Run(ctx)
		}()
		until := time.Now().Add(time.Duration(random.IntN(40)) * time.Millisecond)
		for {
			s, err := tr.Model.Sweep(id)
			if err != nil {
				t.Fatal(err)
			}
			if s.Ended != nil {
				cancel()
				<-done
				return s
			}
			if kills > 0 && time.Now().After(until) {
				kills--
				break
			}
			if t.Context().Err() != nil {
				t.Fatal(t.Context().Err())
			}
			time.Sleep(2 * time.Millisecond)
		}
		cancel()
		<-done
	}
}

// facts are those of a type, each by its subject, which must hold as many as it may.
func requests(t *testing.T, tr *tracker.Tracker) (first, resumed int) {
	t.Helper()
	state, err := tr.Bus.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := map[string]bool{}
	err = tr.Bus.Follow(ctx, 1, nil, func(env event.Envelope) error {
		if r, ok := env.Event.(event.RunRequested); ok {
			key := fmt.Sprint(r.Run, " ", r.StopAfter)
			if seen[key] {
				t.Errorf("run %s was asked for until step %d twice", r.Run, r.StopAfter)
			}
			seen[key] = true
			if r.Resume == 0 {
				first++
			} else {
				resumed++
			}
		}
		if env.Seq >= state.Last {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return first, resumed
}

func TestAGridIsTriedOnce(t *testing.T) {
	tr := lab(t)
	w := wish(`{"optimizer.lr":{"values":[0.001,0.009,0.5,0.95,0.2]}}`)
	w.Method = search.Grid
	started := begin(t, tr, w)
	s := serve(t, tr, started.Sweep, 0)
	if e := s.Ended; e.Status != "finished" || e.Trials != 5 || e.Number != 1 || e.Best != event.TrialRun(s.Sweep, 1) || e.Value == nil || *e.Value > 1.01 {
		t.Errorf("%+v", e)
	}
	scores, err := tr.Model.Trials(s.Sweep)
	if err != nil || len(scores) != 5 {
		t.Fatalf("%d scores: %v", len(scores), err)
	}
	if f := scores[2].Failure; f == nil || f.Code != "nan_loss" || scores[2].Value != nil {
		t.Errorf("a run that failed: %+v", scores[2])
	}
	if f := scores[3].Failure; f == nil || f.Code != "refused" || scores[3].Run != "" {
		t.Errorf("a run that was refused: %+v", scores[3])
	}
	run, err := tr.Model.Run(event.TrialRun(s.Sweep, 1))
	if err != nil || run.Tags["sweep"] != string(s.Sweep) || run.Tags["trial"] != "1" || string(run.Spec.Config) != `{"optimizer":{"lr":0.009},"steps":100}` || run.By != event.SweepBy(s.Sweep) {
		t.Errorf("%+v %v", run, err)
	}
	if first, resumed := requests(t, tr); first != 4 || resumed != 0 {
		t.Errorf("%d runs, %d resumed", first, resumed)
	}
}

func TestTheBestGoOnThroughKills(t *testing.T) {
	tr := lab(t)
	w := wish(`{"optimizer.lr":{"min":0.0001,"max":0.4,"log":true}}`)
	w.Method, w.MaxRuns, w.MinSteps, w.MaxSteps, w.Eta, w.Seed = search.ASHA, 9, 10, 90, 3, 5
	started := begin(t, tr, w)
	s := serve(t, tr, started.Sweep, 50)
	scores, err := tr.Model.Trials(s.Sweep)
	if err != nil {
		t.Fatal(err)
	}
	by := map[int]int{}
	for _, x := range scores {
		by[x.Rung]++
		if x.Value == nil || x.Steps != []int64{10, 30, 90}[x.Rung] {
			t.Errorf("%+v", x)
		}
	}
	if by[0] != 9 || by[1] < 3 || by[2] < 1 || s.Ended.Trials != 9 {
		t.Errorf("trials by rung %v: %+v", by, s.Ended)
	}
	first, resumed := requests(t, tr)
	if first != 9 || resumed != by[1]+by[2] {
		t.Errorf("%d runs and %d resumptions of trials by rung %v", first, resumed, by)
	}
	best, err := tr.Model.Run(s.Ended.Best)
	if err != nil || best.Status != event.Finished || best.StopAfter != 90 || best.Resume != 2 {
		t.Errorf("%s until %d after %d resumptions: %v", best.Status, best.StopAfter, best.Resume, err)
	}
}

func TestWrongSweepsAreRefused(t *testing.T) {
	tr := lab(t)
	ok := wish(`{"optimizer.lr":{"values":[0.1]}}`)
	ok.Method = search.Grid
	begin(t, tr, ok)
	for name, change := range map[string]func(*event.SweepStarted){
		"no name":        func(w *event.SweepStarted) { w.Name = " " },
		"no metric":      func(w *event.SweepStarted) { w.Metric = "" },
		"no space":       func(w *event.SweepStarted) { w.Space = event.RawJSON("[]") },
		"no method":      func(w *event.SweepStarted) { w.Method = "magic" },
		"curation":       func(w *event.SweepStarted) { w.Base.Kind = event.Curate },
		"no dataset":     func(w *event.SweepStarted) { w.Base.Inputs = []event.Input{{Role: "dataset", Digest: "nothing"}} },
		"bad first":      func(w *event.SweepStarted) { w.Space = event.RawJSON(`{"optimizer.lr":{"values":[0.99]}}`) },
		"through a leaf": func(w *event.SweepStarted) { w.Space = event.RawJSON(`{"steps.x":{"values":[1]}}`) },
	} {
		w := ok
		change(&w)
		var refusal *tracker.Refusal
		if _, err := tr.Submit(t.Context(), w); !errors.As(err, &refusal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var refusal *tracker.Refusal
	if _, err := tr.Submit(t.Context(), event.SweepEnded{Sweep: "nobody"}); !errors.As(err, &refusal) || refusal.Code() != tracker.NotFound {
		t.Errorf("stopping what is not there: %v", err)
	}
}

func TestAStoppedSweepStopsItsRuns(t *testing.T) {
	tr := lab(t)
	w := wish(`{"optimizer.lr":{"values":[0.3,0.1,0.2]}}`)
	w.Method = search.Grid
	started := begin(t, tr, w)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- (&sweeping.Service{Bus: tr.Bus, Tracker: tr, Log: slog.New(slog.DiscardHandler)}).Run(ctx)
	}()
	defer func() { cancel(); <-done }()
	status := func(n int, want event.RunStatus) {
		for {
			if run, err := tr.Model.Run(event.TrialRun(started.Sweep, n)); err == nil && run.Status == want {
				return
			}
			if t.Context().Err() != nil {
				t.Fatalf("trial %d is not %s", n, want)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	status(0, event.Pending)
	status(1, event.Pending)
	if _, err := tr.Submit(t.Context(), event.SweepEnded{Sweep: "rates", By: "ada"}); err != nil {
		t.Fatal(err)
	}
	status(0, event.Stopped)
	status(1, event.Stopped)
	if tr.Model.Has(event.TrialRun(started.Sweep, 2)) {
		t.Error("a third was started")
	}
	if _, err := tr.Submit(t.Context(), event.SweepEnded{Sweep: "rates"}); err == nil {
		t.Error("it was stopped twice")
	}
}
