package serving

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"millrace/curator"
	"millrace/event"
	"millrace/storage/blob"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/where"
)

// Stored are the checkpoints of a node, by every name that readmodel.FindCheckpoint knows.
type Stored struct {
	Model *readmodel.Model
	Blobs *blob.Store
}

// listedRuns is how many of the newest runs are looked through for checkpoints, listedEach how many of a run are listed.
const (
	listedRuns = 200
	listedEach = 10
)

// Offers lists the newest checkpoints of the newest runs that have any.
func (s Stored) Offers(ctx context.Context) ([]Offer, error) {
	var out []Offer
	page, err := s.Model.Runs(ctx, nil, []where.Sort{{Field: where.Field{Name: where.Created}, Desc: true}}, "", listedRuns)
	if err != nil {
		return nil, fmt.Errorf("serving: %w", err)
	}
	for _, r := range page.Runs {
		all, err := s.Model.Checkpoints(r.ID)
		if err != nil {
			return nil, fmt.Errorf("serving: %w", err)
		}
		slices.Reverse(all)
		for _, c := range all[:min(len(all), listedEach)] {
			out = append(out, Offer{Name: fmt.Sprintf("%s@%d", r.ID, c.Step), Label: r.Name, Run: string(r.ID), Step: c.Step, Created: c.At})
		}
	}
	return out, nil
}

// Find looks a name up.
func (s Stored) Find(ctx context.Context, name string) (Checkpoint, error) {
	c, err := s.Model.FindCheckpoint(ctx, name)
	if errors.Is(err, readmodel.ErrNotFound) || errors.Is(err, readmodel.ErrSeveral) {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrUnknownModel, err)
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("serving: %w", err)
	}
	o := Objects{
		Get: func(ctx context.Context, d event.Digest) ([]byte, error) { return s.Blobs.Get(ctx, blob.Digest(d)) },
		Open: func(ctx context.Context, d event.Digest) (io.ReadCloser, error) {
			return s.Blobs.Reader(ctx, blob.Digest(d))
		},
	}
	return o.Checkpoint(c.Checkpoint, c.Dataset, c.At), nil
}

// Objects is where the files of checkpoints and datasets are.
type Objects struct {
	Get  func(context.Context, event.Digest) ([]byte, error)
	Open func(context.Context, event.Digest) (io.ReadCloser, error)
}

// Checkpoint is the model of a checkpoint's tree. Its tokenizer is a file of its own, or its dataset's.
func (b Objects) Checkpoint(digest, dataset event.Digest, saved time.Time) Checkpoint {
	c := Checkpoint{ID: string(digest), Created: saved}
	ref := func(ctx context.Context, name string) (event.Digest, bool, error) {
		raw, err := b.Get(ctx, digest)
		if err != nil {
			return "", false, fmt.Errorf("checkpoint %s: %w", digest.Short(), err)
		}
		tree, err := blob.ParseTree(raw)
		if err != nil {
			return "", false, fmt.Errorf("checkpoint %s: %w", digest.Short(), err)
		}
		r, ok := tree.File(name)
		return event.Digest(r.Digest), ok, nil
	}
	need := func(ctx context.Context, name string) (event.Digest, error) {
		d, ok, err := ref(ctx, name)
		if err == nil && !ok {
			err = fmt.Errorf("checkpoint %s has no %s", digest.Short(), name)
		}
		return d, err
	}
	c.Config = func(ctx context.Context) ([]byte, error) {
		d, err := need(ctx, "config.json")
		if err != nil {
			return nil, err
		}
		return b.Get(ctx, d)
	}
	c.Weights = func(ctx context.Context) (io.ReadCloser, error) {
		d, err := need(ctx, "model.safetensors")
		if err != nil {
			return nil, err
		}
		return b.Open(ctx, d)
	}
	c.Tokenizer = func(ctx context.Context) ([]byte, error) {
		d, ok, err := ref(ctx, "tokenizer.json")
		switch {
		case err != nil:
			return nil, err
		case ok:
			return b.Get(ctx, d)
		case dataset == "":
			return nil, fmt.Errorf("checkpoint %s has neither a tokenizer.json nor a dataset, so nobody knows what its tokens mean", digest.Short())
		}
		raw, err := b.Get(ctx, dataset)
		if err != nil {
			return nil, fmt.Errorf("dataset %s: %w", dataset.Short(), err)
		}
		m, err := curator.ParseManifest(raw)
		if err != nil {
			return nil, err
		}
		return b.Get(ctx, m.Tokenizer.Digest)
	}
	return c
}
