package tracker_test

import (
	"testing"

	"millrace/event"
	"millrace/services/tracker"
)

// TestWhatIsNeededIsNotDeleted asks to delete what something stands on, and then what nothing does any more.
func TestWhatIsNeededIsNotDeleted(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("go-docs"))
	d := dataset("go-docs").Dataset
	req := submit(t, tr, trainWish("go-docs")).(event.RunRequested)
	saved := func(step int64) event.CheckpointSaved {
		return event.CheckpointSaved{Run: req.Run, Step: step, Checkpoint: event.DigestOf([]byte{byte(step)})}
	}
	say(t, tr, event.RunStarted{Run: req.Run, Attempt: 1, Worker: "w"}, saved(1), saved(2))
	refusal(t, tr, event.CheckpointDeleted{Run: req.Run, Step: 3}, tracker.NotFound, "no checkpoint at step 3")
	refusal(t, tr, event.CheckpointDeleted{Run: req.Run, Step: 2}, tracker.Conflict, "go on from its last")
	refusal(t, tr, event.DatasetDeleted{Dataset: d, Force: true}, tracker.Conflict, "reads it")
	refusal(t, tr, event.DatasetDeleted{Dataset: "sha256:none"}, tracker.NotFound, "no dataset")
	refusal(t, tr, event.ExperimentDeleted{Experiment: req.Experiment}, tracker.Conflict, "has runs still")
	refusal(t, tr, event.ExperimentDeleted{Experiment: "none"}, tracker.NotFound, "no experiment")

	say(t, tr, event.RunEnded{Run: req.Run, Attempt: 1, Status: event.Finished})
	submit(t, tr, event.AliasSet{Experiment: req.Experiment, Alias: "best", Run: req.Run, Step: 2})
	refusal(t, tr, event.CheckpointDeleted{Run: req.Run, Step: 2}, tracker.Conflict, `named "best"`)
	if gone := submit(t, tr, event.CheckpointDeleted{Run: req.Run, Step: 1}).(event.CheckpointDeleted); gone.Checkpoint != saved(1).Checkpoint {
		t.Errorf("%+v", gone)
	}
	refusal(t, tr, event.CheckpointDeleted{Run: req.Run, Step: 1}, tracker.NotFound, "no checkpoint")
	refusal(t, tr, event.DatasetDeleted{Dataset: d}, tracker.Conflict, "used it")
	submit(t, tr, event.DatasetDeleted{Dataset: d, Force: true})
	say(t, tr, dataset("go-docs"))
	if _, err := tr.Model.Dataset(d); err != nil {
		t.Errorf("published again after it was deleted: %v", err)
	}
	submit(t, tr, event.RunDeleted{Run: req.Run})
	submit(t, tr, event.ExperimentDeleted{Experiment: req.Experiment})
	again := submit(t, tr, event.ExperimentCreated{Name: "learning rate"}).(event.ExperimentCreated)
	if x, err := tr.Model.Experiment(again.Experiment); err != nil || x.Bare || again.Experiment != req.Experiment {
		t.Errorf("an experiment of a deleted one's name: %+v %v", x, err)
	}
}

func TestPoliciesThatMeanNothingAreRefused(t *testing.T) {
	tr := start(t)
	for says, p := range map[string]event.Retention{
		"console_days is -1":     {ConsoleDays: -1},
		"log_days is 1e+06":      {LogDays: 1e6},
		"at least one":           {Checkpoints: &event.KeptCheckpoints{}},
		"keeps 0 best, every -5": {Checkpoints: &event.KeptCheckpoints{Every: -5, Last: 1}},
	} {
		refusal(t, tr, event.RetentionSet{Policy: p}, tracker.Invalid, says)
	}
	refusal(t, tr, event.RetentionSet{Experiment: "none"}, tracker.NotFound, "no experiment")
	x := submit(t, tr, event.ExperimentCreated{Name: "x"}).(event.ExperimentCreated).Experiment
	refusal(t, tr, event.RetentionSet{Experiment: x, Policy: event.Retention{LogDays: 3}}, tracker.Invalid, "whole log")
	submit(t, tr, event.RetentionSet{Experiment: x, Policy: event.Retention{ConsoleDays: 3}})
	submit(t, tr, event.RetentionSet{Policy: event.Retention{LogDays: 3}})
	if all, err := tr.Model.Policies(); err != nil || len(all) != 2 || all[0].Experiment != "" || all[1].Policy.ConsoleDays != 3 {
		t.Errorf("%+v %v", all, err)
	}
}
