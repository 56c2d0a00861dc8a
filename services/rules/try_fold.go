package rules

import (
	"context"
	"fmt"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
)

// trying is a trial that is being made.
type trying struct {
	out    Trial
	rule   []*Rule
	model  *readmodel.Model
	decide decider
	first  int
	// points waits to be shown, as it does where rules are live.
	points collector
	// clock goes on by what lies between facts, in the eyes of their publishers; it never goes back. before is the last fact's time.
	clock, looked, before time.Time
	fired                 map[event.RunID]readmodel.Fired
	runs                  map[event.RunID]struct{}
	errors                map[string]struct{}
}

func newTrying(r *Rule, m *readmodel.Model, w TrialWish, refused error) *trying {
	first := w.First
	if first == 0 {
		first = usualTrial
	}
	t := &trying{
		rule: []*Rule{r}, model: m, first: max(0, min(first, maxTrial)), out: Trial{Rule: r.RuleSaved, Refused: refused, Since: w.Since},
		clock: time.Unix(0, 0), fired: map[event.RunID]readmodel.Fired{}, runs: map[event.RunID]struct{}{}, errors: map[string]struct{}{},
	}
	t.decide = decider{model: m, fired: func(_ *Rule, run event.RunID) (readmodel.Fired, error) { return t.fired[run], nil }}
	return t
}

// fact folds a fact; of those within the window the rule hears.
func (t *trying) fact(ctx context.Context, env event.Envelope, within bool) error {
	if within {
		if !t.before.IsZero() {
			t.clock = t.clock.Add(max(0, env.Time.Sub(t.before)))
		}
		t.before = env.Time
		// What is due is shown before the next fact is folded: of what comes later the rule knew nothing.
		if t.clock.Sub(t.looked) >= lookEvery/4 {
			t.looked = t.clock
			if err := t.due(ctx, t.clock); err != nil {
				return err
			}
		}
	}
	if err := t.model.Apply(env); err != nil {
		return err
	}
	if !within {
		return nil
	}
	if t.out.Facts++; t.out.FromSeq == 0 {
		t.out.FromSeq, t.out.From = env.Seq, env.Time
	}
	t.out.UntilSeq, t.out.Until = env.Seq, env.Time
	if m, ok := env.Event.(event.MetricsLogged); ok {
		t.points.add(env, m, wanted(t.rule))
		return nil
	}
	for one := range carried(env) {
		if one.Event.Type() == t.rule[0].On {
			t.out.Heard++
		}
		if err := t.decide.hear(ctx, t.rule, one, func(f *event.RuleFired) error { return t.note(one, f) }); err != nil {
			return err
		}
	}
	return nil
}

// due shows the points whose time has come.
func (t *trying) due(ctx context.Context, now time.Time) error {
	return t.points.due(now, func(run event.RunID, of *fresh) error {
		t.out.Heard += int64(len(of.series))
		return t.decide.show(ctx, t.rule, run, of, func(f *event.RuleFired) error { return t.note(of.env, f) })
	})
}

// rest shows what still waits when the last fact is folded.
func (t *trying) rest(ctx context.Context) error {
	return t.due(ctx, t.clock.Add(lookEvery))
}

// note writes a decision down instead of publishing it.
func (t *trying) note(env event.Envelope, fired *event.RuleFired) error {
	deed := readmodel.Firing{RuleFired: *fired, At: env.Time}
	if fired.Failure != nil {
		t.out.Failed++
		if _, known := t.errors[fired.Failure.Message]; !known && len(t.out.Errors) < min(maxErrors, t.first) {
			t.errors[fired.Failure.Message] = struct{}{}
			t.out.Errors = append(t.out.Errors, deed)
		}
		return nil
	}
	t.out.Fired++
	if fired.Run != "" {
		t.runs[fired.Run] = struct{}{}
	}
	n := t.fired[fired.Run]
	t.fired[fired.Run] = readmodel.Fired{Count: n.Count + 1, At: env.Time, Seq: env.Seq}
	if len(t.out.Firings) >= t.first {
		return nil
	}
	acted, err := foresee(t.model, *fired)
	if err != nil {
		return err
	}
	deed.Acted = &acted
	t.out.Firings = append(t.out.Firings, deed)
	return nil
}

// done is the answer.
func (t *trying) done() Trial {
	t.out.Runs = int64(len(t.runs))
	if t.out.Facts > 0 && t.out.FromSeq == 1 && t.out.From.After(t.out.Since) {
		t.out.Notes = append(t.out.Notes, fmt.Sprintf("history begins at %s", t.out.From.UTC().Format(time.RFC3339)))
	}
	return t.out
}
