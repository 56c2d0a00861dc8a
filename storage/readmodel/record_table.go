package readmodel

import (
	"slices"

	"millrace/event"
)

// enter gives a new run its row and its place among the others. The lock must be held.
func (m *Model) enter(st *runState) {
	m.runs[st.id] = st
	if len(st.id) > maxPart {
		m.long[clip(string(st.id))] = st
	}
	if n := len(m.free); n > 0 {
		st.row = m.free[n-1]
		m.free = m.free[:n-1]
		m.rows[st.row] = st
	} else {
		st.row = len(m.rows)
		m.rows, m.hot = append(m.rows, st), append(m.hot, hot{})
	}
	m.warm(st)
	m.texts.forget(st)
	m.place(st)
}

// place puts a run into the order of creation, which is at its end as a rule.
func (m *Model) place(st *runState) {
	i := len(m.order)
	if i > 0 && byCreation(m.order[i-1], st) > 0 {
		i, _ = slices.BinarySearchFunc(m.order, st, byCreation)
	}
	m.order, m.ranks = slices.Insert(m.order, i, st), slices.Insert(m.ranks, i, int32(st.row))
}

// displace takes a run out of the order of creation.
func (m *Model) displace(st *runState) {
	if i, found := slices.BinarySearchFunc(m.order, st, byCreation); found {
		m.order, m.ranks = slices.Delete(m.order, i, i+1), slices.Delete(m.ranks, i, i+1)
	}
}

// leave forgets a run. The lock must be held.
func (m *Model) leave(st *runState) {
	m.displace(st)
	delete(m.runs, st.id)
	delete(m.long, clip(string(st.id)))
	delete(m.dirtyRuns, st.id)
	m.columns.clear(st)
	delete(m.texts.stale, st)
	m.rows[st.row] = nil
	m.free = append(m.free, st.row)
}

// stateOf finds a run by the rest of its key in tableHead and its fellows.
func (m *Model) stateOf(rest []byte) *runState {
	id, _, _ := cutPart(rest)
	if st := m.runs[event.RunID(id)]; st != nil {
		return st
	}
	return m.long[id]
}
