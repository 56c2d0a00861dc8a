package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"millrace/event"
	"millrace/services/bus"
	"millrace/storage/readmodel"
)

// args are the arguments of an action as they were worked out.
type args struct {
	Run        event.RunID       `json:"run"`
	Reason     string            `json:"reason"`
	Pause      bool              `json:"pause"`
	To         json.RawMessage   `json:"to"`
	Step       int64             `json:"step"`
	Steps      int64             `json:"steps"`
	Config     json.RawMessage   `json:"config"`
	Name       string            `json:"name"`
	Experiment string            `json:"experiment"`
	Suite      string            `json:"suite"`
	Suites     []string          `json:"suites"`
	StopAfter  int64             `json:"stop_after"`
	Tags       map[string]string `json:"tags"`
	Labels     []string          `json:"labels"`
	Budget     *event.Budget     `json:"budget"`
	Engine     string            `json:"engine"`
	Inputs     []event.Input     `json:"inputs"`
	Alias      string            `json:"alias"`
	Level      string            `json:"level"`
	Title      string            `json:"title"`
	Text       string            `json:"text"`
	URL        string            `json:"url"`
	URLEnv     string            `json:"url_env"`
	SecretEnv  string            `json:"secret_env"`
}

// argsOf reads what a firing decided. The run is that of the fact unless another is named.
func argsOf(fired event.RuleFired) (args, error) {
	var do map[string]args
	if err := json.Unmarshal(fired.Then, &do); err != nil && fired.Action != "email" { // whose "to" is a list
		return args{}, wrong("then", "", "the action's arguments: %v", err)
	}
	a := do[fired.Action]
	if a.Run == "" {
		a.Run = fired.Run
	}
	return a, nil
}

// act does what a firing decided and says what came of it. All of it may be repeated.
func (s *Service) act(ctx context.Context, env event.Envelope, _ bus.Delivery) error {
	fired, ok := env.Event.(event.RuleFired)
	if !ok {
		return bus.Poison(fmt.Errorf("rules: %s is no firing", env.Event.Type()))
	}
	if fired.Failure != nil || len(fired.Then) == 0 {
		return nil // it only tells
	}
	// What an earlier delivery did lies behind the firing, and may be all that was done before a crash.
	state, err := s.Bus.State(ctx)
	if err != nil {
		return err
	}
	if err := s.Model.WaitFor(ctx, max(env.Seq, state.Last)); err != nil {
		return err
	}
	acted := event.RuleActed{Rule: fired.Rule, Firing: fired.Firing, Seq: env.Seq, Outcome: event.Done, Run: fired.Run}
	if _, err := s.Bus.Last(ctx, acted.Subject()); err == nil {
		return nil // an earlier delivery got this far
	} else if !errors.Is(err, bus.ErrNone) {
		return err
	}
	a, err := argsOf(fired)
	if err == nil {
		acted.Run = a.Run
		err = s.perform(ctx, fired, env.Seq, a, &acted)
	}
	var refused interface {
		Code() string
		Hint() string
		error
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &refused) && refused.Code() != "UNAVAILABLE":
		acted.Outcome, acted.Result, acted.Failure = event.Refused, "", &event.Failure{Code: refused.Code(), Message: cut(refused.Error(), 2000), Hint: refused.Hint()}
	default:
		return err
	}
	return s.close(ctx, acted)
}

// close says what came of a firing, once.
func (s *Service) close(ctx context.Context, acted event.RuleActed) error {
	_, err := s.Bus.PublishOnce(ctx, acted)
	if errors.Is(err, bus.ErrExists) {
		return nil
	}
	return err
}

// gaveUp says of a firing that could not be carried out.
func (s *Service) gaveUp(ctx context.Context, env event.Envelope, why error) error {
	fired, ok := env.Event.(event.RuleFired)
	if !ok {
		return nil
	}
	return s.close(ctx, event.RuleActed{
		Rule: fired.Rule, Firing: fired.Firing, Seq: env.Seq, Outcome: event.GivenUp, Run: fired.Run,
		Failure: &event.Failure{Code: "given_up", Message: cut(why.Error(), 2000)},
	})
}

// errNotYet brings a firing again: what it waits for has not happened.
var errNotYet = errors.New("rules: not yet")

