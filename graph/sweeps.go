package graph

import (
	"context"
	"encoding/json"
	"errors"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/storage/readmodel"
)

// sweepOf draws a sweep and its trials.
func (r *resolver) sweepOf(s readmodel.Sweep) (*gen.Sweep, error) {
	scores, err := r.Model.Trials(s.Sweep)
	if err != nil {
		return nil, err
	}
	out := &gen.Sweep{
		ID: string(s.Sweep), Name: s.Name, Method: s.Method, Metric: s.Metric, Direction: s.Direction, Space: json.RawMessage(s.Space), MaxRuns: s.MaxRuns, Parallel: s.Parallel,
		Rungs: []int64{}, Status: "running", StartedAt: s.At, EndedAt: s.EndedAt, Trials: []gen.Trial{},
	}
	if s.Experiment != "" {
		out.Experiment = ptr(string(s.Experiment))
	}
	if s.Ended != nil {
		out.Status = s.Ended.Status
	}
	outline, err := r.Outlined(s, scores)
	if err != nil {
		return nil, err
	}
	out.MaxRuns, out.Rungs = outline.Total, append(out.Rungs, outline.Rungs...)
	if outline.Best != nil {
		out.Best, out.BestValue = ptr(string(event.TrialRun(s.Sweep, *outline.Best))), ptr(event.Number(outline.Value))
	}
	at := 0
	for number := range outline.Total {
		trial := gen.Trial{Number: number, Run: string(event.TrialRun(s.Sweep, number)), Scores: []gen.TrialScore{}}
		for ; at < len(scores) && scores[at].Number == number; at++ {
			score := gen.TrialScore{Rung: scores[at].Rung, Steps: scores[at].Steps}
			if v := scores[at].Value; v != nil {
				score.Value = v
			}
			if f := scores[at].Failure; f != nil {
				score.Message = &f.Message
			}
			trial.Scores, trial.Rung = append(trial.Scores, score), scores[at].Rung
		}
		run, err := r.Model.Run(event.RunID(trial.Run))
		switch {
		case err == nil:
			trial.Status = &run.Status
			for i, steps := range outline.Rungs {
				if run.StopAfter == steps {
					trial.Rung = max(trial.Rung, i)
				}
			}
		case !errors.Is(err, readmodel.ErrNotFound):
			return nil, err
		case len(trial.Scores) == 0:
			continue // not begun
		}
		if trial.Settings, err = json.Marshal(outline.Settings(number)); err != nil {
			return nil, err
		}
		out.Trials = append(out.Trials, trial)
	}
	return out, nil
}

// SweepOutline is what a sweep's plan says.
type SweepOutline struct {
	Total    int
	Rungs    []int64 // none where trials are compared once
	Best     *int
	Value    float64
	Settings func(trial int) map[string]json.RawMessage
}

func (r *resolver) sweeps() ([]gen.Sweep, error) {
	all, err := r.Model.Sweeps()
	if err != nil {
		return nil, err
	}
	out := make([]gen.Sweep, 0, len(all))
	for _, s := range all[:min(len(all), 100)] {
		drawn, err := r.sweepOf(s)
		if err != nil {
			return nil, err
		}
		out = append(out, *drawn)
	}
	return out, nil
}

func (r *resolver) sweep(id string) (*gen.Sweep, error) {
	s, err := r.Model.FindSweep(id)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return r.sweepOf(s)
}

// aboutSweep wishes something of a sweep and answers with it.
func (r *resolver) aboutSweep(ctx context.Context, wish event.Event) (*gen.SweepPayload, error) {
	env, err := r.Tracker.Submit(ctx, wish)
	errs, err := r.userErrors(ctx, err)
	if err != nil || len(errs) > 0 {
		return &gen.SweepPayload{UserErrors: errs}, err
	}
	var id event.SweepID
	switch e := env.Event.(type) {
	case event.SweepStarted:
		id = e.Sweep
	case event.SweepEnded:
		id = e.Sweep
	}
	s, err := r.sweep(string(id))
	return &gen.SweepPayload{Sweep: s, UserErrors: errs}, err
}

func (r *resolver) startSweep(ctx context.Context, in gen.StartSweepInput) (*gen.SweepPayload, error) {
	return r.aboutSweep(ctx, event.SweepStarted{
		Name: in.Name, Experiment: event.ExperimentID(deref(in.Experiment)), Suites: in.Suites, Space: event.RawJSON(in.Space),
		Base:   event.Spec{Kind: deref(in.Kind), Config: in.Config, Inputs: inputs(in.Inputs), Engine: deref(in.Engine)},
		Method: in.Method, Metric: in.Metric, Direction: in.Direction, MaxRuns: deref(in.MaxRuns), Parallel: deref(in.Parallel), Seed: uint64(deref(in.Seed)),
		MinSteps: deref(in.MinSteps), MaxSteps: deref(in.MaxSteps), Eta: deref(in.Eta), By: deref(in.By),
	})
}
