package event

import "strconv"

// SweepID names a sweep.
type SweepID string

// SweepStarted opens a sweep: runs of one configuration that differ in some settings (docs/sweeps.md).
type SweepStarted struct {
	Sweep      SweepID      `json:"sweep"`
	Name       string       `json:"name"`
	Experiment ExperimentID `json:"experiment,omitempty"`
	// Base is what every trial has, as a wish: kind, configuration, inputs, engine.
	Base   Spec     `json:"base"`
	Suites []string `json:"suites,omitempty"`
	// Space is the ranges of settings by their path, as services/rules/search has them.
	Space     RawJSON `json:"space"`
	Method    string  `json:"method"` // "grid", "random" or "asha"
	Metric    string  `json:"metric"` // a key of the trials' series: trials are compared by its last value
	Direction string  `json:"direction"`
	MaxRuns   int     `json:"max_runs,omitempty"`
	Parallel  int     `json:"parallel"`
	Seed      uint64  `json:"seed,omitempty"`
	MinSteps  int64   `json:"min_steps,omitempty"` // of asha, as are the next two
	MaxSteps  int64   `json:"max_steps,omitempty"`
	Eta       int     `json:"eta,omitempty"`
	By        string  `json:"by,omitempty"`
}

// TrialScored says how far a trial of a sweep has come: what a decision is based on. It is said once of a rung.
type TrialScored struct {
	Sweep  SweepID `json:"sweep"`
	Number int     `json:"number"`         // of the trial, from 0
	Rung   int     `json:"rung,omitempty"` // from 0
	Run    RunID   `json:"run,omitempty"`  // none when it was refused
	Steps  int64   `json:"steps,omitempty"`
	Value  *Number `json:"value,omitempty"` // nil: it failed, or has logged none
	// Failure says why there is no value.
	Failure *Failure `json:"failure,omitempty"`
}

// SweepEnded is the last word on a sweep. It is said once.
type SweepEnded struct {
	Sweep  SweepID `json:"sweep"`
	Status string  `json:"status"` // "finished" or "stopped"
	Best   RunID   `json:"best,omitempty"`
	Number int     `json:"number,omitempty"` // of the best
	Value  *Number `json:"value,omitempty"`
	Trials int     `json:"trials"`
	By     string  `json:"by,omitempty"`
}

// SweepTag is the tag of a sweep's runs that holds its id, TrialTag the one with the trial's number.
const (
	SweepTag = "sweep"
	TrialTag = "trial"
)

// TrialRun is the run of a trial: the same whoever asks for it, however often.
func TrialRun(s SweepID, number int) RunID {
	return RunID(DerivedID("trial", string(s), strconv.Itoa(number)))
}

// SweepBy is how a sweep signs what it does.
func SweepBy(id SweepID) string { return "sweep:" + string(id) }

func (SweepStarted) Type() Type { return "sweep.started" }
func (TrialScored) Type() Type  { return "trial.scored" }
func (SweepEnded) Type() Type   { return "sweep.ended" }

func (e SweepStarted) Subject() string { return Prefix + "sweep." + string(e.Sweep) + ".started" }
func (e SweepEnded) Subject() string   { return Prefix + "sweep." + string(e.Sweep) + ".ended" }

// Subject lies under the rung that was reached, so that each is said once.
func (e TrialScored) Subject() string {
	return Prefix + "trial." + DerivedID("rung", string(e.Sweep), strconv.Itoa(e.Number), strconv.Itoa(e.Rung)) + ".scored"
}

func (SweepStarted) sealed() {}
func (TrialScored) sealed()  {}
func (SweepEnded) sealed()   {}
