package readmodel

import (
	"fmt"
	"slices"

	"millrace/event"
)

// Snapshots lists the newest 100 copies of read models that were put into storage, of any layout, oldest first.
func (m *Model) Snapshots() ([]Snapshot, error) { return keptOf[Snapshot](m, keptSnapshot) }

// Archive tells where the log's beginning lies: ErrNotFound when nothing was archived.
func (m *Model) Archive() (Archive, error) {
	all, err := keptOf[Archive](m, keptArchive)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("readmodel: archive: %w", ErrNotFound)
	}
	if err != nil {
		return Archive{}, err
	}
	return all[0], nil
}

// Policies lists what may be deleted, by experiment; the default policy, of no experiment, is first.
func (m *Model) Policies() ([]Policy, error) { return keptOf[Policy](m, keptRetention) }

func keptOf[T any](m *Model, kind string) (out []T, err error) {
	err = m.read(func(v view) error {
		var err error
		v.scan(tableKept, kind, span{}, func(_, value []byte) bool {
			var x T
			if x, err = decode[T](value); err != nil {
				return false
			}
			out = append(out, x)
			return true
		})
		return err
	})
	return out, err
}

// ExperimentDeleted tells whether an experiment of this id was deleted at some time.
func (m *Model) ExperimentDeleted(id event.ExperimentID) (yes bool, err error) {
	err = m.read(func(v view) error {
		yes = v.get(tableKept, keptGone, parts("experiment", string(id))) != nil
		return nil
	})
	return yes, err
}

// RunIDs lists every run, also archived and bare ones, by id.
func (m *Model) RunIDs() []event.RunID {
	m.mu.RLock()
	defer m.mu.RUnlock()
	ids := make([]event.RunID, 0, len(m.runs))
	for id := range m.runs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
