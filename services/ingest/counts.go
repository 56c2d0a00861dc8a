package ingest

import "sync/atomic"

// Counts is what a Server has taken since it was made.
type Counts struct {
	Requests, Points, Facts, Duplicates, Bytes atomic.Int64
	// Invalid counts requests at fault, Unavailable those that could not be taken at the moment.
	Invalid, Unavailable atomic.Int64
}

func (c *Counts) refused(status int) {
	if status >= 500 {
		c.Unavailable.Add(1)
	} else {
		c.Invalid.Add(1)
	}
}
