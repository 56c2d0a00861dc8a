package tracker

import (
	"errors"

	"millrace/event"
	"millrace/storage/readmodel"
)

// admitKeeping checks wishes to delete, and to keep less.
func (t *Tracker) admitKeeping(wish event.Event) (event.Event, error) {
	switch w := wish.(type) {
	case event.CheckpointDeleted:
		return t.admitCheckpointDeleted(w)
	case event.DatasetDeleted:
		return w, t.admitDatasetDeleted(w)
	case event.ExperimentDeleted:
		if _, err := t.Model.Experiment(w.Experiment); err != nil {
			return nil, refuse(NotFound, "id", "", "there is no experiment %s", w.Experiment)
		}
		for _, id := range t.Model.RunIDs() {
			if r, err := t.Model.Run(id); err == nil && r.Experiment == w.Experiment {
				return nil, refuse(Conflict, "id", "delete its runs first", "experiment %s has runs still, %s for one", w.Experiment, id)
			}
		}
		return w, nil
	case event.RetentionSet:
		return w, t.admitRetention(w)
	}
	return nil, refuse(Invalid, "", "", "%s is not a wish", wish.Type())
}

func (t *Tracker) admitCheckpointDeleted(w event.CheckpointDeleted) (event.Event, error) {
	run, err := t.run(w.Run)
	if err != nil {
		return nil, err
	}
	c, err := t.Model.Checkpoint(w.Run, w.Step)
	if errors.Is(err, readmodel.ErrNotFound) || err == nil && c.Deleted {
		return nil, refuse(NotFound, "step", "list them with: millrace show "+string(w.Run), "run %s has no checkpoint at step %d", w.Run, w.Step)
	}
	if err != nil {
		return nil, err
	}
	aliases, err := t.Model.Aliases("")
	if err != nil {
		return nil, err
	}
	for _, a := range aliases {
		if a.Checkpoint == c.Checkpoint {
			return nil, refuse(Conflict, "step", "point the alias elsewhere first", "the checkpoint of step %d is named %q in experiment %s", w.Step, a.Alias, a.Experiment)
		}
	}
	last, err := t.Model.LastCheckpoint(w.Run)
	if err == nil && last.Step == w.Step && !run.Status.Ended() {
		return nil, refuse(Conflict, "step", "stop the run first: millrace stop "+string(w.Run), "run %s is %s and would go on from its last checkpoint", w.Run, run.Status)
	}
	w.Checkpoint = c.Checkpoint
	return w, nil
}

func (t *Tracker) admitDatasetDeleted(w event.DatasetDeleted) error {
	if _, err := t.Model.Dataset(w.Dataset); err != nil {
		return refuse(NotFound, "dataset", "", "there is no dataset %s", w.Dataset)
	}
	users, err := t.Model.RunsUsing(w.Dataset)
	if err != nil {
		return err
	}
	for _, id := range users {
		run, err := t.Model.Run(id)
		if errors.Is(err, readmodel.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		switch {
		case !run.Status.Ended():
			return refuse(Conflict, "dataset", "stop it first: millrace stop "+string(id), "run %s is %s and reads it", id, run.Status)
		case !w.Force:
			return refuse(Conflict, "force", "delete that run first, or force it: the run can then not be reproduced", "run %s used it, and %d in all", id, len(users))
		}
	}
	return nil
}

func (t *Tracker) admitRetention(w event.RetentionSet) error {
	p := w.Policy
	if w.Experiment != "" {
		if _, err := t.Model.Experiment(w.Experiment); err != nil {
			return refuse(NotFound, "experiment", "", "there is no experiment %s", w.Experiment)
		}
		if p.LogDays != 0 {
			return refuse(Invalid, "policy", "set it without an experiment", "log_days is of the whole log")
		}
	}
	for name, days := range map[string]event.Number{"failed_runs_days": p.FailedRunsDays, "console_days": p.ConsoleDays, "system_days": p.SystemDays, "log_days": p.LogDays} {
		if !(days >= 0 && days <= 100_000) {
			return refuse(Invalid, "policy", "", "%s is %v: a number of days, 0 for never", name, float64(days))
		}
	}
	if k := p.Checkpoints; k != nil && (k.Best < 0 || k.Every < 0 || k.Last < 0 || k.Best == 0 && k.Every == 0 && k.Last == 0) {
		return refuse(Invalid, "policy", "leave checkpoints out to keep all", "checkpoints keeps %d best, every %d and %d last: at least one of them is positive, and none negative", k.Best, k.Every, k.Last)
	}
	return nil
}
