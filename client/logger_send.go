package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"millrace/client/journal"
	"millrace/event"
)

// How often the tracker hears of a writer that has nothing to say, and is asked what it wishes.
const (
	heartbeatEvery = 30 * time.Second
	askEvery       = 5 * time.Second
)

// send brings batches to the tracker until ctx ends.
func (l *Logger) send(ctx context.Context) {
	var lastCut, lastAsk time.Time
	caughtUp := false
	for ctx.Err() == nil {
		if l.urgent.Load() || time.Since(lastCut) >= l.o.Every {
			if l.journal.Cut() {
				lastCut = time.Now()
			}
		}
		if err := l.attempt(ctx, l.s.begin); err != nil {
			l.rest(ctx, askEvery)
			continue
		}
		if !caughtUp {
			caughtUp = true
			close(l.opened)
			l.wg.Go(func() { l.catchUp(ctx) })
		}
		if b, any := l.journal.Next(); any {
			// Its cut is durable before it is sent: after a crash it is the same batch.
			if err := l.journal.Sync(); err != nil {
				l.state.problem("the journal cannot be made durable", err)
			}
			if err := l.attempt(ctx, func(ctx context.Context) error { return l.s.one(ctx, b) }); err != nil {
				l.rest(ctx, askEvery)
			}
			continue
		}
		quiet := time.Since(l.s.spoken)
		switch {
		case quiet >= heartbeatEvery:
			_ = l.attempt(ctx, l.s.heartbeat) // told by the state
			l.s.spoken = time.Now()
		case quiet >= askEvery && time.Since(lastAsk) >= askEvery:
			_ = l.attempt(ctx, l.s.ask)
			lastAsk = time.Now()
		}
		l.lines.flush(false)
		if _, _, any := l.journal.Left(); any {
			l.linger(ctx, l.o.Every-time.Since(lastCut))
		} else {
			l.idle(ctx)
		}
	}
}

// attempt does something until it is done. What is refused for good, and defects of this machine, are told.
func (l *Logger) attempt(ctx context.Context, do func(context.Context) error) error {
	err := l.s.again(ctx, func() error { return do(ctx) })
	if err != nil && ctx.Err() == nil {
		l.state.problem("the tracker will not take this run", err)
	}
	return err
}

// idle waits until something is logged, at most a second.
func (l *Logger) idle(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	case <-l.nudge:
	}
}

// linger waits until the next batch is due, or somebody waits for it.
func (l *Logger) linger(ctx context.Context, wait time.Duration) {
	due := time.NewTimer(wait)
	defer due.Stop()
	for !l.urgent.Load() {
		select {
		case <-ctx.Done():
			return
		case <-due.C:
			return
		case <-l.nudge:
		}
	}
}

// rest waits after something that does not go better at once.
func (l *Logger) rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Err is everything that is wrong now, or was lost: ErrDropped, ErrSetAside, ErrUnreachable while the tracker is away, a journal that is full.
// nil when all is well.
func (l *Logger) Err() error {
	_, dropped := l.queue.counts()
	return l.state.err(dropped)
}

// Counts tells what became of what was logged.
func (l *Logger) Counts() Counts {
	pushed, dropped := l.queue.counts()
	_, waiting, _ := l.journal.Left()
	l.state.mu.Lock()
	defer l.state.mu.Unlock()
	return Counts{Logged: int64(pushed), Delivered: l.state.sent, Refused: l.state.setAside, Dropped: dropped + l.state.lost, Waiting: waiting}
}

// Flush makes durable on this machine what was logged before, and then waits until the tracker has it. When ctx ends first the error is
// ErrNotSent, and what was logged is safe in the journal.
func (l *Logger) Flush(ctx context.Context) error {
	l.lines.flush(true)
	pushed, _ := l.queue.counts()
	err := l.state.wait(ctx, func() bool {
		l.state.mu.Lock()
		defer l.state.mu.Unlock()
		return l.state.written+uint64(l.state.lost) >= pushed
	})
	if err != nil {
		return fmt.Errorf("client: %w: the journal has not taken everything: %w", ErrNotSent, err)
	}
	if err := l.journal.Sync(); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return l.delivered(ctx)
}