func (s *Service) perform(ctx context.Context, fired event.RuleFired, seq uint64, a args, acted *event.RuleActed) error {
	by := event.RuleBy(fired.Rule)
	made := event.RunID(event.DerivedID("run", string(fired.Firing)))
	wish := event.RunRequested{
		Run: made, Name: a.Name, Experiment: event.ExperimentID(a.Experiment), Suites: a.Suites, StopAfter: a.StopAfter, Tags: a.Tags, Labels: a.Labels,
		Budget: a.Budget, By: by, Depth: fired.Depth,
	}
	switch fired.Action {
	case "stop":
		return s.stop(ctx, a, by, acted)
	case "rollback":
		return s.rollback(ctx, fired, seq, a, wish, acted)
	case "fork":
		wish.Branch, wish.Spec = &event.Branch{From: a.Run, Kind: event.Fork, Step: a.Step}, event.Spec{Config: a.Config}
		return s.start(ctx, wish, acted)
	case "reproduce":
		wish.Branch, wish.StopAfter = &event.Branch{From: a.Run, Kind: event.Reproduction}, a.Steps
		return s.start(ctx, wish, acted)
	case "evaluate":
		config, err := json.Marshal(map[string]string{"suite": a.Suite})
		if err != nil {
			return err
		}
		wish.Run, wish.Name = "", ""
		wish.Spec, wish.Branch = event.Spec{Kind: event.Evaluate, Config: config}, &event.Branch{From: a.Run, Step: a.Step, Kind: event.Evaluation}
		wish.Branch.Step = stepOf(fired, a)
		return s.start(ctx, wish, acted)
	case "train", "finetune", "curate":
		wish.Spec = event.Spec{Kind: event.RunKind(fired.Action), Config: a.Config, Inputs: a.Inputs, Engine: a.Engine}
		return s.start(ctx, wish, acted)
	case "alias":
		return s.promote(ctx, fired, seq, a, by, acted)
	case "alert":
		level := a.Level
		if level == "" {
			level = "warn"
		}
		acted.Result = a.Title
		// Under a name of its own: should it be said twice, the rules on alerts answer it once, and the run shows it once.
		_, err := s.Bus.PublishAs(ctx, event.Envelope{
			ID:    event.DerivedID("alert", string(fired.Firing)),
			Event: event.AlertRaised{Run: a.Run, Level: level, Title: a.Title, Text: a.Text, Key: string(fired.Firing), Depth: fired.Depth},
		})
		return err
	case "webhook", "email":
		return s.send(ctx, fired, seq, a, acted)
	}
	return wrong("then", "", "there is no action %q", fired.Action)
}

// stopped says why a run need not be stopped, "" when it may be.
func stopped(run readmodel.Run) string {
	switch {
	case run.Status.Ended():
		return fmt.Sprintf("run %s is %s", run.ID, run.Status)
	case run.Stop != nil:
		return "it was asked to stop already"
	}
	return ""
}

// stop asks a run to stop, unless it has ended or was asked to already.
func (s *Service) stop(ctx context.Context, a args, by string, acted *event.RuleActed) error {
	run, err := s.Model.Run(a.Run)
	if errors.Is(err, readmodel.ErrNotFound) {
		return wrong("run", "", "there is no run %q", a.Run)
	}
	if err != nil {
		return err
	}
	switch {
	case run.Stop != nil && run.Stop.By == by:
		acted.Result = "asked to stop"
		return nil
	case stopped(run) != "":
		acted.Outcome, acted.Result = event.Needless, stopped(run)
		return nil
	}
	if _, err := s.Tracker.Submit(ctx, event.RunStopRequested{Run: a.Run, By: by, Reason: a.Reason, Pause: a.Pause}); err != nil {
		return err
	}
	acted.Result = "asked to stop"
	if a.Pause {
		acted.Result = "asked to pause"
	}
	return nil
}

// start asks for a run under the firing's name; one that is there was made by an earlier delivery.
func (s *Service) start(ctx context.Context, wish event.RunRequested, acted *event.RuleActed) error {
	if wish.Run != "" && s.Model.Has(wish.Run) {
		acted.Made = wish.Run
		return nil
	}
	env, err := s.Tracker.Submit(ctx, wish)
	if err != nil {
		return err
	}
	if r, ok := env.Event.(event.RunRequested); ok {
		acted.Made = r.Run
	}
	return nil
}

