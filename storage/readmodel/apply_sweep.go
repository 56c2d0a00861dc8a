package readmodel

import (
	"time"

	"millrace/event"
)

// Sweep is a sweep as it stands.
type Sweep struct {
	event.SweepStarted
	Seq     uint64            `json:"seq"`
	At      time.Time         `json:"at"`
	Ended   *event.SweepEnded `json:"ended,omitempty"`
	EndedAt *time.Time        `json:"ended_at,omitempty"`
}

// TrialScore is how far a trial of a sweep has come: one of a rung.
type TrialScore struct {
	event.TrialScored
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
}

// sweepStarted keeps the first word on a sweep.
func (f *fold) sweepStarted(e event.SweepStarted) error {
	if f.v.get(tableSweep, "", parts(string(e.Sweep))) != nil {
		return nil
	}
	e.Base.Config, e.Space = validJSON(e.Base.Config), validJSON(e.Space)
	return f.put(tableSweep, "", parts(string(e.Sweep)), Sweep{SweepStarted: e, Seq: f.env.Seq, At: f.at})
}

// trialScored keeps the first word on a rung.
func (f *fold) trialScored(e event.TrialScored) error {
	rest := parts(int64(e.Number), int64(e.Rung))
	if f.v.get(tableTrial, string(e.Sweep), rest) != nil {
		return nil
	}
	return f.put(tableTrial, string(e.Sweep), rest, TrialScore{e, f.env.Seq, f.at})
}

func (f *fold) sweepEnded(e event.SweepEnded) error {
	raw := f.v.get(tableSweep, "", parts(string(e.Sweep)))
	if raw == nil {
		return nil
	}
	s, err := decode[Sweep](raw)
	if err != nil || s.Ended != nil {
		return err
	}
	s.Ended, s.EndedAt = &e, &f.at
	return f.put(tableSweep, "", parts(string(e.Sweep)), s)
}
