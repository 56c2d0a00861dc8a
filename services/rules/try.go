package rules

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"millrace/event"
	"millrace/services/bus"
	"millrace/storage/readmodel"
)

// Past gives read models of earlier places. Its errors may be refusals.
type Past interface {
	// Place is the place of the last fact that had happened at a time, 0 before the first.
	Place(ctx context.Context, t time.Time) (uint64, error)
	// Before is a read model of a place that is not later, its asker's own to fold the log into from next on; or, where history does not reach
	// back so far, of the first later place from which it does. release closes it and frees its space.
	Before(ctx context.Context, place uint64) (m *readmodel.Model, next uint64, release func() error, err error)
}

// Trials tells what rules would have done. A trial folds the log again, from a snapshot that is not later than its beginning until now, into a
// read model of its own, and after each fact lets the rule decide by it, in the way in which it decides when it is saved. Nothing is
// published or done, so that what the rule would have caused does not come to pass: a run that it would have stopped goes on as it did.
// How often the rule fires for a run counts from the trial's beginning.
type Trials struct {
	Bus    *bus.Bus
	Model  *readmodel.Model // of now: the rules beside it
	Past   Past
	Limits TrialLimits
	Now    func() time.Time

	slot chan struct{}
}

// TrialLimits bound a trial; what reaches one ends early and says so. The zero value works.
type TrialLimits struct {
	Facts    uint64        // so many are folded; 0: 20 million
	Time     time.Duration // 0: 10 min
	Bytes    int64         // of its file; 0: 4 GiB
	Patience time.Duration // who asks waits so long for the trial before it; 0: 10 s
}

// NewTrials begins with none. One is made at a time.
func NewTrials(b *bus.Bus, m *readmodel.Model, past Past, limits TrialLimits) *Trials {
	if limits.Facts == 0 {
		limits.Facts = 20_000_000
	}
	if limits.Time <= 0 {
		limits.Time = 10 * time.Minute
	}
	if limits.Bytes <= 0 {
		limits.Bytes = 4 << 30
	}
	if limits.Patience <= 0 {
		limits.Patience = 10 * time.Second
	}
	return &Trials{Bus: b, Model: m, Past: past, Limits: limits, Now: time.Now, slot: make(chan struct{}, 1)}
}

// TrialWish says what is tried.
type TrialWish struct {
	// Rule need not be saved, nor have an id. One with the name of a rule that is there is tried in its place.
	Rule event.RuleSaved
	// Since is from when on; zero: a week ago.
	Since time.Time
	// First is how many firings, and errors, are listed at most; 0: 100, 500 at most.
	First int
	// Time bounds the trial further, 0: not.
	Time time.Duration
}

// The bounds of lists, and what a trial looks back when nothing is said.
const (
	usualTrial  = 100
	maxTrial    = 500
	maxErrors   = 20
	trialWindow = 7 * 24 * time.Hour
	tellEvery   = 250 * time.Millisecond
)

// Trial is what a rule would have done.
type Trial struct {
	Rule event.RuleSaved // as it was tried, defaults written out
	// Refused is why it could not be saved as things are, nil when it could.
	Refused error
	// Since is what was asked for; From and Until are when the first and the last fact happened that were looked at, FromSeq and UntilSeq
	// their places; zeros when there was none.
	Since, From, Until time.Time
	FromSeq, UntilSeq  uint64
	Facts              int64 // that were looked at
	Heard              int64 // those of them that the rule is on, those of batches each; of points, looks at a series
	// Fired counts firings, Runs the runs that they were about, Failed the facts for which an expression could not be worked out.
	Fired, Runs, Failed int64
	// Firings are the first of them, oldest first. At is when the fact happened, Acted what was to be expected of the action then.
	Firings []readmodel.Firing
	// Errors are the first that failed, those with the same message once.
	Errors []readmodel.Firing
	// Ended says why it ended before it had seen all, "" when it has.
	Ended string
	// Notes are for people: what history lacks.
	Notes []string
}

