package view

import (
	"encoding/json"

	"millrace/event"
)

// Comparison is runs side by side; every list of values is in the order of the runs, nil where a run has none.
type Comparison struct {
	Runs        []Run
	Config      []ConfigDifference
	Environment []FieldDifference
	Inputs      []FieldDifference
	Metrics     []MetricComparison
	Scores      []ScoreComparison
}

// ConfigDifference is a path of the configuration on which the runs differ.
type ConfigDifference struct {
	Path   string
	Values []json.RawMessage
}

// FieldDifference is a field on which the runs differ.
type FieldDifference struct {
	Field  string
	Values []*string
}

// MetricComparison is one metric that at least two runs have.
type MetricComparison struct {
	Key            string
	Last, Min, Max []*event.Number
	LastStep       []*int64
}

// ScoreComparison is the newest score of each run for one suite, task and metric.
type ScoreComparison struct {
	Suite, Task, Metric string
	HigherIsBetter      bool
	Values, Stderr      []*event.Number
	Steps               []*int64
}
