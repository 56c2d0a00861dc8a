package tracker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"millrace/event"
	"millrace/services/rules/search"
	"millrace/storage/readmodel"
)

// PlanOf is how a sweep searches.
func PlanOf(s event.SweepStarted) (search.Plan, error) {
	p := search.Plan{Method: s.Method, Direction: s.Direction, MaxRuns: s.MaxRuns, Parallel: s.Parallel, Seed: s.Seed, MinSteps: s.MinSteps, MaxSteps: s.MaxSteps, Eta: s.Eta}
	dec := json.NewDecoder(bytes.NewReader(s.Space))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p.Space); err != nil {
		return p, fmt.Errorf("tracker: the space: %w", err)
	}
	return p, p.Check()
}

// TrialWish is the wish for a trial, as it is made whenever it is made.
func TrialWish(s event.SweepStarted, p search.Plan, number int) (event.RunRequested, error) {
	config, err := search.Apply(json.RawMessage(s.Base.Config), p.Settings(number))
	if err != nil {
		return event.RunRequested{}, err
	}
	spec := s.Base
	spec.Config = config
	return event.RunRequested{
		Run: event.TrialRun(s.Sweep, number), Experiment: s.Experiment, Spec: spec, StopAfter: p.Rungs()[0], Suites: s.Suites, By: event.SweepBy(s.Sweep),
		Name: strings.ToValidUTF8(clipName(s.Name), "") + "-" + itoa(number), Tags: map[string]string{event.SweepTag: string(s.Sweep), event.TrialTag: itoa(number)},
	}, nil
}

// clipName leaves room for a number behind a name.
func clipName(name string) string { return name[:min(len(name), maxName-8)] }

// admitSweep completes the wish for a sweep, and checks it as far as it can: the first trial's configuration is resolved.
func (t *Tracker) admitSweep(ctx context.Context, w event.SweepStarted) (event.Event, error) {
	w.Name = strings.TrimSpace(w.Name)
	if w.Name == "" || len(w.Name) > maxName {
		return nil, refuse(Invalid, "name", "", "a sweep's name has 1-%d bytes", maxName)
	}
	if w.Metric == "" || len(w.Metric) > maxName {
		return nil, refuse(Invalid, "metric", "such as val/loss", "a sweep compares runs by a metric: its key has 1-%d bytes", maxName)
	}
	if len(w.Base.Config)+len(w.Space) > maxConfig {
		return nil, refuse(Invalid, "config", "", "configuration and space have %d bytes, at most %d", len(w.Base.Config)+len(w.Space), maxConfig)
	}
	w.Base.Kind = cmp.Or(w.Base.Kind, event.Train)
	if w.Base.Kind != event.Train && w.Base.Kind != event.Finetune {
		return nil, refuse(Invalid, "kind", "", "runs of kind %s are not swept; train and finetune are", w.Base.Kind)
	}
	w.Parallel = cmp.Or(w.Parallel, 1)
	if w.Method == search.ASHA {
		w.Eta = cmp.Or(w.Eta, 3)
	}
	plan, err := PlanOf(w)
	if err != nil {
		return nil, asRefusal("space", err)
	}
	id, err := t.newID()
	if err != nil {
		return nil, err
	}
	w.Sweep = cmp.Or(w.Sweep, event.SweepID(id))
	if w.Experiment, err = t.experimentFor(ctx, w.Experiment, w.By); err != nil {
		return nil, err
	}
	first, err := TrialWish(w, plan, 0)
	if err != nil {
		return nil, asRefusal("space", err)
	}
	// A dataset's name means today's for all trials.
	if err := t.resolveInputs(&first); err != nil {
		return nil, err
	}
	w.Base.Inputs = first.Spec.Inputs
	if w.Base.Config, err = event.CanonicalJSON(cmpConfig(w.Base.Config)); err != nil {
		return nil, asRefusal("config", err)
	}
	if first, err = TrialWish(w, plan, 0); err != nil {
		return nil, asRefusal("space", err)
	}
	if _, err := t.admitRun(ctx, first); err != nil {
		return nil, err
	}
	return w, nil
}

// cmpConfig is a configuration, an empty one where there is none.
func cmpConfig(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}

// admitSweepEnd stops a sweep: what it started is stopped by whoever runs it.
func (t *Tracker) admitSweepEnd(w event.SweepEnded) (event.Event, error) {
	s, err := t.Model.FindSweep(string(w.Sweep))
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, refuse(NotFound, "id", "list them with: millrace sweep list", "there is no sweep %q", w.Sweep)
	}
	if err != nil {
		return nil, err
	}
	if s.Ended != nil {
		return nil, refuse(Conflict, "id", "", "sweep %s has ended already: it is %s", s.Sweep, s.Ended.Status)
	}
	trials, err := t.Model.Trials(s.Sweep)
	if err != nil {
		return nil, err
	}
	plan, err := PlanOf(s.SweepStarted)
	if err != nil {
		return nil, err
	}
	return EndOf(s.SweepStarted, plan, SeenOf(trials), "stopped", w.By), nil
}
