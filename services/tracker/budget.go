package tracker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"millrace/cost"
	"millrace/event"
	"millrace/services/bus"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/where"
)

// The lines of a budget, in percent: at the first people are warned, at the second what spends it is asked to stop.
const (
	warnAt = 80
	stopAt = 100
)

// treasurer watches what runs and experiments with a budget spend. It looks again at what a fact may have changed, after the fold has it;
// facts that come meanwhile merge.
type treasurer struct {
	t    *Tracker
	kick chan struct{} // holds one

	mu   sync.Mutex
	runs map[event.RunID]struct{}
	all  bool
}

func newTreasurer(t *Tracker) *treasurer {
	return &treasurer{t: t, kick: make(chan struct{}, 1), all: true, runs: map[event.RunID]struct{}{}}
}

// note marks what a fact may have changed.
func (w *treasurer) note(e event.Event) {
	var run event.RunID
	all := false
	switch e := e.(type) {
	case event.ResourcesSpent:
		run = e.Run
	case event.BatchLogged:
		if slices.ContainsFunc(e.Facts, func(p event.PackedFact) bool { return p.Type == event.ResourcesSpent{}.Type() }) {
			run = e.Run
		}
	case event.RunRequested:
		run = e.Run
	case event.RunStarted:
		run = e.Run
	case event.RunBudgetSet:
		run = e.Run
	case event.ExperimentUpdated:
		all = e.Budget != nil
	case event.PriceSet:
		all = true
	}
	if run == "" && !all {
		return
	}
	w.mu.Lock()
	w.all = w.all || all
	if run != "" {
		w.runs[run] = struct{}{}
	}
	w.mu.Unlock()
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// watch looks until ctx ends. What could not be done is logged, and done with the next fact that asks for it.
func (w *treasurer) watch(ctx context.Context) error {
	for {
		w.mu.Lock()
		runs, all := w.runs, w.all
		w.runs, w.all = map[event.RunID]struct{}{}, false
		w.mu.Unlock()
		if all {
			open, err := w.t.Model.MatchingRuns(ctx, goingOn())
			if err != nil && ctx.Err() == nil {
				w.t.Log.Error("budgets could not be looked at", "error", err)
			}
			for _, id := range open {
				runs[id] = struct{}{}
			}
		}
		seen := map[event.ExperimentID]bool{}
		for id := range runs {
			if err := w.look(ctx, id, seen); err != nil && ctx.Err() == nil {
				w.t.Log.Error("a budget could not be kept", "run", id, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.kick:
		}
	}
}

// goingOn holds for runs that have not ended.
func goingOn() where.Compare {
	return where.Compare{Field: where.Field{Name: where.Status}, Op: where.In, Values: []where.Value{{Word: string(event.Pending)}, {Word: string(event.Running)}}}
}

// look compares one run's spending, and its experiment's, with their budgets. seen are the experiments that were looked at already.
func (w *treasurer) look(ctx context.Context, id event.RunID, seen map[event.ExperimentID]bool) error {
	run, err := w.t.Model.Run(id)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := w.lookAtRun(ctx, run); err != nil {
		return err
	}
	if run.Experiment == "" || seen[run.Experiment] {
		return nil
	}
	seen[run.Experiment] = true
	return w.lookAtExperiment(ctx, run)
}

func (w *treasurer) lookAtRun(ctx context.Context, run readmodel.Run) error {
	if run.Budget == nil {
		return nil
	}
	bill, err := w.t.Model.RunCost(run.ID, w.t.Now())
	if err != nil {
		return err
	}
	at := line(part(run.Budget, bill))
	if !known(run.Reached, at, *run.Budget) {
		e := event.RunBudgetReached{Run: run.ID, Spent: reached(at, *run.Budget, bill)}
		if err := w.once(ctx, e, func() bool {
			now, err := w.t.Model.Run(run.ID)
			return err == nil && now.Budget != nil && !known(now.Reached, at, *now.Budget) && *now.Budget == *run.Budget
		}); err != nil {
			return err
		}
	}
	if at < stopAt {
		return nil
	}
	return w.stop(ctx, run.ID, "its budget", func() (event.Reached, bool, error) {
		now, err := w.t.Model.Run(run.ID)
		if err != nil || now.Budget == nil {
			return event.Reached{}, false, err
		}
		bill, err := w.t.Model.RunCost(run.ID, w.t.Now())
		return reached(stopAt, *now.Budget, bill), part(now.Budget, bill) >= 1, err
	})
}

func (w *treasurer) lookAtExperiment(ctx context.Context, run readmodel.Run) error {
	x, bill, err := w.experiment(run.Experiment)
	if err != nil || x.Budget == nil {
		return err
	}
	at := line(part(x.Budget, bill))
	if !known(x.Reached, at, *x.Budget) {
		e := event.ExperimentBudgetReached{Experiment: x.ID, Run: run.ID, Spent: reached(at, *x.Budget, bill)}
		if err := w.once(ctx, e, func() bool {
			now, _, err := w.experiment(x.ID)
			return err == nil && now.Budget != nil && !known(now.Reached, at, *now.Budget) && *now.Budget == *x.Budget
		}); err != nil {
			return err
		}
	}
	if at < stopAt {
		return nil
	}
	// An evaluation is let finish: it is of a checkpoint that was paid for.
	open, err := w.t.Model.MatchingRuns(ctx, where.And{goingOn(),
		where.Compare{Field: where.Field{Name: where.Experiment}, Op: where.Equal, Values: []where.Value{{Word: string(x.ID)}}},
		where.Compare{Field: where.Field{Name: where.Kind}, Op: where.NotEqual, Values: []where.Value{{Word: string(event.Evaluate)}}},
	})
	for _, id := range open {
		err = errors.Join(err, w.stop(ctx, id, fmt.Sprintf("the budget of experiment %q", x.Name), func() (event.Reached, bool, error) {
			now, bill, err := w.experiment(x.ID)
			if err != nil || now.Budget == nil {
				return event.Reached{}, false, err
			}
			return reached(stopAt, *now.Budget, bill), part(now.Budget, bill) >= 1, nil
		}))
	}
	return err
}

// experiment finds one with what it has spent; one that is not there has no budget.
func (w *treasurer) experiment(id event.ExperimentID) (readmodel.Experiment, cost.Bill, error) {
	x, err := w.t.Model.Experiment(id)
	if errors.Is(err, readmodel.ErrNotFound) || err == nil && x.Budget == nil {
		return x, cost.Bill{}, nil
	}
	if err != nil {
		return x, cost.Bill{}, err
	}
	bill, err := w.t.Model.ExperimentCost(id, w.t.Now())
	return x, bill, err
}

// line is the last line that a part of a budget has crossed, 0 before the first.
func line(part float64) int {
	switch {
	case part >= 1:
		return stopAt
	case part >= warnAt/100.0:
		return warnAt
	}
	return 0
}

// known tells whether nothing is to be said of a line: none was crossed, or it was said of this budget.
func known(said *event.Reached, at int, b event.Budget) bool {
	return at == 0 || said != nil && said.Percent >= at && said.Budget == b
}

// once publishes a fact unless a newer one of its subject, by another tracker or before a restart, makes it needless.
func (w *treasurer) once(ctx context.Context, e event.Event, needed func() bool) error {
	last, err := w.t.last(ctx, e.Subject())
	if err != nil {
		return err
	}
	if err := w.t.Model.WaitFor(ctx, last); err != nil || !needed() {
		return err
	}
	_, err = w.t.Bus.PublishAfter(ctx, event.Envelope{Event: e}, last)
	if errors.Is(err, bus.ErrExists) {
		return nil // another tracker was faster
	}
	return err
}

// stop asks a run to stop, once, if the budget is spent also by what the log's newest facts say.
func (w *treasurer) stop(ctx context.Context, id event.RunID, whose string, spent func() (event.Reached, bool, error)) error {
	newest, err := w.t.LastSeq(ctx)
	if err != nil {
		return err
	}
	last, err := w.t.last(ctx, event.RunStopRequested{Run: id}.Subject())
	if err != nil {
		return err
	}
	if err := w.t.Model.WaitFor(ctx, newest); err != nil {
		return err
	}
	run, err := w.t.Model.Run(id)
	if err != nil || run.Stop != nil || run.Status.Ended() {
		return err
	}
	how, over, err := spent()
	if err != nil || !over {
		return err
	}
	wish := event.RunStopRequested{Run: id, By: event.ByBudget, Reason: fmt.Sprintf("%s is spent: %s", whose, how)}
	seq, err := w.t.Bus.PublishAfter(ctx, event.Envelope{Event: wish}, last)
	if errors.Is(err, bus.ErrExists) {
		return nil
	}
	if err != nil || run.Foreign() {
		return err
	}
	_, err = w.t.endWaiting(ctx, wish, seq)
	return err
}
