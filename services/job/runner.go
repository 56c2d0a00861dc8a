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
	// Grace is how long a job may take to save and say its last words once the worker is told to leave; 0 is 20 s.
	Grace time.Duration
	// Lease is how long after this worker's last sign of life another one takes its job; 0 is 10 s. A process that was killed and comes
	// back waits for it too.
	Lease time.Duration
	// Backoff is how long to wait before the nth further try of a fault that may pass; nil is 1 s, 5 s, 30 s.
	Backoff []time.Duration
	Now     func() time.Time
	Log     *slog.Logger
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
		Lease:       r.Lease,
		Backoff:     r.Backoff,
	}
	if group.Lease <= 0 {
		group.Lease = 10 * time.Second
	}
	if len(group.Backoff) == 0 {
		group.Backoff = []time.Duration{time.Second, 5 * time.Second, 30 * time.Second}
	}
	return r.Bus.Work(ctx, group, func(ctx context.Context, env event.Envelope, d bus.Delivery) error {
		req, ok := env.Event.(event.RunRequested)
		if !ok {
			return bus.Poison(fmt.Errorf("job: %s is not a request", env.Event.Type()))
		}
		err := r.one(ctx, req, env, req.Attempts+d.Attempt, faults[req.Run], do)
		if err != nil && ctx.Err() == nil {
			faults[req.Run]++
		} else {
			delete(faults, req.Run)
		}
		return err
	})
}

// one carries a single run. It returns nil when the job needs no other delivery; faults is how often this worker
// met an error of the run before.
func (r *Runner) one(ctx context.Context, req event.RunRequested, env event.Envelope, attempt int, faults int, do Do) error {
	over, ended, err := r.over(ctx, req, env.Seq)
	if err != nil || over {
		return err
	}
	lasting, release := r.lasting(ctx)
	defer release()
	j := &Job{
		Request: req, Requested: env.Time, Attempt: attempt,
		runner: r, writer: "worker", charged: r.Now(), lasting: lasting, flushing: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		seq: env.Seq, ended: ended,
		spent: event.ResourcesSpent{Run: req.Run, Attempt: attempt, Worker: r.Worker, Device: r.Device},
	}
	if j.Checkpoint, err = r.checkpoint(ctx, req, env.Seq); err != nil {
		return err
	}
	if attempt > 1 {
		if j.lines, err = r.lines(ctx, req.Run); err != nil {
			return err
		}
	}
	out, stop, err := r.carry(ctx, j, do)
	if errors.Is(err, errEnded) {
		return nil
	}
	if interrupted(ctx, err) {
		if serr := errors.Join(j.Flush(lasting), j.publishSpent(lasting)); serr != nil {
			r.Log.Warn("what an interrupted run told last and spent could not be told", "run", req.Run, "error", serr)
		}
		return fmt.Errorf("job: run %s interrupted: %w", req.Run, err)
	}
	if again(err, stop != nil, faults) {
		r.Log.Warn("a job will be tried again", "run", req.Run, "attempt", attempt, "error", err)
		if serr := errors.Join(j.Flush(lasting), j.publishSpent(lasting)); serr != nil { // its last lines may say why
			r.Log.Warn("what a failed attempt told last and spent could not be told", "run", req.Run, "error", serr)
		}
		return err
	}
	return j.end(out, stop, err)
}

// carry does the job while its stop is awaited and its buffer is published. stop is the wish that the job was told of, nil without one.
func (r *Runner) carry(ctx context.Context, j *Job, do Do) (out Outcome, stop *event.RunStopRequested, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopped, sampled := make(chan struct{}), make(chan struct{})
	var wish event.RunStopRequested
	go func() { // a stop may have been asked for before we began, but not before the run was asked to go on
		defer close(stopped)
		filter := event.RunStopRequested{Run: j.Request.Run}.Subject()
		err := r.Bus.Follow(ctx, j.seq+1, []string{filter}, func(env event.Envelope) error {
			wish, _ = env.Event.(event.RunStopRequested)
			cancel(ErrStopRequested)
			return ErrStopRequested
		})
		if ctx.Err() == nil {
			r.Log.Warn("a run cannot be stopped", "run", j.Request.Run, "error", err)
		}
	}()
	go func() {
		defer close(sampled)
		j.sample(ctx)
	}()
	out, err = protect(ctx, j, do)
	told := errors.Is(context.Cause(ctx), ErrStopRequested)
	cancel(nil)
	<-stopped
	<-sampled
	if told {
		stop = &wish
	}
	return out, stop, err
}

