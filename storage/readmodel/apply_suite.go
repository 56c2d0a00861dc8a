package readmodel

import (
	"time"

	"millrace/event"
)

// Suite is a version of a suite that somebody saved, and when.
type Suite struct {
	event.SuiteSaved
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
}

// suiteSaved keeps the first word on a version of a name.
func (f *fold) suiteSaved(e event.SuiteSaved) error {
	rest := parts(e.Name, int64(e.Version))
	if f.v.get(tableSuite, "", rest) != nil {
		return nil
	}
	return f.put(tableSuite, "", rest, Suite{e, f.env.Seq, f.at})
}
