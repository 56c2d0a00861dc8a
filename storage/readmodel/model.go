package readmodel

import (
	"errors"
	"log/slog"
	"sync"

	"go.etcd.io/bbolt"

	"millrace/cost"
	"millrace/event"
)

// Errors of opening.
var (
	// ErrLocked is returned by Open when another process holds the file.
	ErrLocked = errors.New("read model is in use by another process")
)

// Errors of reading.
var (
	// ErrNotFound is returned for a run, experiment, dataset or rule that the log does not tell of, or that was deleted.
	ErrNotFound = errors.New("not found")
	// ErrBadQuery is returned for a filter, an order or a cursor that means nothing; the message says which.
	ErrBadQuery = errors.New("bad query")
)

// Errors of both.
var (
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("read model is closed")
	// ErrBroken is returned when a stored value cannot be read. The file can be deleted: it is folded again from the log.
	ErrBroken = errors.New("read model file is damaged: delete it and start again, it is rebuilt from the log")
)

// Model is the fold of the log. It is safe for concurrent use; Apply is called by one at a time.
type Model struct {
	path    string
	options Options
	log     *slog.Logger
	db      *bbolt.DB
	rebuilt string

	commits sync.Mutex // held by whoever carries a layer to the file
	kick    chan struct{}
	stop    chan struct{}
	stopped chan struct{}
	watches watchers
	records records
	priced  priced
	columns columnCache
	texts   texts
	once    sync.Once // closing

	mu   sync.RWMutex // guards what is below
	room *sync.Cond   // on mu: a commit has ended
	state
	pending *layer
	frozen  *layer // on its way to the file, nil when none is

	dirtyRuns   map[event.RunID]dirt
	dirtySeries map[*series]struct{}
	points      int // logged since the last commit began
	cached      int // points in memory
	appliedTo   uint64
	appliedID   string // of the fact at appliedTo
	committedTo uint64
	closed      bool
	failed      error // of the last commit, until one succeeds
	broken      error // of a stored value; ends all
	skipped     int64
	spoiled     int64 // series found damaged
	waiters     map[*waiter]struct{}
}

// state is what is in memory: of runs what lists need, of series those that are written, the small things whole.
type state struct {
	runs        map[event.RunID]*runState
	long        map[string]*runState // those whose ids are clipped in keys, by what is left
	order       []*runState          // by creation
	ranks       []int32              // rows in that order
	hot         []hot                // by row
	codes       coded
	rows        []*runState // by row, nil where a run was deleted
	free        []int       // rows of deleted runs
	words       interned
	gone        map[event.RunID]Deletion
	experiments map[event.ExperimentID]Experiment
	datasets    map[event.Digest]Dataset
	aliases     map[aliasKey]Alias
	prices      []storedPrice
	book        cost.Book
	rules       map[event.RuleID]Rule
	series      map[event.RunID]map[name]*series // those in memory
	byKey       map[string]map[*series]struct{}  // the same, by metric key
	nextNumber  uint64                           // of the next series
}

type aliasKey struct {
	experiment event.ExperimentID
	alias      string
}

// dirt tells which parts of a run a commit must write.
type dirt uint8

const (
	dirtyRecord dirt = 1 << iota
	dirtyLive
	dirtyHead
)

func newState() state {
	return state{
		runs: map[event.RunID]*runState{}, long: map[string]*runState{}, gone: map[event.RunID]Deletion{}, experiments: map[event.ExperimentID]Experiment{},
		datasets: map[event.Digest]Dataset{}, aliases: map[aliasKey]Alias{}, book: cost.Default(), rules: map[event.RuleID]Rule{},
		series: map[event.RunID]map[name]*series{}, byKey: map[string]map[*series]struct{}{}, nextNumber: 1,
	}
}

// Cursor is how far the fold is.
type Cursor struct {
	Applied   uint64 // every read sees the facts up to here
	Committed uint64 // the file holds those up to here: after a crash the log is fed from the next one
}

// Cursor tells how far the fold is.
func (m *Model) Cursor() Cursor {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return Cursor{m.appliedTo, m.committedTo}
}

// Rebuilt tells why Open threw the old file away, "" if it did not.
func (m *Model) Rebuilt() string { return m.rebuilt }

// Stats is the state of the machine room.
type Stats struct {
	Cursor
	FileBytes     int64
	Runs          int
	Series        int   // in memory
	CachedPoints  int   // in memory
	PendingPoints int   // not yet on their way to the file
	Skipped       int64 // facts that could not be folded since Open; the log file says why
	Watchers      int
	Damaged       int64 // series found damaged since Open, by the fold; the log file says which
}

// Stats reports the state of the machine room.
func (m *Model) Stats() Stats {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := Stats{Cursor: Cursor{m.appliedTo, m.committedTo}, Runs: len(m.runs), CachedPoints: m.cached, PendingPoints: m.points, Skipped: m.skipped, Watchers: m.watches.count(), Damaged: m.spoiled}
	for _, of := range m.series {
		s.Series += len(of)
	}
	if !m.closed {
		if tx, err := m.db.Begin(false); err == nil {
			s.FileBytes = tx.Size()
			_ = tx.Rollback()
		}
	}
	return s
}

// file is a read transaction that begins when it is first needed.
type file struct {
	db *bbolt.DB
	tx *bbolt.Tx
}

// begin panics when the file cannot be read any more, which is when it was closed: the model's lock rules that out.
func (f *file) begin() *bbolt.Tx {
	if f.tx == nil {
		tx, err := f.db.Begin(false)
		if err != nil {
			panic(err)
		}
		f.tx = tx
	}
	return f.tx
}

func (f *file) end() {
	if f.tx != nil {
		_ = f.tx.Rollback()
		f.tx = nil
	}
}

// layers lists what lies over the file, newest first. The lock must be held.
func (m *Model) layers() []*layer {
	if m.frozen == nil {
		return []*layer{m.pending}
	}
	return []*layer{m.pending, m.frozen}
}

// read calls fn with a view of everything that was applied. The lock is held meanwhile: fn is short.
func (m *Model) read(fn func(v view) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return ErrClosed
	}
	tx, err := m.db.Begin(false)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	return fn(view{layers: m.layers(), tx: tx})
}
