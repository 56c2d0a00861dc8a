package tracker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"millrace/event"
	"millrace/services/bus"
	"millrace/storage/readmodel"
)

// stop asks a run to stop or to pause. One that no worker has, because it waits or stands still, ends at once.
func (t *Tracker) stop(ctx context.Context, w event.RunStopRequested) (event.Envelope, error) {
	run, err := t.run(w.Run)
	switch {
	case err != nil:
		return event.Envelope{}, err
	case len(w.Reason) > maxValue:
		return event.Envelope{}, refuse(Invalid, "reason", "", "a reason has at most %d bytes", maxValue)
	case run.Status == event.Paused && !w.Pause:
	case run.Status.Ended():
		return event.Envelope{}, refuse(Conflict, "id", "", "run %s has ended already: it is %s", w.Run, run.Status)
	}
	seq, err := t.Bus.Publish(ctx, w)
	if err != nil {
		return event.Envelope{}, unheard(err)
	}
	if seq, err = t.endWaiting(ctx, w, seq); err != nil {
		return event.Envelope{}, err
	}
	return t.seen(ctx, seq, w)
}

// endWaiting says the last word on a run that no worker has. A worker that takes it in the same moment is either too late, and leaves it
// alone, or was faster: then it hears the wish, which came after its request.
func (t *Tracker) endWaiting(ctx context.Context, w event.RunStopRequested, asked uint64) (uint64, error) {
	started := event.RunStarted{Run: w.Run}.Subject()
	last, err := t.last(ctx, started)
	if err != nil {
		return 0, unheard(err)
	}
	if err := t.Model.WaitFor(ctx, max(asked, last)); err != nil {
		return 0, lagging(err)
	}
	run, err := t.run(w.Run)
	if err != nil {
		return 0, err
	}
	if run.Status != event.Pending && run.Status != event.Paused || run.Bare {
		return asked, nil
	}
	e := event.RunEnded{Run: w.Run, Attempt: attempts(run), Status: event.Stopped, Steps: run.Steps}
	if w.Pause {
		e.Status = event.Paused
	}
	seq, err := t.Bus.PublishWhile(ctx, e, started, last)
	switch {
	case errors.Is(err, bus.ErrOvertaken):
		return asked, nil
	case err != nil:
		return 0, unheard(err)
	}
	return seq, nil
}

// attempts is the number of a run's newest attempt, 0 before the first.
func attempts(run readmodel.Run) int {
	if len(run.Attempts) == 0 {
		return 0
	}
	return run.Attempts[len(run.Attempts)-1].Attempt
}

