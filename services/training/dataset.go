package training

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"millrace/curator"
	"millrace/event"
	"millrace/services/job"
	"millrace/storage/blob"
	"millrace/trainer/data"
	"millrace/trainer/token"
)

// dataset is what the run reads.
type dataset struct {
	manifest       curator.Manifest
	train, heldOut data.Tokens
	mapped         []func() error // shards, until close
}

// close lets go of the shards, which nobody may read afterwards.
func (d *dataset) close() {
	for _, done := range d.mapped {
		_ = done() // what was read only cannot be lost
	}
	d.mapped = nil
}

// dataset fetches the manifest and the shards, which are files without names: however many tokens there are, memory holds what is being read,
// and nothing is left when the process ends, however it does.
func (s *Service) dataset(ctx context.Context, j *job.Job) (_ *dataset, err error) {
	digest := j.Request.Spec.Input("dataset")
	raw, err := s.Blobs.Get(ctx, blob.Digest(digest))
	if err != nil {
		return nil, missing("dataset", digest, err)
	}
	m, err := curator.ParseManifest(raw)
	if err != nil {
		return nil, job.Fail("bad_dataset", "curate it again", fmt.Errorf("dataset %s: %w", digest.Short(), err))
	}
	dir, err := os.MkdirTemp(s.Temp, "millrace-shards-")
	if err != nil {
		return nil, fmt.Errorf("training: a folder for shards: %w", err)
	}
	set := &dataset{manifest: m}
	defer func() {
		if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
			set.close()
		}
	}()
	if set.train, err = s.split(ctx, j, set, dir, "train"); err != nil {
		return nil, err
	}
	set.heldOut, err = s.split(ctx, j, set, dir, "held_out")
	return set, err
}

// tokenizer fetches the dataset's.
func (s *Service) tokenizer(ctx context.Context, m curator.Manifest) (token.Tokenizer, error) {
	raw, err := s.Blobs.Get(ctx, blob.Digest(m.Tokenizer.Digest))
	if err != nil {
		return nil, missing("tokenizer", m.Tokenizer.Digest, err)
	}
	tok, err := token.Parse(raw)
	if err != nil {
		return nil, job.Fail("bad_dataset", "curate it again", fmt.Errorf("tokenizer %s: %w", m.Tokenizer.Digest.Short(), err))
	}
	return tok, nil
}

// maskOf is a tokenizer's own token for what is masked, or 0.
func maskOf(tok token.Tokenizer) int32 {
	for _, s := range tok.Special() {
		if s.Name == "[MASK]" || s.Name == "<mask>" {
			return s.ID
		}
	}
	return 0
}

// split fetches one part of the dataset; nil when it has none of that name. Every attempt reads the shards anew, and each is compared with its
// digest and with what the manifest says of it: what was damaged meanwhile is not learnt from.
func (s *Service) split(ctx context.Context, j *job.Job, set *dataset, dir, name string) (data.Tokens, error) {
	split, ok := set.manifest.Split(name)
	if !ok {
		return nil, nil
	}
	var shards []data.Tokens
	for i, sh := range split.Shards {
		what := fmt.Sprintf("shard %d of %s", i, name)
		raw, err := s.mapShard(ctx, j, set, dir, what, sh.Digest)
		if err != nil {
			return nil, err
		}
		t, err := data.Bytes(raw, set.manifest.DType)
		if err == nil && (t.Len() != sh.Tokens || int64(len(raw)) != sh.Size) {
			err = fmt.Errorf("%d tokens in %d bytes, and the manifest says %d in %d", t.Len(), len(raw), sh.Tokens, sh.Size)
		}
		if err != nil {
			return nil, job.Fail("bad_dataset", "curate it again", fmt.Errorf("%s %s: %w", what, sh.Digest.Short(), err))
		}
		if sh.Mask != "" {
			raw, err := s.mapShard(ctx, j, set, dir, "the mask of "+what, sh.Mask)
			if err != nil {
				return nil, err
			}
			if t, err = data.WithMask(t, raw); err != nil {
				return nil, job.Fail("bad_dataset", "curate it again", fmt.Errorf("the mask of %s %s: %w", what, sh.Mask.Short(), err))
			}
		}
		shards = append(shards, t)
	}
	return data.Concat(shards...), nil
}

// mapShard fetches a shard, or its mask, into a file that has no name any more when this returns.
func (s *Service) mapShard(ctx context.Context, j *job.Job, set *dataset, dir, what string, digest event.Digest) ([]byte, error) {
	path := filepath.Join(dir, "shard")
	if err := s.Blobs.Fetch(ctx, blob.Digest(digest), path); errors.Is(err, syscall.ENOSPC) {
		return nil, job.Fail("disk_full", "free space in "+filepath.Dir(dir)+", where shards lie while they are learnt from", err)
	} else if err != nil {
		return nil, missing(what, digest, err)
	}
	raw, done, err := data.Map(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	set.mapped = append(set.mapped, done)
	if err := os.Remove(path); err != nil {
		return nil, fmt.Errorf("training: %s: %w", what, err)
	}
	j.Spend(0, 0, 0, int64(len(raw)))
	return raw, nil
}

// damaged is what to do about an object whose bytes are not those that were written: a Put of the same bytes may find it there.
func damaged(d event.Digest) string {
	return fmt.Sprintf("put the object %s back from a copy of the bucket, or remove it and make it again: a dataset is curated to the same bytes", blob.Digest(d).Key())
}

// missing makes a final failure of a blob that is not there or not whole; other faults may pass.
func missing(what string, digest event.Digest, err error) error {
	err = fmt.Errorf("%s %s: %w", what, digest.Short(), err)
	if errors.Is(err, blob.ErrCorrupt) {
		return job.Fail("corrupt_input", damaged(digest), err)
	}
	return job.Stored(err)
}
