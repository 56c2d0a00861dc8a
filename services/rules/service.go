package rules

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"millrace/event"
	"millrace/services/bus"
	"millrace/storage/readmodel"
)

// maxDepth is how many rules may stand between a fact and a person.
const maxDepth = 3

// failureEvery is how often at most a rule says that it fails.
const failureEvery = 10 * time.Minute

// Submitter makes wishes come true: the tracker.
type Submitter interface {
	Submit(ctx context.Context, wish event.Event) (event.Envelope, error)
}

// Reactor is code that decides by facts as rules do. It hears each at least once, in the order of the log, after the read model has it; what
// it does must be harmless when repeated: publish once, with derived ids. An error brings the fact again, before any later one.
type Reactor interface {
	// Filters are the subjects that it wants.
	Filters() []string
	React(ctx context.Context, env event.Envelope) error
}

// Service decides by rules and acts.
type Service struct {
	Bus      *bus.Bus
	Model    *readmodel.Model
	Tracker  Submitter
	Reactors []Reactor
	// Dir is where it remembers how far it has read metric points; "" remembers nothing.
	Dir    string
	Notify Notify
	// Files are rules that are saved when it begins, each as JSON (docs/rules.md).
	Files []string
	Now   func() time.Time
	Log   *slog.Logger

	doors doors
	mu    sync.Mutex
	known map[event.RuleID]*Rule // parsed, by id; one that is not as the model has it is parsed again
}

// Run decides and acts until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { s.saveFiles(ctx); return nil })
	g.Go(func() error { return s.decideAll(ctx) })
	g.Go(func() error { return s.followPoints(ctx) })
	g.Go(func() error {
		return s.Bus.Work(ctx, bus.Group{
			Name: "rules-act", Filters: []string{event.FactOf("firing", "fired")}, GaveUp: s.gaveUp,
			Backoff: []time.Duration{300 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute},
		}, s.act)
	})
	g.Go(func() error { return s.deliverAll(ctx) })
	return g.Wait()
}

// decideAll hears facts: always those of rules, and those that rules and reactors are on. When that changes it begins a new session, from
// the same place. The server may have passed over what was not wanted then: that is read again, up to where the new session hears.
func (s *Service) decideAll(ctx context.Context) error {
	state, err := s.Bus.State(ctx)
	if err != nil {
		return err
	}
	if err := s.Model.WaitFor(ctx, state.Last); err != nil { // every rule that there is must be heard for
		return err
	}
	missed := uint64(0)
	for ctx.Err() == nil {
		filters, err := s.filters()
		if err != nil {
			return err
		}
		session, stop := context.WithCancel(ctx)
		err = s.Bus.Work(session, bus.Group{Name: "rules", Filters: filters, MaxAttempts: 8, Backoff: []time.Duration{time.Second, 5 * time.Second, 30 * time.Second}}, func(ctx context.Context, env event.Envelope, _ bus.Delivery) error {
			if err := s.Model.WaitFor(ctx, env.Seq); err != nil {
				return err
			}
			if strings.HasPrefix(env.Event.Subject(), event.Prefix+"rule.") {
				if now, err := s.filters(); err != nil {
					return err
				} else if !slices.Equal(now, filters) {
					missed = env.Seq
					stop() // the fact is handed back, and comes again when more is heard
					return errors.New("rules: what is heard changes")
				}
			}
			if missed == env.Seq {
				if err := s.catchUp(ctx, missed, filters); err != nil {
					return err
				}
				missed = 0
			}
			return s.hear(ctx, env)
		})
		changed := session.Err() != nil
		stop()
		if !changed || ctx.Err() != nil {
			return err
		}
	}
	return ctx.Err()
}

// catchUp hears what lies after a place until now. What was heard before is decided once all the same.
func (s *Service) catchUp(ctx context.Context, after uint64, filters []string) error {
	state, err := s.Bus.State(ctx)
	if err != nil || state.Last <= after {
		return err
	}
	end := errors.New("end")
	var envs []event.Envelope
	err = s.Bus.Follow(ctx, after+1, nil, func(env event.Envelope) error {
		if slices.ContainsFunc(filters, func(f string) bool { return env.Seq <= state.Last && bus.Fits(env.Event.Subject(), f) }) {
			envs = append(envs, env)
		}
		if env.Seq >= state.Last {
			return end
		}
		return nil
	})
	if !errors.Is(err, end) {
		return err
	}
	if err := s.Model.WaitFor(ctx, state.Last); err != nil {
		return err
	}
	for _, env := range envs {
		if err := s.hear(ctx, env); err != nil {
			return err
		}
	}
	return nil
}

