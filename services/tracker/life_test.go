package tracker_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"millrace/event"
	"millrace/services/tracker"
	"millrace/storage/readmodel"
)

func status(t *testing.T, tr *tracker.Tracker, id event.RunID) readmodel.Run {
	t.Helper()
	run, err := tr.Model.Run(id)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func TestAStopOfARunThatNobodyHasEndsItAtOnce(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	waiting := submit(t, tr, trainWish("books")).(event.RunRequested)
	submit(t, tr, event.RunStopRequested{Run: waiting.Run, By: "ada", Reason: "a typo"})
	if run := status(t, tr, waiting.Run); run.Status != event.Stopped || len(run.Attempts) != 0 || run.Stop == nil || run.Stop.Reason != "a typo" {
		t.Errorf("%s with %d attempts, %+v", run.Status, len(run.Attempts), run.Stop)
	}
	refusal(t, tr, event.RunStopRequested{Run: waiting.Run}, tracker.Conflict, "ended already")

	paused := submit(t, tr, trainWish("books")).(event.RunRequested)
	submit(t, tr, event.RunStopRequested{Run: paused.Run, Pause: true})
	if run := status(t, tr, paused.Run); run.Status != event.Paused {
		t.Errorf("%s", run.Status)
	}
	refusal(t, tr, event.RunStopRequested{Run: paused.Run, Pause: true}, tracker.Conflict, "paused")
	submit(t, tr, event.RunStopRequested{Run: paused.Run}) // a run that stands still can be given up
	if run := status(t, tr, paused.Run); run.Status != event.Stopped {
		t.Errorf("%s", run.Status)
	}

	busy := submit(t, tr, trainWish("books")).(event.RunRequested)
	say(t, tr, event.RunStarted{Run: busy.Run, Attempt: 1})
	submit(t, tr, event.RunStopRequested{Run: busy.Run})
	if run := status(t, tr, busy.Run); run.Status != event.Running || run.Stop == nil {
		t.Errorf("its worker says when it has stopped: %s", run.Status)
	}
}

func TestARunThatStandsStillGoesOnFromItsNewestCheckpoint(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	run := submit(t, tr, trainWish("books")).(event.RunRequested)
	refusal(t, tr, event.RunRequested{Run: "nobody", Resume: 1}, tracker.NotFound, "nobody")
	refusal(t, tr, event.RunRequested{Run: run.Run, Resume: 1}, tracker.Conflict, "pending")
	say(t, tr, event.RunStarted{Run: run.Run, Attempt: 2}, checkpoint(run.Run, 1, "one"), checkpoint(run.Run, 2, "two"),
		event.RunEnded{Run: run.Run, Attempt: 2, Status: event.Paused, Steps: 2})
	again := submit(t, tr, event.RunRequested{Run: run.Run, Resume: 1, By: "ada"}).(event.RunRequested)
	if again.Resume != 1 || again.Attempts != 2 || again.From == nil || again.From.Step != 2 || again.SpecDigest != run.SpecDigest || again.Name != run.Name {
		t.Errorf("%+v", again)
	}
	if r := status(t, tr, run.Run); r.Status != event.Pending || r.Resume != 1 || !r.EndedAt.IsZero() || r.Stop != nil {
		t.Errorf("%+v", r)
	}
	refusal(t, tr, event.RunRequested{Run: run.Run, Resume: 1}, tracker.Conflict, "pending")
	// Stopped again before a worker has it: the attempt before is as it was.
	submit(t, tr, event.RunStopRequested{Run: run.Run})
	if r := status(t, tr, run.Run); r.Status != event.Stopped || r.Attempts[0].Status != event.Paused {
		t.Errorf("%s, its attempt %s", r.Status, r.Attempts[0].Status)
	}
	submit(t, tr, event.RunRequested{Run: run.Run, Resume: 1})
	say(t, tr, event.RunStarted{Run: run.Run, Attempt: 3}, event.RunEnded{Run: run.Run, Attempt: 3, Status: event.Finished, Steps: 3})
	refusal(t, tr, event.RunRequested{Run: run.Run, Resume: 1}, tracker.Conflict, "finished")
}

func TestOfManyWhoResumeARunAtOnceOneIsHeard(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	run := submit(t, tr, trainWish("books")).(event.RunRequested)
	say(t, tr, event.RunStarted{Run: run.Run, Attempt: 1}, event.RunEnded{Run: run.Run, Attempt: 1, Status: event.Failed})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := tr.Submit(t.Context(), event.RunRequested{Run: run.Run, Resume: 1})
			var r *tracker.Refusal
			if err != nil && !(errors.As(err, &r) && r.Code() == tracker.Conflict) { // pending already
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := count(t, tr, run.Subject()); n != 2 || status(t, tr, run.Run).Resume != 1 {
		t.Errorf("%d requests, %d resumptions", n, status(t, tr, run.Run).Resume)
	}
}

// count counts a subject's facts.
func count(t *testing.T, tr *tracker.Tracker, subject string) (n int) {
	t.Helper()
	if _, err := tr.Bus.Publish(t.Context(), event.RunHeartbeat{Run: "end", Writer: "w"}); err != nil {
		t.Fatal(err)
	}
	end := errors.New("end")
	last := event.RunHeartbeat{Run: "end"}.Subject()
	err := tr.Bus.Follow(t.Context(), 1, []string{subject, last}, func(env event.Envelope) error {
		if env.Event.Subject() == last {
			return end
		}
		n++
		return nil
	})
	if !errors.Is(err, end) {
		t.Fatal(err)
	}
	return n
}

func TestAForkBeginsAtACheckpointOfItsParent(t *testing.T) {
	tr := start(t)
	tr.Continues = func(parent, fork event.Spec, step int64) error {
		if strings.Contains(string(fork.Config), `"n_layer":9`) {
			return errors.New("model differs")
		}
		return nil
	}
	say(t, tr, dataset("books"))
	wish := trainWish("books")
	wish.Spec.Config = json.RawMessage(`{"steps": 300, "optimizer": {"lr": 1e-3, "name": "adamw"}, "model": {"n_layer": 2}}`)
	parent := submit(t, tr, wish).(event.RunRequested)
	fork := func(step int64, changes string) event.RunRequested {
		return event.RunRequested{Branch: &event.Branch{From: parent.Run, Kind: event.Fork, Step: step}, Spec: event.Spec{Config: json.RawMessage(changes)}}
	}
	refusal(t, tr, fork(0, `{}`), tracker.NotFound, "no checkpoint to begin at")
	say(t, tr, checkpoint(parent.Run, 100, "hundred"), checkpoint(parent.Run, 200, "two hundred"))
	refusal(t, tr, fork(50, `{}`), tracker.NotFound, "the nearest is at step 100")
	refusal(t, tr, fork(100, `{"model.n_layer": 9}`), tracker.Invalid, "model differs")
	refusal(t, tr, fork(100, `{"optimizer.lerning_rate": 9}`), tracker.Invalid, "lerning_rate")
	refusal(t, tr, fork(-1, `{}`), tracker.Invalid, "-1")
	refusal(t, tr, fork(100, `[]`), tracker.Invalid, "JSON object")
	refusal(t, tr, event.RunRequested{Branch: &event.Branch{From: "nobody", Kind: event.Fork}}, tracker.NotFound, "nobody")

	child := submit(t, tr, fork(150, `{"optimizer.lr": 5e-4, "steps": 400, "optimizer": {"beta": 0.9}}`)).(event.RunRequested)
	if child.Branch.Step != 100 || child.From == nil || child.From.Run != parent.Run || child.From.Checkpoint != event.DigestOf([]byte("hundred")) {
		t.Errorf("%+v from %+v", child.Branch, child.From)
	}
	if want := `{"model":{"n_layer":2},"optimizer":{"beta":0.9,"lr":5e-4,"name":"adamw"},"steps":400}`; string(child.Spec.Config) != want {
		t.Errorf("%s", child.Spec.Config)
	}
	if child.Spec.Input("checkpoint") != child.From.Checkpoint || child.SpecDigest == parent.SpecDigest || child.Experiment != parent.Experiment || len(child.Suites) != 1 {
		t.Errorf("%+v", child)
	}
	l, err := tr.Model.Lineage(readmodel.RunNode(child.Run))
	if err != nil || len(l.Up) != 3 { // dataset, checkpoint, parent
		t.Errorf("%+v %v", l.Up, err)
	}
	// A fork of the fork before it has saved anything: there is nothing to begin at.
	refusal(t, tr, event.RunRequested{Branch: &event.Branch{From: child.Run, Kind: event.Fork}}, tracker.NotFound, "no checkpoint")
	// Its parent's checkpoint goes: it cannot begin again.
	submit(t, tr, event.RunStopRequested{Run: child.Run, Pause: true})
	say(t, tr, event.CheckpointDeleted{Run: parent.Run, Step: 100, Checkpoint: child.From.Checkpoint})
	refusal(t, tr, event.RunRequested{Run: child.Run, Resume: 1}, tracker.Conflict, "at step 100 was deleted")
}

func TestARewoundRunGoesOnFromTheCheckpointBefore(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	run := submit(t, tr, trainWish("books")).(event.RunRequested)
	say(t, tr, event.RunStarted{Run: run.Run, Attempt: 1}, points(run.Run, "train/loss", 4, 3, 2, 1), checkpoint(run.Run, 2, "two"), checkpoint(run.Run, 4, "four"))
	refusal(t, tr, event.RunRewound{Run: run.Run, Step: 3}, tracker.Conflict, "running")
	say(t, tr, event.RunEnded{Run: run.Run, Attempt: 1, Status: event.Finished, Steps: 4, Outputs: []event.Input{{Role: "checkpoint", Digest: event.DigestOf([]byte("four"))}}})
	refusal(t, tr, event.RunRewound{Run: run.Run, Step: -1}, tracker.Invalid, "-1")
	refusal(t, tr, event.RunRewound{Run: run.Run, Step: 4}, tracker.Invalid, "stands at step 4")
	submit(t, tr, event.RunRewound{Run: run.Run, Step: 3})
	r := status(t, tr, run.Run)
	if r.Status != event.Paused || r.Steps != 3 || r.RewoundTo == nil || *r.RewoundTo != 3 || len(r.Outputs) != 0 {
		t.Errorf("%+v", r)
	}
	again := submit(t, tr, event.RunRequested{Run: run.Run, Resume: 1}).(event.RunRequested)
	if again.From == nil || again.From.Step != 2 {
		t.Errorf("it goes on from %+v", again.From)
	}
	refusal(t, tr, event.RunRewound{Run: run.Run, Step: 1}, tracker.Conflict, "pending")
}

func TestWhatIsGoneIsNamedBeforeAnythingStarts(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	tr.Missing = func(context.Context, event.Spec, *event.CheckpointSaved) ([]string, error) {
		return []string{"shard 3 (train) of dataset books is not in storage"}, nil
	}
	run := submit(t, tr, trainWish("books")).(event.RunRequested)
	submit(t, tr, event.RunStopRequested{Run: run.Run})
	refusal(t, tr, event.RunRequested{Run: run.Run, Resume: 1}, tracker.Conflict, "shard 3")
	tr.Missing = func(context.Context, event.Spec, *event.CheckpointSaved) ([]string, error) {
		return nil, errors.New("the store is away")
	}
	refusal(t, tr, event.RunRequested{Run: run.Run, Resume: 1}, tracker.Unavailable, "the store is away")
}

func TestAMarkAnAliasAndAnExperimentCanBeTakenBack(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	run := submit(t, tr, trainWish("books")).(event.RunRequested)
	submit(t, tr, event.RunStarred{Run: run.Run, Starred: true})
	if !status(t, tr, run.Run).Starred {
		t.Error("no star")
	}
	submit(t, tr, event.RunStarred{Run: run.Run})
	if status(t, tr, run.Run).Starred {
		t.Error("the star stays")
	}
	refusal(t, tr, event.RunStarred{Run: "nobody"}, tracker.NotFound, "nobody")
	say(t, tr, checkpoint(run.Run, 2, "two"))
	submit(t, tr, event.AliasSet{Experiment: run.Experiment, Alias: "best", Run: run.Run, Step: 2})
	submit(t, tr, event.AliasRemoved{Experiment: run.Experiment, Alias: "best"})
	if _, err := tr.Model.Alias(run.Experiment, "best"); !errors.Is(err, readmodel.ErrNotFound) {
		t.Error(err)
	}
	refusal(t, tr, event.AliasRemoved{Experiment: run.Experiment, Alias: "best"}, tracker.NotFound, `"best"`)

	id, name := run.Experiment, "a question"
	submit(t, tr, event.ExperimentCreated{Name: "another"})
	taken := "another"
	refusal(t, tr, event.ExperimentUpdated{Experiment: id, Name: &taken}, tracker.Conflict, "exists already")
	refusal(t, tr, event.ExperimentUpdated{Experiment: id, Suites: []string{"qiuck"}}, tracker.Invalid, "qiuck")
	refusal(t, tr, event.ExperimentUpdated{Experiment: id, Budget: &event.Budget{Dollars: -1}}, tracker.Invalid, "budget")
	refusal(t, tr, event.ExperimentUpdated{Experiment: id, Clear: []string{"name"}}, tracker.Invalid, "name")
	submit(t, tr, event.ExperimentUpdated{Experiment: id, Name: &name, Objective: &event.Objective{Metric: "val/loss", Direction: "min"}, Suites: []string{"quick"}, Budget: &event.Budget{Dollars: 5}})
	if x, err := tr.Model.Experiment(id); err != nil || x.Name != name || x.Objective == nil || x.Budget == nil || len(x.Suites) != 1 {
		t.Errorf("%+v %v", x, err)
	}
	submit(t, tr, event.ExperimentUpdated{Experiment: id, Clear: []string{"objective", "suites", "budget"}})
	if x, err := tr.Model.Experiment(id); err != nil || x.Name != name || x.Objective != nil || x.Budget != nil || len(x.Suites) != 0 {
		t.Errorf("%+v %v", x, err)
	}
}

func TestASpentBudgetRefusesUntilItIsRaised(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	spent := func(run event.RunID, seconds float64) event.Event {
		return event.ResourcesSpent{Run: run, Attempt: 1, Worker: "w", Device: event.Device{Kind: "cpu", Name: "test", Count: 1}, Seconds: event.Number(seconds)}
	}
	wish := trainWish("books")
	wish.Budget = &event.Budget{DeviceSeconds: 100}
	run := submit(t, tr, wish).(event.RunRequested)
	say(t, tr, event.RunStarted{Run: run.Run, Attempt: 1}, spent(run.Run, 120), event.RunEnded{Run: run.Run, Attempt: 1, Status: event.Stopped})
	refusal(t, tr, event.RunRequested{Run: run.Run, Resume: 1}, tracker.Conflict, "120 of 100 device-seconds")
	refusal(t, tr, event.RunBudgetSet{Run: run.Run, Budget: event.Budget{Dollars: -3}}, tracker.Invalid, "-3")
	submit(t, tr, event.RunBudgetSet{Run: run.Run, Budget: event.Budget{DeviceSeconds: 200}})
	submit(t, tr, event.ExperimentUpdated{Experiment: run.Experiment, Budget: &event.Budget{DeviceSeconds: 110}})
	refusal(t, tr, event.RunRequested{Run: run.Run, Resume: 1}, tracker.Conflict, `experiment "learning rate"`)
	refusal(t, tr, trainWish("books"), tracker.Conflict, "120 of 110 device-seconds")
	elsewhere := trainWish("books")
	elsewhere.Experiment = "another"
	submit(t, tr, elsewhere)
	submit(t, tr, event.ExperimentUpdated{Experiment: run.Experiment, Clear: []string{"budget"}})
	if again := submit(t, tr, event.RunRequested{Run: run.Run, Resume: 1}).(event.RunRequested); again.Budget == nil || again.Budget.DeviceSeconds != 200 {
		t.Errorf("%+v", again.Budget)
	}
	bad := trainWish("books")
	bad.Budget = &event.Budget{Dollars: -1}
	refusal(t, tr, bad, tracker.Invalid, "budget")
}
