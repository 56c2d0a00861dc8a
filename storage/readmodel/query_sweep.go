package readmodel

import (
	"errors"
	"fmt"
	"slices"

	"millrace/event"
)

// Sweeps lists sweeps, newest first.
func (m *Model) Sweeps() (out []Sweep, err error) {
	err = m.read(func(v view) error {
		out, err = list[Sweep](v, tableSweep, "", span{}, 0, nil)
		return err
	})
	return newest(out, func(s Sweep) uint64 { return s.Seq }), err
}

// Sweep returns a sweep. Errors: ErrNotFound.
func (m *Model) Sweep(id event.SweepID) (s Sweep, err error) {
	err = m.read(func(v view) error {
		raw := v.get(tableSweep, "", parts(string(id)))
		if raw == nil {
			return fmt.Errorf("sweep %q: %w", id, ErrNotFound)
		}
		s, err = decode[Sweep](raw)
		return err
	})
	return s, err
}

// FindSweep returns a sweep by its id, or the newest with a name. Errors: ErrNotFound.
func (m *Model) FindSweep(idOrName string) (Sweep, error) {
	if s, err := m.Sweep(event.SweepID(idOrName)); !errors.Is(err, ErrNotFound) {
		return s, err
	}
	all, err := m.Sweeps()
	if err != nil {
		return Sweep{}, err
	}
	if i := slices.IndexFunc(all, func(s Sweep) bool { return s.Name == idOrName }); i >= 0 {
		return all[i], nil
	}
	return Sweep{}, fmt.Errorf("sweep %q: %w", idOrName, ErrNotFound)
}

// Trials lists what the trials of a sweep have reached, by number and rung.
func (m *Model) Trials(id event.SweepID) (out []TrialScore, err error) {
	err = m.read(func(v view) error {
		out, err = list[TrialScore](v, tableTrial, string(id), span{}, 0, nil)
		return err
	})
	return out, err
}

// LastValue is the last value of a metric of a run and its step, of several writers the latest; false where it has none.
func (m *Model) LastValue(run event.RunID, key string) (value float64, step int64, ok bool, err error) {
	err = m.ofRun(run, func(v view, _ *runState) error {
		var last point
		for _, n := range v.names(run) {
			if n.key != key {
				continue
			}
			if src := m.sourceOf(v, n, false); src.points > 0 && (!ok || last.before(src.last)) {
				last, ok = src.last, true
			}
		}
		value, step = last.value, last.step
		return nil
	})
	return value, step, ok, err
}
