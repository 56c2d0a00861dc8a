package blob

import (
	"context"
	"fmt"
	"time"
)

const (
	firstPause = 50 * time.Millisecond
	maxPause   = 2 * time.Second
)

// retry calls f until it succeeds, fails for good, or has met transient faults
// for Config.RetryFor. Errors come out explained; the context's own error is
// kept, so that errors.Is(err, context.Canceled) holds.
func (s *Store) retry(ctx context.Context, op string, f func() error) error {
	started := time.Now()
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := f()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("blob: %s: %w", op, context.Cause(ctx))
		case !transient(err):
			return s.explain(op, err)
		}
		// Half of a pause is fixed, half by chance: clients that lost a
		// server together must not come back together.
		wait := pause/2 + time.Duration(s.cfg.Jitter()*float64(pause/2))
		if time.Since(started)+wait > s.cfg.RetryFor {
			return fmt.Errorf("blob: %s: %w: %s failed %d times in %s, at last with: %w", op, ErrUnavailable,
				s.cfg.Endpoint, attempt, time.Since(started).Round(time.Millisecond), err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("blob: %s: %w", op, context.Cause(ctx))
		}
		pause = min(2*pause, maxPause)
	}
}
