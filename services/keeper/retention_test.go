package keeper_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
)

const day = 24 * time.Hour

// TestARetentionPolicyDeletesWhatItSays sets a policy over a lab of every kind of run, asks what it would do, lets time go by, and lets it.
func TestARetentionPolicyDeletesWhatItSays(t *testing.T) {
	l := start(t)
	ctx := t.Context()
	l.tell(event.ExperimentCreated{Experiment: "x", Name: "x", Objective: &event.Objective{Metric: "val/loss", Direction: "min"}})
	for _, run := range []string{"plain", "starred", "tagged", "named", "paused", "open"} {
		id := event.RunID(run)
		l.tell(event.RunRequested{Run: id, Experiment: "x", Spec: event.Spec{Kind: event.Train}}, event.RunStarted{Run: id, Attempt: 1, Worker: "w"},
			event.LinesLogged{Run: id, Stream: "stdout", First: 1, Lines: []string{"hello"}}, l.checkpoint(id, 1, l.put(run)))
	}
	l.tell(event.RunStarred{Run: "starred", Starred: true}, event.RunTagged{Run: "tagged", AddLabels: []string{"keep"}},
		event.AliasSet{Experiment: "x", Alias: "best", Run: "named", Step: 1, Checkpoint: l.checkpoint("named", 1, l.put("named")).Checkpoint})
	for _, run := range []event.RunID{"plain", "starred", "tagged", "named"} {
		l.tell(event.RunEnded{Run: run, Attempt: 1, Status: event.Failed})
	}
	l.tell(event.RunEnded{Run: "paused", Attempt: 1, Status: event.Paused})
	// A run whose checkpoints are thinned out: best are steps 4 and 7, every third stays, and the last.
	l.tell(event.RunRequested{Run: "long", Experiment: "x", Spec: event.Spec{Kind: event.Train}})
	for step, loss := range []float64{9, 8, 7, 6, 1, 5, 4, 2, 3, 3.5, 3.6} {
		at := int64(step)
		l.tell(event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: "long", Writer: "w", Series: []event.Series{{Key: "val/loss", Steps: []int64{at}, Times: []int64{at}, Values: []float64{loss}}}}}},
			l.checkpoint("long", at, l.put(fmt.Sprint("long ", at))))
	}
	l.tell(event.RunEnded{Run: "long", Attempt: 1, Status: event.Finished})

	set := event.RetentionSet{Policy: event.Retention{Checkpoints: &event.KeptCheckpoints{Best: 2, Every: 3, Last: 1}, FailedRunsDays: 14, ConsoleDays: 30}}
	if plan, err := l.keeper.ApplyRetention(ctx, false); err != nil || len(plan.Runs)+len(plan.Checkpoints)+len(plan.Pruned) != 0 {
		t.Fatalf("without a policy: %+v %v", plan, err)
	}
	plan, err := l.keeper.Plan(ctx, &set)
	if err != nil || len(plan.Runs) != 0 || !slices.Equal(steps(plan.Checkpoints), []int64{1, 2, 5, 8}) || len(plan.Pruned) != 0 {
		t.Fatalf("%+v %v", plan, err)
	}
	l.tell(set)
	l.now = l.now.Add(15 * day)
	plan, err = l.keeper.Plan(ctx, nil)
	if err != nil || !slices.Equal(plan.Runs, []event.RunID{"plain"}) || len(plan.Pruned) != 0 || plan.Storage == 0 {
		t.Fatalf("%+v %v", plan, err)
	}
	done, err := l.keeper.ApplyRetention(ctx, false)
	if err != nil || !slices.Equal(done.Runs, plan.Runs) || done.Database == 0 {
		t.Fatalf("%+v %v", done, err)
	}
	left, err := l.model.Checkpoints("long")
	if err != nil || !slices.Equal(steps(left), []int64{0, 3, 4, 6, 7, 9, 10}) {
		t.Errorf("%v %v", steps(left), err)
	}
	l.now = l.now.Add(30 * day)
	if _, err := l.keeper.ApplyRetention(ctx, false); err != nil {
		t.Fatal(err)
	}
	for run, want := range map[event.RunID]int{"starred": 0, "open": 1, "paused": 0} {
		if lines, err := l.model.LastLines(run, "stdout", 9); err != nil || len(lines) != want {
			t.Errorf("%s has %d lines, want %d: %v", run, len(lines), want, err)
		}
	}
	if again, err := l.keeper.ApplyRetention(ctx, false); err != nil || len(again.Runs)+len(again.Checkpoints)+len(again.Pruned) != 0 {
		t.Errorf("again: %+v %v", again, err)
	}
	// Only the log's days are left: it is trimmed, and reads as before.
	l.tell(event.RunEnded{Run: "open", Attempt: 1, Status: event.Finished})
	l.tell(event.RetentionSet{Policy: event.Retention{LogDays: 10}})
	l.now = l.now.Add(20 * day)
	l.tell(event.RunNoted{Run: "long"})
	if _, err := l.keeper.ApplyRetention(ctx, false); err != nil {
		t.Fatal(err)
	}
	if state, err := l.bus.State(ctx); err != nil || state.First < 50 {
		t.Errorf("%+v %v", state, err)
	}
	l.check()
}

