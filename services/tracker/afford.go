package tracker

import (
	"errors"
	"fmt"
	"math"

	"millrace/cost"
	"millrace/event"
	"millrace/storage/readmodel"
)

// part is how much of a budget a bill is, 1 being all of it; the greater of dollars and device-seconds, and 0 without a bound.
func part(b *event.Budget, bill cost.Bill) float64 {
	if b == nil {
		return 0
	}
	var p float64
	if b.Dollars > 0 {
		p = bill.Dollars / float64(b.Dollars)
	}
	if b.DeviceSeconds > 0 {
		p = max(p, bill.DeviceSeconds/float64(b.DeviceSeconds))
	}
	return p
}

// reached describes a bill beside its budget.
func reached(percent int, b event.Budget, bill cost.Bill) event.Reached {
	return event.Reached{Percent: percent, Budget: b, Dollars: event.Number(bill.Dollars), DeviceSeconds: event.Number(bill.DeviceSeconds)}
}

// affordable refuses what would spend more than a budget has: that of a run which is to go on, and that of the experiment.
func (t *Tracker) affordable(experiment event.ExperimentID, run *readmodel.Run) error {
	if run != nil && run.Budget != nil {
		bill, err := t.Model.RunCost(run.ID, t.Now())
		if err != nil {
			return err
		}
		if part(run.Budget, bill) >= 1 {
			return refuse(Conflict, "id", fmt.Sprintf("raise it, and resume: millrace resume %s --dollars N, or setRunBudget", run.ID),
				"the budget of run %s is spent: %s", run.ID, reached(100, *run.Budget, bill))
		}
	}
	if experiment == "" {
		return nil
	}
	x, err := t.Model.Experiment(experiment)
	if errors.Is(err, readmodel.ErrNotFound) || err == nil && x.Budget == nil {
		return nil
	}
	if err != nil {
		return err
	}
	bill, err := t.Model.ExperimentCost(experiment, t.Now())
	if err != nil {
		return err
	}
	if part(x.Budget, bill) >= 1 {
		return refuse(Conflict, "experiment", "raise it with updateExperiment, or choose another experiment", "the budget of experiment %q is spent: %s", x.Name, reached(100, *x.Budget, bill))
	}
	return nil
}

// checkBudget refuses what is no bound.
func checkBudget(b *event.Budget) error {
	if b == nil {
		return nil
	}
	for _, v := range []event.Number{b.Dollars, b.DeviceSeconds} {
		if f := float64(v); !(f >= 0) || math.IsInf(f, 0) {
			return refuse(Invalid, "budget", "", "a budget is dollars and device-seconds, 0 being no bound; got %v and %v", b.Dollars, b.DeviceSeconds)
		}
	}
	return nil
}
