package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/meter"
)

// Runner takes jobs from the bus, one at a time for each kind it is asked to work.
type Runner struct {
	Bus    *bus.Bus
	Meter  *meter.Meter
	Worker event.WorkerID
	// Environment tells what jobs run on; Device is what they are charged for.
	Environment func() event.Environment
	Device      event.Device
	Now         func() time.Time
	Log         *slog.Logger
}

// Outcome is what a job made, for the record.
type Outcome struct {
	Steps   int64
	Outputs []event.Input
}

// Do is a kind's own work. Its context ends when the run is asked to stop (cause ErrStopRequested) or the worker goes away; it then
// leaves at the next safe point. An error that is not Failed and not the context's is retried by another delivery, a few times.
type Do func(ctx context.Context, j *Job) (Outcome, error)

// maxFaults is how often this worker meets an error that might pass before it takes it for final.
const maxFaults = 5

// Work takes jobs of a kind until ctx ends.
func (r *Runner) Work(ctx context.Context, kind event.RunKind, do Do) error {
	faults := map[event.RunID]int{}
	group := bus.Group{
		Name: string(kind), Filters: []string{event.Requested(kind)}, Parallel: 1,
		MaxAttempts: -1, // every restart of a worker is a delivery: a long run sees many
		Backoff:     []time.Duration{time.Second, 5 * time.Second, 30 * time.Second},
	}
	return r.Bus.Work(ctx, group, func(ctx context.Context, env event.Envelope, d bus.Delivery) error {
		req, ok := env.Event.(event.RunRequested)
		if !ok {
			return bus.Poison(fmt.Errorf("job: %s is not a request", env.Event.Type()))
		}
		err := r.one(ctx, req, env.Time, d.Attempt, faults[req.Run]+1 >= maxFaults, do)
		if err != nil && ctx.Err() == nil {
			faults[req.Run]++
		} else {
			delete(faults, req.Run)
		}
		return err
	})
}

// one carries a single run. It returns nil when the job needs no other delivery; final makes any error the run's failure.
func (r *Runner) one(ctx context.Context, req event.RunRequested, requested time.Time, attempt int, final bool, do Do) error {
	if over, err := r.alreadyEnded(ctx, req.Run); err != nil || over {
		return err
	}
	jobCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	j := &Job{Request: req, Requested: requested, Attempt: attempt, runner: r, writer: "worker", began: r.Now(),
		spent: event.ResourcesSpent{Run: req.Run, Attempt: attempt, Worker: r.Worker, Device: r.Device}}

	stopped := make(chan struct{})
	go func() { // a stop may have been asked for before we began
		defer close(stopped)
		filter := event.RunStopRequested{Run: req.Run}.Subject()
		_ = r.Bus.Follow(jobCtx, 1, []string{filter}, func(event.Envelope) error {
			cancel(ErrStopRequested)
			return nil
		})
	}()
	sampled := make(chan struct{})
	go func() {
		defer close(sampled)
		j.sample(jobCtx)
	}()

	out, err := protect(jobCtx, j, do)
	stop := errors.Is(context.Cause(jobCtx), ErrStopRequested)
	going := interrupted(jobCtx, err)
	cancel(nil)
	<-stopped
	<-sampled

	if going {
		return fmt.Errorf("job: run %s interrupted: %w", req.Run, err)
	}
	var failed *Failed
	if err != nil && !stop && !errors.As(err, &failed) && !final {
		r.Log.Warn("a job will be tried again", "run", req.Run, "attempt", attempt, "error", err)
		return err
	}
	// The last words are said even while the worker is asked to leave.
	last, done := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer done()
	if ferr := j.Flush(last); err == nil {
		err = ferr
	}
	if serr := j.publishSpent(last); err == nil {
		err = serr
	}
	ended := event.RunEnded{Run: req.Run, Attempt: attempt, Status: event.Finished, Steps: out.Steps, Outputs: out.Outputs}
	switch {
	case err == nil:
	case stop && !errors.As(err, &failed):
		ended.Status = event.Stopped
	default:
		ended.Status, ended.Failure = event.Failed, failureOf(err)
		r.Log.Warn("run failed", "run", req.Run, "code", ended.Failure.Code, "error", err)
	}
	_, perr := r.Bus.Publish(last, ended)
	return perr
}

// alreadyEnded guards against a delivery after the last word: the acknowledgement may have been lost.
func (r *Runner) alreadyEnded(ctx context.Context, run event.RunID) (bool, error) {
	_, err := r.Bus.Last(ctx, event.RunEnded{Run: run}.Subject())
	if errors.Is(err, bus.ErrNone) {
		return false, nil
	}
	return err == nil, err
}

// protect turns a panic into a failed run: the node stays up, and the record says where.
func protect(ctx context.Context, j *Job, do Do) (out Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			j.runner.Log.Error("a job panicked", "run", j.Request.Run, "panic", p, "stack", string(debug.Stack()))
			err = Failf("panic", "this is a defect of Millrace; the node's log has the stack", "the job panicked: %v", p)
		}
	}()
	if err := j.started(ctx); err != nil {
		return Outcome{}, err
	}
	return do(ctx, j)
}
