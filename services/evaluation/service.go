package evaluation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"millrace/curator"
	"millrace/curator/pack"
	"millrace/evaluator"
	"millrace/event"
	"millrace/services/bus"
	"millrace/services/job"
	"millrace/storage/blob"
	"millrace/trainer/engine"
	"millrace/trainer/model"
	"millrace/trainer/token"
)

// Service judges checkpoints on one device.
type Service struct {
	Jobs    *job.Runner
	Bus     *bus.Bus
	Blobs   *blob.Store
	Kernels engine.Kernels
	Code    event.Code
	Now     func() time.Time
	Log     *slog.Logger
}

// Run asks for evaluations of new checkpoints and does them, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.Jobs.Work(ctx, event.Evaluate, s.evaluate) })
	g.Go(func() error {
		saved := bus.Group{Name: "evaluation-requests", Filters: []string{event.FactOf("run", "checkpoint_saved")}, MaxAttempts: -1}
		return s.Bus.Work(ctx, saved, s.request)
	})
	return g.Wait()
}

// request turns one checkpoint into one request for each of its suites.
func (s *Service) request(ctx context.Context, env event.Envelope, _ bus.Delivery) error {
	c, ok := env.Event.(event.CheckpointSaved)
	if !ok {
		return bus.Poison(fmt.Errorf("evaluation: %s is not a checkpoint", env.Event.Type()))
	}
	for _, name := range c.Suites {
		suite, err := suiteNamed(name)
		if err != nil {
			s.Log.Warn("a checkpoint names a suite that does not exist", "run", c.Run, "suite", name)
			continue
		}
		req, err := event.EvaluationRequest(c, name, suite.Digest(), s.Code, "checkpoint.saved")
		if err != nil {
			return err
		}
		if _, err := s.Bus.PublishOnce(ctx, req); err != nil && !errors.Is(err, bus.ErrExists) {
			return err
		}
	}
	return nil
}

// settings is the configuration of an evaluate run.
type settings struct {
	Suite       string       `json:"suite"`
	SuiteDigest event.Digest `json:"suite_digest"`
}

// Resolve finds the suite that an evaluation names, and pins its digest.
func Resolve(_ context.Context, spec event.Spec) (event.Spec, error) {
	var c settings
	dec := json.NewDecoder(bytes.NewReader(spec.Config))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return spec, fmt.Errorf("evaluation: configuration: %w", err)
	}
	suite, err := suiteNamed(c.Suite)
	if err != nil {
		return spec, err
	}
	c.SuiteDigest = suite.Digest()
	spec.Config, err = json.Marshal(c)
	return spec, err
}

// Check refuses suites that do not exist, for whoever asks for a run that names them.
func Check(names []string) error {
	for _, n := range names {
		if _, err := suiteNamed(n); err != nil {
			return err
		}
	}
	return nil
}

func suiteNamed(name string) (evaluator.Suite, error) {
	suites, err := evaluator.Suites()
	if err != nil {
		return evaluator.Suite{}, err
	}
	var known []string
	for _, s := range suites {
		if s.Name == name {
			return s, nil
		}
		known = append(known, s.Name)
	}
	return evaluator.Suite{}, fmt.Errorf("evaluation: there is no suite %q; there are %v", name, known)
}

// evaluate is one evaluation.
func (s *Service) evaluate(ctx context.Context, j *job.Job) (job.Outcome, error) {
	began := s.Now()
	var c settings
	if err := json.Unmarshal(j.Request.Spec.Config, &c); err != nil {
		return job.Outcome{}, job.Fail("bad_config", "", fmt.Errorf("evaluation: configuration: %w", err))
	}
	suite, err := suiteNamed(c.Suite)
	if err != nil {
		return job.Outcome{}, job.Fail("unknown_suite", "this worker's version does not have it", err)
	}
	if d := suite.Digest(); d != c.SuiteDigest {
		return job.Outcome{}, job.Failf("other_suite", "run the evaluation with the version that asked for it", "evaluation: suite %s is %s here, %s was asked for", c.Suite, d.Short(), c.SuiteDigest.Short())
	}
	of, step, err := judgedBy(j.Request)
	if err != nil {
		return job.Outcome{}, err
	}
	j.Progress("load", 0, 1, "checkpoints", 0)
	net, err := s.load(ctx, j.Request.Spec.Input("checkpoint"))
	if err != nil {
		return job.Outcome{}, final(err)
	}
	own, err := s.own(ctx, j.Request.Spec.Input("checkpoint"))
	if err != nil {
		return job.Outcome{}, final(err)
	}
	tok, heldOut, counts, err := s.text(ctx, j.Request.Spec.Input("dataset"), own)
	if err != nil {
		return job.Outcome{}, final(err)
	}
	scorer := evaluator.Evaluator{Counts: counts, Progress: func(done, total int64) {
		left := time.Duration(float64(s.Now().Sub(began)) * float64(total-done) / float64(max(done, 1)))
		j.Progress("score", done, total, "tokens", left)
	}}
	result, err := scorer.Score(ctx, judged{net}, words(tok, net), heldOut, suite)
	if err != nil {
		if ctx.Err() != nil {
			return job.Outcome{}, err
		}
		return job.Outcome{}, job.Fail("cannot_evaluate", "", err)
	}
	for _, skip := range result.Skipped {
		j.Print(fmt.Sprintf("%s: the prompt %q was left out: %s", skip.Task, skip.Prompt, skip.Reason))
	}
	done := event.EvaluationCompleted{
		Run: j.Request.Run, Of: of, Step: step, Checkpoint: j.Request.Spec.Input("checkpoint"),
		Suite: result.Suite, SuiteDigest: result.SuiteDigest, Scores: result.Scores, Samples: result.Samples,
		SecondsWaited: event.Number(began.Sub(j.Requested).Seconds()), Seconds: event.Number(s.Now().Sub(began).Seconds()),
	}
	return job.Outcome{}, j.Publish(ctx, done)
}

