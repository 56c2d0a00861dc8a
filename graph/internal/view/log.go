package view

import (
	"encoding/json"
	"time"
)

// LoggedEvent is a fact as it lies in the log.
type LoggedEvent struct {
	Seq                       int64
	ID, Type, Source, Subject string
	Time                      time.Time
	Body                      json.RawMessage
}

// Durability is what an acknowledged fact survives.
type Durability struct {
	Summary  string
	Warnings []string
}

// System is this node and the log it reads.
type System struct {
	Version             string
	AppliedSeq, LastSeq int64
	Roles               []string
}
