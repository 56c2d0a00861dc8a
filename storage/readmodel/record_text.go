package readmodel

import (
	"bytes"
	"sync"
)

// texts is what words are looked for in: name, note, id, tags and labels of every run, in small letters, one after the other in memory. Texts
// that lie scattered cost a wait for memory each, which of 100,000 runs is 5 ms. It is made when words are first asked for.
type texts struct {
	mu    sync.Mutex // of readers among themselves; the fold has the model's lock for itself
	made  bool
	bytes []byte
	at    []stretch // by row
	gone  int       // bytes that belong to no run any more
	stale map[*runState]struct{}
}

// stretch is a part of texts' bytes.
type stretch struct{ from, to int }

// forget has a run's text made anew before the next look. The model's lock must be held.
func (t *texts) forget(st *runState) {
	if t.made {
		t.stale[st] = struct{}{}
	}
}

// see makes what is missing. The model's lock must be held, for reading at least; until it is given back of is true to the runs.
func (t *texts) see(m *Model) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made && t.gone <= len(t.bytes)/2 {
		for st := range t.stale {
			t.put(st)
		}
		clear(t.stale)
		return
	}
	t.made, t.gone, t.bytes, t.at, t.stale = true, 0, nil, nil, map[*runState]struct{}{}
	for _, st := range m.order {
		t.put(st)
	}
}

// put writes a run's text.
func (t *texts) put(st *runState) {
	for len(t.at) <= st.row {
		t.at = append(t.at, stretch{})
	}
	old := t.at[st.row]
	t.gone += old.to - old.from
	from := len(t.bytes)
	for _, s := range []string{st.name, st.note, string(st.id)} {
		t.bytes = append(append(t.bytes, s...), '\n')
	}
	for i := 0; i+1 < len(st.tags); i += 2 {
		t.bytes = append(append(t.bytes, st.tags[i]...), '=')
		t.bytes = append(append(t.bytes, st.tags[i+1]...), '\n')
	}
	for _, l := range st.labels {
		t.bytes = append(append(t.bytes, l...), '\n')
	}
	lower := bytes.ToLower(t.bytes[from:])
	t.bytes = append(t.bytes[:from], lower...)
	t.at[st.row] = stretch{from, len(t.bytes)}
}

// of is the text of the run at a row.
func (t *texts) of(row int) []byte {
	s := t.at[row]
	return t.bytes[s.from:s.to]
}
