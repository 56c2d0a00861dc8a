package tracker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"millrace/event"
	"millrace/storage/readmodel"
)

// resolveBase replaces what a wish calls its base, an input of role "base" (or "checkpoint"), by the checkpoint that is meant: "run",
// "run@step", an alias, a digest. A fine-tuning reads that checkpoint and its tokenizer, and branches off its run; a curation takes its
// tokenizer.
func (t *Tracker) resolveBase(ctx context.Context, w *event.RunRequested) error {
	at := slices.IndexFunc(w.Spec.Inputs, func(in event.Input) bool {
		return in.Role == "base" || in.Role == "checkpoint" && w.Spec.Kind == event.Finetune
	})
	if at < 0 {
		if w.Spec.Kind == event.Finetune {
			return refuse(Invalid, "inputs", "name one by its run: millrace finetune RUN DATASET", "a fine-tuning needs a base: an input with role \"base\"")
		}
		return nil
	}
	what := string(w.Spec.Inputs[at].Digest)
	c, err := t.Model.FindCheckpoint(ctx, what)
	switch {
	case errors.Is(err, readmodel.ErrNotFound):
		return refuse(NotFound, "inputs", "list them with: millrace runs, and millrace show RUN", "there is no checkpoint %q", what)
	case errors.Is(err, readmodel.ErrSeveral):
		return refuse(Invalid, "inputs", "", "%v", err)
	case err != nil:
		return err
	}
	name := fmt.Sprintf("%s@%d", c.Run, c.Step)
	tokenizer, err := t.tokenizerOf(c)
	if err != nil {
		return err
	}
	rest := slices.Delete(slices.Clone(w.Spec.Inputs), at, at+1)
	inputs := []event.Input{{Role: "tokenizer", Digest: tokenizer, Name: name}}
	switch w.Spec.Kind {
	case event.Finetune:
		inputs = append([]event.Input{{Role: "base", Digest: c.Checkpoint, Name: name}}, inputs...)
		w.Branch = &event.Branch{From: c.Run, Step: c.Step, Kind: event.Finetuning}
		if err := checkTuned(w, rest); err != nil {
			return err
		}
	case event.Curate:
		config, err := json.Marshal(map[string]any{"tokenizer": map[string]any{"digest": tokenizer}})
		if err != nil {
			return err
		}
		if w.Spec.Config, err = overlaid(w.Spec.Config, config); err != nil {
			return asRefusal("config", err)
		}
	default:
		return refuse(Invalid, "inputs", "", "a %s run has no base", w.Spec.Kind)
	}
	w.Spec.Inputs = append(inputs, rest...)
	return nil
}

// checkTuned wants one thing to learn from. What learns from examples has no held-out text that suites could judge.
func checkTuned(w *event.RunRequested, rest []event.Input) error {
	from := slices.DeleteFunc(slices.Clone(rest), func(in event.Input) bool { return in.Role != "dataset" && in.Role != "examples" })
	if len(from) != 1 || len(rest) != 1 {
		return refuse(Invalid, "inputs", "", "a fine-tuning reads a base and one dataset, or one file of examples: inputs with the roles \"base\" and \"dataset\" or \"examples\"")
	}
	if from[0].Role == "examples" {
		if len(w.Suites) > 0 {
			return refuse(Invalid, "suites", "leave suites out; val/loss and val/accuracy are of the examples held out", "what learns from examples has no held-out text for suites")
		}
		w.Suites = []string{}
	}
	return nil
}

// tokenizerOf is the digest of a checkpoint's tokenizer: its own, or that of the dataset it was trained on.
func (t *Tracker) tokenizerOf(c readmodel.Checkpoint) (event.Digest, error) {
	for _, f := range c.Files {
		if f.Name == "tokenizer.json" {
			return f.Digest, nil
		}
	}
	if c.Dataset != "" {
		d, err := t.Model.Dataset(c.Dataset)
		if err == nil {
			return d.Tokenizer, nil
		}
		if !errors.Is(err, readmodel.ErrNotFound) {
			return "", err
		}
	}
	return "", refuse(Invalid, "inputs", "take a checkpoint that has its own tokenizer.json", "the tokenizer of run %s at step %d is not known: its dataset was deleted, or it never had one", c.Run, c.Step)
}
