package training

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"millrace/curator"
	"millrace/event"
	"millrace/storage/blob"
	"millrace/trainer"
)

// maxLooked bounds how many objects are asked after before a run; beyond, the worker finds out.
const maxLooked = 20_000

// Missing names what storage does not hold of a spec's datasets and checkpoints and of the checkpoint to begin at, sorted; nil when all is
// there. An error means that storage could not be asked.
func Missing(ctx context.Context, blobs *blob.Store, spec event.Spec, from *event.CheckpointSaved) ([]string, error) {
	l := looking{blobs: blobs}
	for _, in := range spec.Inputs {
		var err error
		switch in.Role {
		case "dataset":
			err = l.dataset(ctx, in)
		case "tokenizer", "examples", "file":
			l.add(in.Role+" "+in.Name, in.Digest)
		case "checkpoint", "base":
			if from == nil || from.Checkpoint != in.Digest {
				err = l.tree(ctx, in.Role+" "+in.Name, in.Digest)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if from != nil {
		for _, f := range from.Files {
			l.add(fmt.Sprintf("%s of the checkpoint of run %s at step %d", f.Name, from.Run, from.Step), f.Digest)
		}
	}
	return l.ask(ctx)
}

// looking collects what to ask after.
type looking struct {
	blobs *blob.Store
	names map[event.Digest]string
	gone  []string
}

func (l *looking) add(what string, d event.Digest) {
	if l.names == nil {
		l.names = map[event.Digest]string{}
	}
	if len(l.names) < maxLooked && d != "" {
		l.names[d] = what
	}
}

// dataset reads a manifest and adds what training and evaluation read of it.
func (l *looking) dataset(ctx context.Context, in event.Input) error {
	what := fmt.Sprintf("dataset %s %s", in.Name, in.Digest.Short())
	raw, err := l.blobs.Get(ctx, blob.Digest(in.Digest))
	switch {
	case absent(err):
		l.gone = append(l.gone, what+" is not in storage")
		return nil
	case err != nil:
		return fmt.Errorf("training: %s: %w", what, err)
	}
	m, err := curator.ParseManifest(raw)
	if err != nil {
		l.gone = append(l.gone, what+" cannot be read: "+err.Error())
		return nil
	}
	l.add("the tokenizer of "+what, m.Tokenizer.Digest)
	for _, split := range m.Splits {
		for i, sh := range split.Shards {
			l.add(fmt.Sprintf("shard %d (%s) of %s", i, split.Name, what), sh.Digest)
			l.add(fmt.Sprintf("the mask of shard %d (%s) of %s", i, split.Name, what), sh.Mask)
		}
	}
	return nil
}

// tree reads a checkpoint's list of files and adds them.
func (l *looking) tree(ctx context.Context, what string, d event.Digest) error {
	tree, err := l.blobs.Tree(ctx, blob.Digest(d))
	switch {
	case absent(err):
		l.gone = append(l.gone, fmt.Sprintf("%s (%s) is not in storage", what, d.Short()))
		return nil
	case err != nil:
		return fmt.Errorf("training: %s: %w", what, err)
	}
	for _, f := range tree.Files {
		l.add(f.Name+" of "+what, event.Digest(f.Digest))
	}
	return nil
}

// ask asks after everything, several at a time.
func (l *looking) ask(ctx context.Context) ([]string, error) {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for d, what := range l.names {
		g.Go(func() error {
			_, err := l.blobs.Stat(ctx, blob.Digest(d))
			if absent(err) {
				mu.Lock()
				defer mu.Unlock()
				l.gone = append(l.gone, fmt.Sprintf("%s (%s) is not in storage", what, d.Short()))
				return nil
			}
			return err
		})
	}
	err := g.Wait()
	slices.Sort(l.gone)
	return l.gone, err
}

func absent(err error) bool {
	return errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrCorrupt)
}

// Continues refuses a spec that cannot go on from a checkpoint of another at a step: another architecture, other data or another order of it.
// Steps, learning rate, schedule, clipping, and how often to save and evaluate may change.
func Continues(parent, fork event.Spec, step int64) error {
	old, err := trainer.Parse(parent.Config)
	if err != nil {
		return err
	}
	c, err := trainer.Parse(fork.Config)
	if err != nil {
		return err
	}
	if err := c.Continues(old); err != nil {
		return err
	}
	if c.Steps <= step {
		return fmt.Errorf("steps: %d; it begins at step %d: give it more", c.Steps, step)
	}
	return nil
}