// resume asks a run that stands still to go on from its newest checkpoint, under a new budget if the wish has one, and until a later step. Of several who ask at once one is heard, and all see the same.
func (t *Tracker) resume(ctx context.Context, w event.RunRequested) (event.Envelope, error) {
	run, last, err := t.standing(ctx, w.Run)
	if err != nil {
		return event.Envelope{}, err
	}
	switch {
	case run.Foreign(): // no worker takes it: its script goes on
		return t.Submit(ctx, event.RunStarted{Run: w.Run})
	case run.Status == event.Finished && w.StopAfter > run.StopAfter && run.StopAfter > 0: // it did what it was asked for, and is asked for more
	case run.Status == event.Finished:
		return event.Envelope{}, refuse(Conflict, "id", fmt.Sprintf("rewind it first (millrace rewind %s STEP), or fork it to go further (millrace fork %s -s steps=N)", w.Run, w.Run),
			"run %s is finished: there is nothing left to do", w.Run)
	case !run.Status.Resumable():
		return event.Envelope{}, refuse(Conflict, "id", "", "run %s does not stand still: it is %s", w.Run, run.Status)
	case run.Bare:
		return event.Envelope{}, refuse(Conflict, "id", "", "run %s was never asked for here", w.Run)
	}
	if err := checkBudget(w.Budget); err != nil {
		return event.Envelope{}, err
	}
	if w.Budget != nil {
		run.Budget = w.Budget
	}
	if err := t.affordable(run.Experiment, &run); err != nil {
		return event.Envelope{}, err
	}
	fact := event.RunRequested{
		Run: run.ID, Experiment: run.Experiment, Name: run.Name, Spec: run.Spec, SpecDigest: run.SpecDigest, Branch: run.Branch,
		StopAfter: run.StopAfter, Suites: run.Suites, Tags: run.Tags, Labels: run.Labels, By: w.By,
		From: run.From, Resume: run.Resume + 1, Attempts: attempts(run), SaveAt: run.SaveAt, Budget: run.Budget,
		Evaluation: run.Evaluation, Pins: run.Pins, GivesWay: run.GivesWay, Depth: max(run.Depth, w.Depth),
	}
	if w.StopAfter > 0 {
		fact.StopAfter = w.StopAfter
	}
	if c, err := t.Model.LastCheckpoint(run.ID); err == nil {
		fact.From = &c.CheckpointSaved
	} else if !errors.Is(err, readmodel.ErrNotFound) {
		return event.Envelope{}, err
	}
	if run.Kind == event.Curate && !reproduces(run.Branch) {
		if fact.Candidates, err = t.madeBefore(run.Spec.Config); err != nil {
			return event.Envelope{}, err
		}
	}
	if err := t.present(ctx, "id", fact.Spec, fact.From); err != nil {
		return event.Envelope{}, err
	}
	if w.Budget != nil {
		if _, err := t.Bus.Publish(ctx, event.RunBudgetSet{Run: run.ID, Budget: *w.Budget, By: w.By}); err != nil {
			return event.Envelope{}, unheard(err)
		}
	}
	seq, err := t.Bus.PublishAfter(ctx, event.Envelope{Event: fact}, last)
	if errors.Is(err, bus.ErrExists) { // somebody else was faster: the run goes on
		seq, err = t.last(ctx, fact.Subject())
	}
	if err != nil {
		return event.Envelope{}, unheard(err)
	}
	return t.seen(ctx, seq, fact)
}

// standing finds a run as it is once everything that was asked of its kind of work is folded, and where its newest request lies: whoever
// publishes with regard to that place acts on what is true.
func (t *Tracker) standing(ctx context.Context, id event.RunID) (readmodel.Run, uint64, error) {
	run, err := t.run(id)
	if err != nil {
		return run, 0, err
	}
	last, err := t.last(ctx, event.RunRequested{Run: id, Spec: run.Spec}.Subject())
	if err != nil {
		return run, 0, unheard(err)
	}
	if err := t.Model.WaitFor(ctx, last); err != nil {
		return run, 0, lagging(err)
	}
	run, err = t.run(id)
	return run, last, err
}

// rewind hides what a run logged after a step. A training run that is resumed then goes on from the newest checkpoint at or before it.
func (t *Tracker) rewind(ctx context.Context, w event.RunRewound) (event.Envelope, error) {
	run, last, err := t.standing(ctx, w.Run)
	if err != nil {
		return event.Envelope{}, err
	}
	external := run.Foreign()
	switch {
	case !run.Status.Ended() && !external:
		return event.Envelope{}, refuse(Conflict, "id", "pause it first: millrace pause "+string(w.Run), "run %s is %s", w.Run, run.Status)
	case run.Kind == event.Curate || run.Kind == event.Evaluate:
		return event.Envelope{}, refuse(Invalid, "id", "resume it, or start another", "run %s is a %s run: it has no steps to go back to", w.Run, run.Kind)
	case w.Step < 0:
		return event.Envelope{}, refuse(Invalid, "step", "", "%d is not a step", w.Step)
	case run.From != nil && w.Step < run.From.Step:
		return event.Envelope{}, refuse(Invalid, "step", fmt.Sprintf("fork run %s at an earlier step instead", run.From.Run), "run %s begins at step %d", w.Run, run.From.Step)
	case !external && (run.Steps > 0 || run.RewoundTo != nil) && w.Step >= run.Steps:
		return event.Envelope{}, refuse(Invalid, "step", "", "run %s stands at step %d", w.Run, run.Steps)
	}
	if external {
		seq, err := t.Bus.Publish(ctx, w)
		if err != nil {
			return event.Envelope{}, unheard(err)
		}
		return t.seen(ctx, seq, w)
	}
	// Whoever resumes it in the same moment would go on from what is rewound.
	seq, err := t.Bus.PublishWhile(ctx, w, event.RunRequested{Run: run.ID, Spec: run.Spec}.Subject(), last)
	if errors.Is(err, bus.ErrOvertaken) {
		return event.Envelope{}, refuse(Conflict, "id", "pause it first: millrace pause "+string(w.Run), "run %s was resumed meanwhile", w.Run)
	}
	if err != nil {
		return event.Envelope{}, unheard(err)
	}
	return t.seen(ctx, seq, w)
}

