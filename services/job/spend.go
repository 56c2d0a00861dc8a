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

// account publishes what is consumed now and what the run has spent so far.
func (j *Job) account(ctx context.Context) {
	j.mu.Lock()
	measured := j.measured
	j.mu.Unlock()
	from := measured
	if from == nil {
		from = j.runner.Meter
	}
	usage, err := from.Sample(ctx)
	if err != nil {
		if ctx.Err() == nil && measured == nil { // a command may have ended just now
			j.runner.Log.Warn("usage could not be sampled", "run", j.Request.Run, "error", err)
		}
		return
	}
	joules := usage.Joules
	if measured != nil {
		if joules, err = j.charge(ctx, usage); err != nil && ctx.Err() == nil {
			j.runner.Log.Warn("usage could not be told", "run", j.Request.Run, "error", err)
		}
	}
	if joules != nil {
		j.noteJoules(float64(*joules))
	}
	_, err = j.runner.Bus.Publish(ctx, event.UsageSampled{Run: j.Request.Run, Worker: j.runner.Worker, Usage: usage})
	if err == nil {
		err = j.publishSpent(ctx)
	}
	if err != nil && ctx.Err() == nil {
		j.runner.Log.Warn("usage could not be told", "run", j.Request.Run, "error", err)
	}
}

// charge finds out whether a command uses GPUs: then they are what the run spends from now on, and the account of the processor is closed. It
// returns the energy counter of what is charged, in joules; a rented GPU's price has its host in it.
func (j *Job) charge(ctx context.Context, u event.Usage) (joules *event.Number, err error) {
	gpu := event.Device{Kind: "gpu"}
	var energy *event.Number
	for _, g := range u.GPUs {
		if g.OwnMemory <= 0 || gpu.Name != "" && g.Name != gpu.Name {
			continue
		}
		gpu.Name, gpu.Count = g.Name, gpu.Count+1
		if g.Joules != nil {
			if energy == nil {
				energy = new(event.Number)
			}
			*energy += *g.Joules
		}
	}
	j.mu.Lock()
	is := j.spent.Device
	j.mu.Unlock()
	switch {
	case gpu.Count == 0 && is.Kind == "gpu":
		return nil, nil // between two of the command's processes
	case gpu.Count == 0:
		return u.Joules, nil
	case is.Kind != gpu.Kind || is.Name != gpu.Name:
		if err := j.publishSpent(ctx); err != nil {
			return nil, err // with the next sample
		}
		j.mu.Lock()
		s := j.spent
		j.spent = event.ResourcesSpent{Run: s.Run, Attempt: s.Attempt, Worker: s.Worker, Device: gpu}
		j.joulesBefore = nil
		j.mu.Unlock()
	case is.Count != gpu.Count:
		j.mu.Lock()
		j.settle()
		j.spent.Device.Count, j.joulesBefore = gpu.Count, nil
		j.mu.Unlock()
	}
	return energy, nil
}

// noteJoules adds the energy since the last sample: the counter runs on, whoever looks.
func (j *Job) noteJoules(total float64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.joulesBefore != nil && total > *j.joulesBefore {
		used := event.Number(total - *j.joulesBefore)
		if j.spent.Joules != nil {
			used += *j.spent.Joules
		}
		j.spent.Joules = &used
	} else if j.spent.Joules == nil {
		j.spent.Joules = new(event.Number)
	}
	j.joulesBefore = &total
}

// settle adds the time since it was last done, times the devices in use. The caller holds the lock.
func (j *Job) settle() {
	now := j.runner.Now()
	j.spent.Seconds += event.Number(max(0, now.Sub(j.charged).Seconds()) * float64(max(1, j.spent.Device.Count)))
	j.charged = now
}

// publishSpent publishes the cumulative account of this attempt.
func (j *Job) publishSpent(ctx context.Context) error {
	j.mu.Lock()
	j.settle()
	s := j.spent
	j.mu.Unlock()
	_, err := j.runner.Bus.Publish(ctx, s)
	return err
}
