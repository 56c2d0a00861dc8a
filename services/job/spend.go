package job

import (
	"context"
	"errors"
	"time"

	"millrace/event"
	"millrace/services/bus"
)

// How often what is buffered is published, and how often usage is sampled.
const (
	flushEvery  = 250 * time.Millisecond
	sampleEvery = time.Second
)

// started says that this worker has the run, and from which step it goes on, unless the run was ended meanwhile: errEnded. The log decides
// between a worker that starts a run and a tracker that ends it before anybody has.
func (j *Job) started(ctx context.Context) error {
	e := event.RunStarted{Run: j.Request.Run, Attempt: j.Attempt, Worker: j.runner.Worker, Environment: j.runner.Environment()}
	if j.Checkpoint != nil {
		e.ResumedFrom = &j.Checkpoint.Step
	}
	for {
		_, err := j.runner.Bus.PublishWhile(ctx, e, event.RunEnded{Run: e.Run}.Subject(), j.ended)
		if !errors.Is(err, bus.ErrOvertaken) {
			return err
		}
		over, ended, err := j.runner.over(ctx, j.Request, j.seq)
		switch {
		case err != nil:
			return err
		case over:
			return errEnded
		case ended == j.ended: // a server older than 2.12 compares another subject: then what it refuses says nothing
			_, err := j.runner.Bus.Publish(ctx, e)
			return err
		}
		j.ended = ended
	}
}

// sample publishes, until ctx ends, what is buffered and what the worker consumes. A fault here is logged and tried again with the
// next tick: a log that is away must not end a training run. What is lost by a final fault is told by the last Flush.
func (j *Job) sample(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var sampled time.Time
	waiting := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.wake:
		case <-tick.C:
		}
		// Not given up when the job ends: a publish that was given up may be in the log all the same, and would be repeated.
		err := j.Flush(j.lasting)
		switch {
		case j.lasting.Err() != nil:
			return
		case err != nil && !waiting: // said once, not with every tick
			j.runner.Log.Warn("points wait for the log", "run", j.Request.Run, "error", err)
		case err == nil && waiting:
			j.runner.Log.Warn("the points that waited are in the log", "run", j.Request.Run)
		}
		waiting = err != nil
		if now := j.runner.Now(); !waiting && now.Sub(sampled) >= sampleEvery {
			sampled = now
			j.account(ctx)
		}
	}
}

// account publishes what the worker consumes now and what the run has spent so far.
func (j *Job) account(ctx context.Context) {
	usage, err := j.runner.Meter.Sample(ctx)
	if err != nil {
		if ctx.Err() == nil {
			j.runner.Log.Warn("usage could not be sampled", "run", j.Request.Run, "error", err)
		}
		return
	}
	if usage.Joules != nil {
		j.noteJoules(float64(*usage.Joules))
	}
	_, err = j.runner.Bus.Publish(ctx, event.UsageSampled{Run: j.Request.Run, Worker: j.runner.Worker, Usage: usage})
	if err == nil {
		err = j.publishSpent(ctx)
	}
	if err != nil && ctx.Err() == nil {
		j.runner.Log.Warn("usage could not be told", "run", j.Request.Run, "error", err)
	}
}

// noteJoules keeps the energy since the job began: the device counts since the worker did.
func (j *Job) noteJoules(total float64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.joulesBefore == nil {
		j.joulesBefore = &total
	}
	used := event.Number(total - *j.joulesBefore)
	j.spent.Joules = &used
}

// publishSpent publishes the cumulative account of this attempt.
func (j *Job) publishSpent(ctx context.Context) error {
	j.mu.Lock()
	s := j.spent
	j.mu.Unlock()
	s.Seconds = event.Number(j.runner.Now().Sub(j.began).Seconds() * float64(max(1, s.Device.Count)))
	_, err := j.runner.Bus.Publish(ctx, s)
	return err
}
