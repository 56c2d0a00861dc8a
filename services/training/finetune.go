package training

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"

	"millrace/curator"
	"millrace/event"
	"millrace/services/job"
	"millrace/storage/blob"
	"millrace/trainer"
	"millrace/trainer/data"
	"millrace/trainer/model"
	"millrace/trainer/token"
)

// refusal is an error with what to do about it.
type refusal struct {
	err  error
	hint string
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// Hint is what to do.
func (r *refusal) Hint() string { return r.hint }

// Of a fine-tuning whose configuration leaves them out.
const (
	epochs    = 3 // over what it learns from
	mostSteps = 100_000
)

// rate is the learning rate that is chosen where none is given: weights that know something already are moved less than new ones, and by
// preferences less than by texts.
func rate(c trainer.Config) float64 {
	r := 1e-4
	if c.Finetune.LoRA != (model.LoRA{}) {
		r = 1e-3
	}
	if c.Objective == trainer.Preference {
		r /= 10
	}
	return r
}

// ResolveFinetune checks a fine-tuning's configuration against its base and what it learns from, and writes out its defaults: the
// architecture is the base's, with as many tokens and classes as are learnt; steps are three epochs; adapters have the tables of tokens
// learnt with them when there are tokens that the base does not know.
func ResolveFinetune(ctx context.Context, blobs *blob.Store, spec event.Spec) (event.Spec, error) {
	base, err := baseConfig(ctx, blobs, spec.Input("base"))
	if err != nil {
		return spec, err
	}
	given, err := object(spec.Config)
	if err != nil {
		return spec, err
	}
	tokens, examples, tok, err := learnt(ctx, blobs, spec)
	if err != nil {
		return spec, err
	}
	config := base.Record()
	config.VocabSize = max(config.VocabSize, tok.VocabSize())
	config.NLabel, config.Pool = 0, ""
	if given["model"], err = overlay(config, given["model"]); err != nil {
		return spec, err
	}
	raw, err := json.Marshal(given)
	if err != nil {
		return spec, err
	}
	c, err := trainer.Parse(raw)
	if err != nil {
		return spec, err
	}
	if text := spec.Input("dataset") != ""; text == trainer.FromExamples(c.Objective) {
		return spec, &refusal{fmt.Errorf("objective: %q learns from examples, and the next token from a dataset", c.Objective), "give a dataset without objective, or a file of examples with objective classify, preference or translate"}
	}
	if c.Objective == trainer.Classify {
		if c, err = withLabels(c, examples); err != nil {
			return spec, err
		}
	}
	if t := c.Finetune.ChatTemplate; t != "" {
		if _, err := t.Encode(tok, nil, false); err != nil {
			return spec, &refusal{err, "fine-tune it on conversations first: that adds the template's tokens"}
		}
	}
	if optimizer, _ := given["optimizer"].(map[string]any); optimizer["lr"] == nil {
		c.Optimizer.LR = rate(c)
	}
	if c.Finetune.LoRA.Rank > 0 && c.Model.VocabSize > base.VocabSize {
		c.Finetune.LoRA.Tables = true
	}
	if given["steps"] == nil {
		size := int64(max(c.BatchSize, 1)) * int64(max(c.GradAccum, 1))
		samples := tokens / int64(max(c.Model.Context, 1))
		if examples != nil {
			samples = lines(examples)
		}
		c.Steps = min(max(1, epochs*samples/size), mostSteps)
	}
	if c, err = c.Resolve(); err != nil {
		return spec, err
	}
	if err := c.Model.Grows(base); err != nil {
		return spec, err
	}
	if spec.Engine == "" {
		spec.Engine = "auto"
	}
	spec.Config = c.JSON()
	return spec, nil
}

// baseConfig reads the architecture of a checkpoint.
func baseConfig(ctx context.Context, blobs *blob.Store, checkpoint event.Digest) (model.Config, error) {
	r, err := openTree(ctx, blobs, checkpoint)(trainer.ConfigFile)
	if err != nil {
		return model.Config{}, err
	}
	defer r.Close() // read only: nothing to lose
	raw, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return model.Config{}, err
	}
	c, err := model.ParseHuggingFace(raw)
	if err != nil {
		return c, fmt.Errorf("the base cannot be trained further: %w", err)
	}
	return c, nil
}

