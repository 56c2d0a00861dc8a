package job

import (
	"context"
	"sync"
	"time"

	"millrace/event"
	"millrace/services/meter"
)

// Job is one run in the hands of a worker. Its methods may be called from several goroutines.
type Job struct {
	Request   event.RunRequested
	Requested time.Time // when the request was made
	Attempt   int
	// Checkpoint is the last that an earlier attempt saved, or that the request names, to go on from; nil: begin at the beginning.
	Checkpoint *event.CheckpointSaved

	runner  *Runner
	writer  event.WriterID
	lasting context.Context
	seq     uint64 // the request's place in the log
	ended   uint64 // of the last word on the run before this attempt

	flushing chan struct{} // holds one: so that facts come in the order in which they were told
	wake     chan struct{} // asks the sampler to flush now

	mu       sync.Mutex
	buffered buffer
	lines    int64 // how many console lines are in the log
	spent    event.ResourcesSpent
	// measured is asked instead of the worker's meter; charged is up to when spent has the time.
	measured *meter.Meter
	charged  time.Time
	// joulesBefore is what the device had counted when the job began.
	joulesBefore *float64
}

const (
	// flushPoints is how many points wait at most for the next tick.
	flushPoints = 4096
	// mostPoints is how many wait while the log is away, 24 bytes each, before the run waits for it too.
	mostPoints = 1 << 20
)

// Lasting is a context for what must still be said or saved when the worker has been told to leave: it ends a while after the worker's.
func (j *Job) Lasting() context.Context { return j.lasting }

// Metrics buffers one step's points; they are published with the next flush, a few times a second. It waits only when the log has been away
// for so long that very many points wait for it.
func (j *Job) Metrics(ctx context.Context, step int64, keys []string, values []float64) error {
	at := j.runner.Now().UnixMicro()
	j.mu.Lock()
	for i, key := range keys {
		j.buffered.add(key, step, at, values[i])
	}
	points := j.buffered.points
	j.mu.Unlock()
	switch {
	case points >= mostPoints:
		return j.Flush(ctx)
	case points >= flushPoints:
		select {
		case j.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// Print adds a console line.
func (j *Job) Print(line string) {
	j.mu.Lock()
	j.buffered.lines = append(j.buffered.lines, clip(line))
	j.mu.Unlock()
}

// Progress says how far the run is; the newest counts, and it is published a few times a second at most. total 0 is unknown.
func (j *Job) Progress(phase string, done, total int64, unit string, left time.Duration) {
	p := &event.RunProgressed{Run: j.Request.Run, Phase: phase, Done: done, Total: total, Unit: unit}
	if left > 0 {
		s := left.Seconds()
		p.SecondsLeft = &s
	}
	j.mu.Lock()
	j.buffered.progress = p
	j.mu.Unlock()
}

// Spend adds what the run has used besides time: floating-point operations, tokens, bytes put into storage and moved.
func (j *Job) Spend(flops float64, tokens, stored, moved int64) {
	j.mu.Lock()
	j.spent.FLOPs += event.Number(flops)
	j.spent.Tokens += tokens
	j.spent.Stored += stored
	j.spent.Moved += moved
	j.mu.Unlock()
}

// Pay adds what others are paid for what no device here does, in US dollars.
func (j *Job) Pay(dollars float64) {
	j.mu.Lock()
	j.spent.Paid += event.Number(dollars)
	j.mu.Unlock()
}

// Measure makes a meter say from now on what the run consumes, instead of the worker's own: that of a command and all that it starts. Once it
// sees them in GPUs, they are what is charged for. nil: the worker's again.
func (j *Job) Measure(m *meter.Meter) {
	j.mu.Lock()
	j.measured, j.joulesBefore = m, nil
	j.mu.Unlock()
}

// Place is where the request lies in the log.
func (j *Job) Place() uint64 { return j.seq }

// Publish adds a fact about the run after everything that was told before it.
func (j *Job) Publish(ctx context.Context, e event.Event) error {
	if err := j.Flush(ctx); err != nil {
		return err
	}
	_, err := j.runner.Bus.Publish(ctx, e)
	return err
}
