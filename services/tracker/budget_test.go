package tracker_test

import (
	"strings"
	"testing"
	"time"

	"millrace/event"
	"millrace/services/tracker"
	"millrace/storage/readmodel"
)

// becomes waits for a run to be as wanted.
func becomes(t *testing.T, tr *tracker.Tracker, id event.RunID, is func(readmodel.Run) bool) readmodel.Run {
	t.Helper()
	w := tr.Model.Watch(id)
	defer w.Close()
	for {
		run := status(t, tr, id)
		if is(run) {
			return run
		}
		select {
		case <-w.C():
		case <-time.After(30 * time.Second):
			t.Fatalf("run %s is %s: %+v %+v", id, run.Status, run.Reached, run.Stop)
		}
	}
}

func spent(run event.RunID, seconds float64) event.ResourcesSpent {
	return event.ResourcesSpent{Run: run, Attempt: 1, Worker: "w", Device: event.Device{Kind: "cpu", Name: "test", Count: 1}, Seconds: event.Number(seconds)}
}

func TestABudgetWarnsOnceAndThenStops(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	wish := trainWish("books")
	wish.Budget = &event.Budget{DeviceSeconds: 100}
	run := submit(t, tr, wish).(event.RunRequested)
	say(t, tr, event.RunStarted{Run: run.Run, Attempt: 1}, spent(run.Run, 50))
	say(t, tr, spent(run.Run, 80))
	r := becomes(t, tr, run.Run, func(r readmodel.Run) bool { return r.Reached != nil })
	if r.Reached.Percent != 80 || r.Stop != nil {
		t.Errorf("%+v %+v", r.Reached, r.Stop)
	}
	for _, s := range []float64{85, 90, 95} {
		say(t, tr, spent(run.Run, s))
	}
	say(t, tr, spent(run.Run, 101))
	r = becomes(t, tr, run.Run, func(r readmodel.Run) bool { return r.Stop != nil })
	if r.Stop.By != event.ByBudget || !strings.Contains(r.Stop.Reason, "101 of 100 device-seconds") || r.Stop.Pause {
		t.Errorf("%+v", r.Stop)
	}
	say(t, tr, spent(run.Run, 102), event.RunEnded{Run: run.Run, Attempt: 1, Status: event.Stopped})
	if n := count(t, tr, event.RunBudgetReached{Run: run.Run}.Subject()); n != 2 {
		t.Errorf("said %d times", n)
	}
	if n := count(t, tr, event.RunStopRequested{Run: run.Run}.Subject()); n != 1 {
		t.Errorf("asked to stop %d times", n)
	}
	alerts, err := tr.Model.Alerts(run.Run, 10)
	if err != nil || len(alerts) != 2 || !strings.Contains(alerts[0].Title+alerts[1].Title, "80%") || !strings.Contains(alerts[0].Title+alerts[1].Title, "100%") {
		t.Errorf("%+v %v", alerts, err)
	}
	// Raised and resumed, it is let go on: the spending of before is within the new budget.
	again := submit(t, tr, event.RunRequested{Run: run.Run, Resume: 1, Budget: &event.Budget{DeviceSeconds: 1000}}).(event.RunRequested)
	say(t, tr, event.RunStarted{Run: run.Run, Attempt: again.Attempts + 1}, spent(run.Run, 110))
	say(t, tr, spent(run.Run, 111))
	if r := status(t, tr, run.Run); r.Status != event.Running || r.Stop != nil || r.Budget.DeviceSeconds != 1000 {
		t.Errorf("%+v", r)
	}
}

func TestAnExperimentsBudgetStopsAllItsRunsButEvaluations(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	x := submit(t, tr, event.ExperimentCreated{Name: "learning rate", Budget: &event.Budget{DeviceSeconds: 100}}).(event.ExperimentCreated)
	one, two := submit(t, tr, trainWish("books")).(event.RunRequested), submit(t, tr, trainWish("books")).(event.RunRequested)
	say(t, tr, event.RunStarted{Run: one.Run, Attempt: 1}, checkpoint(one.Run, 2, "two"))
	judge, err := event.EvaluationRequest(event.CheckpointSaved{Run: one.Run, Experiment: x.Experiment, Step: 2, Checkpoint: event.DigestOf([]byte("two"))}, "quick", event.DigestOf([]byte("quick")), event.Code{}, "")
	if err != nil {
		t.Fatal(err)
	}
	say(t, tr, judge, event.RunStarted{Run: judge.Run, Attempt: 1}, spent(one.Run, 70), spent(judge.Run, 40))
	becomes(t, tr, one.Run, func(r readmodel.Run) bool { return r.Stop != nil && r.Status == event.Running })
	becomes(t, tr, two.Run, func(r readmodel.Run) bool { return r.Status == event.Stopped }) // nobody had it
	if r := status(t, tr, judge.Run); r.Stop != nil {
		t.Errorf("%+v", r.Stop)
	}
	if got, err := tr.Model.Experiment(x.Experiment); err != nil || got.Reached == nil || got.Reached.Percent != 100 {
		t.Errorf("%+v %v", got.Reached, err)
	}
	say(t, tr, event.RunEnded{Run: one.Run, Attempt: 1, Status: event.Stopped})
	refusal(t, tr, event.RunRequested{Run: one.Run, Resume: 1}, tracker.Conflict, "110 of 100")
	refusal(t, tr, trainWish("books"), tracker.Conflict, "110 of 100")
	submit(t, tr, event.ExperimentUpdated{Experiment: x.Experiment, Budget: &event.Budget{DeviceSeconds: 500}})
	submit(t, tr, event.RunRequested{Run: one.Run, Resume: 1})
}