// delivered waits until the tracker has what the journal has now.
func (l *Logger) delivered(ctx context.Context) error {
	l.urgent.Store(true)
	defer l.urgent.Store(false)
	l.wakeSender()
	upTo := l.journal.Written()
	err := l.state.wait(ctx, func() bool {
		b, any := l.journal.Next()
		if any && b.Number <= upTo {
			return false
		}
		if _, _, left := l.journal.Left(); left && !any && l.journal.Written() <= upTo {
			return false // not cut yet
		}
		return !l.spool.busy()
	})
	if err == nil {
		return nil
	}
	_, points, _ := l.journal.Left()
	l.state.mu.Lock()
	away := l.state.away
	l.state.mu.Unlock()
	if away == nil {
		away = err
	}
	return fmt.Errorf("client: %w: %d points and %d artifacts wait in %s: %w", ErrNotSent, points, l.spool.count(), l.journal.Dir(), away)
}

// End says how the run ended ("finished", "failed", "stopped") and why, waits until the tracker has everything, or ctx ends, and closes.
// An err without a status is a failure. The error is ErrNotSent when something is left in the journal. A run that was joined goes on: see Close.
func (l *Logger) End(ctx context.Context, status event.RunStatus, err error) error {
	e := journal.Ending{Status: string(status)}
	if e.Status == "" {
		e.Status = string(event.Finished)
	}
	if err != nil {
		if status == "" {
			e.Status = string(event.Failed)
		}
		e.Failure = &event.Failure{Code: "script", Message: err.Error()}
		var failure interface{ Hint() string }
		if errors.As(err, &failure) {
			e.Failure.Hint = failure.Hint()
		}
	}
	return l.EndWith(ctx, e)
}

// EndWith is End with an exit code. The time is now unless it is given.
func (l *Logger) EndWith(ctx context.Context, e journal.Ending) error {
	if l.joined {
		return l.Close(ctx)
	}
	if e.Time.IsZero() {
		e.Time = time.Now().UTC()
	}
	return l.shut(ctx, &e)
}

// Close waits until the tracker has everything, or ctx ends, and gives the journal back. The run goes on: this is how a rank that is not the
// first ends.
func (l *Logger) Close(ctx context.Context) error { return l.shut(ctx, nil) }

func (l *Logger) shut(ctx context.Context, e *journal.Ending) error {
	l.closeOnce.Do(func() { l.closeErr = l.doShut(ctx, e) })
	return l.closeErr
}

func (l *Logger) doShut(ctx context.Context, e *journal.Ending) error {
	l.unmeter()
	l.lines.flush(true)
	l.queue.close()
	l.spool.close()
	stop := context.AfterFunc(ctx, l.state.giveUp)
	defer stop()
	<-l.written
	var errs []error
	if e != nil {
		errs = append(errs, l.journal.SetEnd(*e))
	}
	errs = append(errs, l.journal.Sync())
	<-l.spool.kept
	sent := l.delivered(ctx)
	errs = append(errs, sent)
	l.cancel()
	l.wg.Wait()
	if sent == nil {
		if err := l.s.again(ctx, func() error { return l.s.finish(ctx, e != nil) }); err != nil {
			sent = fmt.Errorf("client: %w: the beginning or the end of the run waits in %s: %w", ErrNotSent, l.journal.Dir(), err)
			errs = append(errs, sent)
		}
	}
	l.door().close()
	if sent == nil {
		return errors.Join(append(errs, l.journal.Remove())...)
	}
	return errors.Join(append(errs, l.journal.Close())...)
}

func (l *Logger) door() *door { return l.s.door }