// Try tries a rule. told hears now and then how many facts are folded of how many; it may be nil. A rule that cannot be read is an *Error; the
// context's error ends it without an answer.
func (t *Trials) Try(ctx context.Context, w TrialWish, told func(done, total uint64)) (_ Trial, err error) {
	r, refused, err := t.admit(w.Rule)
	if err != nil {
		return Trial{}, err
	}
	leave, err := t.enter(ctx)
	if err != nil {
		return Trial{}, err
	}
	defer leave()
	now := t.Now()
	if w.Since.IsZero() {
		w.Since = now.Add(-trialWindow)
	}
	limit := t.Limits.Time
	if w.Time > 0 {
		limit = min(limit, w.Time)
	}
	// What the limit ends is an answer all the same; what the asker ends is none.
	bounded, cancel := context.WithTimeoutCause(ctx, limit, errTime)
	defer cancel()
	last, err := t.last(bounded)
	if err != nil {
		return Trial{}, err
	}
	place, err := t.Past.Place(bounded, w.Since.Add(-time.Nanosecond))
	if err != nil {
		return Trial{}, err
	}
	m, next, release, err := t.Past.Before(bounded, place)
	if err != nil {
		if context.Cause(bounded) == errTime {
			err = unavailable("ask for less: a later since", "within %s history could not be made ready", limit)
		}
		return Trial{}, err
	}
	defer func() { err = errors.Join(err, release()) }()
	begin := max(place+1, next)
	r.since = begin - 1
	trial := newTrying(r, m, w, refused)
	if next > place+1 {
		trial.out.Notes = append(trial.out.Notes, fmt.Sprintf("facts before %d are neither in the log nor in its archive", next))
	}
	end := errors.New("end")
	began := time.Now()
	if last < next {
		err = end
	} else {
		var at time.Time // when the asker was told last
		err = t.Bus.Follow(bounded, next, nil, func(env event.Envelope) error {
			if env.Seq > last {
				return end
			}
			if err := bounded.Err(); err != nil {
				return err
			}
			if err := trial.fact(bounded, env, env.Seq >= begin); err != nil {
				return err
			}
			n := env.Seq - next + 1
			switch {
			case n >= t.Limits.Facts && env.Seq < last:
				trial.out.Ended = fmt.Sprintf("%d facts were folded, and no more are for one trial", n)
				return end
			case n%10_000 == 0 && m.Stats().FileBytes > t.Limits.Bytes:
				trial.out.Ended = fmt.Sprintf("it took %d bytes of disk, and no more are given to one trial", t.Limits.Bytes)
				return end
			}
			if told != nil && (time.Since(at) > tellEvery || env.Seq == last) {
				at = time.Now()
				told(n, last-next+1)
			}
			if env.Seq == last {
				return end
			}
			return nil
		})
	}
	if errors.Is(err, end) {
		err = trial.rest(bounded)
	}
	if err != nil && ctx.Err() == nil && context.Cause(bounded) == errTime {
		trial.out.Ended, err = fmt.Sprintf("its time was over after %s", time.Since(began).Round(time.Second)), nil
	}
	if errors.Is(err, readmodel.ErrClosed) {
		err = unavailable("", "the node is going down")
	}
	if err != nil {
		return Trial{}, err
	}
	return trial.done(), nil
}

// errTime ends a trial whose time is over.
var errTime = errors.New("rules: the trial's time is over")

// admit reads a rule that is to be tried, and says why it could not be saved if it could not.
func (t *Trials) admit(saved event.RuleSaved) (r *Rule, refused, err error) {
	saved.Enabled = true
	if saved.Experiment != "" {
		x, err := t.Model.Experiment(saved.Experiment)
		if err != nil {
			x, err = t.Model.ExperimentByName(string(saved.Experiment))
		}
		if errors.Is(err, readmodel.ErrNotFound) {
			return nil, nil, wrong("experiment", "", "there is no experiment %q", saved.Experiment)
		}
		if err != nil {
			return nil, nil, err
		}
		saved.Experiment = x.ID
	}
	all, err := t.Model.Rules()
	if err != nil {
		return nil, nil, err
	}
	for _, was := range all {
		if saved.Rule == "" && strings.EqualFold(was.Name, strings.TrimSpace(saved.Name)) {
			saved.Rule = was.Rule
		}
	}
	if saved.Rule == "" {
		saved.Rule = "tried"
	}
	if r, err = Parse(saved); err != nil {
		return nil, nil, err
	}
	// Its version is the one that it would get: those that are in force have fired already.
	kept, err := Save(t.Model, saved)
	var why *Error
	if err != nil && !errors.As(err, &why) {
		return nil, nil, err
	}
	r.Version = max(kept.Version, 1)
	return r, err, nil
}

// enter waits for the trial before.
func (t *Trials) enter(ctx context.Context) (leave func(), err error) {
	timer := time.NewTimer(t.Limits.Patience)
	defer timer.Stop()
	select {
	case t.slot <- struct{}{}:
		return func() { <-t.slot }, nil
	case <-timer.C:
		return nil, unavailable("try again in a while", "another rule is being tried: one is at a time")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// last is the place of the log's last fact that can be read, 0 for none.
func (t *Trials) last(ctx context.Context) (uint64, error) {
	state, err := t.Bus.State(ctx)
	if err != nil {
		return 0, err
	}
	for at := state.Last; at >= max(1, state.First); at-- {
		if _, err := t.Bus.At(ctx, at); err == nil {
			return at, nil
		} else if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	return 0, nil
}

// busy is why something cannot be had just now.
type busy struct {
	hint string
	err  error
}

func (b *busy) Error() string { return b.err.Error() }
func (*busy) Code() string    { return "UNAVAILABLE" }
func (b *busy) Hint() string  { return b.hint }
func (*busy) Field() []string { return nil }

func unavailable(hint, format string, args ...any) error {
	return &busy{hint, fmt.Errorf(format, args...)}
}
