package readmodel

import (
	"encoding/binary"
	"errors"
	"time"

	"millrace/event"
)

// repeated tells whether the fact at hand is one that its writer has brought before: its sequence is not greater than the writer's last.
// A fact with a writer is a sign of life of its run.
func (f *fold) repeated() bool {
	if f.env.Writer == "" {
		return false
	}
	run := event.RunOf(f.env.Event)
	if f.run(run) == nil {
		return false // whatever the fact does, it does not find its run
	}
	f.alive(run)
	return f.env.Sequence > 0 && !f.next(run, f.env.Writer, f.env.Sequence)
}

// batchLogged folds the facts that one carries, each as if it stood here by itself. One that makes no sense is skipped, the others count.
func (f *fold) batchLogged(e event.BatchLogged) error {
	var problems []error
	for fact, err := range e.Unpack() {
		if err == nil {
			f.env.Event = fact
			err = f.applyOne()
		}
		if errors.Is(err, ErrBroken) {
			return err
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// next moves a writer's last sequence, and tells whether it moved.
func (f *fold) next(run event.RunID, writer event.WriterID, sequence uint64) bool {
	rest := parts(string(writer))
	if last := f.v.get(tableWriter, string(run), rest); len(last) == 8 && binary.BigEndian.Uint64(last) >= sequence {
		return false
	}
	f.pending.put(tableWriter, string(run), rest, binary.BigEndian.AppendUint64(nil, sequence))
	return true
}

// revive brings a run of somebody else's script back that counted as crashed because it was silent.
func revive(r *Run) {
	if r.Status != event.Crashed || !r.Foreign() {
		return
	}
	r.Status, r.Failure, r.EndedAt = event.Running, nil, time.Time{}
	if n := len(r.Attempts); n > 0 {
		var a *Attempt
		r.Attempts, a = attempt(r.Attempts, r.Attempts[n-1].Attempt)
		a.Status, a.Failure, a.EndedAt, a.SeenAt = "", nil, time.Time{}, time.Time{}
	}
}

// LastSequence is the sequence of the last fact that a writer has brought to a run, 0 when there is none; event.BatchTaken makes a batch's
// number of it. ErrNotFound: there is no such run.
func (m *Model) LastSequence(run event.RunID, writer event.WriterID) (sequence uint64, err error) {
	err = m.read(func(v view) error {
		if m.runs[run] == nil {
			return ErrNotFound
		}
		if last := v.get(tableWriter, string(run), parts(string(writer))); len(last) == 8 {
			sequence = binary.BigEndian.Uint64(last)
		}
		return nil
	})
	return sequence, err
}
