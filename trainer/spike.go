package trainer

import (
	"context"
	"fmt"
	"slices"
)

// rollsBack tells whether the Guard may go back.
func (r *run) rollsBack() bool { return r.config.Guard.Action == actionRollback }

// judge asks the Guard what becomes of a step whose update has not been made. ErrDiverged when the training cannot go on.
func (r *run) judge(step int64, loss, norm float64) (s Spike, spiked bool, err error) {
	diverged := func(why string) error {
		if err := r.saver.wait(); err != nil {
			return err
		}
		return fmt.Errorf("trainer: %w at step %d: loss %g, gradient norm %g%s; the latest checkpoint is of step %d; try a lower optimizer.lr or clip",
			ErrDiverged, step, loss, norm, why, r.saver.saved)
	}
	if r.watch == nil {
		if finite(loss) && finite(norm) {
			return s, false, nil
		}
		return s, false, diverged("")
	}
	s, spiked = r.watch.look(r.config.Guard, step, loss, norm)
	switch {
	case !spiked:
		return s, false, nil
	case r.rollsBack():
		if r.rollbacks++; r.rollbacks > r.config.Guard.Limit {
			return s, true, diverged(fmt.Sprintf(", after %d rollbacks to step %d", r.config.Guard.Limit, r.base))
		}
		s.To = r.base
		r.skipped = r.baseSkipped + step - r.base
		return s, true, r.rollback()
	case r.watch.Row > r.config.Guard.Limit:
		return s, true, diverged(fmt.Sprintf(", the %dth step in a row to leave out", r.watch.Row))
	}
	r.skipped++
	return s, true, nil
}

// rollback puts weights and moments back.
func (r *run) rollback() error {
	if err := r.saver.wait(); err != nil {
		return err
	}
	r.optimizer.Await()
	return r.load(r.saver.last.open)
}

// due tells whether a checkpoint is to be saved after a step.
func (r *run) due(step int64) bool {
	return r.regular(step) || !r.rollsBack() && slices.Contains(r.job.SaveAt, step)
}

// regular tells whether a step has a checkpoint wherever the training is interrupted.
func (r *run) regular(step int64) bool {
	return step%r.config.CheckpointEvery == 0 || step == r.config.Steps
}

// leave saves the last state of this run. A training that may roll back has only regular checkpoints: what it rolls back to must not
// depend on where it was interrupted. It goes on from the latest, and repeats what came after it.
func (r *run) leave(ctx context.Context) error {
	if !r.rollsBack() || r.regular(r.step) {
		if err := r.save(ctx); err != nil {
			return err
		}
	}
	return r.saver.wait()
}

// save hands the current state to the recorder, unless it has it.
func (r *run) save(ctx context.Context) error {
	r.clock.begin()
	if err := r.saver.wait(); err != nil {
		return err
	}
	if r.saver.saved == r.step {
		return nil
	}
	c, err := r.checkpoint()
	if err != nil {
		return err
	}
	r.base, r.baseSkipped, r.rollbacks = r.step, r.skipped, 0
	err = r.saver.save(ctx, c)
	r.clock.lap(KeySavingSeconds)
	return err
}
