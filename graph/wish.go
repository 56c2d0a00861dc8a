package graph

import (
	"context"
	"encoding/json"
	"errors"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// wish submits an event, and answers with the run it is about as it stands then.
func (r *resolver) wish(ctx context.Context, e event.Event, id event.RunID) (*gen.RunPayload, error) {
	env, err := r.Tracker.Submit(ctx, e)
	if err != nil {
		return r.refused(ctx, err)
	}
	if made, ok := env.Event.(event.RunRequested); ok {
		id = made.Run
	}
	run, err := r.run(id)
	return &gen.RunPayload{Run: run, UserErrors: []gen.UserError{}}, err
}

// refused answers a wish about a run that was not granted.
func (r *resolver) refused(ctx context.Context, err error) (*gen.RunPayload, error) {
	errs, err := r.userErrors(ctx, err)
	if err != nil {
		return nil, err
	}
	return &gen.RunPayload{UserErrors: errs}, nil
}

// about submits a wish about a run that must be there.
func (r *resolver) about(ctx context.Context, id string, e event.Event) (*gen.RunPayload, error) {
	if err := r.runExists(id, "id"); err != nil {
		return r.refused(ctx, err)
	}
	return r.wish(ctx, e, event.RunID(id))
}

// refusal is graph's own: what can be seen from the read model.
type refusal struct {
	code, message, hint string
	field               []string
}

func (e refusal) Error() string   { return e.message }
func (e refusal) Code() string    { return e.code }
func (e refusal) Hint() string    { return e.hint }
func (e refusal) Field() []string { return e.field }

// runExists refuses ids that name no run.
func (r *resolver) runExists(id string, field ...string) error {
	run, err := r.run(event.RunID(id))
	if err == nil && run == nil {
		return refusal{code: "NOT_FOUND", message: "there is no run \"" + id + "\"", hint: "list them with: millrace runs", field: field}
	}
	return err
}

// inputs are references as they were typed; the tracker resolves names.
func inputs(refs []gen.InputRef) []event.Input {
	var out []event.Input
	for _, in := range refs {
		out = append(out, event.Input{Role: in.Role, Digest: event.Digest(in.Digest), Name: deref(in.Name)})
	}
	return out
}

func tags(list []gen.TagInput) map[string]string {
	if len(list) == 0 {
		return nil
	}
	out := make(map[string]string, len(list))
	for _, t := range list {
		out[t.Key] = t.Value
	}
	return out
}

func budget(in *gen.BudgetInput) *event.Budget {
	if in == nil {
		return nil
	}
	return &event.Budget{Dollars: event.Number(deref(in.Dollars)), DeviceSeconds: event.Number(deref(in.DeviceSeconds))}
}

// experimentPayload answers a wish about an experiment.
func (r *resolver) experimentPayload(ctx context.Context, e event.Event) (*gen.ExperimentPayload, error) {
	env, err := r.Tracker.Submit(ctx, e)
	if err != nil {
		errs, err := r.userErrors(ctx, err)
		if err != nil {
			return nil, err
		}
		return &gen.ExperimentPayload{UserErrors: errs}, nil
	}
	var id event.ExperimentID
	switch e := env.Event.(type) {
	case event.ExperimentCreated:
		id = e.Experiment
	case event.ExperimentUpdated:
		id = e.Experiment
	}
	var x *view.Experiment
	if x, err = r.experiment(string(id)); err != nil {
		return nil, err
	}
	return &gen.ExperimentPayload{Experiment: x, UserErrors: []gen.UserError{}}, nil
}

// evaluation is the wish to judge a checkpoint, the run's last when no step is given. The tracker makes one wish of two.
func (r *resolver) evaluation(in gen.EvaluateCheckpointInput) (event.Event, error) {
	if err := r.runExists(in.Run, "run"); err != nil {
		return nil, err
	}
	judged, err := r.run(event.RunID(in.Run))
	if err != nil {
		return nil, err
	}
	var c readmodel.Checkpoint
	if in.Step != nil {
		c, err = r.Model.Checkpoint(judged.ID, *in.Step)
	} else {
		c, err = r.Model.LastCheckpoint(judged.ID)
	}
	if errors.Is(err, readmodel.ErrNotFound) || err == nil && c.Deleted {
		return nil, refusal{code: "NOT_FOUND", message: "run " + in.Run + " has no such checkpoint", hint: "list them with: millrace show " + in.Run, field: []string{"step"}}
	}
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]string{"suite": in.Suite})
	if err != nil {
		return nil, err
	}
	return event.RunRequested{
		Experiment: judged.Experiment,
		Spec:       event.Spec{Kind: event.Evaluate, Config: config, Inputs: []event.Input{{Role: "checkpoint", Digest: c.Checkpoint}}},
		Branch:     &event.Branch{From: judged.ID, Step: c.Step, Kind: event.Evaluation},
		By:         deref(in.By),
	}, nil
}

// setAlias points a name at a checkpoint and returns it as it stands then.
func (r *resolver) setAlias(ctx context.Context, experiment string, set event.AliasSet) (*view.Alias, error) {
	if err := r.runExists(string(set.Run), "run"); err != nil {
		return nil, err
	}
	var err error
	if set.Experiment, err = r.experimentID(experiment); err != nil {
		return nil, err
	}
	c, err := r.Model.Checkpoint(set.Run, set.Step)
	if err != nil && !errors.Is(err, readmodel.ErrNotFound) {
		return nil, err
	}
	set.Checkpoint = c.Checkpoint // the tracker refuses when there is none
	if _, err := r.Tracker.Submit(ctx, set); err != nil {
		return nil, err
	}
	alias, err := r.Model.Alias(set.Experiment, set.Alias)
	return &view.Alias{Alias: alias}, err
}