// rollback goes back to a checkpoint. With a changed configuration the run is stopped and another goes on from the checkpoint: a run's
// configuration never changes, so that it can be done again. Without one the run itself is paused, rewound and resumed.
func (s *Service) rollback(ctx context.Context, fired event.RuleFired, seq uint64, a args, wish event.RunRequested, acted *event.RuleActed) error {
	by := event.RuleBy(fired.Rule)
	if s.Model.Has(wish.Run) {
		acted.Made = wish.Run
		return nil
	}
	step, err := backTo(s.Model, fired, a)
	if err != nil {
		return err
	}
	run, err := s.Model.Run(a.Run)
	if err != nil {
		return err
	}
	acted.Result = fmt.Sprintf("rewound to step %d and resumed", step)
	if asked, err := s.Bus.Last(ctx, event.RunRequested{Run: a.Run, Spec: run.Spec}.Subject()); err != nil && !errors.Is(err, bus.ErrNone) {
		return err
	} else if r, ok := asked.Event.(event.RunRequested); ok && asked.Seq > seq && r.Resume > 0 && r.By == by {
		return nil // an earlier delivery resumed it
	}
	forks := a.changes()
	if !run.Status.Ended() {
		reason := a.Reason
		if reason == "" {
			reason = fmt.Sprintf("rolled back to step %d", step)
		}
		if run.Stop == nil {
			if _, err := s.Tracker.Submit(ctx, event.RunStopRequested{Run: a.Run, By: by, Reason: reason, Pause: !forks}); err != nil {
				return err
			}
		}
		if !forks {
			return fmt.Errorf("%w: run %s is being paused", errNotYet, a.Run)
		}
	}
	if forks {
		wish.Branch, wish.Spec = &event.Branch{From: a.Run, Kind: event.Fork, Step: step}, event.Spec{Config: a.Config}
		acted.Result = fmt.Sprintf("goes on from step %d", step)
		return s.start(ctx, wish, acted)
	}
	if run.Steps > step && (run.RewoundTo == nil || *run.RewoundTo != step) {
		if _, err := s.Tracker.Submit(ctx, event.RunRewound{Run: a.Run, Step: step}); err != nil {
			return err
		}
	}
	_, err = s.Tracker.Submit(ctx, event.RunRequested{Run: a.Run, Resume: 1, By: by, Depth: fired.Depth})
	return err
}

// changes tells whether a configuration is changed.
func (a args) changes() bool {
	return len(a.Config) > 0 && string(a.Config) != "{}" && string(a.Config) != "null"
}

// stepOf is the step that was asked for, or that of the point that fired the rule; 0 for none.
func stepOf(fired event.RuleFired, a args) int64 {
	if a.Step == 0 && fired.Step != nil {
		return *fired.Step
	}
	return a.Step
}

// backTo is the step to go back to: the one that was asked for, or the newest checkpoint before the point that fired the rule.
func backTo(m *readmodel.Model, fired event.RuleFired, a args) (int64, error) {
	var step int64
	if len(a.To) > 0 && json.Unmarshal(a.To, &step) == nil {
		return step, nil
	}
	all, err := m.Checkpoints(a.Run)
	if err != nil {
		return 0, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if fired.Step == nil || all[i].Step < *fired.Step {
			return all[i].Step, nil
		}
	}
	return 0, wrong("to", "save checkpoints more often", "run %s has no checkpoint to go back to", a.Run)
}

// promoted is the step of the checkpoint that an alias is to point at: the last one's where none is named.
func promoted(m *readmodel.Model, fired event.RuleFired, a args) (int64, error) {
	if step := stepOf(fired, a); step != 0 {
		return step, nil
	}
	c, err := m.LastCheckpoint(a.Run)
	if errors.Is(err, readmodel.ErrNotFound) {
		return 0, wrong("step", "", "run %s has no checkpoint", a.Run)
	}
	return c.Step, err
}

// promote points an alias at a checkpoint. Who set it after the decision was made has the last word, unless it was the rule itself.
func (s *Service) promote(ctx context.Context, fired event.RuleFired, seq uint64, a args, by string, acted *event.RuleActed) error {
	run, err := s.Model.Run(a.Run)
	if errors.Is(err, readmodel.ErrNotFound) {
		return wrong("run", "", "there is no run %q", a.Run)
	}
	if err != nil {
		return err
	}
	step, err := promoted(s.Model, fired, a)
	if err != nil {
		return err
	}
	if now, err := s.Model.Alias(run.Experiment, a.Alias); err == nil {
		switch {
		case now.Run == a.Run && now.Step == step && now.By == by && now.Seq > seq:
			return nil
		case now.Seq > seq && now.By != by:
			acted.Outcome, acted.Result = event.Needless, fmt.Sprintf("%s has set it meanwhile", now.By)
			return nil
		}
	}
	acted.Result = fmt.Sprintf("%s is %s@%d", a.Alias, a.Run, step)
	_, err = s.Tracker.Submit(ctx, event.AliasSet{Experiment: run.Experiment, Alias: a.Alias, Run: a.Run, Step: step, By: by, Depth: fired.Depth})
	return err
}