// learnt reads what a fine-tuning learns from: how many tokens of text, or the examples; and the tokenizer that it is written by, which must be
// the base's, or the base's with special tokens added.
func learnt(ctx context.Context, blobs *blob.Store, spec event.Spec) (tokens int64, examples []byte, tok token.Tokenizer, err error) {
	base, err := tokenizer(ctx, blobs, spec.Input("tokenizer"))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("the base's tokenizer: %w", err)
	}
	if d := spec.Input("examples"); d != "" {
		if info, err := blobs.Stat(ctx, blob.Digest(d)); err != nil {
			return 0, nil, nil, fmt.Errorf("examples %s: %w", d.Short(), err)
		} else if info.Size > data.MaxExamplesBytes {
			return 0, nil, nil, fmt.Errorf("examples %s: %d bytes are over the limit of %d", d.Short(), info.Size, data.MaxExamplesBytes)
		}
		examples, err = blobs.Get(ctx, blob.Digest(d))
		return 0, examples, base, err
	}
	raw, err := blobs.Get(ctx, blob.Digest(spec.Input("dataset")))
	if err != nil {
		return 0, nil, nil, err
	}
	m, err := curator.ParseManifest(raw)
	if err != nil {
		return 0, nil, nil, err
	}
	if tok = base; m.Tokenizer.Digest != spec.Input("tokenizer") {
		if tok, err = tokenizer(ctx, blobs, m.Tokenizer.Digest); err != nil {
			return 0, nil, nil, fmt.Errorf("the dataset's tokenizer: %w", err)
		}
		if !token.Extends(tok, base) {
			return 0, nil, nil, &refusal{
				fmt.Errorf("the dataset's tokenizer %s is not the base's %s: its numbers mean other tokens", m.Tokenizer.Digest.Short(), spec.Input("tokenizer").Short()),
				"curate the text with the base's tokenizer: millrace curate … --tokenizer-of " + nameOf(spec, "base"),
			}
		}
	}
	train, _ := m.Split("train")
	return train.Tokens, nil, tok, nil
}

func nameOf(spec event.Spec, role string) string {
	for _, in := range spec.Inputs {
		if in.Role == role {
			return in.Name
		}
	}
	return ""
}

// tokenizer reads one that is stored.
func tokenizer(ctx context.Context, blobs *blob.Store, d event.Digest) (token.Tokenizer, error) {
	raw, err := blobs.Get(ctx, blob.Digest(d))
	if err != nil {
		return nil, err
	}
	return token.Parse(raw)
}

// withLabels finds the classes in the examples, unless they are given.
func withLabels(c trainer.Config, examples []byte) (trainer.Config, error) {
	// A byte for a token: only the labels are looked at.
	l, err := data.ReadLabelled(examples, token.NewByte(), c.Finetune.Labels.List(), 1)
	if err != nil {
		return c, err
	}
	c.Finetune.Labels, c.Model.NLabel = trainer.NamesOf(l.Names), len(l.Names)
	if len(c.Finetune.Labels.List()) != len(l.Names) {
		return c, errors.New("finetune.labels: a label has a newline in it")
	}
	return c, nil
}

// lines counts those that are not blank.
func lines(file []byte) int64 {
	n := int64(0)
	for line := range bytes.Lines(file) {
		if len(bytes.TrimSpace(line)) > 0 {
			n++
		}
	}
	return n
}

// object reads a configuration as its keys.
func object(raw json.RawMessage) (map[string]any, error) {
	out := map[string]any{}
	if len(raw) == 0 {
		return out, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&out); err != nil || out == nil {
		return nil, errors.New("the configuration is not a mapping of keys")
	}
	return out, nil
}

// overlay lays what is said of the architecture over the base's.
func overlay(base model.Config, said any) (map[string]any, error) {
	raw, err := json.Marshal(base)
	if err != nil {
		return nil, err
	}
	all, err := object(raw)
	if err != nil || said == nil {
		return all, err
	}
	keys, ok := said.(map[string]any)
	if !ok {
		return nil, errors.New("model: want a mapping of keys")
	}
	maps.Copy(all, keys)
	return all, nil
}

