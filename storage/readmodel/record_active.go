package readmodel

import "time"

// silence is how long after its last sign of life a run that goes on counts as worked at: workers show one every second.
const silence = time.Minute

// worked is how long a run was worked at in attempts that are over, and since when one goes on; zero: none does. An attempt that nobody
// ended is over when the next one begins, or when the run crashed, and lasted until its last sign of life.
func (r *Run) worked() (over time.Duration, since time.Time) {
	for i, a := range r.Attempts {
		end := a.EndedAt
		if !a.SeenAt.IsZero() {
			end = a.SeenAt
		}
		last := i == len(r.Attempts)-1
		switch {
		case a.StartedAt.IsZero():
			continue
		case end.IsZero() && last && r.EndedAt.IsZero():
			return over, a.StartedAt
		case end.IsZero() && last:
			end = r.EndedAt
		case !last && !r.Attempts[i+1].StartedAt.IsZero() && end.After(r.Attempts[i+1].StartedAt): // it was thought dead, and was not
			end = r.Attempts[i+1].StartedAt
		}
		over += max(0, end.Sub(a.StartedAt))
	}
	return over, since
}

// Worked is how long the run was worked at up to now, over all its attempts: not while it was paused, waited for a worker, or was silent after
// its worker died.
func (r *Run) Worked(now time.Time) time.Duration {
	over, since := r.worked()
	if since.IsZero() {
		return over
	}
	if seen := later(since, r.HeartbeatAt); now.Sub(seen) > max(silence, 2*time.Duration(r.HeartbeatSeconds)*time.Second) {
		now = seen
	}
	return over + max(0, now.Sub(since))
}

// left notes when an attempt that nobody ended showed its last sign of life.
func (a *Attempt) left(heartbeat time.Time) { a.SeenAt = later(a.StartedAt, heartbeat) }
