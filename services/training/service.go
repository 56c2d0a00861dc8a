package training

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/job"
	"millrace/storage/blob"
	"millrace/trainer"
	"millrace/trainer/engine"
	"millrace/trainer/model"
)

// Service does training runs on one device.
type Service struct {
	Jobs    *job.Runner
	Blobs   *blob.Store
	Kernels engine.Kernels
	// Memory is how many bytes a run may take; 0 is any.
	Memory int64
	// Patience is how long the upload of a checkpoint is tried again while the object store is away; 0 is 15 minutes. Training goes on
	// meanwhile, until its next checkpoint is due.
	Patience time.Duration
	// Temp is where shards lie while they are learnt from; "" is the system's folder.
	Temp string
	Now  func() time.Time
}

// Run takes jobs until ctx ends: one at a time, be it a training or a fine-tuning.
func (s *Service) Run(ctx context.Context) error {
	device := make(chan struct{}, 1)
	alone := func(do job.Do) job.Do {
		return func(ctx context.Context, j *job.Job) (job.Outcome, error) {
			select {
			case device <- struct{}{}:
				defer func() { <-device }()
				return do(ctx, j)
			case <-ctx.Done():
				return job.Outcome{}, context.Cause(ctx)
			}
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.Jobs.Work(ctx, event.Train, alone(s.train)) })
	g.Go(func() error { return s.Jobs.Work(ctx, event.Finetune, alone(s.finetune)) })
	return g.Wait()
}

// Resolve checks a training configuration and writes out its defaults. The size of the vocabulary may be left out: it is
// the dataset's tokenizer's, filled in when the run starts.
func Resolve(_ context.Context, spec event.Spec) (event.Spec, error) {
	c, err := trainer.Parse(spec.Config)
	if err != nil {
		return spec, err
	}
	vocabulary, mask := c.Model.VocabSize, c.Model.MaskToken
	if vocabulary == 0 {
		c.Model.VocabSize = max(256, mask+1) + c.ExtraTokens() // any, to check the rest
	}
	if c, err = c.Resolve(); err != nil {
		return spec, err
	}
	c.Model.VocabSize, c.Model.MaskToken = vocabulary, mask
	if spec.Engine == "" {
		spec.Engine = "auto"
	}
	spec.Config = c.JSON()
	return spec, nil
}

// train is one run.
func (s *Service) train(ctx context.Context, j *job.Job) (job.Outcome, error) {
	config, err := trainer.Parse(j.Request.Spec.Config)
	if err != nil {
		return job.Outcome{}, job.Fail("bad_config", "correct the key and start the run again", err)
	}
	set, err := s.dataset(ctx, j)
	if err != nil {
		return job.Outcome{}, err
	}
	defer set.close()
	tok, err := s.tokenizer(ctx, set.manifest)
	if err != nil {
		return job.Outcome{}, err
	}
	if config.ExtraTokens() > 0 && config.Model.Arch.Kind() == model.Encoder {
		config.Model.MaskToken = int(maskOf(tok))
	}
	words := set.manifest.Tokenizer.VocabSize + config.ExtraTokens()
	// Runs that are recorded did without this check, and are done again as they were.
	if v := config.Model.VocabSize; v > 0 && v < words && j.Checkpoint == nil && j.Request.Branch == nil {
		return job.Outcome{}, job.Failf("bad_config", "leave the key out: the dataset's tokenizer decides", "training: model.vocab_size: %d is smaller than the %d tokens that the dataset's text may have", v, words)
	}
	if v := config.Model.VocabSize; v > words {
		j.Print(fmt.Sprintf("model.vocab_size: %d is more than the %d tokens that the dataset's text may have, which the model gets", v, words))
	}
	config.Model.VocabSize = words
	if config, err = config.Resolve(); err != nil {
		return job.Outcome{}, job.Fail("bad_config", "correct the key and start the run again", err)
	}
	return s.work(ctx, j, trainer.Job{Config: config, Train: set.train, Val: set.heldOut, Words: tok})
}

// work trains: a job that has what to learn, and where to begin.
func (s *Service) work(ctx context.Context, j *job.Job, work trainer.Job) (job.Outcome, error) {
	config := work.Config
	rec := &recorder{s: s, j: j, config: config, total: config.Steps, dataset: j.Request.Spec.Input("dataset"), began: s.Now(), tokens: -1}
	if j.Checkpoint != nil {
		work.Resume = s.open(ctx, *j.Checkpoint)
		if j.Checkpoint.Run == j.Request.Run { // a fork begins at its parent's, which it has not made
			rec.saved = *j.Checkpoint
		}
	}
	if stop := j.Request.StopAfter; stop > 0 && stop < rec.total {
		rec.total = stop
	}
	work.Kernels, work.Recorder, work.MemoryLimit, work.Now = s.Kernels, rec, s.Memory, s.Now
	work.StopAfter, work.SaveAt = j.Request.StopAfter, j.Request.SaveAt
	result, err := trainer.Run(ctx, work)
	out := job.Outcome{Steps: result.Step}
	if rec.saved.Checkpoint != "" {
		out.Outputs = []event.Input{{Role: "checkpoint", Digest: rec.saved.Checkpoint, Name: fmt.Sprintf("step %d", rec.saved.Step)}}
	}
	return out, explain(err)
}

// explain marks what trying again cannot mend. Storage and log faults may pass; anything else comes out the same again.
func explain(err error) error {
	var marked *job.Failed
	switch {
	case err == nil, errors.As(err, &marked), errors.Is(err, bus.ErrUnreachable), errors.Is(err, bus.ErrClosed):
		return err
	case errors.Is(err, trainer.ErrStopped), errors.Is(err, job.ErrStopRequested), errors.Is(err, context.Canceled):
		return err
	case errors.As(job.Stored(err), &marked):
		return marked
	case errors.Is(err, trainer.ErrDiverged):
		return job.Fail("nan_loss", "lower optimizer.lr or lengthen schedule.warmup; the last good checkpoint is kept", err)
	case errors.Is(err, bus.ErrFull):
		return job.Fail("storage_full", "free space, then start the run again", err)
	}
	return job.Fail("cannot_train", "", err)
}

// open gives the files of a checkpoint.
func (s *Service) open(ctx context.Context, saved event.CheckpointSaved) trainer.Open {
	return func(name string) (io.ReadCloser, error) {
		for _, f := range saved.Files {
			if f.Name == name {
				r, err := s.Blobs.Reader(ctx, blob.Digest(f.Digest))
				if err != nil {
					return nil, missing("checkpoint file", f.Digest, err)
				}
				return r, nil
			}
		}
		return nil, job.Failf("bad_checkpoint", "", "training: the checkpoint of step %d has no %s", saved.Step, name)
	}
}

// Deterministic tells which metric keys a reproduction must repeat to the bit.
func Deterministic(key string) bool { return trainer.Deterministic(key) }
