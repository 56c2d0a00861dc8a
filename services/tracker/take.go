package tracker

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"millrace/event"
	"millrace/services/bus"
)

// gateway names the publisher of what scripts log, in subjects.
const gateway event.WorkerID = "door"

// Take takes what a writer logs of a run, all or nothing: a batch with a fact at fault is refused as a whole. It returns when every fact is
// durable in the log; the fold may come a moment later. A batch whose sequence is not greater than the writer's last one changes
// nothing. When it fails after it began, some of the facts may be in the log: the same batch sent again brings the rest, and those once.
//
// Errors: Refusal.
func (t *Tracker) Take(ctx context.Context, b event.Batch) (event.Receipt, error) {
	if !event.ValidID(string(b.Writer)) {
		return event.Receipt{}, refuse(Invalid, "writer", "a process takes one name for one run, e.g. rank0 or a ULID", "%.80q cannot name a writer: 1-64 letters, digits, '-' and '_'", b.Writer)
	}
	if b.Sequence > event.MaxBatchSequence {
		return event.Receipt{}, refuse(Invalid, "sequence", "count 1, 2, 3 …", "sequence %d: at most %d", b.Sequence, uint64(event.MaxBatchSequence))
	}
	if _, err := t.run(b.Run); err != nil {
		return event.Receipt{}, err
	}
	var receipt event.Receipt
	for _, e := range b.Facts {
		if m, ok := e.(event.MetricsLogged); ok {
			for _, f := range m.Frames {
				receipt.Points += f.Points()
			}
		}
	}
	if b.Sequence > 0 {
		last, err := t.Model.LastSequence(b.Run, b.Writer)
		if err != nil {
			return event.Receipt{}, t.unavailable(err)
		}
		if last >= event.BatchEnd(b.Sequence) {
			receipt.Seq, receipt.Duplicate = t.Model.Cursor().Applied, true
			return receipt, nil
		}
	}
	facts, err := t.checkFacts(ctx, b)
	if err != nil {
		return event.Receipt{}, err
	}
	b.Facts = facts
	envs, err := b.Number()
	if err != nil {
		return event.Receipt{}, asRefusal("", err)
	}
	receipt.Seq = t.Model.Cursor().Applied // of a batch with nothing in it
	for _, env := range envs {             // before the first is published
		if _, ok := env.Event.(event.MetricsLogged); ok {
			continue
		}
		if _, _, err := event.Encode(env); err != nil {
			return event.Receipt{}, &Refusal{code: TooLarge, hint: "log it in smaller pieces, or as an artifact", err: err}
		}
	}
	for _, env := range envs {
		seq, err := t.publish(ctx, env)
		if err != nil {
			return event.Receipt{}, t.unavailable(err)
		}
		receipt.Seq = max(receipt.Seq, seq)
	}
	return receipt, nil
}

// Await returns when the fold has passed a place of the log.
func (t *Tracker) Await(ctx context.Context, seq uint64) error {
	if err := t.Model.WaitFor(ctx, seq); err != nil {
		return &Refusal{code: Unavailable, hint: "it is in the log; the view of it lags behind", err: fmt.Errorf("tracker: waiting for the read model: %w", err)}
	}
	return nil
}

// publish brings one fact of a batch into the log. Parameters are checked against what the log holds at that moment, so that of two who
// write one at once, one is refused.
func (t *Tracker) publish(ctx context.Context, env event.Envelope) (uint64, error) {
	params, ok := env.Event.(event.ParamsLogged)
	if !ok {
		return t.Bus.PublishAs(ctx, env)
	}
	for {
		last := uint64(0)
		there, err := t.Bus.Last(ctx, params.Subject())
		switch {
		case err == nil:
			last = there.Seq
		case !errors.Is(err, bus.ErrNone):
			return 0, err
		}
		if err := t.Model.WaitFor(ctx, last); err != nil {
			return 0, err
		}
		if err := t.checkRewritten(params); err != nil {
			return 0, err
		}
		seq, err := t.Bus.PublishAfter(ctx, env, last)
		if !errors.Is(err, bus.ErrExists) {
			return seq, err
		}
	}
}

// checkRewritten refuses a parameter that was written once and would get another value.
func (t *Tracker) checkRewritten(e event.ParamsLogged) error {
	written, err := t.Model.Params(e.Run)
	if err != nil {
		return err
	}
	values := make(map[string]event.Param, len(written))
	for _, p := range written {
		values[p.Path] = p
	}
	for _, p := range e.Params {
		was, ok := values[p.Path]
		if !ok || !was.WriteOnce && !p.WriteOnce {
			values[p.Path] = p
			continue
		}
		if !sameJSON(was.Value, p.Value) {
			return &Refusal{code: Conflict, field: []string{"params", p.Path}, hint: "log another parameter, or fork the run",
				err: fmt.Errorf("parameter %q is %.100s and was to be written once; it cannot become %.100s", p.Path, was.Value, p.Value)}
		}
	}
	return nil
}

func sameJSON(a, b event.RawJSON) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, err := event.CanonicalJSON(a)
	if err != nil {
		return false
	}
	y, err := event.CanonicalJSON(b)
	return err == nil && bytes.Equal(x, y)
}

// unavailable says why the log did not take something that was in order.
func (t *Tracker) unavailable(err error) error {
	var r *Refusal
	switch {
	case errors.As(err, &r):
		return err
	case errors.Is(err, bus.ErrTooLarge):
		return &Refusal{code: TooLarge, hint: "log it in smaller pieces, or as an artifact", err: err}
	case errors.Is(err, bus.ErrFull):
		return &Refusal{code: Unavailable, hint: "the disk of the event log is full: free space there; keep what you have and send it again", err: err}
	case errors.Is(err, event.ErrMalformed), errors.Is(err, event.ErrBadID):
		return asRefusal("", err)
	}
	return &Refusal{code: Unavailable, hint: "the event log did not take it; look at /readyz and try again", err: err}
}
