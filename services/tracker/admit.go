package tracker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
)

// Bounds on what people write, in bytes and entries.
const (
	maxName  = 200
	maxNote  = 100_000
	maxTags  = 100
	maxValue = 1000
)

// admit checks one wish and completes it. once tells that its subject may hold only one fact.
func (t *Tracker) admit(ctx context.Context, wish event.Event) (fact event.Event, once bool, err error) {
	switch w := wish.(type) {
	case event.RunRequested:
		fact, err = t.admitRun(ctx, w)
		return fact, true, err
	case event.RunStarted:
		return t.admitResumption(w)
	case event.RunEnded:
		return t.admitEnd(w)
	case event.RunHeartbeat:
		_, err := t.run(w.Run)
		if err == nil && !event.ValidID(string(w.Writer)) {
			err = refuse(Invalid, "writer", "", "%q cannot name a writer: 1-64 letters, digits, '-' and '_'", w.Writer)
		}
		return w, false, err
	case event.RunTagged:
		return w, false, t.admitTags(w)
	case event.RunNoted:
		if w.Name != nil && (*w.Name == "" || len(*w.Name) > maxName) {
			return nil, false, refuse(Invalid, "name", "", "a name has 1-%d bytes", maxName)
		}
		if w.Note != nil && len(*w.Note) > maxNote {
			return nil, false, refuse(Invalid, "note", "", "a note has at most %d bytes", maxNote)
		}
		_, err := t.run(w.Run)
		return w, false, err
	case event.RunStarred:
		_, err := t.run(w.Run)
		return w, false, err
	case event.RunBudgetSet:
		if err := checkBudget(&w.Budget); err != nil {
			return nil, false, err
		}
		_, err := t.run(w.Run)
		return w, false, err
	case event.RunArchived:
		_, err := t.run(w.Run)
		return w, false, err
	case event.RunDeleted:
		run, err := t.run(w.Run)
		if err == nil && !run.Status.Ended() && !run.Foreign() {
			err = refuse(Conflict, "id", "stop it first: millrace stop "+string(w.Run), "run %s is %s", w.Run, run.Status)
		}
		return w, false, err
	case event.ExperimentCreated:
		return t.admitExperiment(ctx, w)
	case event.ExperimentUpdated:
		return w, false, t.admitUpdate(ctx, w)
	case event.AliasSet:
		c, err := t.Model.Checkpoint(w.Run, w.Step)
		if err != nil {
			return nil, false, refuse(NotFound, "step", "list them with: millrace show "+string(w.Run), "run %s has no checkpoint at step %d", w.Run, w.Step)
		}
		w.Checkpoint = c.Checkpoint
		if w.Alias == "" || len(w.Alias) > maxName {
			return nil, false, refuse(Invalid, "alias", "", "an alias has 1-%d bytes", maxName)
		}
		if _, err := t.Model.Experiment(w.Experiment); err != nil {
			return nil, false, refuse(NotFound, "experiment", "", "there is no experiment %s", w.Experiment)
		}
		return w, false, nil
	case event.RuleSaved:
		fact, err := t.admitRule(w)
		return fact, false, err
	case event.RuleRemoved:
		if _, err := t.Model.Rule(w.Rule); err != nil {
			return nil, false, refuse(NotFound, "id", "", "there is no rule %q", w.Rule)
		}
		return w, false, nil
	case event.AliasRemoved:
		if _, err := t.Model.Alias(w.Experiment, w.Alias); err != nil {
			return nil, false, refuse(NotFound, "alias", "", "experiment %s has no alias %q", w.Experiment, w.Alias)
		}
		return w, false, nil
	case event.PriceSet:
		return t.admitPrice(w)
	case event.CheckpointSaved:
		fact, err := t.admitCheckpoint(ctx, w)
		return fact, false, err
	case event.CheckpointDeleted, event.DatasetDeleted, event.ExperimentDeleted, event.RetentionSet:
		fact, err := t.admitKeeping(w)
		return fact, false, err
	case event.SweepStarted:
		fact, err := t.admitSweep(ctx, w)
		return fact, true, err
	case event.SweepEnded:
		fact, err := t.admitSweepEnd(w)
		return fact, true, err
	case event.ContestOpened, event.ContestClosed, event.VoteCast:
		fact, err := t.admitContest(w)
		return fact, false, err
	}
	return nil, false, refuse(Invalid, "", "", "%s is not a wish", wish.Type())
}

// run finds a run or refuses.
func (t *Tracker) run(id event.RunID) (readmodel.Run, error) {
	run, err := t.Model.Run(id)
	if errors.Is(err, readmodel.ErrNotFound) {
		return run, refuse(NotFound, "id", "list them with: millrace runs", "there is no run %q", id)
	}
	return run, err
}

