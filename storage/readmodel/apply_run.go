package readmodel

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"millrace/event"
)

// run returns the state of a run for the fact at hand, nil when it was deleted or the fact names none. A run that nobody requested
// gets a bare record.
func (f *fold) run(id event.RunID) *runState {
	if _, gone := f.gone[id]; gone || id == "" {
		return nil
	}
	f.touched[id] = struct{}{}
	st := f.runs[id]
	if st == nil {
		st = &runState{}
		st.head = head{id: id, seq: f.env.Seq, created: f.at.UnixMicro()}
		f.enter(st)
		f.keep(st, &Run{ID: id, Seq: f.env.Seq, Bare: true, Status: event.Pending, CreatedAt: f.at, UpdatedAt: f.at}, dirtyRecord)
		st.changed = f.env.Seq
	}
	return st
}

// keep replaces a run's record. Whoever holds the old one may go on reading it.
func (f *fold) keep(st *runState, r *Run, what dirt) {
	h := headOf(r)
	h.heartbeat = st.heartbeat
	h.share(&f.words)
	if moved := h.created != st.created || h.seq != st.seq; moved {
		f.displace(st)
		st.head = h
		f.place(st)
	}
	st.head = h
	f.warm(st)
	f.columns.tagged(st)
	st.full.Store(r)
	st.pinned = true
	f.dirtyRuns[st.id] |= what | dirtyHead
}

// edit replaces a run's record by a changed copy; change must copy the slices and maps that it changes. A run whose record cannot be
// read is left alone: the fact is skipped.
func (f *fold) edit(id event.RunID, change func(r *Run)) error {
	st := f.run(id)
	if st == nil {
		return nil
	}
	full, err := f.record(f.v, st)
	if err != nil {
		return err
	}
	r := *full
	change(&r)
	r.UpdatedAt = later(r.UpdatedAt, f.at)
	f.texts.forget(st)
	f.keep(st, &r, dirtyRecord)
	return nil
}

// editLive is edit for what is in live. A sign of life counts as a heartbeat, and brings back a run that was silent; nil changes nothing
// but that.
func (f *fold) editLive(id event.RunID, change func(r *Run)) error {
	st := f.run(id)
	if st == nil {
		return nil
	}
	if f.at.After(st.heartbeat) {
		st.heartbeat = f.at
		f.dirtyRuns[id] |= dirtyHead
	}
	if change == nil && st.status != event.Crashed {
		return nil
	}
	full, err := f.record(f.v, st)
	if err != nil {
		return err
	}
	r, what := *full, dirtyLive
	if change != nil {
		change(&r)
	}
	if r.Status == event.Crashed {
		revive(&r)
		what |= dirtyRecord
		st.changed = f.env.Seq
	}
	f.keep(st, &r, what)
	return nil
}

// alive notes a sign of life.
func (f *fold) alive(id event.RunID) {
	if err := f.editLive(id, nil); err != nil {
		f.Model.log.Error("a silent run showed a sign of life, but its record cannot be read", "run", id, "err", err)
	}
}

