package readmodel

import (
	"fmt"
	"slices"

	"millrace/cost"
	"millrace/event"
)

// Book returns the price book: the default lines, then those that were set, in the order of the log.
func (m *Model) Book() cost.Book {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.book)
}

// RunCost prices what a run has spent so far, over all attempts, workers and devices, at the prices that were in force when it
// was last told. Errors: ErrNotFound.
func (m *Model) RunCost(id event.RunID) (cost.Bill, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	st, err := m.known(id)
	if err != nil {
		return cost.Bill{}, err
	}
	return m.book.Price(spent(nil, st.Run)), nil
}

// ExperimentCost prices what all runs of an experiment have spent, archived ones too. Errors: ErrNotFound.
func (m *Model) ExperimentCost(id event.ExperimentID) (cost.Bill, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if _, ok := m.experiments[id]; !ok {
		return cost.Bill{}, fmt.Errorf("experiment %q: %w", id, ErrNotFound)
	}
	var of []*Run
	for _, st := range m.runs {
		if st.Experiment == id {
			of = append(of, st.Run)
		}
	}
	slices.SortFunc(of, byCreation) // sums of floats depend on their order
	var all []cost.Spent
	for _, r := range of {
		all = spent(all, r)
	}
	return m.book.Price(all), nil
}

func spent(all []cost.Spent, r *Run) []cost.Spent {
	for _, s := range r.Spent {
		joules := -1.0
		if s.Joules != nil {
			joules = float64(*s.Joules)
		}
		all = append(all, cost.Spent{
			Kind: s.Device.Kind, Name: s.Device.Name, Seconds: float64(s.Seconds), Joules: joules,
			FLOPs: float64(s.FLOPs), Tokens: s.Tokens, Stored: s.Stored, Moved: s.Moved, At: s.At,
		})
	}
	return all
}
