package view

import (
	"millrace/event"
	"millrace/storage/readmodel"
)

// JobQueue is runs that wait and runs that are done.
type JobQueue struct {
	Pending, Running int
	Waits, Does      []Job
}

// Waiting are those that wait, at most first.
func (q JobQueue) Waiting(first *int) []Job { return cut(q.Waits, first) }

// Active are those that are done, at most first.
func (q JobQueue) Active(first *int) []Job { return cut(q.Does, first) }

func cut[T any](list []T, first *int) []T {
	if first == nil {
		return list
	}
	return list[:max(0, min(*first, len(list)))]
}

// Job is a run that waits or is done.
type Job struct{ Run *Run }

// Worker is who does it, or did it last.
func (j Job) Worker() event.WorkerID { return j.Run.Worker() }

// Attempt is how often it was begun.
func (j Job) Attempt() int { return j.Run.Attempts() }

// Progress is how far it is.
func (j Job) Progress() *event.RunProgressed { return j.Run.Progress }

// Waited is in seconds.
func (j Job) Waited() float64 {
	until := j.Run.At
	if began := j.Run.StartedAt(); began != nil {
		until = *began
	}
	return max(0, until.Sub(j.Run.CreatedAt).Seconds())
}

// RaisedAlert is an alert and whose it is.
type RaisedAlert struct{ Alert readmodel.Alert }

// RunID names the run.
func (a RaisedAlert) RunID() event.RunID { return a.Alert.Run }
