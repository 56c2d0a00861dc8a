package curation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"millrace/curator"
	"millrace/curator/fetch"
	"millrace/event"
	"millrace/services/job"
	"millrace/storage/blob"
)

// Service does curate runs.
type Service struct {
	Jobs  *job.Runner
	Blobs *blob.Store
	// Temp is where what does not fit into memory is kept meanwhile; "" is the system's folder.
	Temp string
	Now  func() time.Time
}

// Run takes jobs until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	return s.Jobs.Work(ctx, event.Curate, s.curate)
}

// Resolve checks a recipe and writes out its defaults.
func Resolve(_ context.Context, spec event.Spec) (event.Spec, error) {
	r, err := curator.ParseRecipe(spec.Config)
	if err != nil {
		return spec, err
	}
	spec.Config = r.JSON()
	return spec, nil
}

// curate is one run.
func (s *Service) curate(ctx context.Context, j *job.Job) (job.Outcome, error) {
	recipe, err := curator.ParseRecipe(j.Request.Spec.Config)
	if err != nil {
		return job.Outcome{}, job.Fail("bad_recipe", "correct the key and start the run again", err)
	}
	sink, counts := &sink{s: s, j: j}, &counts{j: j, now: s.Now}
	c := curator.Curator{
		Sink: sink, Progress: func(p curator.Progress) { counts.tell(ctx, p) }, Reuse: s.reuse(j), TempDir: s.Temp,
		Objects: objects{s.Blobs, func(n int64) { j.Spend(0, 0, 0, n) }}, Blobs: s.open, Now: s.Now, Say: j.Print,
	}
	m, err := c.Run(ctx, recipe)
	counts.end(ctx)
	if err = errors.Join(err, counts.err); err != nil {
		return job.Outcome{}, explain(ctx, err)
	}
	ref, err := s.Blobs.Put(ctx, m.JSON())
	if err != nil {
		return job.Outcome{}, fmt.Errorf("curation: manifest: %w", err)
	}
	dataset := event.Digest(ref.Digest)
	for _, split := range m.Splits {
		j.Print(fmt.Sprintf("%s: %d documents, %d bytes, %d tokens", split.Name, split.Documents, split.Bytes, split.Tokens))
	}
	for _, d := range m.Dropped {
		j.Print(fmt.Sprintf("dropped %d documents: %s", d.Documents, d.Reason))
	}
	for _, s := range m.Mixture {
		j.Print(fmt.Sprintf("mixture: %s is %.1f%% of the training text, asked for were %.1f%%: %d documents, %d different ones", s.Source, 100*s.Share, 100*s.Requested, s.Copies, s.Documents))
	}
	if m.Report != nil {
		for _, line := range m.Report.Lines() {
			j.Print(line)
		}
	}
	err = j.Publish(ctx, published(j.Request, dataset, m, ref.Size+sink.bytes.Load())) // again too: it may have been deleted meanwhile
	if err == nil {
		if err := c.Forget(recipe); err != nil { // the dataset is published all the same
			j.Print("what was fetched could not be removed: " + err.Error())
		}
	}
	return job.Outcome{Outputs: []event.Input{{Role: "dataset", Digest: dataset, Name: recipe.Name}}}, err
}

// open reads what is stored.
func (s *Service) open(ctx context.Context, d event.Digest) (io.ReadCloser, error) {
	return s.Blobs.Reader(ctx, blob.Digest(d))
}

// reuse looks for a dataset of the same recipe that was made from the same content.
func (s *Service) reuse(j *job.Job) func(context.Context, event.Digest) (curator.Manifest, bool) {
	return func(ctx context.Context, source event.Digest) (curator.Manifest, bool) {
		for _, d := range j.Request.Candidates {
			raw, err := s.Blobs.Get(ctx, blob.Digest(d))
			if err != nil {
				continue // gone from storage: it is built again
			}
			m, err := curator.ParseManifest(raw)
			if err == nil && m.Source == source {
				if err := s.whole(ctx, m); err != nil {
					j.Print(fmt.Sprintf("the sources have not changed, but dataset %s is not whole and built again: %v", d.Short(), err))
					continue
				}
				j.Print(fmt.Sprintf("the sources have not changed: this is dataset %s", d.Short()))
				return m, true
			}
		}
		return curator.Manifest{}, false
	}
}

