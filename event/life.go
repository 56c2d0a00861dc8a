package event

import (
	"fmt"
	"strings"
)

// RunStarred marks a run as worth coming back to, or takes the mark away.
type RunStarred struct {
	Run     RunID  `json:"run"`
	Starred bool   `json:"starred"`
	By      string `json:"by,omitempty"`
}

// RunBudgetSet replaces a run's budget. A zero is no bound.
type RunBudgetSet struct {
	Run    RunID  `json:"run"`
	Budget Budget `json:"budget"`
	By     string `json:"by,omitempty"`
}

// AliasRemoved takes a name off its checkpoint.
type AliasRemoved struct {
	Experiment ExperimentID `json:"experiment"`
	Alias      string       `json:"alias"`
	By         string       `json:"by,omitempty"`
}

// RunBudgetReached says that a run has spent a part of its budget. It is said once of a part and a budget.
type RunBudgetReached struct {
	Run   RunID   `json:"run"`
	Spent Reached `json:"spent"`
}

// ExperimentBudgetReached is RunBudgetReached of an experiment; Run is the one whose spending was seen to cross the line.
type ExperimentBudgetReached struct {
	Experiment ExperimentID `json:"experiment"`
	Run        RunID        `json:"run"`
	Spent      Reached      `json:"spent"`
}

// Reached is how much of a budget had been spent when that was noticed.
type Reached struct {
	Percent       int    `json:"percent"` // the line that was crossed: 80 or 100
	Budget        Budget `json:"budget"`
	Dollars       Number `json:"dollars"`
	DeviceSeconds Number `json:"device_seconds"`
}

// String says what was spent of what, e.g. "$2.01 of $2.50, 700 of 900 device-seconds".
func (r Reached) String() string {
	var s []string
	if r.Budget.Dollars > 0 {
		s = append(s, fmt.Sprintf("$%.4g of $%.4g", float64(r.Dollars), float64(r.Budget.Dollars)))
	}
	if r.Budget.DeviceSeconds > 0 {
		s = append(s, fmt.Sprintf("%.4g of %.4g device-seconds", float64(r.DeviceSeconds), float64(r.Budget.DeviceSeconds)))
	}
	return strings.Join(s, ", ")
}

func (RunStarred) Type() Type              { return "run.starred" }
func (RunBudgetSet) Type() Type            { return "run.budget_set" }
func (AliasRemoved) Type() Type            { return "alias.removed" }
func (RunBudgetReached) Type() Type        { return "run.budget_reached" }
func (ExperimentBudgetReached) Type() Type { return "experiment.budget_reached" }

func (e RunStarred) Subject() string       { return runSubject(e.Run, "starred") }
func (e RunBudgetSet) Subject() string     { return runSubject(e.Run, "budget_set") }
func (e RunBudgetReached) Subject() string { return runSubject(e.Run, "budget_reached") }
func (e AliasRemoved) Subject() string {
	return Prefix + "experiment." + string(e.Experiment) + ".alias_removed"
}
func (e ExperimentBudgetReached) Subject() string {
	return Prefix + "experiment." + string(e.Experiment) + ".budget_reached"
}

func (RunStarred) sealed()              {}
func (RunBudgetSet) sealed()            {}
func (AliasRemoved) sealed()            {}
func (RunBudgetReached) sealed()        {}
func (ExperimentBudgetReached) sealed() {}
