package evaluation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"millrace/event"
	"millrace/services/bus"
)

// request turns one checkpoint into one request for each suite that it is to be judged on. Everything it needs is in the fact, but for what
// an earlier version has not noted there. One that is late and gives way is asked for all the same, so that the record says what became of it.
func (s *Service) request(ctx context.Context, env event.Envelope, _ bus.Delivery) error {
	c, ok := env.Event.(event.CheckpointSaved)
	if !ok {
		return bus.Poison(fmt.Errorf("evaluation: %s is not a checkpoint", env.Event.Type()))
	}
	for _, name := range c.Due() {
		pin, ok := c.Pin(name)
		if !ok {
			var err error
			if pin, err = s.Library.Pin(ctx, name); err != nil {
				s.Log.Warn("a checkpoint names a suite that does not exist", "run", c.Run, "suite", name, "error", err)
				continue
			}
		}
		req, err := event.EvaluationRequest(c, name, pin.Digest, s.Code, "checkpoint.saved")
		if err != nil {
			return err
		}
		if _, err := s.Bus.PublishOnce(ctx, req); err != nil && !errors.Is(err, bus.ErrExists) {
			return err
		}
	}
	return nil
}

// newer tells whether a run has saved a checkpoint after a step that is judged on the same suite.
func (s *Service) newer(ctx context.Context, run event.RunID, step int64, suite string) (bool, error) {
	env, err := s.Bus.Last(ctx, event.CheckpointSaved{Run: run}.Subject())
	if errors.Is(err, bus.ErrNone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	last, ok := env.Event.(event.CheckpointSaved)
	return ok && last.Step > step && slices.Contains(last.Due(), suite), nil
}

// LastSaved is a Library.Saved for a process that has the log only: it knows the newest of each name.
func LastSaved(b *bus.Bus) func(context.Context, string, int) (event.SuiteSaved, bool, error) {
	return func(ctx context.Context, name string, version int) (event.SuiteSaved, bool, error) {
		if !event.ValidID(name) {
			return event.SuiteSaved{}, false, nil
		}
		env, err := b.Last(ctx, event.SuiteSaved{Name: name}.Subject())
		if errors.Is(err, bus.ErrNone) {
			return event.SuiteSaved{}, false, nil
		}
		saved, ok := env.Event.(event.SuiteSaved)
		return saved, err == nil && ok && (version == 0 || saved.Version == version), err
	}
}
