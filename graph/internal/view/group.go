package view

import (
	"encoding/json"

	"millrace/event"
)

// RunGroup is runs that have the same values at some fields.
type RunGroup struct {
	Keys     []RunGroupKey
	Count    int
	Statuses []StatusCount
	Numbers  []NumberSpread
	Dollars  float64
	Where    string
}

// RunGroupKey is one of those values.
type RunGroupKey struct {
	Field string
	Value json.RawMessage // nil where there is none
	Label string
}

// StatusCount is how many runs have a status.
type StatusCount struct {
	Status event.RunStatus
	Count  int
}

// NumberSpread is a number over several runs.
type NumberSpread struct {
	Field                  string
	Count, Nans            int
	Mean, Min, Max, Stddev *event.Number
}
