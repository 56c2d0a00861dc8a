package job

import (
	"context"
	"sort"
	"time"

	"millrace/event"
)

// How often what is buffered is published, and how often usage is sampled.
const (
	flushEvery  = 250 * time.Millisecond
	sampleEvery = time.Second
)

// started says that this worker has the run.
func (j *Job) started(ctx context.Context) error {
	_, err := j.runner.Bus.Publish(ctx, event.RunStarted{
		Run: j.Request.Run, Attempt: j.Attempt, Worker: j.runner.Worker, Environment: j.runner.Environment(),
	})
	return err
}

// Resumed says from which step this attempt goes on.
func (j *Job) Resumed(ctx context.Context, step int64) error {
	_, err := j.runner.Bus.Publish(ctx, event.RunStarted{
		Run: j.Request.Run, Attempt: j.Attempt, Worker: j.runner.Worker, Environment: j.runner.Environment(), ResumedFrom: &step,
	})
	return err
}

// sample publishes, until ctx ends, what is buffered and what the worker consumes. A fault here is logged and tried again with the
// next tick: a tracker that is away must not end a training run. What is lost by a final fault is told by the last Flush.
func (j *Job) sample(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var sampled time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := j.Flush(ctx); err != nil && ctx.Err() == nil {
			j.runner.Log.Warn("points wait for the log", "run", j.Request.Run, "error", err)
			continue
		}
		now := j.runner.Now()
		if now.Sub(sampled) < sampleEvery {
			continue
		}
		sampled = now
		usage, err := j.runner.Meter.Sample(ctx)
		if err != nil {
			j.runner.Log.Warn("usage could not be sampled", "run", j.Request.Run, "error", err)
			continue
		}
		if usage.Joules != nil {
			j.noteJoules(float64(*usage.Joules))
		}
		if _, err := j.runner.Bus.Publish(ctx, event.UsageSampled{Run: j.Request.Run, Worker: j.runner.Worker, Usage: usage}); err != nil {
			continue
		}
		if err := j.publishSpent(ctx); err != nil && ctx.Err() == nil {
			j.runner.Log.Warn("spending could not be published", "run", j.Request.Run, "error", err)
		}
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

func sortSeries(s []event.Series) {
	sort.Slice(s, func(a, b int) bool { return s[a].Key < s[b].Key })
}