// judgedBy is the run and step that an evaluation's scores are of. A reproduction judges the checkpoint again on its own account: its
// scores are compared, and do not count for the checkpoint twice. The step is in the name of the checkpoint that its spec has.
func judgedBy(req event.RunRequested) (event.RunID, int64, error) {
	switch {
	case req.Branch == nil:
	case req.Branch.Kind != event.Reproduction:
		return req.Branch.From, req.Branch.Step, nil
	default:
		for _, in := range req.Spec.Inputs {
			if _, at, ok := strings.Cut(in.Name, "@"); ok && in.Role == "checkpoint" {
				if step, err := strconv.ParseInt(at, 10, 64); err == nil {
					return req.Run, step, nil
				}
			}
		}
	}
	return "", 0, job.Failf("bad_config", "", "evaluation: the request does not say which run and step it judges")
}

// load fetches a checkpoint's files and makes a model of them.
func (s *Service) load(ctx context.Context, digest event.Digest) (*model.Model, error) {
	tree, err := s.Blobs.Tree(ctx, blob.Digest(digest))
	if err != nil {
		return nil, fmt.Errorf("evaluation: checkpoint %s: %w", digest.Short(), err)
	}
	file := func(name string) ([]byte, error) {
		ref, ok := tree.File(name)
		if !ok {
			return nil, job.Failf("bad_checkpoint", "", "evaluation: checkpoint %s has no %s", digest.Short(), name)
		}
		return s.Blobs.Get(ctx, ref.Digest)
	}
	raw, err := file("config.json")
	if err != nil {
		return nil, err
	}
	config, err := model.ParseHuggingFace(raw)
	if err != nil {
		return nil, job.Fail("bad_checkpoint", "", err)
	}
	weights, err := file("model.safetensors")
	if err != nil {
		return nil, err
	}
	net, err := model.Read(config, s.Kernels, bytes.NewReader(weights))
	if err != nil {
		return nil, job.Fail("bad_checkpoint", "", err)
	}
	return net, nil
}

// text is what a checkpoint is judged on, in the words of the tokenizer that it knows: its own, if it carries one, or the dataset's. Without a
// dataset there is no text, and suites that need none can be asked.
func (s *Service) text(ctx context.Context, dataset event.Digest, own token.Tokenizer) (token.Tokenizer, []int32, []bool, error) {
	if dataset == "" && own == nil {
		return nil, nil, nil, job.Failf("bad_checkpoint", "import it again with --tokenizer FILE", "evaluation: the checkpoint has neither a tokenizer nor a dataset")
	}
	if dataset == "" {
		return own, nil, nil, nil
	}
	tok, ids, counts, err := s.heldOut(ctx, dataset)
	if err != nil || own == nil || bytes.Equal(own.JSON(), tok.JSON()) {
		return tok, ids, counts, err
	}
	if ids, counts, err = retokenize(ids, counts, tok, own); err != nil {
		return nil, nil, nil, job.Fail("bad_checkpoint", "", fmt.Errorf("evaluation: the dataset's text by the checkpoint's tokenizer: %w", err))
	}
	return own, ids, counts, nil
}

// heldOut fetches the part of the dataset that the model has not seen, which of it counts, if not all, and its tokenizer.
func (s *Service) heldOut(ctx context.Context, digest event.Digest) (tok token.Tokenizer, ids []int32, counts []bool, err error) {
	raw, err := s.Blobs.Get(ctx, blob.Digest(digest))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("evaluation: dataset %s: %w", digest.Short(), err)
	}
	m, err := curator.ParseManifest(raw)
	if err != nil {
		return nil, nil, nil, job.Fail("bad_dataset", "", err)
	}
	file, err := s.Blobs.Get(ctx, blob.Digest(m.Tokenizer.Digest))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("evaluation: tokenizer %s: %w", m.Tokenizer.Digest.Short(), err)
	}
	tok, err = token.Parse(file)
	if err != nil {
		return nil, nil, nil, job.Fail("bad_dataset", "", err)
	}
	split, _ := m.Split("held_out")
	for _, shard := range split.Shards {
		raw, err := s.Blobs.Get(ctx, blob.Digest(shard.Digest))
		if err != nil {
			return nil, nil, nil, fmt.Errorf("evaluation: shard %s: %w", shard.Digest.Short(), err)
		}
		if ids, err = pack.Decode(ids, raw, m.DType); err != nil {
			return nil, nil, nil, job.Fail("bad_dataset", "", err)
		}
		if shard.Mask == "" {
			continue
		}
		if raw, err = s.Blobs.Get(ctx, blob.Digest(shard.Mask)); err != nil {
			return nil, nil, nil, fmt.Errorf("evaluation: mask %s: %w", shard.Mask.Short(), err)
		}
		mask, err := pack.DecodeMask(raw, shard.Tokens)
		if err != nil {
			return nil, nil, nil, job.Fail("bad_dataset", "", err)
		}
		counts = append(counts, mask...)
	}
	return tok, ids, counts, nil
}

// final marks storage faults that trying again cannot mend.
func final(err error) error {
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return job.Fail("missing_input", "it was deleted from storage, or this worker uses another bucket", err)
	case errors.Is(err, blob.ErrCorrupt):
		return job.Fail("corrupt_input", "its bytes in storage are not what was written", err)
	case errors.Is(err, blob.ErrDenied):
		return job.Fail("storage_denied", "check the S3 access key and secret of this worker", err)
	case errors.Is(err, blob.ErrUnavailable):
		return job.Retry("storage_unavailable", "see that the object store is up, then start the run again", err)
	}
	return err
}
