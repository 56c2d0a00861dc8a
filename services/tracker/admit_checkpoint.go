package tracker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"millrace/event"
)

// maxCheckpointFiles bounds the files of a checkpoint that comes from outside.
const maxCheckpointFiles = 1000

// admitCheckpoint checks a checkpoint that somebody else's program has made: its run is of kind external, its files are in the store. A
// dataset may be named as anywhere; it is what suites judge the checkpoint on.
func (t *Tracker) admitCheckpoint(ctx context.Context, w event.CheckpointSaved) (event.Event, error) {
	run, err := t.run(w.Run)
	if err != nil {
		return nil, err
	}
	switch {
	case run.Kind != event.External:
		return nil, refuse(Conflict, "id", "", "run %s is a %s run of this platform: its worker saves its checkpoints", w.Run, run.Kind)
	case w.Step < 0 || w.Tokens < 0:
		return nil, refuse(Invalid, "step", "", "a checkpoint of step %d after %d tokens; both count from 0", w.Step, w.Tokens)
	case len(w.Files) == 0 || len(w.Files) > maxCheckpointFiles:
		return nil, refuse(Invalid, "files", "", "a checkpoint has 1 to %d files, not %d", maxCheckpointFiles, len(w.Files))
	case !w.Checkpoint.Valid():
		return nil, refuse(Invalid, "checkpoint", "", "%.80q is not the digest of a list of files", w.Checkpoint)
	}
	seen := map[string]bool{}
	for i, f := range w.Files {
		field := fmt.Sprintf("files[%d]", i)
		if err := CheckArtifactPath(f.Name); err != nil || seen[f.Name] {
			return nil, refuse(Invalid, field, "", "%.80q is no plain name, or there twice", f.Name)
		}
		seen[f.Name] = true
		if !f.Digest.Valid() || f.Size < 0 {
			return nil, refuse(Invalid, field, "", "%.80q of %d bytes is no file: a digest is sha256: and 64 hexadecimal digits", f.Digest, f.Size)
		}
		if err := t.storedAs(ctx, field, f); err != nil {
			return nil, err
		}
	}
	if err := t.judged(ctx, run, &w); err != nil {
		return nil, err
	}
	if w.Dataset != "" {
		d, err := t.dataset(string(w.Dataset))
		if err != nil {
			return nil, err
		}
		w.Dataset = d.Dataset
	}
	w.Experiment = run.Experiment
	return w, nil
}

// storedAs refuses a file whose bytes are not in the store.
func (t *Tracker) storedAs(ctx context.Context, field string, f event.File) error {
	if t.Stored == nil {
		return nil
	}
	size, err := t.Stored(ctx, f.Digest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse(NotFound, field, "store the bytes first: PUT /api/v1/blob/"+string(f.Digest), "the bytes of %q, %s, are not in the store", f.Name, f.Digest)
	case err != nil:
		return &Refusal{code: Unavailable, hint: "storage does not answer; look at /readyz and try again", err: fmt.Errorf("tracker: %q: %w", f.Name, err)}
	case size != f.Size:
		return refuse(Invalid, field, "", "%q has %d bytes in the store, not %d", f.Name, size, f.Size)
	}
	return nil
}
