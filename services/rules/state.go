package rules

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"millrace/event"
	"millrace/storage/readmodel"
)

// state is what an expression sees: a fact and, through the read model, the lab as it is. What is not asked for is not read.
type state struct {
	model *readmodel.Model
	env   event.Envelope
	run   event.RunID
	// points of one series, where the rule is on them.
	key    string
	values []float64
	step   int64

	questions int
	record    *readmodel.Run
	made      map[string]any
}

// vars are the variables, those that cost something as functions that are called when they are needed.
func (s *state) vars() map[string]any {
	if s.made != nil {
		return s.made
	}
	value := math.NaN()
	if n := len(s.values); n > 0 {
		value = s.values[n-1]
	}
	run := &lazy{state: s, keys: func() []string { return runFields }, find: s.runField}
	s.made = map[string]any{
		"event": func() any { return plain(s.env.Event) }, "time": s.env.Time, "seq": int64(s.env.Seq),
		"run": run, "metrics": s.metrics(), "experiment": &lazy{keys: func() []string { return experimentFields }, find: s.experimentField},
		"aliases": func() any { return s.aliases() }, "scores": func() any { return s.scores() },
		"key": s.key, "value": value, "values": s.values, "step": s.step,
	}
	if _, points := s.env.Event.(event.MetricsLogged); points {
		s.made["event"] = map[string]any{}
	}
	return s.made
}

// theRun reads the run's record, once.
func (s *state) theRun() (readmodel.Run, error) {
	if s.record != nil {
		return *s.record, nil
	}
	if s.run == "" {
		return readmodel.Run{}, errors.New("the fact is about no run")
	}
	r, err := s.model.Run(s.run)
	if err != nil {
		return r, fmt.Errorf("run %s: %w", s.run, err)
	}
	s.record = &r
	return r, nil
}

func (s *state) runField(key string) (any, bool) {
	if !slices.Contains(runFields, key) {
		return nil, false
	}
	if key == "metrics" {
		return s.metrics(), true
	}
	r, err := s.theRun()
	if err != nil {
		return err, true
	}
	switch key {
	case "id":
		return string(r.ID), true
	case "name":
		return r.Name, true
	case "kind":
		return string(r.Kind), true
	case "status":
		return string(r.Status), true
	case "note":
		return r.Note, true
	case "tags":
		return plain(r.Tags), true
	case "labels":
		return plain(r.Labels), true
	case "config":
		return cmp.Or[any](parsed(r.Spec.Config), map[string]any{}), true
	case "steps":
		return r.Steps, true
	case "cost":
		bill, err := s.model.RunCost(r.ID, s.env.Time)
		if err != nil {
			return err, true
		}
		return map[string]any{"dollars": bill.Dollars, "device_seconds": bill.DeviceSeconds}, true
	case "budget":
		return budgetOf(r.Budget), true
	case "by":
		return r.By, true
	case "depth":
		return int64(r.Depth), true
	case "experiment":
		return string(r.Experiment), true
	case "branch":
		if r.Branch == nil {
			return map[string]any{"from": "", "step": int64(0), "kind": ""}, true
		}
		return plain(*r.Branch), true
	case "resumed":
		return int64(r.Resume), true
	case "failure":
		if r.Failure == nil {
			return plain(event.Failure{}), true
		}
		return plain(*r.Failure), true
	case "starred":
		return r.Starred, true
	case "archived":
		return r.Archived, true
	case "stopping":
		return r.Stop != nil, true
	case "age_seconds":
		return s.env.Time.Sub(r.CreatedAt).Seconds(), true
	case "alias":
		return s.aliasesOfRun(r.ID), true
	case "checkpoint":
		c, err := s.model.LastCheckpoint(r.ID)
		if err != nil {
			return map[string]any{"step": int64(-1), "digest": ""}, true
		}
		return map[string]any{"step": c.Step, "digest": string(c.Checkpoint)}, true
	case "checkpoints":
		all, err := s.model.Checkpoints(r.ID)
		if err != nil {
			return err, true
		}
		steps := make([]int64, len(all))
		for i, c := range all {
			steps[i] = c.Step
		}
		return steps, true
	}
	return nil, false
}

func budgetOf(b *event.Budget) map[string]any {
	if b == nil {
		b = &event.Budget{}
	}
	return map[string]any{"dollars": float64(b.Dollars), "device_seconds": float64(b.DeviceSeconds)}
}

func (s *state) aliasesOfRun(id event.RunID) []string {
	all, _ := s.model.AliasesOf(id)
	out := make([]string, len(all))
	for i, a := range all {
		out[i] = a.Alias
	}
	return out
}

// experimentID is the fact's own, or its run's.
func (s *state) experimentID() event.ExperimentID {
	if x := experimentOf(s.env.Event); x != "" {
		return x
	}
	if r, err := s.theRun(); err == nil {
		return r.Experiment
	}
	return ""
}

func (s *state) experimentField(key string) (any, bool) {
	if !slices.Contains(experimentFields, key) {
		return nil, false
	}
	x, err := s.model.Experiment(s.experimentID())
	if err != nil && !errors.Is(err, readmodel.ErrNotFound) {
		return err, true
	}
	switch key {
	case "id":
		return string(x.ID), true
	case "name":
		return x.Name, true
	case "note":
		return x.Note, true
	case "archived":
		return x.Archived, true
	case "objective":
		if x.Objective == nil {
			return plain(event.Objective{}), true
		}
		return plain(*x.Objective), true
	case "budget":
		return budgetOf(x.Budget), true
	case "cost":
		bill, err := s.model.ExperimentCost(x.ID, s.env.Time)
		if err != nil {
			return err, true
		}
		return map[string]any{"dollars": bill.Dollars, "device_seconds": bill.DeviceSeconds}, true
	}
	return nil, false
}

// aliases are the experiment's, by name, each with its run, its step and the metrics of its run at the step.
func (s *state) aliases() any {
	names, err := s.model.Aliases(s.experimentID())
	if err != nil {
		return map[string]any{}
	}
	byName := map[string]readmodel.Alias{}
	for _, a := range names {
		byName[a.Alias] = a
	}
	return &lazy{
		keys: func() []string { return sortedKeys(byName) },
		find: func(name string) (any, bool) {
			a, ok := byName[name]
			if !ok {
				return nil, false
			}
			return &lazy{
				keys: func() []string { return []string{"run", "step", "checkpoint", "by", "metrics"} },
				find: func(field string) (any, bool) {
					switch field {
					case "run":
						return string(a.Run), true
					case "step":
						return a.Step, true
					case "checkpoint":
						return string(a.Checkpoint), true
					case "by":
						return a.By, true
					case "metrics":
						return s.metricsAt(a.Run, a.Step), true
					}
					return nil, false
				},
			}, true
		},
	}
}

// scores are those of the evaluation that the fact tells of, by the keys that their series have.
func (s *state) scores() map[string]float64 {
	out := map[string]float64{}
	if e, ok := s.env.Event.(event.EvaluationCompleted); ok {
		for _, x := range e.Scores {
			out["eval/"+e.Suite+"/"+x.Task+"/"+x.Metric] = float64(x.Value)
		}
	}
	return out
}
