package tracker

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"millrace/event"
	"millrace/storage/readmodel"
)

// maxConfig bounds a configuration, in bytes.
const maxConfig = 256 << 10

// admitRun completes the request for a run: a reproduction takes over the recorded spec, an evaluation is named after what it
// judges, anything else gets its defaults written out.
func (t *Tracker) admitRun(ctx context.Context, w event.RunRequested) (event.Event, error) {
	if len(w.Name) > maxName {
		return nil, refuse(Invalid, "name", "", "a name has at most %d bytes", maxName)
	}
	if err := t.checkLabels(w); err != nil {
		return nil, err
	}
	if err := checkBudget(w.Budget); err != nil {
		return nil, err
	}
	if !w.Spec.Worked() {
		return t.admitExternal(ctx, w)
	}
	if w.Branch != nil {
		switch w.Branch.Kind {
		case event.Reproduction:
			return t.admitReproduction(ctx, w)
		case event.Fork:
			return t.admitFork(ctx, w)
		}
	}
	if w.Spec.Kind == event.Evaluate {
		return t.admitEvaluation(ctx, w)
	}
	if len(w.Spec.Config) > maxConfig {
		return nil, refuse(Invalid, "config", "", "the configuration has %d bytes, at most %d", len(w.Spec.Config), maxConfig)
	}
	err := t.resolveBase(ctx, &w)
	if err != nil {
		return nil, err
	}
	if w.Experiment, err = t.experimentFor(ctx, w.Experiment, w.By); err != nil {
		return nil, err
	}
	if err := cmp.Or(t.affordable(w.Experiment, nil), t.judging(ctx, &w)); err != nil {
		return nil, err
	}
	if err := t.resolveInputs(&w); err != nil {
		return nil, err
	}
	w.Spec.Code = t.Code
	if resolve := t.Resolve[w.Spec.Kind]; resolve != nil {
		if w.Spec, err = resolve(ctx, w.Spec); err != nil {
			return nil, asRefusal("config", err)
		}
	}
	if w.Spec.Config, err = event.CanonicalJSON(w.Spec.Config); err != nil {
		return nil, asRefusal("config", err)
	}
	if w.SpecDigest, err = w.Spec.Digest(); err != nil {
		return nil, asRefusal("config", err)
	}
	if w.Spec.Kind == event.Curate {
		if w.Candidates, err = t.madeBefore(w.Spec.Config); err != nil {
			return nil, err
		}
	}
	if w.Run, err = t.nameOf(w); err != nil {
		return nil, err
	}
	if w.Name == "" {
		w.Name = fmt.Sprintf("%s-%s", w.Spec.Kind, strings.ToLower(string(w.Run[max(0, len(w.Run)-6):])))
	}
	return w, nil
}

// nameOf is the id that whoever wishes for a run gave it, derived from what makes it the same wish, or a new one.
func (t *Tracker) nameOf(w event.RunRequested) (event.RunID, error) {
	if w.Run != "" {
		if !event.ValidID(string(w.Run)) {
			return "", refuse(Invalid, "run", "", "%.100q cannot name a run: 1-64 letters, digits, '-' and '_'", w.Run)
		}
		return w.Run, nil
	}
	id, err := t.newID()
	return event.RunID(id), err
}

func (t *Tracker) checkLabels(w event.RunRequested) error {
	if len(w.Tags)+len(w.Labels) > maxTags {
		return refuse(Invalid, "tags", "", "%d tags and labels, at most %d", len(w.Tags)+len(w.Labels), maxTags)
	}
	for k, v := range w.Tags {
		if k == "" || len(k) > maxName || len(v) > maxValue {
			return refuse(Invalid, "tags", "", "tag %q: a key has 1-%d bytes, a value at most %d", k, maxName, maxValue)
		}
	}
	return nil
}

// resolveInputs replaces a dataset's name by its digest and refuses what does not exist.
func (t *Tracker) resolveInputs(w *event.RunRequested) error {
	if w.Spec.Kind == event.Train && w.Spec.Input("dataset") == "" && !hasRole(w.Spec.Inputs, "dataset") {
		return refuse(Invalid, "inputs", "make one with: millrace curate DIR", "a training run needs a dataset: an input with role \"dataset\"")
	}
	inputs := append([]event.Input(nil), w.Spec.Inputs...)
	for i, in := range inputs {
		if in.Role != "dataset" {
			if !in.Digest.Valid() {
				return refuse(Invalid, "inputs", "", "input %q: %q is not a digest", in.Role, in.Digest)
			}
			continue
		}
		d, err := t.dataset(string(in.Digest))
		if err != nil {
			return err
		}
		inputs[i].Digest, inputs[i].Name = d.Dataset, d.Name
	}
	w.Spec.Inputs = inputs
	return nil
}

func hasRole(inputs []event.Input, role string) bool {
	for _, in := range inputs {
		if in.Role == role {
			return true
		}
	}
	return false
}

// dataset finds one by digest or by name, the newest of that name.
func (t *Tracker) dataset(idOrName string) (readmodel.Dataset, error) {
	if d, err := t.Model.Dataset(event.Digest(idOrName)); err == nil {
		return d, nil
	}
	all, err := t.Model.Datasets()
	if err != nil {
		return readmodel.Dataset{}, err
	}
	for _, d := range all {
		if d.Name == idOrName {
			return d, nil
		}
	}
	return readmodel.Dataset{}, refuse(NotFound, "inputs", "make one with: millrace curate DIR", "there is no dataset %q", idOrName)
}

// madeBefore lists the datasets that the same recipe has made. A recipe's digest is that of its resolved configuration.
func (t *Tracker) madeBefore(config json.RawMessage) ([]event.Digest, error) {
	recipe := event.DigestOf(config)
	all, err := t.Model.Datasets()
	if err != nil {
		return nil, err
	}
	var made []event.Digest
	for _, d := range all {
		if d.Recipe == recipe && len(made) < 10 {
			made = append(made, d.Dataset)
		}
	}
	return made, nil
}

// admitEvaluation names the evaluation after (run, step, suite digest); asking twice is asking once.
func (t *Tracker) admitEvaluation(ctx context.Context, w event.RunRequested) (event.Event, error) {
	if w.Branch == nil {
		return t.admitElsewhere(ctx, w)
	}
	if _, err := t.run(w.Branch.From); err != nil {
		return nil, err
	}
	c, err := t.Model.Checkpoint(w.Branch.From, w.Branch.Step)
	if w.Branch.Step == 0 && err != nil {
		c, err = t.Model.LastCheckpoint(w.Branch.From)
	}
	if err != nil {
		return nil, refuse(NotFound, "step", "list them with: millrace show "+string(w.Branch.From), "run %s has no checkpoint at step %d", w.Branch.From, w.Branch.Step)
	}
	if resolve := t.Resolve[event.Evaluate]; resolve != nil {
		if w.Spec, err = resolve(ctx, w.Spec); err != nil {
			return nil, asRefusal("suite", err)
		}
	}
	var config struct {
		Suite       string       `json:"suite"`
		SuiteDigest event.Digest `json:"suite_digest"`
	}
	if err := json.Unmarshal(w.Spec.Config, &config); err != nil {
		return nil, asRefusal("suite", err)
	}
	made, err := event.EvaluationRequest(c.CheckpointSaved, config.Suite, config.SuiteDigest, t.Code, w.By)
	made.Depth = w.Depth
	return made, err
}