// moment is when something was, in µs since 1970, or the fact's own time for 0.
func (f *fold) moment(at int64) time.Time {
	if at == 0 {
		return f.at
	}
	return clampTime(time.UnixMicro(at))
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (f *fold) runRequested(e event.RunRequested) error {
	if st := f.runs[e.Run]; st != nil && !st.bare {
		if e.Resume > 0 {
			return f.runResumed(e)
		}
		return nil // published once; a repeat says nothing new
	}
	e.Spec.Config = validJSON(e.Spec.Config)
	if err := f.edit(e.Run, func(r *Run) {
		r.Bare, r.Kind, r.Name, r.Experiment = false, e.Spec.Kind, e.Name, e.Experiment
		r.Spec, r.SpecDigest, r.Branch, r.StopAfter, r.Suites, r.By = e.Spec, e.SpecDigest, e.Branch, e.StopAfter, e.Suites, e.By
		r.Group, r.JobType, r.ForeignID, r.HeartbeatSeconds = e.Group, e.JobType, e.ForeignID, e.HeartbeatSeconds
		if r.Note == "" {
			r.Note = e.Note
		}
		r.From, r.SaveAt, r.Resume, r.Depth = e.From, e.SaveAt, e.Resume, e.Depth
		r.Evaluation, r.Pins, r.GivesWay = e.Evaluation, e.Pins, e.GivesWay
		if e.Budget != nil && r.Budget == nil { // one that was set before the request came is newer than the request
			r.Budget = someBudget(*e.Budget)
		}
		if !e.Spec.Worked() && len(r.Attempts) == 0 && r.Status == event.Pending { // nobody takes it: it runs already
			a := Attempt{Attempt: 1, StartedAt: f.moment(e.At)}
			if e.Environment != nil {
				a.Environment = *e.Environment
			}
			r.Attempts, r.Status, r.StartedAt = []Attempt{a}, event.Running, a.StartedAt
		}
		r.CreatedAt = f.at
		r.Tags = merged(e.Tags, r.Tags) // a tag set before the request came is newer than the request
		r.Labels = union(r.Labels, e.Labels)
	}); err != nil {
		return err
	}
	st := f.runs[e.Run]
	if st == nil {
		return nil
	}
	if e.At != 0 { // it is told of now, however long ago it was
		f.alive(e.Run)
	}
	f.named(e)
	if err := f.reconfigure(st); err != nil {
		return err
	}
	if e.Experiment != "" {
		if _, ok := f.experiments[e.Experiment]; !ok {
			if err := f.saveExperiment(Experiment{ID: e.Experiment, Seq: f.env.Seq, Bare: true, CreatedAt: f.at, UpdatedAt: f.at}); err != nil {
				return err
			}
		}
	}
	for _, in := range e.Spec.Inputs {
		if err := f.edge(Edge{From: string(in.Digest), To: RunNode(e.Run), Role: in.Role, Name: in.Name}); err != nil {
			return err
		}
	}
	if e.Branch != nil {
		return f.edge(Edge{From: RunNode(e.Branch.From), To: RunNode(e.Run), Role: e.Branch.Kind})
	}
	return nil
}

func merged(low, high map[string]string) map[string]string {
	if len(low) == 0 && len(high) == 0 {
		return nil
	}
	out := maps.Clone(low)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, high)
	return out
}

