package tracker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"millrace/event"
	"millrace/storage/readmodel"
)

// admitFork completes the wish for a run that goes on from a step of another with some settings changed. The wish's configuration holds the
// changes: keys of the parent's, nested or by dotted path. The new run's spec names the checkpoint it begins at among its inputs, so that it
// can be done again from the spec alone.
func (t *Tracker) admitFork(ctx context.Context, w event.RunRequested) (event.Event, error) {
	parent, err := t.run(w.Branch.From)
	if err != nil {
		return nil, err
	}
	if parent.Kind != event.Train && parent.Kind != event.Finetune && parent.Kind != event.External || parent.Bare {
		return nil, refuse(Invalid, "id", "start another with the changed configuration", "run %s is a %s run: it has no steps to go on from", parent.ID, parent.Kind)
	}
	branch := *w.Branch
	if branch.Step < 0 {
		return nil, refuse(Invalid, "step", "", "%d is not a step", branch.Step)
	}
	spec := parent.Spec
	spec.Code = t.Code
	if !parent.Foreign() {
		if w.From, err = t.forkPoint(parent, branch.Step); err != nil {
			return nil, err
		}
		branch.Step = w.From.Step
		spec.Inputs = slices.DeleteFunc(slices.Clone(spec.Inputs), func(in event.Input) bool { return in.Role == "checkpoint" })
		spec.Inputs = append(spec.Inputs, event.Input{Role: "checkpoint", Digest: w.From.Checkpoint, Name: fmt.Sprintf("%s@%d", w.From.Run, w.From.Step)})
	}
	if spec.Config, err = overlaid(parent.Spec.Config, w.Spec.Config); err != nil {
		return nil, asRefusal("config", err)
	}
	if len(spec.Config) > maxConfig {
		return nil, refuse(Invalid, "config", "", "the configuration has %d bytes, at most %d", len(spec.Config), maxConfig)
	}
	if resolve := t.Resolve[spec.Kind]; resolve != nil {
		if spec, err = resolve(ctx, spec); err != nil {
			return nil, asRefusal("config", err)
		}
	}
	if t.Continues != nil && w.From != nil && spec.Kind != event.External {
		if err := t.Continues(parent.Spec, spec, w.From.Step); err != nil {
			return nil, asRefusal("config", err)
		}
	}
	if spec.Config, err = event.CanonicalJSON(spec.Config); err != nil {
		return nil, asRefusal("config", err)
	}
	w.Spec, w.Branch = spec, &branch
	if w.SpecDigest, err = spec.Digest(); err != nil {
		return nil, asRefusal("config", err)
	}
	if w.Experiment == "" {
		w.Experiment = parent.Experiment
	} else if w.Experiment, err = t.experimentFor(ctx, w.Experiment, w.By); err != nil {
		return nil, err
	}
	if w.Suites == nil {
		w.Suites, w.Evaluation = parent.Suites, parent.Evaluation
	}
	if err := cmp.Or(t.judging(ctx, &w), t.affordable(w.Experiment, nil)); err != nil {
		return nil, err
	}
	if err := t.present(ctx, "id", w.Spec, w.From); err != nil {
		return nil, err
	}
	if w.Run, err = t.nameOf(w); err != nil {
		return nil, err
	}
	if w.Name == "" {
		w.Name = fmt.Sprintf("%s from step %d", parent.Name, branch.Step)
	}
	return w, nil
}

// forkPoint is the newest checkpoint of a run at or before a step, its last for step 0.
func (t *Tracker) forkPoint(parent readmodel.Run, step int64) (*event.CheckpointSaved, error) {
	all, err := t.Model.Checkpoints(parent.ID)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, refuse(NotFound, "id", "", "run %s has no checkpoint to begin at", parent.ID)
	}
	at := len(all) - 1
	for step > 0 && at >= 0 && all[at].Step > step {
		at--
	}
	if at < 0 {
		return nil, refuse(NotFound, "step", fmt.Sprintf("the nearest is at step %d", all[0].Step), "run %s has no checkpoint at or before step %d; the nearest is at step %d", parent.ID, step, all[0].Step)
	}
	return &all[at].CheckpointSaved, nil
}

// maxChanges bounds how many settings a fork changes at once.
const maxChanges = 1000

// overlaid lays changes over a configuration. A change is a key of the configuration, whose objects are gone into, or a dotted path.
func overlaid(config, changes json.RawMessage) (json.RawMessage, error) {
	base, err := object(config)
	if err != nil {
		return nil, fmt.Errorf("the recorded configuration: %w", err)
	}
	over, err := object(changes)
	if err != nil {
		return nil, fmt.Errorf("the changes: %w", err)
	}
	if len(over) > maxChanges {
		return nil, fmt.Errorf("%d changes, at most %d", len(over), maxChanges)
	}
	for _, key := range slices.Sorted(maps.Keys(over)) {
		lay(base, strings.Split(key, "."), over[key])
	}
	return json.Marshal(base)
}

// lay sets the value at a path. An object is laid over an object key by key; anything else takes the old value's place.
func lay(base map[string]any, path []string, value any) {
	if len(path) > 1 {
		inner, ok := base[path[0]].(map[string]any)
		if !ok {
			inner = map[string]any{}
			base[path[0]] = inner
		}
		lay(inner, path[1:], value)
		return
	}
	over, isObject := value.(map[string]any)
	inner, hasObject := base[path[0]].(map[string]any)
	if !isObject || !hasObject {
		base[path[0]] = value
		return
	}
	for key, v := range over {
		lay(inner, []string{key}, v)
	}
}

// object reads a JSON object with its numbers as they were written; nothing is an empty one.
func object(raw json.RawMessage) (map[string]any, error) {
	out := map[string]any{}
	if len(raw) == 0 || string(raw) == "null" {
		return out, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	return out, nil
}

func join(list []string) string { return strings.Join(list, "; ") }
