package trainer

import (
	"context"
	"fmt"

	"millrace/trainer/engine"
)

// saver hands checkpoints to the recorder beside the training: a copy of the state is made while training waits, and the recorder
// reads it while training goes on. One is on its way at a time; the next waits for it.
type saver struct {
	recorder Recorder
	kernels  engine.Kernels
	// copied is whether there is memory for a copy. Without, training waits until the recorder has read the state itself.
	copied bool
	// keep holds on to the copy when the recorder is done: a rollback goes back to it.
	keep bool
	// roomy takes its memory before the first step and holds on to it: memory that is fresh is slow to come by, on a virtual machine above all.
	roomy  bool
	last   *snapshot // taken last; nil without
	done   chan error
	flying int64 // step of the one on its way
	saved  int64 // step of the latest that is durable
}

// save takes a checkpoint and sends it off.
func (s *saver) save(ctx context.Context, c Checkpoint) error {
	if err := s.wait(); err != nil {
		return err
	}
	if s.copied {
		if s.last == nil {
			s.last = s.fresh()
		}
		if err := s.last.take(c); err != nil {
			return err
		}
		c = s.last.Checkpoint
	}
	s.done, s.flying = make(chan error, 1), c.Step
	go func(done chan<- error) { done <- s.recorder.Checkpoint(ctx, c) }(s.done)
	if !s.copied {
		return s.wait()
	}
	return nil
}

func (s *saver) fresh() *snapshot {
	device := s.kernels.Info()
	return &snapshot{buffers: map[string][]float32{}, onHost: device.Kind == "cpu", alloc: s.kernels.Alloc, threads: device.Threads}
}

// wait returns when no checkpoint is on its way.
func (s *saver) wait() error {
	if s.done == nil {
		return nil
	}
	return s.arrived(<-s.done)
}

// check tells of an error of the checkpoint on its way, if it is known by now.
func (s *saver) check() error {
	select {
	case err := <-s.done: // never ready when nil
		return s.arrived(err)
	default:
		return nil
	}
}

func (s *saver) arrived(err error) error {
	s.done = nil
	if !s.keep && !s.roomy {
		s.last = nil
	}
	if err != nil {
		return fmt.Errorf("trainer: save the checkpoint of step %d: %w", s.flying, err)
	}
	s.saved = s.flying
	return nil
}

// newSaver bounds what saving takes by the job's memory.
func newSaver(c Config, j Job) (saver, error) {
	need := c.trainingBytes()
	s := saver{recorder: j.Recorder, kernels: j.Kernels, copied: true, keep: c.Guard.Action == actionRollback}
	if j.MemoryLimit <= 0 {
		s.roomy = true
		return s, nil
	}
	limit := float64(j.MemoryLimit)
	copied := need + 12*float64(c.Model.Parameters().Total) // weights and two moments
	switch {
	case need > limit:
		return s, fmt.Errorf("trainer: this model and batch need about %.1f GB of memory and %.1f GB are allowed; use a smaller model, batch_size or context",
			need/1e9, limit/1e9)
	case copied > limit && s.keep:
		return s, fmt.Errorf("trainer: with what guard.action rollback keeps, this model and batch need about %.1f GB of memory and %.1f GB are allowed; use skip, or a smaller model, batch_size or context",
			copied/1e9, limit/1e9)
	}
	s.copied, s.roomy = copied <= limit, copied <= limit/2
	return s, nil
}