func union(a, b []string) []string {
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// runStarted notes an attempt. One older than the newest known changes only its own entry.
func (f *fold) runStarted(e event.RunStarted) error {
	at := f.moment(e.At)
	var seen time.Time // the last sign of life before this
	if st := f.run(e.Run); st != nil {
		seen = st.heartbeat
	}
	if e.At != 0 {
		f.alive(e.Run)
	}
	return f.edit(e.Run, func(r *Run) {
		newest := len(r.Attempts) == 0 || e.Attempt >= r.Attempts[len(r.Attempts)-1].Attempt
		var a *Attempt
		r.Attempts, a = attempt(r.Attempts, e.Attempt)
		if !a.StartedAt.IsZero() {
			return // a repeat
		}
		if n := len(r.Attempts); newest && n > 1 && r.Attempts[n-2].EndedAt.IsZero() {
			r.Attempts[n-2].left(seen)
		}
		a.Worker, a.Environment, a.ResumedFrom, a.StartedAt = e.Worker, e.Environment, e.ResumedFrom, at
		if r.StartedAt.IsZero() || at.Before(r.StartedAt) {
			r.StartedAt = at
		}
		if newest && a.EndedAt.IsZero() {
			if r.Status == event.Stopped || r.Status == event.Paused { // the wish was granted; one that no attempt granted yet holds for this one too
				r.Stop = nil
			}
			r.Status, r.EndedAt, r.Failure = event.Running, time.Time{}, nil
		}
	})
}

// attempt copies the list and returns the entry with a number, making it in its place.
func attempt(list []Attempt, number int) ([]Attempt, *Attempt) {
	i, found := slices.BinarySearchFunc(list, number, func(a Attempt, n int) int { return cmp.Compare(a.Attempt, n) })
	list = slices.Clone(list)
	if !found {
		list = slices.Insert(list, i, Attempt{Attempt: number})
	}
	return list, &list[i]
}

func (f *fold) runProgressed(e event.RunProgressed) error {
	e.SecondsLeft = finite(e.SecondsLeft)
	return f.editLive(e.Run, func(r *Run) {
		if !f.at.Before(r.ProgressAt) {
			r.Progress, r.ProgressAt = &e, f.at
		}
	})
}

func (f *fold) runHeartbeat(e event.RunHeartbeat) error {
	err := f.editLive(e.Run, func(r *Run) {
		r.Heartbeats = maps.Clone(r.Heartbeats)
		if r.Heartbeats == nil {
			r.Heartbeats = map[event.WriterID]time.Time{}
		}
		r.Heartbeats[e.Writer] = later(r.Heartbeats[e.Writer], f.at)
	})
	if err != nil {
		return err
	}
	if st := f.runs[e.Run]; st != nil && st.full.Load().State != e.State {
		return f.edit(e.Run, func(r *Run) { r.State = e.State })
	}
	return nil
}

func (f *fold) runStopRequested(e event.RunStopRequested) error {
	return f.edit(e.Run, func(r *Run) {
		if r.Stop == nil {
			r.Stop = &StopWish{By: e.By, Reason: e.Reason, Pause: e.Pause, At: f.at}
		}
	})
}

// runEnded ends an attempt, and the run when there is no newer one. A run that never started (attempt 0) may end too.
func (f *fold) runEnded(e event.RunEnded) error {
	err := f.edit(e.Run, func(r *Run) {
		at := f.moment(e.At)
		newest := len(r.Attempts) == 0 || e.Attempt >= r.Attempts[len(r.Attempts)-1].Attempt
		if e.Attempt > 0 {
			var a *Attempt
			r.Attempts, a = attempt(r.Attempts, e.Attempt)
			if e.At != 0 && at.Before(a.StartedAt) { // a clock that was put back
				at = a.StartedAt
			}
			// A resumed run that ends before a worker has it leaves the attempt before as it was.
			if resumed := r.Status == event.Pending && r.Resume > 0; a.Status != e.Status && !(resumed && !a.EndedAt.IsZero()) { // else a repeat
				a.Status, a.Failure, a.EndedAt, a.ExitCode = e.Status, e.Failure, at, e.ExitCode
				if a.SeenAt = (time.Time{}); e.Status == event.Crashed {
					a.left(f.runs[e.Run].heartbeat)
				}
			}
		}
		if newest && (r.Status != e.Status || r.EndedAt.IsZero()) {
			r.Status, r.Failure, r.EndedAt = e.Status, e.Failure, at
		}
		r.Steps = max(r.Steps, e.Steps)
		for _, out := range e.Outputs {
			if !slices.Contains(r.Outputs, out) {
				r.Outputs = append(r.Outputs[:len(r.Outputs):len(r.Outputs)], out)
			}
		}
	})
	if err != nil || f.runs[e.Run] == nil {
		return err
	}
	for _, out := range e.Outputs {
		if err := f.edge(Edge{From: RunNode(e.Run), To: string(out.Digest), Role: out.Role, Name: out.Name}); err != nil {
			return err
		}
	}
	return nil
}

func (f *fold) runTagged(e event.RunTagged) error {
	return f.edit(e.Run, func(r *Run) {
		r.Tags = merged(r.Tags, e.Set)
		for _, k := range e.Unset {
			delete(r.Tags, k)
		}
		if len(r.Tags) == 0 {
			r.Tags = nil
		}
		r.Labels = slices.DeleteFunc(union(r.Labels, e.AddLabels), func(l string) bool { return slices.Contains(e.RemoveLabels, l) })
		if len(r.Labels) == 0 {
			r.Labels = nil
		}
	})
}

func (f *fold) runNoted(e event.RunNoted) error {
	return f.edit(e.Run, func(r *Run) {
		if e.Name != nil {
			r.Name = *e.Name
		}
		if e.Note != nil {
			r.Note = *e.Note
		}
	})
}

func (f *fold) runArchived(e event.RunArchived) error {
	return f.edit(e.Run, func(r *Run) { r.Archived = e.Archived })
}

func (f *fold) reproductionVerified(e event.ReproductionVerified) error {
	return f.edit(e.Run, func(r *Run) { r.Reproduction = &e })
}