func (t *Tracker) admitTags(w event.RunTagged) error {
	if len(w.Set)+len(w.AddLabels) > maxTags {
		return refuse(Invalid, "set", "", "%d tags and labels at once, at most %d", len(w.Set)+len(w.AddLabels), maxTags)
	}
	for k, v := range w.Set {
		if k == "" || len(k) > maxName || len(v) > maxValue {
			return refuse(Invalid, "set", "", "tag %q: a key has 1-%d bytes, a value at most %d", k, maxName, maxValue)
		}
	}
	for _, l := range w.AddLabels {
		if l == "" || len(l) > maxName {
			return refuse(Invalid, "addLabels", "", "label %q: 1-%d bytes", l, maxName)
		}
	}
	_, err := t.run(w.Run)
	return err
}

func (t *Tracker) admitExperiment(ctx context.Context, w event.ExperimentCreated) (event.Event, bool, error) {
	w.Name = strings.TrimSpace(w.Name)
	if w.Name == "" || len(w.Name) > maxName {
		return nil, false, refuse(Invalid, "name", "", "an experiment's name has 1-%d bytes", maxName)
	}
	if other, err := t.Model.ExperimentByName(w.Name); err == nil {
		return nil, false, refuse(Conflict, "name", "", "experiment %q exists already: %s", w.Name, other.ID)
	}
	if err := cmp.Or(checkObjective(w.Objective), checkBudget(w.Budget), t.checkSuites(ctx, w.Suites, w.Evaluation)); err != nil {
		return nil, false, err
	}
	// The id follows from the name: two who create it at once create one.
	w.Experiment = event.ExperimentID(event.DerivedID("experiment", w.Name))
	deleted, err := t.Model.ExperimentDeleted(w.Experiment)
	return w, !deleted, err // one that was deleted has its first fact still
}

// admitUpdate checks what is to be changed of an experiment.
func (t *Tracker) admitUpdate(ctx context.Context, w event.ExperimentUpdated) error {
	x, err := t.Model.Experiment(w.Experiment)
	if err != nil {
		return refuse(NotFound, "id", "", "there is no experiment %s", w.Experiment)
	}
	if w.Name != nil {
		if *w.Name == "" || len(*w.Name) > maxName {
			return refuse(Invalid, "name", "", "an experiment's name has 1-%d bytes", maxName)
		}
		if other, err := t.Model.ExperimentByName(*w.Name); err == nil && other.ID != x.ID {
			return refuse(Conflict, "name", "", "experiment %q exists already: %s", *w.Name, other.ID)
		}
	}
	if w.Note != nil && len(*w.Note) > maxNote {
		return refuse(Invalid, "note", "", "a note has at most %d bytes", maxNote)
	}
	for _, what := range w.Clear {
		if what != "objective" && what != "suites" && what != "evaluation" && what != "budget" {
			return refuse(Invalid, "clear", "", "%q cannot be taken away; objective, suites, evaluation and budget can", what)
		}
	}
	return cmp.Or(checkObjective(w.Objective), checkBudget(w.Budget), t.checkSuites(ctx, w.Suites, w.Evaluation))
}

func checkObjective(o *event.Objective) error {
	if o != nil && (o.Metric == "" || o.Direction != "min" && o.Direction != "max") {
		return refuse(Invalid, "objective", "", "an objective is a metric and a direction, \"min\" or \"max\"; got %q and %q", o.Metric, o.Direction)
	}
	return nil
}

func (t *Tracker) admitPrice(w event.PriceSet) (event.Event, bool, error) {
	if w.From == "" {
		w.From = t.Now().UTC().Format(time.DateOnly)
	}
	if _, err := readmodel.PriceLine(w); errors.Is(err, readmodel.ErrBadDate) {
		return nil, false, refuse(Invalid, "from", "", "%v", err)
	} else if err != nil {
		return nil, false, asRefusal("device", err)
	}
	return w, false, nil
}

// experimentFor finds an experiment by id or name, and opens a new one for a new name.
func (t *Tracker) experimentFor(ctx context.Context, given event.ExperimentID, by string) (event.ExperimentID, error) {
	if given == "" {
		return "", nil
	}
	if x, err := t.Model.Experiment(given); err == nil {
		return x.ID, nil
	}
	if x, err := t.Model.ExperimentByName(string(given)); err == nil {
		return x.ID, nil
	}
	env, err := t.Submit(ctx, event.ExperimentCreated{Name: string(given), By: by})
	if err != nil {
		return "", fmt.Errorf("tracker: experiment %q: %w", given, err)
	}
	return env.Event.(event.ExperimentCreated).Experiment, nil
}
