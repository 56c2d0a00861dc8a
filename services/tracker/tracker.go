package tracker

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// Tracker is the write side of the platform.
type Tracker struct {
	Bus   *bus.Bus
	Model *readmodel.Model
	// Resolve checks a spec and writes out its defaults, by kind; a kind without one is taken as it is. Its errors may carry
	// a field (Fielder) and a hint (Hinter).
	Resolve map[event.RunKind]func(context.Context, event.Spec) (event.Spec, error)
	// PinSuites says what the names of suites mean now, each once, and refuses those that do not exist.
	PinSuites func(ctx context.Context, names []string) ([]event.SuitePin, error)
	// CheckRule refuses a rule that cannot work, and completes one that can: services/rules knows the language. nil refuses every rule.
	CheckRule func(event.RuleSaved) (event.RuleSaved, error)
	// Continues refuses a spec that cannot go on from a checkpoint of another at a step; nil refuses none.
	Continues func(parent, fork event.Spec, step int64) error
	// Missing names what storage does not hold of a spec's inputs and of the checkpoint to begin at, nil for none; nil asks nobody.
	Missing func(ctx context.Context, spec event.Spec, from *event.CheckpointSaved) ([]string, error)
	// Deterministic tells which metric keys a reproduction must repeat to the bit.
	Deterministic func(key string) bool
	// Stored tells the size in bytes of a stored object; an error that is fs.ErrNotExist says that it is not there. nil: not asked.
	Stored func(ctx context.Context, digest event.Digest) (int64, error)
	// WatchEvery is how often it is looked whether external runs are silent; 0: 5 s.
	WatchEvery time.Duration
	Code       event.Code
	Now        func() time.Time
	Random     io.Reader
	Log        *slog.Logger
	// Environment is what a run of a kind would find itself on in this process, nil where none is done; nil: not known.
	Environment func(event.RunKind) *event.Environment

	comparing sync.Map // event.RunID of a reproduction → *progress
}

// Run folds the log into the read model, from where it stopped, until ctx ends, and judges every reproduction that is open or
// comes, and keeps budgets.
func (t *Tracker) Run(ctx context.Context) error {
	open, err := t.unverified(ctx)
	if err != nil {
		return fmt.Errorf("tracker: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	judge := func(run event.RunID) {
		g.Go(func() error {
			if err := t.verify(ctx, run); err != nil && ctx.Err() == nil {
				t.Log.Error("a reproduction could not be judged", "run", run, "error", err)
			}
			return nil
		})
	}
	for _, run := range open {
		judge(run)
	}
	g.Go(func() error { return t.watchdog(ctx) })
	budgets := newTreasurer(t)
	g.Go(func() error { return budgets.watch(ctx) })
	g.Go(func() error {
		return t.Bus.Follow(ctx, t.Model.Cursor().Committed+1, nil, func(env event.Envelope) error {
			if err := t.Model.Apply(env); err != nil {
				return err
			}
			if r, ok := env.Event.(event.RunRequested); ok && r.Branch != nil && r.Branch.Kind == event.Reproduction {
				judge(r.Run)
			} else if ok && r.GivesWay {
				g.Go(func() error { return t.supersede(ctx, r) })
			}
			budgets.note(env.Event)
			return nil
		})
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("tracker: %w", err)
	}
	return nil
}

// Follow hands on the log itself, for people who want to see it. Facts that another carries come one by one, all at its place.
func (t *Tracker) Follow(ctx context.Context, from uint64, filters []string, fn func(event.Envelope) error) error {
	asked := filters
	filters = append(filters[:len(filters):len(filters)], carriers(filters)...)
	return t.Bus.Follow(ctx, from, filters, func(env event.Envelope) error {
		batch, ok := env.Event.(event.BatchLogged)
		if !ok {
			return fn(env)
		}
		for fact, err := range batch.Unpack() {
			if err != nil {
				t.Log.Warn("a fact of a batch cannot be read", "seq", env.Seq, "error", err)
				continue
			}
			if env.Event = fact; len(asked) > 0 && !slices.ContainsFunc(asked, func(f string) bool { return matches(f, fact.Subject()) }) {
				continue
			}
			if err := fn(env); err != nil {
				return err
			}
		}
		return nil
	})
}

// carriers are the filters for batches that may carry what some filters match and that these do not find. None overlaps another: NATS
// would refuse them.
func carriers(filters []string) (out []string) {
	all := event.BatchLogged{Run: "*"}.Subject()
	for _, f := range filters {
		tokens := strings.Split(f, ".")
		if len(tokens) != 4 || tokens[1] != "run" || tokens[3] == "*" || tokens[3] == ">" {
			continue
		}
		carrier := event.BatchLogged{Run: event.RunID(tokens[2])}.Subject()
		if carrier == all {
			return []string{all}
		}
		if carrier != f && !slices.Contains(out, carrier) {
			out = append(out, carrier)
		}
	}
	return out
}

// matches tells whether a subject is what a filter of NATS asks for.
func matches(filter, subject string) bool {
	tokens := strings.Split(subject, ".")
	want := strings.Split(filter, ".")
	for i, w := range want {
		if w == ">" {
			return len(tokens) > i
		}
		if i >= len(tokens) || w != "*" && w != tokens[i] {
			return false
		}
	}
	return len(want) == len(tokens)
}

// LastSeq is the newest place in the log.
func (t *Tracker) LastSeq(ctx context.Context) (uint64, error) {
	s, err := t.Bus.State(ctx)
	return s.Last, err
}

// Submit makes a wish come true or says why not (Refusal). The envelope that returns holds the fact as it was published;
// the read model has folded it.
func (t *Tracker) Submit(ctx context.Context, wish event.Event) (event.Envelope, error) {
	switch w := wish.(type) {
	case event.RunStopRequested:
		return t.stop(ctx, w)
	case event.RunRewound:
		return t.rewind(ctx, w)
	case event.SuiteSaved:
		return t.saveSuite(ctx, w)
	case event.RunRequested:
		if w.Resume > 0 {
			return t.resume(ctx, w)
		}
	}
	fact, once, err := t.admit(ctx, wish)
	if err != nil {
		return event.Envelope{}, err
	}
	publish := t.Bus.Publish
	if once {
		publish = t.Bus.PublishOnce
	}
	seq, err := publish(ctx, fact)
	switch {
	case errors.Is(err, bus.ErrExists):
		// The same job was asked for before: it stands. Answer with what there is.
		if there, lerr := t.Bus.Last(ctx, fact.Subject()); lerr == nil {
			seq, fact = there.Seq, there.Event
		}
	case err != nil:
		return event.Envelope{}, unheard(err)
	}
	return t.seen(ctx, seq, fact)
}

// newID makes an id for something new.
func (t *Tracker) newID() (string, error) { return event.NewID(t.Now(), t.Random) }