// last is the place of the newest fact of a subject, 0 when there is none.
func (t *Tracker) last(ctx context.Context, subject string) (uint64, error) {
	env, err := t.Bus.Last(ctx, subject)
	if errors.Is(err, bus.ErrNone) {
		return 0, nil
	}
	return env.Seq, err
}

// seen returns a fact once the read model shows it.
func (t *Tracker) seen(ctx context.Context, seq uint64, fact event.Event) (event.Envelope, error) {
	if err := t.Model.WaitFor(ctx, seq); err != nil {
		return event.Envelope{}, lagging(err)
	}
	return event.Envelope{Seq: seq, Time: t.Now(), Event: fact}, nil
}

// unheard is the refusal of a wish that the log did not take.
func unheard(err error) error {
	return &Refusal{code: Unavailable, hint: "the event log did not take it; look at /readyz and try again", err: err}
}

// lagging is the refusal of a wish whose effect could not be waited for.
func lagging(err error) error {
	return &Refusal{code: Unavailable, hint: "it is in the log; the view of it lags behind", err: fmt.Errorf("tracker: waiting for the read model: %w", err)}
}

// reproduces tells whether a branch is a reproduction's.
func reproduces(b *event.Branch) bool { return b != nil && b.Kind == event.Reproduction }

// present refuses a spec whose inputs are gone, naming them.
func (t *Tracker) present(ctx context.Context, field string, spec event.Spec, from *event.CheckpointSaved) error {
	var gone []string
	for _, in := range spec.Inputs {
		if in.Role != "dataset" || in.Digest == "" {
			continue
		}
		if _, err := t.Model.Dataset(in.Digest); errors.Is(err, readmodel.ErrNotFound) {
			gone = append(gone, fmt.Sprintf("dataset %s %s was deleted", in.Name, in.Digest.Short()))
		}
	}
	if from != nil {
		if c, err := t.Model.Checkpoint(from.Run, from.Step); err == nil && c.Checkpoint == from.Checkpoint && c.Deleted {
			gone = append(gone, fmt.Sprintf("checkpoint %s of run %s at step %d was deleted", from.Checkpoint.Short(), from.Run, from.Step))
		}
	}
	if t.Missing != nil && len(gone) == 0 {
		missing, err := t.Missing(ctx, spec, from)
		if err != nil {
			return &Refusal{code: Unavailable, hint: "see that the object store is up, then try again", err: fmt.Errorf("tracker: looking for the inputs: %w", err)}
		}
		gone = missing
	}
	if len(gone) == 0 {
		return nil
	}
	slices.Sort(gone)
	more := ""
	if len(gone) > 5 {
		gone, more = gone[:5], fmt.Sprintf(" and %d more", len(gone)-5)
	}
	return refuse(Conflict, field, "make them again (millrace curate), or start another run from what is there", "its inputs are gone: %s%s", join(gone), more)
}
