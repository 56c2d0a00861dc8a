package readmodel

import (
	"fmt"
	"slices"
	"time"

	"millrace/event"
)

// runResumed lets a run that stood still wait for a worker again. A repeat, or a resumption older than one known, changes nothing.
func (f *fold) runResumed(e event.RunRequested) error {
	return f.edit(e.Run, func(r *Run) {
		if e.Resume <= r.Resume {
			return
		}
		r.Resume, r.Status, r.EndedAt, r.Failure, r.Stop = e.Resume, event.Pending, time.Time{}, nil, nil
		if e.StopAfter > 0 { // a trial of a sweep that goes on further than it was asked for at first
			r.StopAfter = e.StopAfter
		}
		r.Depth = max(r.Depth, e.Depth)
		// The checkpoint where it stood still is a step on its way now, not what it made.
		r.Outputs = slices.DeleteFunc(slices.Clone(r.Outputs), func(out event.Input) bool { return out.Role == "checkpoint" })
		if len(r.Outputs) == 0 {
			r.Outputs = nil
		}
	})
}

func (f *fold) runStarred(e event.RunStarred) error {
	return f.edit(e.Run, func(r *Run) { r.Starred = e.Starred })
}

func (f *fold) runBudgetSet(e event.RunBudgetSet) error {
	return f.edit(e.Run, func(r *Run) { r.Budget = someBudget(e.Budget) })
}

// someBudget is a budget that bounds something, or nil.
func someBudget(b event.Budget) *event.Budget {
	if b == (event.Budget{}) {
		return nil
	}
	return &b
}

// runBudgetReached remembers the line, and shows it among the run's alerts.
func (f *fold) runBudgetReached(e event.RunBudgetReached) error {
	if err := f.edit(e.Run, func(r *Run) { r.Reached = &e.Spent }); err != nil {
		return err
	}
	return f.alertRaised(reachedAlert(e.Run, "its budget", e.Spent))
}

func (f *fold) experimentBudgetReached(e event.ExperimentBudgetReached) error {
	x, ok := f.experiments[e.Experiment]
	if !ok {
		x = Experiment{ID: e.Experiment, Seq: f.env.Seq, Bare: true, CreatedAt: f.at}
	}
	x.Reached, x.UpdatedAt = &e.Spent, later(x.UpdatedAt, f.at)
	if err := f.saveExperiment(x); err != nil {
		return err
	}
	return f.alertRaised(reachedAlert(e.Run, fmt.Sprintf("the budget of experiment %q", x.Name), e.Spent))
}

// reachedAlert says what a person should know of a crossed line.
func reachedAlert(run event.RunID, whose string, s event.Reached) event.AlertRaised {
	a := event.AlertRaised{Run: run, Level: "warn", Title: fmt.Sprintf("%d%% of %s is spent", s.Percent, whose), Text: s.String()}
	if s.Percent >= 100 {
		a.Level = "error"
	}
	return a
}

// aliasRemoved takes a name away. One that is not there stays so.
func (f *fold) aliasRemoved(e event.AliasRemoved) error {
	key := aliasKey{e.Experiment, e.Alias}
	if a, ok := f.aliases[key]; ok {
		f.touched[a.Run] = struct{}{}
		delete(f.aliases, key)
		f.pending.remove(tableAlias, "", parts(string(e.Experiment), e.Alias))
	}
	return nil
}
