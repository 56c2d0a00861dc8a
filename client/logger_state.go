package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Errors that Err, Flush and End wrap.
var (
	// ErrNotSent: the tracker does not have everything yet. What it lacks is in the journal, and is sent by the next process that opens a run,
	// or by `millrace sync`.
	ErrNotSent = errors.New("not everything is sent")
	// ErrDropped: something was logged that is neither at the tracker nor in the journal.
	ErrDropped = errors.New("dropped")
	// ErrSetAside: the tracker refused something for good; it lies in the journal's folder refused, with the tracker's words.
	ErrSetAside = errors.New("refused and set aside")
)

// Counts is what became of what was logged. A point is a value of a metric; everything else counts as one.
type Counts struct {
	Logged    int64 // taken from callers
	Delivered int64 // points at the tracker
	Refused   int64 // points set aside
	Dropped   int64 // neither at the tracker nor in the journal
	Waiting   int64 // points in the journal
}

// state is what goes on, for Err, Counts and those who wait.
type state struct {
	log *slog.Logger
	dir string

	mu       sync.Mutex
	changed  chan struct{} // closed at the next change
	written  uint64        // items in the journal
	away     error         // why the tracker does not answer
	since    time.Time
	degraded error
	lost     int64 // dropped behind the queue
	sent     int64
	setAside int64
	refusals int
	refusal  error
	problems []error
	told     map[string]bool
	abandon  bool
}

func (s *state) init(log *slog.Logger, dir string) {
	s.log, s.dir = log, dir
	s.changed, s.told = make(chan struct{}), map[string]bool{}
}

// change tells those who wait. mu is held.
func (s *state) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *state) wrote(n uint64, degraded error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written += n
	switch {
	case degraded != nil && s.degraded == nil:
		s.log.Warn("the journal's disk takes nothing: what is logged waits in memory", "journal", s.dir, "error", degraded)
	case degraded == nil && s.degraded != nil:
		s.log.Info("the journal is on its disk again", "journal", s.dir)
	}
	s.degraded = degraded
	s.change()
}

// problem tells of something once.
func (s *state) problem(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told[what] {
		return
	}
	s.told[what] = true
	if err == nil {
		err = errors.New(what)
	} else {
		err = fmt.Errorf("%s: %w", what, err)
	}
	s.problems = append(s.problems, err)
	s.log.Warn(what, "error", err, "journal", s.dir)
}

func (s *state) drop(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost += n
	s.change()
}

// abandoned tells whether nobody waits any more.
func (s *state) abandoned() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.abandon
}

func (s *state) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abandon = true
	s.change()
}

func (s *state) unreached(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away == nil {
		s.since = time.Now()
		s.log.Warn("the tracker does not take what is logged: it waits in the journal", "error", err, "journal", s.dir)
	}
	s.away = err
	s.change()
}

func (s *state) reached() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away != nil {
		s.away = nil
		s.log.Info("the tracker answers again", "after", time.Since(s.since).Round(time.Millisecond))
	}
	s.change()
}

// isAway tells whether the tracker did not answer when it was last asked.
func (s *state) isAway() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.away != nil
}

func (s *state) delivered(points int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent += points
	s.change()
}

func (s *state) refused(points int64, file string, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setAside += points
	s.refusals++
	if s.refusal == nil {
		s.refusal = fmt.Errorf("%w in %s", why, file)
	}
	s.log.Warn("the tracker refuses what was logged: it is set aside", "error", why, "file", file)
	s.change()
}

// wait returns when done holds, or ctx ends.
func (s *state) wait(ctx context.Context, done func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if done() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// err is everything that is not as it should be now, or was lost.
func (s *state) err(dropped int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []error
	if dropped += s.lost; dropped > 0 {
		all = append(all, fmt.Errorf("client: %d logged values: %w", dropped, ErrDropped))
	}
	if s.refusals > 0 {
		all = append(all, fmt.Errorf("client: %d requests: %w: %w", s.refusals, ErrSetAside, s.refusal))
	}
	for _, p := range s.problems {
		all = append(all, fmt.Errorf("client: %w", p))
	}
	if s.degraded != nil {
		all = append(all, fmt.Errorf("client: what is logged waits in memory: %w", s.degraded))
	}
	if s.away != nil {
		all = append(all, fmt.Errorf("client: the tracker takes nothing since %s: %w", s.since.Format(time.TimeOnly), s.away))
	}
	return errors.Join(all...)
}
