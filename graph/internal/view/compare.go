package view

import (
	"encoding/json"

	"millrace/event"
	"millrace/storage/readmodel"
)

// Comparison is runs side by side. What is told of them is worked out when it is asked for.
type Comparison struct {
	IDs []event.RunID
	// Read reads the runs, once.
	Read func() ([]Run, error)
	// Differ lays configurations, programs, machines and inputs side by side, once.
	Differ func() (readmodel.Comparison, error)
}

// Runs are those that are compared, in the order in which they were named.
func (c *Comparison) Runs() ([]Run, error) { return c.Read() }

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

// DatasetComparison is the datasets of compared runs, nil where a run has none.
type DatasetComparison struct {
	Of     []*Dataset
	Fields []FieldDifference
}
