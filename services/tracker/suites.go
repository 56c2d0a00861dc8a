package tracker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"millrace/event"
	"millrace/services/bus"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/where"
)

// Bounds of a policy of evaluation.
const (
	maxStages = 100
	maxSuites = 100
)

// checkSuites refuses suites that do not exist, and a policy that makes no sense.
func (t *Tracker) checkSuites(ctx context.Context, names []string, p *event.EvaluationPolicy) error {
	if err := checkPolicy(p); err != nil {
		return err
	}
	_, err := t.pins(ctx, names, p)
	return err
}

// pins says what the names of all suites mean by which a run's checkpoints may be judged.
func (t *Tracker) pins(ctx context.Context, names []string, p *event.EvaluationPolicy) ([]event.SuitePin, error) {
	all := append(names[:len(names):len(names)], p.Named()...)
	if len(all) > maxSuites {
		return nil, refuse(Invalid, "suites", "", "%d suites, at most %d", len(all), maxSuites)
	}
	pins, err := t.PinSuites(ctx, all)
	if err != nil {
		return nil, asRefusal("suites", err)
	}
	return pins, nil
}

func checkPolicy(p *event.EvaluationPolicy) error {
	if p == nil {
		return nil
	}
	if p.Every < 0 {
		return refuse(Invalid, "evaluation", "", "every %d checkpoints; want 1 or more", p.Every)
	}
	if p.Pending != "" && p.Pending != event.PendingAll && p.Pending != event.PendingNewest {
		return refuse(Invalid, "evaluation", "", "pending is %.40q; want %s or %s", p.Pending, event.PendingAll, event.PendingNewest)
	}
	if len(p.Stages) > maxStages {
		return refuse(Invalid, "evaluation", "", "%d stages, at most %d", len(p.Stages), maxStages)
	}
	for i, s := range p.Stages {
		if s.FromStep < 0 || i > 0 && s.FromStep <= p.Stages[i-1].FromStep {
			return refuse(Invalid, "evaluation", "", "stage %d begins at step %d; stages begin at 0 or later, each after the one before", i+1, s.FromStep)
		}
	}
	return nil
}

// judging completes what a run's checkpoints are judged on. Suites that it names itself stand instead of the experiment's, in every stage.
func (t *Tracker) judging(ctx context.Context, w *event.RunRequested) error {
	own := w.Suites != nil
	if w.Experiment != "" {
		x, err := t.Model.Experiment(w.Experiment)
		if err != nil && !errors.Is(err, readmodel.ErrNotFound) {
			return err
		}
		if !own {
			w.Suites = x.Suites
		}
		if w.Evaluation == nil && x.Evaluation != nil && w.Spec.Kind != event.Curate {
			p := *x.Evaluation
			if own {
				p.Stages = nil
			}
			w.Evaluation = &p
		}
	}
	if err := checkPolicy(w.Evaluation); err != nil {
		return err
	}
	var err error
	w.Pins, err = t.pins(ctx, w.Suites, w.Evaluation)
	return err
}

// judged completes what a checkpoint that comes from outside is judged on: as its experiment's policy says.
func (t *Tracker) judged(ctx context.Context, run readmodel.Run, c *event.CheckpointSaved) error {
	wish := event.RunRequested{Experiment: run.Experiment, Suites: c.Suites, Spec: event.Spec{Kind: run.Kind}}
	if wish.Suites == nil {
		wish.Suites = []string{} // none is judged without being asked
	}
	if err := t.judging(ctx, &wish); err != nil {
		return err
	}
	c.Evaluation, c.Pins = wish.Evaluation, wish.Pins
	saved, err := t.Model.Checkpoints(run.ID)
	if err != nil {
		return err
	}
	c.Number = 1
	for _, s := range saved {
		if s.Step < c.Step {
			c.Number++
		}
	}
	return nil
}

// saveSuite takes a suite whose bytes are in storage. A name and a version mean one content: the same again changes nothing.
func (t *Tracker) saveSuite(ctx context.Context, w event.SuiteSaved) (event.Envelope, error) {
	if !event.ValidID(w.Name) || w.Version < 1 || !w.Digest.Valid() {
		return event.Envelope{}, refuse(Invalid, "definition", "", "%.100q, version %d, is no suite: a name has 1-64 letters, digits, '-' and '_', and versions begin at 1", w.Name, w.Version)
	}
	for {
		last, err := t.last(ctx, w.Subject())
		if err != nil {
			return event.Envelope{}, unheard(err)
		}
		if err := t.Model.WaitFor(ctx, last); err != nil {
			return event.Envelope{}, lagging(err)
		}
		there, err := t.Model.Suite(w.Name, w.Version)
		switch {
		case err == nil && there.Digest == w.Digest:
			return t.seen(ctx, there.Seq, there.SuiteSaved)
		case err == nil:
			return event.Envelope{}, refuse(Conflict, "definition", fmt.Sprintf("write another version into it, such as %d", t.nextVersion(w.Name)),
				"suite %s, version %d, is there with another content, %s: what was scored by it must keep its meaning", w.Name, w.Version, there.Digest.Short())
		case !errors.Is(err, readmodel.ErrNotFound):
			return event.Envelope{}, err
		}
		seq, err := t.Bus.PublishAfter(ctx, event.Envelope{Event: w}, last)
		if errors.Is(err, bus.ErrExists) {
			continue // another version of it was saved just now
		}
		if err != nil {
			return event.Envelope{}, unheard(err)
		}
		return t.seen(ctx, seq, w)
	}
}

