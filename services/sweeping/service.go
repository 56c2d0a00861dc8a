// Package sweeping carries sweeps out: as their facts come it starts runs, writes down how far they came, and lets the best go on.
//
// It keeps nothing: what is to be done follows from the read model, which has folded the fact that is answered, and what it does has names
// that follow from the sweep: a trial's run is asked for once, a score is said once, a run is resumed by one. So a fact that comes again,
// after a crash at any moment, changes nothing, and what had not been done is done.
package sweeping

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/rules/search"
	"millrace/services/tracker"
	"millrace/storage/readmodel"
)

// Service answers the facts of sweeps and of their runs.
type Service struct {
	Bus     *bus.Bus
	Tracker *tracker.Tracker
	Log     *slog.Logger
}

// Run works until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	all := event.RunEnded{Run: "*"}.Subject()
	group := bus.Group{Name: "sweeping", Filters: []string{event.SweepStarted{Sweep: "*"}.Subject(), event.SweepEnded{Sweep: "*"}.Subject(), all}, MaxAttempts: -1}
	return s.Bus.Work(ctx, group, func(ctx context.Context, env event.Envelope, _ bus.Delivery) error {
		if err := s.Tracker.Model.WaitFor(ctx, env.Seq); err != nil {
			return err
		}
		switch e := env.Event.(type) {
		case event.SweepStarted:
			return s.drive(ctx, e.Sweep)
		case event.SweepEnded:
			return s.stop(ctx, e)
		case event.RunEnded:
			return s.ended(ctx, e.Run)
		}
		return nil
	})
}

// ended answers the end of a run: of a trial, or of an evaluation of one.
func (s *Service) ended(ctx context.Context, id event.RunID) error {
	run, err := s.Tracker.Model.Run(id)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil // it was deleted
	} else if err != nil {
		return err
	}
	if run.Kind == event.Evaluate && run.Branch != nil {
		if run, err = s.Tracker.Model.Run(run.Branch.From); errors.Is(err, readmodel.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
	}
	sweep := event.SweepID(run.Tags[event.SweepTag])
	if sweep == "" {
		return nil
	}
	return s.drive(ctx, sweep)
}

// drive writes down what a sweep's trials have reached and does what follows, until there is nothing to do now.
func (s *Service) drive(ctx context.Context, id event.SweepID) error {
	for {
		sweep, err := s.Tracker.Model.Sweep(id)
		if errors.Is(err, readmodel.ErrNotFound) {
			return nil // somebody tagged a run by himself
		} else if err != nil {
			return err
		}
		if sweep.Ended != nil {
			return nil
		}
		plan, err := tracker.PlanOf(sweep.SweepStarted)
		if err != nil {
			return fmt.Errorf("sweeping: sweep %s: %w", id, err)
		}
		trials, err := s.look(ctx, sweep.SweepStarted, plan)
		if err != nil {
			return err
		}
		steps, done := plan.Next(trials)
		if done {
			return s.say(ctx, tracker.EndOf(sweep.SweepStarted, plan, trials, "finished", ""))
		}
		again := false
		for _, step := range steps {
			refused, err := s.send(ctx, sweep.SweepStarted, plan, step)
			if err != nil {
				return err
			}
			again = again || refused
		}
		if !again {
			return nil
		}
	}
}

// look finds how far the trials are, and says of those that have come to their rung what they are worth.
func (s *Service) look(ctx context.Context, sweep event.SweepStarted, plan search.Plan) ([]search.Trial, error) {
	scores, err := s.Tracker.Model.Trials(sweep.Sweep)
	if err != nil {
		return nil, err
	}
	seen, rungs := tracker.SeenOf(scores), plan.Rungs()
	var trials []search.Trial
	for number := range plan.Total() {
		t := search.Trial{Number: number}
		i := slices.IndexFunc(seen, func(t search.Trial) bool { return t.Number == number })
		if i >= 0 {
			t = seen[i]
		}
		run, err := s.Tracker.Model.Run(event.TrialRun(sweep.Sweep, number))
		switch {
		case errors.Is(err, readmodel.ErrNotFound):
			if i >= 0 { // it was refused, or deleted
				trials = append(trials, t)
			}
			continue
		case err != nil:
			return nil, err
		}
		if at := slices.Index(rungs, run.StopAfter); at > t.Rung {
			t.Rung = at
		}
		if len(t.Values) <= t.Rung && run.Status.Ended() && run.Status != event.Paused {
			score, known, err := s.score(sweep, run, t)
			if err != nil {
				return nil, err
			}
			if known {
				if err := s.say(ctx, score); err != nil {
					return nil, err
				}
				return s.look(ctx, sweep, plan)
			}
		}
		trials = append(trials, t)
	}
	return trials, nil
}