// openTree gives the files of a checkpoint by its digest.
func openTree(ctx context.Context, blobs *blob.Store, checkpoint event.Digest) trainer.Open {
	return func(name string) (io.ReadCloser, error) {
		tree, err := blobs.Tree(ctx, blob.Digest(checkpoint))
		if err != nil {
			return nil, missing("checkpoint", checkpoint, err)
		}
		ref, ok := tree.File(name)
		if !ok {
			return nil, job.Failf("bad_checkpoint", "", "training: checkpoint %s has no %s", checkpoint.Short(), name)
		}
		r, err := blobs.Reader(ctx, ref.Digest)
		if err != nil {
			return nil, missing("checkpoint file", event.Digest(ref.Digest), err)
		}
		return r, nil
	}
}

// finetune is one run.
func (s *Service) finetune(ctx context.Context, j *job.Job) (job.Outcome, error) {
	spec := j.Request.Spec
	config, err := trainer.Parse(spec.Config)
	if err == nil {
		config, err = config.Resolve()
	}
	if err != nil {
		return job.Outcome{}, job.Fail("bad_config", "correct the key and start the run again", err)
	}
	work := trainer.Job{Config: config, Init: openTree(ctx, s.Blobs, spec.Input("base"))}
	digest := spec.Input("tokenizer")
	if config.Objective == "" {
		set, err := s.dataset(ctx, j)
		if err != nil {
			return job.Outcome{}, err
		}
		defer set.close()
		work.Train, work.Val, digest = set.train, set.heldOut, set.manifest.Tokenizer.Digest
	}
	if work.Tokenizer, err = s.Blobs.Get(ctx, blob.Digest(digest)); err != nil {
		return job.Outcome{}, missing("tokenizer", digest, err)
	}
	if work.Words, err = token.Parse(work.Tokenizer); err != nil {
		return job.Outcome{}, job.Fail("bad_checkpoint", "", fmt.Errorf("the base's tokenizer: %w", err))
	}
	if config.Objective != "" {
		if err := s.examples(ctx, j, &work); err != nil {
			return job.Outcome{}, err
		}
	}
	if lora := config.Finetune.LoRA; lora != (model.LoRA{}) {
		n, err := config.Model.LoRAParameters(lora)
		if err != nil {
			return job.Outcome{}, job.Fail("bad_config", "", err)
		}
		j.Print(fmt.Sprintf("adapters of rank %d: %d parameters are learnt beside %d that are frozen", lora.Rank, n, config.Model.Parameters().Total))
	}
	return s.work(ctx, j, work)
}

// examples fetches what a run learns from that is no text.
func (s *Service) examples(ctx context.Context, j *job.Job, work *trainer.Job) error {
	c, digest := work.Config, j.Request.Spec.Input("examples")
	file, err := s.Blobs.Get(ctx, blob.Digest(digest))
	if err != nil {
		return missing("examples", digest, err)
	}
	j.Spend(0, 0, 0, int64(len(file)))
	tok := work.Words
	heldOut := max(c.Finetune.HeldOut, 0)
	switch c.Objective {
	case trainer.Classify:
		l, err := data.ReadLabelled(file, tok, c.Finetune.Labels.List(), c.Model.Context)
		if err != nil {
			return job.Fail("bad_examples", "correct the line and start the run again", err)
		}
		work.Labelled, work.LabelledVal = l.Split(heldOut, c.Seed)
		j.Print(fmt.Sprintf("%d texts of %d classes to learn from, %d held out", len(work.Labelled.Texts), len(l.Names), len(work.LabelledVal.Texts)))
	case trainer.Translate:
		pairs, dropped, err := data.ReadTranslations(file, tok, c.Model.Context)
		if err != nil {
			return job.Fail("bad_examples", "correct the line and start the run again", err)
		}
		work.Translations, work.TranslationsVal = data.Split(pairs, heldOut, c.Seed)
		j.Print(fmt.Sprintf("%d translations to learn from, %d held out; %d left out: too long", len(work.Translations), len(work.TranslationsVal), dropped))
	case trainer.Preference:
		pairs, dropped, err := data.ReadPairs(file, tok, c.Finetune.ChatTemplate, c.Model.Context+1)
		if err != nil {
			return job.Fail("bad_examples", "correct the line and start the run again", err)
		}
		work.Pairs, work.PairsVal = data.Split(pairs, heldOut, c.Seed)
		j.Print(fmt.Sprintf("%d pairs to learn from, %d held out; %d left out: too long, or both answers the same", len(work.Pairs), len(work.PairsVal), dropped))
	}
	return nil
}
