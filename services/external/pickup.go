package external

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"millrace/event"
	"millrace/services/job"
	"millrace/storage/blob"
)

// pickup takes the checkpoints that a command leaves, each once, in the order of their steps.
type pickup struct {
	j      *job.Job
	blobs  *blob.Store
	place  place
	keep   int
	newest event.CheckpointSaved // the last that was published; its step is -1 before the first
	stored []found               // that still lie there, oldest first
	told   map[string]bool       // problems that the console has
}

// look takes what is new. A checkpoint with a step at or below the newest is old: it is from before the run was resumed. An error is of storage or
// the log and may pass; what was taken before it stays taken.
func (p *pickup) look(ctx context.Context) error {
	list, err := p.place.complete(ctx)
	if err != nil {
		p.tell(err)
	}
	for _, f := range list {
		if f.step <= p.newest.Step {
			continue
		}
		if err := p.take(ctx, f); errors.Is(err, fs.ErrNotExist) || errors.Is(err, blob.ErrNotFound) {
			p.tell(fmt.Errorf("checkpoint %s was taken away before it was stored: %w", f.name, err))
			continue
		} else if err != nil {
			return fmt.Errorf("checkpoint %s: %w", f.name, err)
		}
		p.stored = append(p.stored, f)
		for p.keep > 0 && len(p.stored) > p.keep {
			if err := p.place.remove(p.stored[0]); err != nil {
				p.tell(err)
			}
			p.stored = slices.Delete(p.stored, 0, 1)
		}
	}
	return nil
}

// tell puts a problem of the command's doing onto its console, once.
func (p *pickup) tell(err error) {
	if s := err.Error(); !p.told[s] && len(p.told) < 100 {
		p.told[s] = true
		p.j.Print("millrace: " + s)
	}
}

// number counts the run's checkpoints, also over attempts.
func (p *pickup) number() int64 {
	if c := p.j.Checkpoint; p.newest.Number == 0 && c != nil && c.Run == p.j.Request.Run {
		return c.Number + 1
	}
	return p.newest.Number + 1
}

// take stores the files of a checkpoint, then says so.
func (p *pickup) take(ctx context.Context, f found) error {
	req := p.j.Request
	saved := event.CheckpointSaved{
		Run: req.Run, Experiment: req.Experiment, Step: f.step, Dataset: req.Spec.Input("dataset"), Suites: req.Suites,
		Number: p.number(), Evaluation: req.Evaluation, Pins: req.Pins,
	}
	var entries []blob.Entry
	var stored int64
	for _, name := range f.files {
		ref, err := p.place.store(ctx, f, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		stored += ref.Size
		entries = append(entries, blob.Entry{Name: name, Ref: ref})
		saved.Files = append(saved.Files, event.File{Name: name, Digest: event.Digest(ref.Digest), Size: ref.Size})
	}
	ref, err := p.blobs.PutTree(ctx, entries)
	if err != nil {
		return fmt.Errorf("its list of files: %w", err)
	}
	p.j.Spend(0, 0, stored, stored)
	saved.Checkpoint = event.Digest(ref.Digest)
	if err := p.j.Publish(ctx, saved); err != nil { // after what the console and the points said before it
		return err
	}
	p.newest = saved
	return nil
}
