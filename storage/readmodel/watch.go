package readmodel

import (
	"context"
	"sync"

	"millrace/event"
)

// Watcher tells that something changed, and nothing else: whoever is nudged reads on from where it was. Nudges merge, so a
// slow watcher holds nobody up and loses nothing.
type Watcher struct {
	c    chan struct{}
	all  *watchers
	runs []event.RunID
	once sync.Once
}

// C delivers the nudges. It is closed when the watcher or the model is.
func (w *Watcher) C() <-chan struct{} { return w.c }

// Close ends the nudges.
func (w *Watcher) Close() { w.all.remove(w) }

// Watch begins to watch some runs, or with none named everything. The first nudge comes with the next fact.
func (m *Model) Watch(runs ...event.RunID) *Watcher {
	return m.watches.add(runs)
}

type watchers struct {
	mu     sync.Mutex
	every  map[*Watcher]struct{}
	byRun  map[event.RunID]map[*Watcher]struct{}
	closed bool
}

func (ws *watchers) add(runs []event.RunID) *Watcher {
	w := &Watcher{c: make(chan struct{}, 1), all: ws, runs: append([]event.RunID(nil), runs...)}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.closed {
		w.once.Do(func() { close(w.c) })
		return w
	}
	if len(runs) == 0 {
		if ws.every == nil {
			ws.every = map[*Watcher]struct{}{}
		}
		ws.every[w] = struct{}{}
		return w
	}
	if ws.byRun == nil {
		ws.byRun = map[event.RunID]map[*Watcher]struct{}{}
	}
	for _, r := range w.runs {
		if ws.byRun[r] == nil {
			ws.byRun[r] = map[*Watcher]struct{}{}
		}
		ws.byRun[r][w] = struct{}{}
	}
	return w
}

func (ws *watchers) remove(w *Watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.every, w)
	for _, r := range w.runs {
		delete(ws.byRun[r], w)
		if len(ws.byRun[r]) == 0 {
			delete(ws.byRun, r)
		}
	}
	w.once.Do(func() { close(w.c) })
}

func (ws *watchers) count() int {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	seen := map[*Watcher]struct{}{}
	for _, of := range ws.byRun {
		for w := range of {
			seen[w] = struct{}{}
		}
	}
	return len(ws.every) + len(seen)
}

// nudge wakes those who watch any of the runs, and those who watch everything.
func (ws *watchers) nudge(runs map[event.RunID]struct{}) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.every {
		w.wake()
	}
	for r := range runs {
		for w := range ws.byRun[r] {
			w.wake()
		}
	}
}

func (w *Watcher) wake() {
	select {
	case w.c <- struct{}{}:
	default: // one is waiting to be taken already
	}
}

func (ws *watchers) close() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.closed = true
	for w := range ws.every {
		w.once.Do(func() { close(w.c) })
	}
	for _, of := range ws.byRun {
		for w := range of {
			w.once.Do(func() { close(w.c) })
		}
	}
	ws.every, ws.byRun = nil, nil
}

// waiter is somebody who waits for a sequence.
type waiter struct {
	seq  uint64
	done chan struct{}
}

// WaitFor returns when every read sees the fact with this sequence, or with the context's error, or with ErrClosed.
func (m *Model) WaitFor(ctx context.Context, seq uint64) error {
	m.mu.Lock()
	if m.appliedTo >= seq {
		m.mu.Unlock()
		return nil
	}
	if m.closed {
		m.mu.Unlock()
		return ErrClosed
	}
	w := &waiter{seq, make(chan struct{})}
	m.waiters[w] = struct{}{}
	m.mu.Unlock()
	select {
	case <-w.done:
		m.mu.RLock()
		defer m.mu.RUnlock()
		if m.appliedTo < seq {
			return ErrClosed
		}
		return nil
	case <-ctx.Done():
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.waiters, w)
		if m.appliedTo >= seq {
			return nil
		}
		return ctx.Err()
	}
}

// wakeWaiters ends the waits for what is applied, or all of them. The lock must be held.
func (m *Model) wakeWaiters(all bool) {
	for w := range m.waiters {
		if all || w.seq <= m.appliedTo {
			close(w.done)
			delete(m.waiters, w)
		}
	}
}