func steps(all []readmodel.Checkpoint) (out []int64) {
	for _, c := range all {
		out = append(out, c.Step)
	}
	return out
}

// A training that says itself which checkpoints to keep is thinned out while it runs, policy or none; the latest stays.
func TestATrainingsOwnWordOnItsCheckpoints(t *testing.T) {
	l := start(t)
	ctx := t.Context()
	config := []byte(`{"keep":{"best":1,"every":4}}`)
	l.tell(event.RunRequested{Run: "own", Spec: event.Spec{Kind: event.Train, Config: config}}, event.RunStarted{Run: "own", Attempt: 1, Worker: "w"},
		event.RunRequested{Run: "silent", Spec: event.Spec{Kind: event.Train, Config: []byte(`{"steps":9}`)}})
	for step, loss := range []float64{9, 8, 3, 4, 5, 6, 7} {
		at := int64(step + 1)
		for _, run := range []event.RunID{"own", "silent"} {
			l.tell(event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: run, Writer: "w", Series: []event.Series{{Key: "val/loss", Steps: []int64{at}, Times: []int64{at}, Values: []float64{loss}}}}}},
				l.checkpoint(run, at, l.put(fmt.Sprint(run, at))))
		}
	}
	// An evaluation that has not ended reads step 5.
	five, err := l.model.Checkpoint("own", 5)
	if err != nil {
		t.Fatal(err)
	}
	l.tell(event.RunRequested{Run: "judge", Spec: event.Spec{Kind: event.Evaluate, Inputs: []event.Input{{Role: "checkpoint", Digest: five.Checkpoint}}}})
	plan, err := l.keeper.ApplyRetention(ctx, false)
	if err != nil || !slices.Equal(steps(plan.Checkpoints), []int64{1, 2, 6}) {
		t.Errorf("%v %v", steps(plan.Checkpoints), err)
	}
	l.tell(event.RunEnded{Run: "judge", Attempt: 1, Status: event.Finished}, event.RunEnded{Run: "own", Attempt: 1, Status: event.Finished})
	// A policy of the lab is not asked where the run has a word of its own.
	l.tell(event.RetentionSet{Policy: event.Retention{Checkpoints: &event.KeptCheckpoints{Every: 1}}})
	if _, err = l.keeper.ApplyRetention(ctx, false); err != nil {
		t.Fatal(err)
	}
	left, err := l.model.Checkpoints("own")
	if err != nil || !slices.Equal(steps(left), []int64{3, 4, 7}) {
		t.Errorf("%v %v", steps(left), err)
	}
	if all, err := l.model.Checkpoints("silent"); err != nil || len(all) != 7 {
		t.Errorf("%v %v", steps(all), err)
	}
	l.check()
}