// filters are the subjects that are heard, none within another.
func (s *Service) filters() ([]string, error) {
	rules, err := s.rules()
	if err != nil {
		return nil, err
	}
	want := []string{event.Prefix + "rule.>"}
	add := func(f string) {
		for _, w := range want {
			if bus.Fits(f, w) {
				return
			}
		}
		want = slices.DeleteFunc(want, func(w string) bool { return bus.Fits(w, f) })
		want = append(want, f)
	}
	for _, r := range rules {
		if r.On == Points {
			continue
		}
		subject := subjectOf(r.On)
		add(subject)
		if strings.HasPrefix(subject, event.Prefix+"run.") { // what scripts log may come in a batch
			add(event.BatchLogged{Run: "*"}.Subject())
		}
	}
	for _, r := range s.Reactors {
		for _, f := range r.Filters() {
			add(f)
		}
	}
	slices.Sort(want)
	return want, nil
}

// subjectOf is the filter for all facts of a type.
func subjectOf(t event.Type) string {
	if t == (event.RuleFired{}).Type() {
		return event.FactOf("firing", "fired")
	}
	for _, e := range event.Examples() {
		if e.Type() == t {
			parts := strings.Split(e.Subject(), ".")
			parts[2] = "*"
			if len(parts) == 5 {
				parts[4] = "*"
			}
			return strings.Join(parts, ".")
		}
	}
	return ""
}

// rules are those in force, parsed. One that cannot be read any more is left out; its save has refused it, unless it is older than the words.
func (s *Service) rules() ([]*Rule, error) {
	all, err := s.Model.Rules()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[event.RuleID]*Rule{}
	}
	var out []*Rule
	for _, saved := range all {
		if !saved.Enabled {
			continue
		}
		r := s.known[saved.Rule]
		if r == nil || r.Version != saved.Version || r.since != saved.Since || !same(r.RuleSaved, saved.RuleSaved) {
			if r, err = Parse(saved.RuleSaved); err != nil {
				s.Log.Warn("a rule cannot be read and is left alone", "rule", saved.Rule, "error", err)
				continue
			}
			r.since = saved.Since
			s.known[saved.Rule] = r
		}
		out = append(out, r)
	}
	return out, nil
}

// hear shows a fact, or each that a batch carries, to reactors and rules.
func (s *Service) hear(ctx context.Context, env event.Envelope) error {
	for one := range carried(env) {
		for _, r := range s.Reactors {
			if slices.ContainsFunc(r.Filters(), func(f string) bool { return bus.Fits(one.Event.Subject(), f) }) {
				if err := r.React(ctx, one); err != nil {
					return err
				}
			}
		}
		rules, err := s.rules()
		if err != nil {
			return err
		}
		if err := (decider{model: s.Model}).hear(ctx, rules, one, func(f *event.RuleFired) error { return s.say(ctx, f) }); err != nil {
			return err
		}
	}
	return nil
}

// say publishes a decision, once.
func (s *Service) say(ctx context.Context, fired *event.RuleFired) error {
	seq, err := s.Bus.PublishOnce(ctx, *fired)
	if errors.Is(err, bus.ErrExists) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.Model.WaitFor(ctx, seq) // what is decided next counts it
}

// runOf is the run that a fact is about: of an evaluation the one that is judged.
func runOf(e event.Event) event.RunID {
	switch e := e.(type) {
	case event.AliasSet:
		return e.Run
	case event.DatasetPublished:
		return e.Run
	case event.ExperimentBudgetReached:
		return e.Run
	case event.RuleFired:
		return e.Run
	case event.RuleActed:
		return e.Run
	case event.NotificationRequested:
		return e.Run
	}
	return event.RunOf(e)
}

// experimentOf is the experiment that a fact itself names.
func experimentOf(e event.Event) event.ExperimentID {
	switch e := e.(type) {
	case event.RunRequested:
		return e.Experiment
	case event.CheckpointSaved:
		return e.Experiment
	case event.AliasSet:
		return e.Experiment
	case event.AliasRemoved:
		return e.Experiment
	case event.ExperimentCreated:
		return e.Experiment
	case event.ExperimentUpdated:
		return e.Experiment
	case event.ExperimentBudgetReached:
		return e.Experiment
	}
	return ""
}