// end says the last words. They are said even while the worker is asked to leave.
func (j *Job) end(out Outcome, stop *event.RunStopRequested, err error) error {
	ferr := errors.Join(j.Flush(j.lasting), j.publishSpent(j.lasting))
	switch {
	case ferr != nil && j.lasting.Err() != nil: // no time left: another worker does it again from the last checkpoint
		return ferr
	case ferr != nil && err == nil:
		err = Fail("log", "the node's log tells more; start the run again", ferr)
	}
	ended := event.RunEnded{Run: j.Request.Run, Attempt: j.Attempt, Status: event.Finished, Steps: out.Steps, Outputs: out.Outputs}
	var failed *Failed
	switch {
	case err == nil:
	case stop != nil && !errors.As(err, &failed):
		ended.Status = event.Stopped
		if stop.Pause {
			ended.Status = event.Paused
		}
	case errors.As(err, &failed) && failed.Unwanted:
		ended.Status, ended.Failure = event.Stopped, failureOf(err)
	default:
		ended.Status, ended.Failure = event.Failed, failureOf(err)
		j.runner.Log.Warn("run failed", "run", j.Request.Run, "code", ended.Failure.Code, "error", err)
	}
	_, perr := j.runner.Bus.Publish(j.lasting, ended)
	return perr
}

// lasting is a context that ends Grace after ctx does.
func (r *Runner) lasting(ctx context.Context) (context.Context, func()) {
	grace := r.Grace
	if grace <= 0 {
		grace = 20 * time.Second
	}
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-lasting.Done():
		}
	})
	return lasting, func() { unhook(); cancel() }
}

// errEnded says that the run was ended before this worker could start it.
var errEnded = errors.New("the run has ended before it was started")

// over tells whether the request at a place in the log has nothing left to do: an attempt of it has said the last word (the
// acknowledgement may have been lost), the run was stopped before anybody had it, or it was asked for again. ended is the place of the last
// word that is there, be it on an earlier request, and 0 without one.
func (r *Runner) over(ctx context.Context, req event.RunRequested, seq uint64) (over bool, ended uint64, err error) {
	newest, err := r.Bus.Last(ctx, req.Subject())
	if err != nil && !errors.Is(err, bus.ErrNone) {
		return false, 0, err
	}
	if err == nil && newest.Seq > seq {
		return true, 0, nil
	}
	env, err := r.Bus.Last(ctx, event.RunEnded{Run: req.Run}.Subject())
	if errors.Is(err, bus.ErrNone) {
		return false, 0, nil
	}
	if err != nil {
		return false, 0, err
	}
	e, ok := env.Event.(event.RunEnded)
	// A worker that was thought dead may say its last word on an earlier request late.
	return ok && env.Seq > seq && e.Attempt >= req.Attempts, env.Seq, nil
}

// checkpoint finds where an earlier attempt of the request got to, or else where the request says to begin; nil: at the beginning.
func (r *Runner) checkpoint(ctx context.Context, req event.RunRequested, seq uint64) (*event.CheckpointSaved, error) {
	env, err := r.Bus.Last(ctx, event.CheckpointSaved{Run: req.Run}.Subject())
	switch {
	case errors.Is(err, bus.ErrNone), err == nil && env.Seq < seq: // the run may have been rewound since
		return req.From, nil
	case err != nil:
		return nil, err
	}
	saved, ok := env.Event.(event.CheckpointSaved)
	if !ok {
		return nil, fmt.Errorf("job: %s lies where a checkpoint should", env.Event.Type())
	}
	return &saved, nil
}

// lines is how many console lines earlier attempts have written: the next ones come after them.
func (r *Runner) lines(ctx context.Context, run event.RunID) (int64, error) {
	env, err := r.Bus.Last(ctx, event.LinesLogged{Run: run}.Subject())
	if errors.Is(err, bus.ErrNone) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	e, ok := env.Event.(event.LinesLogged)
	if !ok {
		return 0, fmt.Errorf("job: %s lies where console lines should", env.Event.Type())
	}
	return e.First + int64(len(e.Lines)), nil
}

// protect turns a panic into a failed run: the node stays up, and the record says where.
func protect(ctx context.Context, j *Job, do Do) (out Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			j.runner.Log.Error("a job panicked", "run", j.Request.Run, "panic", p, "stack", string(debug.Stack()))
			err = Failf("panic", "this is a defect of Millrace; the node's log has the stack", "the job panicked: %v", p)
		}
	}()
	if err := j.started(j.lasting); err != nil { // also when it is to stop at once: the record tells who had it
		return Outcome{}, err
	}
	return do(ctx, j)
}
