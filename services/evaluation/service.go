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
	"millrace/evaluator/sandbox"
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
	Library Library
	// Temp is where results lie while they are written.
	Temp string
	// Pause is from which pause on a model behind an API is asked again; 0: 1 s.
	Pause   time.Duration
	Kernels engine.Kernels
	Code    event.Code
	Now     func() time.Time
	Log     *slog.Logger
	// RunCode allows tasks that run code.
	RunCode Code

	sandbox *sandbox.Box
}

// Run asks for evaluations of new checkpoints and does them, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if err := s.box(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.Jobs.Work(ctx, event.Evaluate, s.evaluate) })
	g.Go(func() error {
		saved := bus.Group{Name: "evaluation-requests", Filters: []string{event.FactOf("run", "checkpoint_saved")}, MaxAttempts: -1}
		return s.Bus.Work(ctx, saved, s.request)
	})
	return g.Wait()
}

// settings is the configuration of an evaluate run.
type settings struct {
	Suite       string       `json:"suite"`
	SuiteDigest event.Digest `json:"suite_digest"`
	// API is the model, where it is none of this platform.
	API *API `json:"api,omitempty"`
}

// Resolve finds the suite that an evaluation names, and pins its digest.
func (l Library) Resolve(ctx context.Context, spec event.Spec) (event.Spec, error) {
	var c settings
	dec := json.NewDecoder(bytes.NewReader(spec.Config))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return spec, fmt.Errorf("evaluation: configuration: %w", err)
	}
	if c.API != nil {
		c.API.defaults()
		if err := c.API.Check(); err != nil {
			return spec, fmt.Errorf("evaluation: api: %w", err)
		}
	}
	pin, err := l.Pin(ctx, c.Suite)
	if err != nil {
		return spec, err
	}
	c.SuiteDigest = pin.Digest
	spec.Config, err = json.Marshal(c)
	return spec, err
}

// evaluate is one evaluation.
func (s *Service) evaluate(ctx context.Context, j *job.Job) (job.Outcome, error) {
	began := s.Now()
	var c settings
	if err := json.Unmarshal(j.Request.Spec.Config, &c); err != nil {
		return job.Outcome{}, job.Fail("bad_config", "", fmt.Errorf("evaluation: configuration: %w", err))
	}
	suite, err := s.Library.Suite(ctx, c.SuiteDigest)
	if err != nil {
		return job.Outcome{}, job.Stored(err)
	}
	of, step, err := judgedBy(j.Request, c)
	if err != nil {
		return job.Outcome{}, err
	}
	if j.Attempt > 1 {
		if _, told, err := s.told(ctx, j, of); err != nil || told {
			return job.Outcome{}, err
		}
	}
	if j.Request.GivesWay {
		newer, err := s.newer(ctx, of, step, c.Suite)
		if err != nil {
			return job.Outcome{}, err
		}
		if newer {
			return job.Outcome{}, job.GiveWay(event.Superseded, fmt.Errorf("evaluation: run %s has saved a newer checkpoint than that of step %d", of, step))
		}
	}
	file, err := s.results(suite)
	if err != nil {
		return job.Outcome{}, err
	}
	defer file.discard()
	scorer := evaluator.Evaluator{Open: s.Library.open, Answer: file.answer, Sandbox: s.sandbox}
	done := event.EvaluationCompleted{
		Run: j.Request.Run, Of: of, Step: step, Checkpoint: j.Request.Spec.Input("checkpoint"), Version: suite.Version,
		SecondsWaited: event.Number(began.Sub(j.Requested).Seconds()),
	}
	var result evaluator.Result
	if c.API != nil {
		done.Model = c.API.Model
		result, err = s.ask(ctx, j, *c.API, scorer, suite)
	} else {
		result, err = s.judge(ctx, j, scorer, suite)
	}
	if err != nil {
		return job.Outcome{}, err
	}
	for _, skip := range result.Skipped {
		j.Print(fmt.Sprintf("%s: the prompt %q was left out: %s", skip.Task, skip.Prompt, skip.Reason))
	}
	for _, f := range result.Failed {
		j.Print(fmt.Sprintf("%s has no scores (%s): %s", f.Task, f.Code, f.Message))
		done.Failed = append(done.Failed, event.TaskFailure(f))
	}
	if done.Results, done.Answers, err = file.store(ctx, s.Library.Blobs); err != nil {
		return job.Outcome{}, job.Stored(err)
	}
	done.Suite, done.SuiteDigest, done.Scores, done.Samples = result.Suite, result.SuiteDigest, result.Scores, result.Samples
	done.Seconds = event.Number(s.Now().Sub(began).Seconds())
	return job.Outcome{}, s.tell(ctx, j, done)
}

// judge scores the checkpoint that a job names.
func (s *Service) judge(ctx context.Context, j *job.Job, scorer evaluator.Evaluator, suite evaluator.Suite) (evaluator.Result, error) {
	j.Progress("load", 0, 1, "checkpoints", 0)
	net, err := s.load(ctx, j.Request.Spec.Input("checkpoint"))
	if err != nil {
		return evaluator.Result{}, job.Stored(err)
	}
	own, err := s.own(ctx, j.Request.Spec.Input("checkpoint"))
	if err != nil {
		return evaluator.Result{}, job.Stored(err)
	}
	tok, heldOut, counts, err := s.text(ctx, j.Request.Spec.Input("dataset"), own)
	if err != nil {
		return evaluator.Result{}, job.Stored(err)
	}
	scorer.Counts, scorer.Progress = counts, s.progress(j, "tokens")
	result, err := scorer.Score(ctx, Model(net), words(tok, net), heldOut, suite)
	return result, unscored(ctx, err)
}

// progress tells how far a job is, and what it has left at its pace so far.
func (s *Service) progress(j *job.Job, unit string) func(done, total int64) {
	began := s.Now()
	return func(done, total int64) {
		left := time.Duration(float64(s.Now().Sub(began)) * float64(total-done) / float64(max(done, 1)))
		j.Progress("score", done, total, unit, left)
	}
}

// unscored marks why a suite as a whole has no scores.
func unscored(ctx context.Context, err error) error {
	var marked *job.Failed
	if err == nil || ctx.Err() != nil || errors.As(err, &marked) {
		return err
	}
	return job.Fail("cannot_evaluate", "", err)
}

// judgedBy is the run and step that an evaluation's scores are of. A reproduction judges the checkpoint again on its own account: its
// scores are compared, and do not count for the checkpoint twice. The step is in the name of the checkpoint that its spec has.
func judgedBy(req event.RunRequested, c settings) (event.RunID, int64, error) {
	switch {
	case c.API != nil:
		return req.Run, 0, nil
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
