package external

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"millrace/curator"
	"millrace/event"
	"millrace/services/job"
	"millrace/storage/blob"
)

// laid is what a run's command finds on disk.
type laid struct {
	root        string // of everything below
	work        string // inputs of role "file"
	inputs      string // dataset and checkpoint
	checkpoints string // "" when they go elsewhere
	resume      string // a copy of the checkpoint to go on from; "" to begin at the beginning
}

// layOut puts the run's spec and inputs into its folder. What is there already is checked, and not fetched again.
func (s *Service) layOut(ctx context.Context, j *job.Job, root string, from *event.CheckpointSaved) (laid, error) {
	l := laid{root: root, work: filepath.Join(root, "work"), inputs: filepath.Join(root, "inputs")}
	for _, dir := range []string{l.work, l.inputs} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return l, fmt.Errorf("external: the run's folder: %w", err)
		}
	}
	spec, err := json.MarshalIndent(j.Request.Spec, "", "  ")
	if err != nil {
		return l, fmt.Errorf("external: %w", err)
	}
	for name, raw := range map[string][]byte{"spec.json": spec, "config.json": j.Request.Spec.Config} {
		if err := os.WriteFile(filepath.Join(root, name), append(raw, '\n'), 0o600); err != nil {
			return l, fmt.Errorf("external: the run's folder: %w", err)
		}
	}
	for _, in := range j.Request.Spec.Inputs {
		switch in.Role {
		case "dataset":
			err = s.layDataset(ctx, j, in.Digest, filepath.Join(l.inputs, "dataset"))
		case "checkpoint":
			err = s.layTree(ctx, j, in.Digest, filepath.Join(l.inputs, "checkpoint"))
		case "file":
			err = s.fetch(ctx, j, in.Digest, l.work, in.Name)
		}
		if err != nil {
			return l, err
		}
	}
	if from != nil {
		l.resume = filepath.Join(root, "resume", fmt.Sprintf("step-%d", from.Step))
		err = s.layTree(ctx, j, from.Checkpoint, l.resume)
	}
	return l, err
}

// layDataset puts a dataset into a folder: manifest.json, tokenizer.json, and shards/<split>-<number>.bin, with .mask beside those that have one.
func (s *Service) layDataset(ctx context.Context, j *job.Job, d event.Digest, dir string) error {
	if err := s.fetch(ctx, j, d, dir, "manifest.json"); err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return fmt.Errorf("external: %w", err)
	}
	m, err := curator.ParseManifest(raw)
	if err != nil {
		return job.Fail("bad_dataset", "curate it again", fmt.Errorf("dataset %s: %w", d.Short(), err))
	}
	if err := s.fetch(ctx, j, m.Tokenizer.Digest, dir, "tokenizer.json"); err != nil {
		return err
	}
	for _, split := range m.Splits {
		for i, sh := range split.Shards {
			name := fmt.Sprintf("shards/%s-%05d.bin", split.Name, i)
			if err := s.fetch(ctx, j, sh.Digest, dir, name); err != nil {
				return err
			}
			if sh.Mask != "" {
				if err := s.fetch(ctx, j, sh.Mask, dir, name[:len(name)-len("bin")]+"mask"); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// layTree puts the files of a checkpoint into a folder.
func (s *Service) layTree(ctx context.Context, j *job.Job, d event.Digest, dir string) error {
	tree, err := s.Blobs.Tree(ctx, blob.Digest(d))
	if err != nil {
		return missing("checkpoint", d, err)
	}
	for _, f := range tree.Files {
		if err := s.fetch(ctx, j, event.Digest(f.Digest), dir, f.Name); err != nil {
			return err
		}
	}
	return nil
}

// fetch makes a file below a folder of an object.
func (s *Service) fetch(ctx context.Context, j *job.Job, d event.Digest, dir, name string) error {
	local := filepath.FromSlash(name)
	if !filepath.IsLocal(local) {
		return job.Failf("bad_input", "", "external: %.80q is not a path within a folder", name)
	}
	at := filepath.Join(dir, local)
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return fmt.Errorf("external: the run's folder: %w", err)
	}
	if err := s.Blobs.Fetch(ctx, blob.Digest(d), at); err != nil {
		return missing(name, d, err)
	}
	if info, err := os.Stat(at); err == nil {
		j.Spend(0, 0, 0, info.Size())
	}
	return nil
}

// missing makes a final failure of a blob that is not there or not whole; other faults may pass.
func missing(what string, d event.Digest, err error) error {
	return job.Stored(fmt.Errorf("%s %s: %w", what, d.Short(), err))
}