// score is what a trial that has ended is worth; not known yet while an evaluation may still say it.
func (s *Service) score(sweep event.SweepStarted, run readmodel.Run, t search.Trial) (event.TrialScored, bool, error) {
	out := event.TrialScored{Sweep: sweep.Sweep, Number: t.Number, Rung: t.Rung, Run: run.ID, Steps: run.Steps}
	if run.Status != event.Finished {
		out.Failure = run.Failure
		if out.Failure == nil {
			out.Failure = &event.Failure{Code: string(run.Status), Message: "the run is " + string(run.Status)}
		}
		return out, true, nil
	}
	value, step, ok, err := s.Tracker.Model.LastValue(run.ID, sweep.Metric)
	if err != nil {
		return out, false, err
	}
	if strings.HasPrefix(sweep.Metric, "eval/") && step < run.Steps && len(run.Suites) > 0 {
		failed, err := s.unjudged(run)
		if !failed || err != nil {
			return out, false, err // its last checkpoint is being judged
		}
		ok = false
	}
	if ok && !math.IsNaN(value) {
		v := event.Number(value)
		out.Value = &v
		return out, true, nil
	}
	out.Failure = &event.Failure{Code: "no_value", Message: fmt.Sprintf("the run has logged no %s", sweep.Metric)}
	return out, true, nil
}

// unjudged tells that an evaluation of a run's last checkpoint has ended without scores.
func (s *Service) unjudged(run readmodel.Run) (bool, error) {
	down, err := s.Tracker.Model.Lineage(readmodel.RunNode(run.ID))
	if err != nil {
		return false, err
	}
	for _, e := range down.Down {
		if e.Role != event.Evaluation || e.From != readmodel.RunNode(run.ID) {
			continue
		}
		judge, err := s.Tracker.Model.Run(event.RunID(strings.TrimPrefix(e.To, readmodel.RunNode(""))))
		if err == nil && judge.Branch != nil && judge.Branch.Step == run.Steps && judge.Status.Ended() && judge.Status != event.Finished {
			return true, nil
		}
	}
	return false, nil
}

// send asks for a trial, or for more of one. What the platform refuses is a score without a value.
func (s *Service) send(ctx context.Context, sweep event.SweepStarted, plan search.Plan, step search.Step) (refused bool, err error) {
	wish := event.RunRequested{Run: event.TrialRun(sweep.Sweep, step.Number), Resume: 1, StopAfter: step.Until, By: event.SweepBy(sweep.Sweep)}
	if step.Rung == 0 {
		if wish, err = tracker.TrialWish(sweep, plan, step.Number); err != nil {
			return false, err
		}
	}
	_, err = s.Tracker.Submit(ctx, wish)
	var refusal *tracker.Refusal
	switch {
	case err == nil:
		if s.Tracker.Model.Has(wish.Run) {
			return false, nil
		}
		return true, s.say(ctx, event.TrialScored{Sweep: sweep.Sweep, Number: step.Number, Rung: step.Rung, Failure: &event.Failure{Code: "deleted", Message: "the run was deleted"}})
	case !errors.As(err, &refusal):
		return false, err
	}
	if refusal.Code() == tracker.Unavailable {
		return false, err
	}
	s.Log.Warn("a trial of a sweep was refused", "sweep", sweep.Sweep, "trial", step.Number, "error", err)
	score := event.TrialScored{Sweep: sweep.Sweep, Number: step.Number, Rung: step.Rung, Failure: &event.Failure{Code: "refused", Message: refusal.Error()}}
	if step.Rung > 0 {
		score.Run = wish.Run
	}
	return true, s.say(ctx, score)
}

// stop ends what a stopped sweep has running.
func (s *Service) stop(ctx context.Context, e event.SweepEnded) error {
	if e.Status != "stopped" {
		return nil
	}
	sweep, err := s.Tracker.Model.Sweep(e.Sweep)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	plan, err := tracker.PlanOf(sweep.SweepStarted)
	if err != nil {
		return err
	}
	for number := range plan.Total() {
		run, err := s.Tracker.Model.Run(event.TrialRun(e.Sweep, number))
		if err != nil || run.Status.Ended() && run.Status != event.Paused || run.Stop != nil && !run.Stop.Pause {
			continue
		}
		_, err = s.Tracker.Submit(ctx, event.RunStopRequested{Run: run.ID, Reason: "its sweep was stopped", By: event.SweepBy(e.Sweep)})
		var refusal *tracker.Refusal
		if err != nil && !errors.As(err, &refusal) { // one that has ended meanwhile is no fault
			return err
		}
	}
	return nil
}

// say publishes a fact that is said once, and waits until it is folded.
func (s *Service) say(ctx context.Context, e event.Event) error {
	seq, err := s.Bus.PublishOnce(ctx, e)
	if errors.Is(err, bus.ErrExists) {
		there, err := s.Bus.Last(ctx, e.Subject())
		if err != nil {
			return err
		}
		seq = there.Seq
	} else if err != nil {
		return err
	}
	return s.Tracker.Model.WaitFor(ctx, seq)
}
