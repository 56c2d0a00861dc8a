package training

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"millrace/event"
	"millrace/services/job"
	"millrace/storage/blob"
	"millrace/trainer"
)

// recorder carries what the trainer says into the log and storage.
type recorder struct {
	s       *Service
	j       *job.Job
	config  trainer.Config
	total   int64
	dataset event.Digest
	began   time.Time
	first   int64 // the step before the first of this attempt
	tokens  int64
	saved   event.CheckpointSaved
}

// patience is Service.Patience when nothing is said.
const patience = 15 * time.Minute

// Metrics records one step's points. The trainer's context does not end; the job's lasting one does.
func (r *recorder) Metrics(_ context.Context, step int64, points []trainer.Point) error {
	keys, values := make([]string, len(points)), make([]float64, len(points))
	for i, p := range points {
		keys[i], values[i] = p.Key, p.Value
		if p.Key == "tokens" {
			r.spend(step, int64(p.Value))
		}
	}
	if r.first == 0 {
		r.first = step - 1
	}
	if done := step - r.first; done > 0 {
		left := time.Duration(float64(r.s.Now().Sub(r.began)) / float64(done) * float64(r.total-step))
		r.j.Progress("train", step, r.total, "steps", left)
	}
	return r.j.Metrics(r.j.Lasting(), step, keys, values)
}

// spend charges the tokens since the last step, with the arithmetic of the model.
func (r *recorder) spend(step, tokens int64) {
	if r.tokens < 0 { // the first step of this attempt: what came before was charged by the attempt that did it
		r.tokens = r.config.Tokens(step - 1)
	}
	delta := tokens - r.tokens
	r.tokens = tokens
	r.j.Spend(float64(delta)*r.config.Model.FLOPsPerToken(r.config.Model.Context), delta, 0, 0)
}

// Spiked raises an alert, once however often the step is done.
func (r *recorder) Spiked(_ context.Context, s trainer.Spike) error {
	r.j.Print(s.String())
	a := event.AlertRaised{
		Run: r.j.Request.Run, Level: "warn", Title: "loss spike", Text: s.String(), Key: fmt.Sprintf("spike at step %d", s.Step),
	}
	if s.Key == trainer.KeyGradNorm {
		a.Title = "gradient spike"
	}
	return r.j.Publish(r.j.Lasting(), a)
}

// Sampled records a text that the model wrote.
func (r *recorder) Sampled(_ context.Context, s trainer.Sampled) error {
	return r.j.Publish(r.j.Lasting(), event.TextLogged{
		Run: r.j.Request.Run, Writer: "worker", Key: "sample", Step: s.Step, Prompt: s.Prompt, Text: s.Text,
	})
}

// Checkpoint stores the files, then says so. The trainer adds to an error which step's checkpoint it was.
func (r *recorder) Checkpoint(_ context.Context, c trainer.Checkpoint) error {
	ctx := r.j.Lasting()
	var files []blob.Entry
	saved := event.CheckpointSaved{
		Run: r.j.Request.Run, Experiment: r.j.Request.Experiment, Step: c.Step, Dataset: r.dataset,
		Suites: r.j.Request.Suites, Tokens: c.Tokens, Last: c.Final,
		Number: r.saved.Number + 1, Evaluation: r.j.Request.Evaluation, Pins: r.j.Request.Pins,
	}
	began := r.s.Now()
	var stored int64
	for _, f := range c.Files {
		ref, err := persistently(r, ctx, began, func() (blob.Ref, error) {
			if f.Parts != nil {
				return r.s.Blobs.PutPieces(ctx, f.Body, f.Parts)
			}
			return r.s.Blobs.PutReader(ctx, io.NewSectionReader(f.Body, 0, f.Size), f.Size)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		stored += ref.Size
		files = append(files, blob.Entry{Name: f.Name, Ref: ref})
		saved.Files = append(saved.Files, event.File{Name: f.Name, Digest: event.Digest(ref.Digest), Size: ref.Size})
	}
	ref, err := persistently(r, ctx, began, func() (blob.Ref, error) { return r.s.Blobs.PutTree(ctx, files) })
	if err != nil {
		return fmt.Errorf("its list of files: %w", err)
	}
	r.j.Spend(0, 0, stored, stored)
	saved.Checkpoint = event.Digest(ref.Digest)
	if err := r.j.Publish(ctx, saved); err != nil { // after every point before it
		return err
	}
	r.saved = saved
	return nil
}

// persistently tries a write again while the object store is away, for as long as the service has patience.
func persistently(r *recorder, ctx context.Context, began time.Time, write func() (blob.Ref, error)) (blob.Ref, error) {
	most := r.s.Patience
	if most == 0 {
		most = patience
	}
	for said := false; ; {
		ref, err := write()
		if !errors.Is(err, blob.ErrUnavailable) || r.s.Now().Sub(began) >= most {
			return ref, err
		}
		if !said {
			said = true
			r.j.Print(fmt.Sprintf("the checkpoint waits for the object store, at most %s: %v", most, err))
		}
		select {
		case <-ctx.Done():
			return ref, err
		case <-time.After(time.Second):
		}
	}
}
