package tracker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"millrace/event"
	"millrace/services/bus"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/where"
)

// watchEvery is how often it is looked whether external runs are silent.
const watchEvery = 5 * time.Second

// watchdog says of runs of kind external that crashed which were silent for three heartbeats: no fact of theirs came. Silence counts only
// while this tracker could hear: from its start, and anew after the log was away, the fold lagged behind, or the machine slept.
func (t *Tracker) watchdog(ctx context.Context) error {
	running, err := where.Parse("kind = external and status = running", t.Now())
	if err != nil {
		return err
	}
	every := t.WatchEvery
	if every == 0 {
		every = watchEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	looked := t.Now()
	hears := looked // since when
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		now := t.Now()
		if gap := now.Sub(looked); gap < 0 || gap > max(10*every, time.Minute) || !t.listening(ctx) {
			hears = now
		}
		looked = now
		ids, err := t.Model.MatchingRuns(ctx, running)
		for _, id := range ids {
			if err == nil {
				err = t.bury(ctx, id, now, hears)
			}
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, readmodel.ErrClosed) {
			t.Log.Warn("it could not be seen whether external runs are silent", "error", err)
		}
	}
}

// listening tells whether the log answers and the fold has what is in it, give or take what comes just now.
func (t *Tracker) listening(ctx context.Context) bool {
	const near = 1000
	if t.Bus.Ready() != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	state, err := t.Bus.State(ctx)
	return err == nil && t.Model.Cursor().Applied+near >= state.Last
}

// silent tells whether a run showed no sign of life for too long, and for how long.
func silent(run readmodel.Run, now, hears time.Time) (time.Duration, bool) {
	if !run.Foreign() || run.Status != event.Running {
		return 0, false
	}
	last := hears
	for _, at := range []time.Time{run.HeartbeatAt, run.CreatedAt, run.ProgressAt} {
		if at.After(last) {
			last = at
		}
	}
	if n := len(run.Attempts); n > 0 && run.Attempts[n-1].StartedAt.After(last) {
		last = run.Attempts[n-1].StartedAt
	}
	quiet := now.Sub(last)
	return quiet, quiet > patience(run.HeartbeatSeconds)
}

// bury says that a silent run crashed. Of several trackers that find it silent one says so: it is said with regard to the last word on the
// run's end, which must be folded.
func (t *Tracker) bury(ctx context.Context, id event.RunID, now, hears time.Time) error {
	run, err := t.Model.Run(id)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil // deleted
	}
	if err != nil {
		return err
	}
	if _, is := silent(run, now, hears); !is {
		return nil
	}
	e := event.RunEnded{Run: id, Attempt: max(1, attempts(run)), Status: event.Crashed, Steps: run.Steps}
	last, err := t.last(ctx, e.Subject())
	if err != nil {
		return err
	}
	if err := t.Model.WaitFor(ctx, last); err != nil {
		return err
	}
	if run, err = t.Model.Run(id); err != nil {
		return err
	}
	quiet, is := silent(run, now, hears)
	if !is {
		return nil // it was said meanwhile
	}
	e.Failure = &event.Failure{
		Code: "silent", Message: fmt.Sprintf("no sign of life for %s; it announced one every %d s", quiet.Round(time.Second), max(run.HeartbeatSeconds, 1)),
		Hint: "whatever it logs brings it back; look at its machine, or start it again",
	}
	_, err = t.Bus.PublishAfter(ctx, event.Envelope{Event: e}, last)
	if errors.Is(err, bus.ErrExists) {
		return nil // another tracker was faster
	}
	return err
}