// whole asks whether storage still has the objects of a dataset, in their size where that is known.
func (s *Service) whole(ctx context.Context, m curator.Manifest) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	ask := func(d event.Digest, size int64) {
		if d == "" {
			return
		}
		g.Go(func() error {
			info, err := s.Blobs.Stat(ctx, blob.Digest(d))
			if err == nil && size > 0 && info.Size != size {
				err = fmt.Errorf("%s has %d bytes instead of %d", d.Short(), info.Size, size)
			}
			return err
		})
	}
	ask(m.Tokenizer.Digest, m.Tokenizer.Size)
	for _, split := range m.Splits {
		for _, sh := range split.Shards {
			ask(sh.Digest, sh.Size)
			ask(sh.Index, 0)
			ask(sh.Mask, 0)
		}
	}
	for _, a := range m.Attributes {
		ask(a.Digest, a.Size)
	}
	for _, a := range m.AttributeIndex {
		ask(a.Digest, a.Size)
	}
	return g.Wait()
}

// published is the fact of the finished dataset.
func published(req event.RunRequested, dataset event.Digest, m curator.Manifest, bytes int64) event.DatasetPublished {
	e := event.DatasetPublished{
		Dataset: dataset, Name: m.Recipe.Name, Run: req.Run, Recipe: event.DigestOf(req.Spec.Config), Source: m.Source,
		Tokenizer: m.Tokenizer.Digest, VocabSize: m.Tokenizer.VocabSize, Bytes: bytes,
	}
	for _, s := range m.Splits {
		e.Splits = append(e.Splits, event.Split{Name: s.Name, Tokens: s.Tokens, Documents: s.Documents, Bytes: s.Bytes, Shards: len(s.Shards)})
	}
	for _, d := range m.Dropped {
		e.Dropped = append(e.Dropped, event.Dropped{Reason: d.Reason, Documents: d.Documents, Bytes: d.Bytes})
	}
	return e
}

// explain marks what trying again cannot mend.
func explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, curator.ErrRecipe):
		return job.Fail("bad_recipe", "correct the key and start the run again", err)
	case errors.Is(err, curator.ErrSourceChanged):
		return job.Fail("source_changed", "the files changed while they were read; start again when they are at rest", err)
	case errors.Is(err, curator.ErrEmpty):
		return job.Fail("empty_corpus", "loosen the filters, or name sources with text in them", err)
	case errors.Is(err, curator.ErrSplitEmpty):
		return job.Fail("empty_split", "change held_out, give more documents, or hold out the end of the text: --held-out-by tail, in a recipe held_out_by: tail", err)
	case errors.Is(err, blob.ErrDenied), errors.Is(err, blob.ErrUnavailable), errors.Is(err, blob.ErrFull):
		return job.Stored(err)
	case errors.Is(err, syscall.ENOSPC):
		return job.Fail("disk_full", "free space on the worker's disk: tmp of its data takes the kept text, compressed, what is fetched, and more with dedup", err)
	case errors.Is(err, fetch.ErrBusy):
		return job.Retry("fetch_busy", "another run fetches the same source: wait until it has ended", err)
	case errors.Is(err, fetch.ErrUnavailable):
		return job.Retry("model_unavailable", "see that the model's endpoint answers, then start the run again: what it has answered is kept on this worker", err)
	case errors.Is(err, fetch.ErrDenied):
		return job.Fail("model_denied", "check the environment variable that api_key_env names, on the worker", err)
	case errors.Is(err, fetch.ErrNothing):
		return job.Fail("nothing_fetched", "see why in the message", err)
	case errors.Is(err, fetch.ErrDamaged):
		return job.Fail("fetch_damaged", "remove the folder that the message names, and start the run again", err)
	case errors.Is(err, curator.ErrSource):
		return job.Fail("missing_source", "check the path; it is read by the worker, on the worker's machine", err)
	}
	return err
}

// sink stores what the curator packs.
type sink struct {
	s     *Service
	j     *job.Job
	bytes atomic.Int64
}

// Put stores one object; its name is for people only.
func (k *sink) Put(ctx context.Context, name string, data []byte) (event.Digest, error) {
	ref, err := k.s.Blobs.Put(ctx, data)
	if err != nil {
		return "", fmt.Errorf("curation: %s: %w", name, err)
	}
	k.bytes.Add(ref.Size)
	k.j.Spend(0, 0, ref.Size, ref.Size)
	return event.Digest(ref.Digest), nil
}
