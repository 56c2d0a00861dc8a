package tracker_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/tracker"
	"millrace/storage/readmodel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a tracker over an embedded log in a temporary directory.
func start(t *testing.T) *tracker.Tracker {
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
	tr := &tracker.Tracker{
		Bus: b, Model: m, Now: time.Now, Random: rand.Reader, Log: quiet,
		Deterministic: func(key string) bool { return !strings.HasPrefix(key, "speed") },
		PinSuites: func(_ context.Context, names []string) (pins []event.SuitePin, err error) {
			for _, n := range names {
				if n != "quick" {
					return nil, fmt.Errorf("there is no suite %q", n)
				}
				pins = append(pins, event.SuitePin{Name: n, Version: 1, Digest: event.DigestOf([]byte(n))})
			}
			return pins, nil
		},
		Resolve: map[event.RunKind]func(context.Context, event.Spec) (event.Spec, error){
			event.Train: func(_ context.Context, s event.Spec) (event.Spec, error) {
				if !json.Valid(s.Config) || strings.Contains(string(s.Config), "lerning_rate") {
					return s, errors.New(`unknown key "lerning_rate"`)
				}
				return s, nil
			},
			event.Evaluate: func(_ context.Context, s event.Spec) (event.Spec, error) {
				s.Config = json.RawMessage(fmt.Sprintf(`{"suite":"quick","suite_digest":%q}`, event.DigestOf([]byte("quick"))))
				return s, nil
			},
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := errors.Join(m.Close(), b.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return tr
}

// say publishes facts as a worker would, and waits until they are folded.
func say(t *testing.T, tr *tracker.Tracker, facts ...event.Event) {
	t.Helper()
	var seq uint64
	var err error
	for _, f := range facts {
		if seq, err = tr.Bus.Publish(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Model.WaitFor(t.Context(), seq); err != nil {
		t.Fatal(err)
	}
}

func dataset(name string) event.DatasetPublished {
	return event.DatasetPublished{Dataset: event.DigestOf([]byte(name)), Name: name, Run: "C1", VocabSize: 256}
}

func trainWish(datasetName string) event.RunRequested {
	return event.RunRequested{
		Name: "baseline", Experiment: "learning rate", Suites: []string{"quick"},
		Spec: event.Spec{Kind: event.Train, Config: json.RawMessage(`{"steps": 3}`), Inputs: []event.Input{{Role: "dataset", Digest: event.Digest(datasetName)}}},
	}
}

func submit(t *testing.T, tr *tracker.Tracker, wish event.Event) event.Event {
	t.Helper()
	env, err := tr.Submit(t.Context(), wish)
	if err != nil {
		t.Fatal(err)
	}
	return env.Event
}

func refusal(t *testing.T, tr *tracker.Tracker, wish event.Event, code, says string) {
	t.Helper()
	_, err := tr.Submit(t.Context(), wish)
	var r *tracker.Refusal
	if !errors.As(err, &r) || r.Code() != code || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got %v, want %s with %q", wish.Type(), err, code, says)
	}
}

func TestAWishForARunIsCompletedAndSeenAtOnce(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	req := submit(t, tr, trainWish("books")).(event.RunRequested)
	run, err := tr.Model.Run(req.Run) // no waiting: reads see one's own writes
	if err != nil {
		t.Fatal(err)
	}
	if run.Status != event.Pending || run.Spec.Input("dataset") != dataset("books").Dataset || string(run.Spec.Config) != `{"steps":3}` || !run.SpecDigest.Valid() {
		t.Errorf("%+v", run)
	}
	x, err := tr.Model.Experiment(run.Experiment)
	if err != nil || x.Name != "learning rate" {
		t.Fatalf("%+v %v", x, err)
	}
	again := submit(t, tr, trainWish("books")).(event.RunRequested)
	if again.Experiment != req.Experiment || again.SpecDigest != req.SpecDigest || again.Run == req.Run {
		t.Errorf("the same wish again: %+v", again)
	}
}

func TestWishesThatCannotBeAreRefusedByName(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	refusal(t, tr, trainWish("bocks"), tracker.NotFound, `"bocks"`)
	none := trainWish("books")
	none.Spec.Inputs = nil
	refusal(t, tr, none, tracker.Invalid, "needs a dataset")
	typo := trainWish("books")
	typo.Spec.Config = json.RawMessage(`{"lerning_rate": 1}`)
	refusal(t, tr, typo, tracker.Invalid, "lerning_rate")
	suite := trainWish("books")
	suite.Suites = []string{"qiuck"}
	refusal(t, tr, suite, tracker.Invalid, "qiuck")
	refusal(t, tr, event.RunStopRequested{Run: "nobody"}, tracker.NotFound, "nobody")
	refusal(t, tr, event.RunTagged{Run: "nobody", Set: map[string]string{"": "x"}}, tracker.Invalid, "tag")
	refusal(t, tr, event.PriceSet{Device: "H200", PerHour: 1}, tracker.Invalid, "kind:name")
	refusal(t, tr, event.PriceSet{Device: "gpu:*", From: "yesterday"}, tracker.Invalid, "yesterday")
	refusal(t, tr, event.EvaluationCompleted{Run: "R"}, tracker.Invalid, "not a wish")
	refusal(t, tr, event.CheckpointSaved{Run: "R"}, tracker.NotFound, "no run")
	refusal(t, tr, event.RunEnded{Run: "R"}, tracker.NotFound, "no run")
	submit(t, tr, event.ExperimentCreated{Name: "one"})
	refusal(t, tr, event.ExperimentCreated{Name: " one "}, tracker.Conflict, "exists already")
	refusal(t, tr, event.ExperimentCreated{Name: "two", Objective: &event.Objective{Metric: "loss", Direction: "down"}}, tracker.Invalid, "direction")
	req := submit(t, tr, trainWish("books")).(event.RunRequested)
	refusal(t, tr, event.RunDeleted{Run: req.Run}, tracker.Conflict, "pending")
	refusal(t, tr, event.AliasSet{Experiment: req.Experiment, Alias: "best", Run: req.Run, Step: 7}, tracker.NotFound, "step 7")
	say(t, tr, event.RunStarted{Run: req.Run, Attempt: 1}, event.RunEnded{Run: req.Run, Attempt: 1, Status: event.Finished})
	refusal(t, tr, event.RunStopRequested{Run: req.Run}, tracker.Conflict, "ended already")
	submit(t, tr, event.RunDeleted{Run: req.Run})
}

// points are steps 1, 2, … of one key.
func points(run event.RunID, key string, values ...float64) event.MetricsLogged {
	s := event.Series{Key: key}
	for i, v := range values {
		s.Steps, s.Times, s.Values = append(s.Steps, int64(i+1)), append(s.Times, int64(i)), append(s.Values, v)
	}
	return event.MetricsLogged{Gateway: "test", Frames: []event.Frame{{Run: run, Writer: "worker", Series: []event.Series{s}}}}
}

func checkpoint(run event.RunID, step int64, content string) event.CheckpointSaved {
	return event.CheckpointSaved{Run: run, Step: step, Checkpoint: event.DigestOf([]byte(content)), Dataset: dataset("books").Dataset}
}

func verdictOf(t *testing.T, tr *tracker.Tracker, run event.RunID) event.ReproductionVerified {
	t.Helper()
	w := tr.Model.Watch(run)
	defer w.Close()
	for {
		r, err := tr.Model.Run(run)
		if err != nil {
			t.Fatal(err)
		}
		if r.Reproduction != nil {
			return *r.Reproduction
		}
		select {
		case <-w.C():
		case <-time.After(time.Minute):
			t.Fatal("no verdict")
		}
	}
}

func TestTheVerdictOnAReproduction(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	of := submit(t, tr, trainWish("books")).(event.RunRequested)
	env := event.Environment{Kernels: "avx512", Threads: 2}
	say(t, tr, event.RunStarted{Run: of.Run, Attempt: 1, Environment: env},
		points(of.Run, "train/loss", 3, 2, 1), points(of.Run, "speed", 10, 20, 30), checkpoint(of.Run, 2, "two"), checkpoint(of.Run, 3, "three"),
		event.RunEnded{Run: of.Run, Attempt: 1, Status: event.Finished})

	reproduce := func(steps int64, env event.Environment, facts ...func(event.RunID) event.Event) event.ReproductionVerified {
		t.Helper()
		req := submit(t, tr, event.RunRequested{Branch: &event.Branch{From: of.Run, Kind: event.Reproduction}, StopAfter: steps}).(event.RunRequested)
		if req.SpecDigest != of.SpecDigest || len(req.Suites) > 0 {
			t.Errorf("a reproduction has the spec of the original and judges nothing: %+v", req)
		}
		say(t, tr, event.RunStarted{Run: req.Run, Attempt: 1, Environment: env})
		for _, f := range facts {
			say(t, tr, f(req.Run))
		}
		return verdictOf(t, tr, req.Run)
	}
	loss := func(v ...float64) func(event.RunID) event.Event {
		return func(r event.RunID) event.Event { return points(r, "train/loss", v...) }
	}
	saved := func(step int64, content string) func(event.RunID) event.Event {
		return func(r event.RunID) event.Event { return checkpoint(r, step, content) }
	}
	end := func(r event.RunID) event.Event { return event.RunEnded{Run: r, Attempt: 1, Status: event.Finished} }
	slow := func(r event.RunID) event.Event { return points(r, "speed", 1, 1, 1) }

	if v := reproduce(0, env, loss(3, 2, 1), slow, saved(2, "two"), saved(3, "three"), end); v.Verdict != "identical" || v.Points != 3 || v.Digests != 2 {
		t.Errorf("the same: %+v", v)
	}
	if v := reproduce(2, env, loss(3, 2), saved(2, "two"), end); v.Verdict != "identical" || v.Points != 2 || v.Digests != 1 {
		t.Errorf("the first two steps: %+v", v)
	}
	other := event.Environment{Kernels: "avx2", Threads: 2}
	v := reproduce(0, other, loss(3, 2.0000000000000004))
	if v.Verdict != "different" || v.FirstDifference == nil || v.FirstDifference.Step != 2 || v.FirstDifference.Key != "train/loss" || len(v.Environment) != 1 {
		t.Errorf("one bit at step 2, told before the end: %+v", v)
	}
	if v := reproduce(0, env, loss(3, 2, 1), saved(2, "two"), saved(3, "tree"), end); v.Verdict != "different" || v.FirstDifference.Key != "checkpoint" || v.FirstDifference.Step != 3 {
		t.Errorf("another checkpoint: %+v", v)
	}
	if v := reproduce(0, env, loss(3, 2), end); v.Verdict != "incomplete" {
		t.Errorf("a point and two checkpoints missing: %+v", v)
	}
}

func TestAskingTwiceForAnEvaluationIsAskingOnce(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	of := submit(t, tr, trainWish("books")).(event.RunRequested)
	say(t, tr, checkpoint(of.Run, 2, "two"), checkpoint(of.Run, 3, "three"))
	wish := event.RunRequested{Spec: event.Spec{Kind: event.Evaluate, Config: json.RawMessage(`{"suite":"quick"}`)}, Branch: &event.Branch{From: of.Run, Kind: event.Evaluation}}
	first := submit(t, tr, wish).(event.RunRequested)
	if first.Branch.Step != 3 || first.Spec.Input("checkpoint") != event.DigestOf([]byte("three")) {
		t.Errorf("without a step it is the last: %+v", first)
	}
	before, err := tr.LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second := submit(t, tr, wish).(event.RunRequested)
	after, err := tr.LastSeq(t.Context())
	if err != nil || second.Run != first.Run || after != before {
		t.Errorf("asked again: run %s then %s, log at %d then %d: %v", first.Run, second.Run, before, after, err)
	}
}

func TestADatasetOfTheSameRecipeIsOfferedAgain(t *testing.T) {
	tr := start(t)
	wish := event.RunRequested{Spec: event.Spec{Kind: event.Curate, Config: json.RawMessage(`{"b": 1, "a": 2}`)}}
	first := submit(t, tr, wish).(event.RunRequested)
	if len(first.Candidates) != 0 {
		t.Errorf("%+v", first)
	}
	made := dataset("books")
	made.Recipe = event.DigestOf(first.Spec.Config)
	say(t, tr, made)
	if again := submit(t, tr, wish).(event.RunRequested); len(again.Candidates) != 1 || again.Candidates[0] != made.Dataset {
		t.Errorf("%+v", again)
	}
}