// nextVersion is one that a suite does not have yet.
func (t *Tracker) nextVersion(name string) int {
	newest, err := t.Model.Suite(name, 0)
	if err != nil {
		return 1
	}
	return newest.Version + 1
}

// admitElsewhere completes the request to judge a model that is elsewhere: its answers come by an API, and the evaluation is a run that stands
// for it.
func (t *Tracker) admitElsewhere(ctx context.Context, w event.RunRequested) (event.Event, error) {
	var config struct {
		Suite string          `json:"suite"`
		API   json.RawMessage `json:"api"`
	}
	if err := json.Unmarshal(w.Spec.Config, &config); err != nil || len(config.API) == 0 {
		return nil, refuse(Invalid, "run", "", "an evaluation needs the run whose checkpoint it judges, or the API of a model")
	}
	var err error
	if w.Experiment, err = t.experimentFor(ctx, w.Experiment, w.By); err != nil {
		return nil, err
	}
	if err := t.affordable(w.Experiment, nil); err != nil {
		return nil, err
	}
	w.Spec.Inputs, w.Spec.Command, w.Spec.Code = nil, nil, t.Code
	if resolve := t.Resolve[event.Evaluate]; resolve != nil {
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
	id, err := t.newID()
	if err != nil {
		return nil, err
	}
	w.Run, w.Suites, w.Pins, w.Evaluation = event.RunID(id), nil, nil, nil
	if w.Name == "" {
		w.Name = fmt.Sprintf("%s-%s", config.Suite, strings.ToLower(id[20:]))
	}
	return w, nil
}

// supersede ends the evaluations that nobody has begun and that give way to a newer one. One that is missed here, because this process dies,
// gives way when a worker takes it.
func (t *Tracker) supersede(ctx context.Context, newer event.RunRequested) error {
	kind := where.Compare{Field: where.Field{Name: where.Kind}, Op: where.Equal, Values: []where.Value{{Word: string(event.Evaluate)}}}
	waits := where.Compare{Field: where.Field{Name: where.Status}, Op: where.Equal, Values: []where.Value{{Word: string(event.Pending)}}}
	page, err := t.Model.Runs(ctx, where.And{kind, waits}, nil, "", 1000)
	if err != nil {
		return t.noted(ctx, newer.Run, err)
	}
	suite := suiteOf(newer.Spec)
	for _, old := range page.Runs {
		run, err := t.Model.Run(old.ID)
		if err != nil || !run.GivesWay || run.Branch == nil || newer.Branch == nil || run.Branch.From != newer.Branch.From || run.Branch.Step >= newer.Branch.Step || suiteOf(run.Spec) != suite {
			continue
		}
		if err := t.endUnbegun(ctx, run, newer); err != nil {
			return t.noted(ctx, run.ID, err)
		}
	}
	return nil
}

// endUnbegun ends an evaluation, unless a worker takes it in the same moment.
func (t *Tracker) endUnbegun(ctx context.Context, run readmodel.Run, newer event.RunRequested) error {
	started := event.RunStarted{Run: run.ID}.Subject()
	last, err := t.last(ctx, started)
	if err != nil || last != 0 {
		return err
	}
	e := event.RunEnded{Run: run.ID, Status: event.Stopped, Failure: &event.Failure{
		Code: event.Superseded, Message: fmt.Sprintf("the evaluation of step %d was still waiting when step %d was saved", run.Branch.Step, newer.Branch.Step),
		Hint: "to have every checkpoint judged, set the policy's pending to all",
	}}
	if _, err = t.Bus.PublishWhile(ctx, e, started, last); errors.Is(err, bus.ErrOvertaken) {
		return nil
	}
	return err
}

// noted says what went wrong beside the fold, which goes on.
func (t *Tracker) noted(ctx context.Context, run event.RunID, err error) error {
	if ctx.Err() == nil {
		t.Log.Warn("an evaluation that gives way could not be ended", "run", run, "error", err)
	}
	return nil
}

// suiteOf is what the configuration of an evaluation calls its suite.
func suiteOf(s event.Spec) string {
	var config struct {
		Suite string `json:"suite"`
	}
	if json.Unmarshal(s.Config, &config) != nil {
		return ""
	}
	return config.Suite
}
