package readmodel

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"millrace/event"
)

// Options says what is folded and how often it is written down. The zero value works.
type Options struct {
	// Identity names the stream, so that no other one is mistaken for it: a file that was folded from another is rebuilt.
	Identity string
	// LastSeq is the stream's last sequence; a file whose cursor lies beyond it is rebuilt. Nil: not checked.
	LastSeq *uint64
	// FactAt tells the id of the stream's fact at a place, "" when there is none; known is false where the stream no longer reaches
	// back so far. A file whose last fact is another one there is
	// rebuilt: the stream was cut short, by a power cut or a damaged disk, and has grown again. Nil: not checked.
	FactAt func(seq uint64) (id string, known bool, err error)
	// CommitEvery is how long an applied fact may wait for the file; 0 means 50 ms. Readers do not wait.
	CommitEvery time.Duration
	// CommitPoints is how many uncommitted points make Apply wait for the commit; 0 means 200,000.
	CommitPoints int
	// CachePoints is how many points of series are kept in memory at most, 24 bytes each, and 64 times how many series; 0 means 4,194,304.
	CachePoints int
	// Temporary is for a file that is not to outlive its process: nothing is fsynced, and Close writes nothing.
	Temporary bool
	// Log hears of rebuilds, skipped facts and failed commits; nil means slog.Default().
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.CommitEvery <= 0 {
		o.CommitEvery = 50 * time.Millisecond
	}
	if o.CommitPoints <= 0 {
		o.CommitPoints = 200_000
	}
	if o.CachePoints <= 0 {
		o.CachePoints = 4 << 20
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Open opens or makes the file, and rebuilds it (that is, begins an empty one) when its layout is not this version's, when it was folded from
// another stream, when it is ahead of the stream, and when it is damaged; a damaged file is kept beside as "<path>.damaged". The
// caller feeds the log from Cursor().Committed+1. Errors: ErrLocked; whatever the file system says.
func Open(path string, o Options) (*Model, error) {
	o = o.withDefaults()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("readmodel: open %s: %w", path, err)
	}
	m := &Model{
		path: path, options: o, log: o.Log.With("file", path),
		kick: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
		dirtyRuns: map[event.RunID]dirt{}, dirtySeries: map[*series]struct{}{}, waiters: map[*waiter]struct{}{},
		pending: newLayer(), state: newState(),
	}
	m.room = sync.NewCond(&m.mu)
	why, err := m.openFile()
	if err != nil {
		return nil, err
	}
	if why != "" {
		m.log.Warn("the read model is rebuilt from the log", "because", why)
		m.rebuilt, m.state, m.committedTo = why, newState(), 0
		again, err := m.openFile()
		if err != nil {
			return nil, err
		}
		if again != "" {
			return nil, fmt.Errorf("readmodel: open %s: a fresh file is no good: %s", path, again)
		}
	}
	m.appliedTo = m.committedTo
	go m.commitLoop()
	return m, nil
}

// openFile opens and loads the file. When it must not be used it is put out of the way and the reason returned.
func (m *Model) openFile() (why string, err error) {
	db, err := openBolt(m.path, m.options.Temporary)
	if err != nil {
		if errors.Is(err, bolterrors.ErrTimeout) {
			return "", fmt.Errorf("readmodel: open %s: %w; stop that process or give this one its own data folder", m.path, ErrLocked)
		}
		if !isDamage(err) {
			return "", fmt.Errorf("readmodel: open %s: %w", m.path, err)
		}
		return m.setAside(nil, "the file is damaged: "+err.Error(), true)
	}
	m.db = db
	why, err = m.begin()
	if err != nil {
		return m.setAside(db, "the file is damaged: "+err.Error(), true)
	}
	if why != "" {
		return m.setAside(db, why, false)
	}
	return "", nil
}

// damage is a fault of the file, found by bbolt's panics or by a fault of the memory map (a truncated file).
type damage struct{ what any }

func (d damage) Error() string { return fmt.Sprint(d.what) }

func isDamage(err error) bool {
	var d damage
	return errors.As(err, &d) || errors.Is(err, bolterrors.ErrInvalid) || errors.Is(err, bolterrors.ErrVersionMismatch) || errors.Is(err, bolterrors.ErrChecksum)
}

// guarded turns panics and memory faults inside fn, which reads an untrusted file, into errors.
func guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = damage{r}
		}
	}()
	return fn()
}

func openBolt(path string, temporary bool) (db *bbolt.DB, err error) {
	err = guarded(func() error {
		db, err = bbolt.Open(path, 0o644, &bbolt.Options{
			Timeout:         time.Second,
			FreelistType:    bbolt.FreelistMapType,
			InitialMmapSize: addressSpace(),
			NoStatistics:    true,
			NoSync:          temporary,
			NoGrowSync:      temporary,
		})
		return err
	})
	return db, err
}

// addressSpace is how much of it to set aside for the file: growing the map has to wait for readers, so it should be rare. On Windows the
// file would be made that long.
func addressSpace() int {
	if runtime.GOOS == "windows" {
		return 0
	}
	return 1 << 30
}

// setAside closes the file and removes it, or keeps a damaged one for whoever wants to know.
func (m *Model) setAside(db *bbolt.DB, why string, damaged bool) (string, error) {
	if db != nil {
		_ = guarded(db.Close)
	}
	var err error
	if damaged {
		err = os.Rename(m.path, m.path+".damaged")
	} else {
		err = os.Remove(m.path)
	}
	if err != nil {
		return "", fmt.Errorf("readmodel: %s cannot be rebuilt (%s): %w", m.path, why, err)
	}
	return why, nil
}

// begin makes the buckets of a new file, or checks and loads an old one. why says that it must be rebuilt.
func (m *Model) begin() (why string, err error) {
	err = guarded(func() error {
		why, err = m.check()
		if err != nil || why != "" {
			return err
		}
		return m.db.View(m.load)
	})
	return why, err
}

var (
	metaVersion  = []byte("version")
	metaIdentity = []byte("identity")
	metaCursor   = []byte("cursor")
	metaFact     = []byte("fact")
	metaNumber   = []byte("next series")
)

// check compares the file with what is wanted, and makes the buckets of an empty one.
func (m *Model) check() (why string, err error) {
	fresh := false
	err = m.db.View(func(tx *bbolt.Tx) error {
		if info, err := os.Stat(m.path); err == nil && info.Size() < tx.Size() {
			return damage{fmt.Sprintf("%d bytes, want %d", info.Size(), tx.Size())}
		}
		meta := tx.Bucket([]byte(layout[tableMeta].name))
		if meta == nil {
			fresh = true
			return nil
		}
		if v, _ := binary.Uvarint(meta.Get(metaVersion)); v != version {
			why = fmt.Sprintf("its layout is version %d, this program's is %d", v, version)
			return nil
		}
		if is := string(meta.Get(metaIdentity)); is != m.options.Identity {
			why = fmt.Sprintf("it was folded from stream %q, this one is %q", is, m.options.Identity)
			return nil
		}
		cursor, _ := binary.Uvarint(meta.Get(metaCursor))
		if last := m.options.LastSeq; last != nil && cursor > *last {
			why = fmt.Sprintf("it is ahead of the stream: it has folded %d facts, the stream has %d", cursor, *last)
			return nil
		}
		if m.options.FactAt != nil && cursor > 0 {
			is, known, err := m.options.FactAt(cursor)
			if err != nil {
				return err
			}
			if was := string(meta.Get(metaFact)); known && was != is {
				why = fmt.Sprintf("its last fact, %q at %d, is %q in the stream: the stream was cut short and has grown again", was, cursor, is)
				return nil
			}
		}
		for _, t := range layout {
			if tx.Bucket([]byte(t.name)) == nil {
				return damage{"bucket " + t.name + " is missing"}
			}
		}
		return nil
	})
	if err != nil || !fresh {
		return why, err
	}
	return "", m.db.Update(func(tx *bbolt.Tx) error {
		for _, t := range layout {
			if _, err := tx.CreateBucketIfNotExists([]byte(t.name)); err != nil {
				return err
			}
		}
		meta := tx.Bucket([]byte(layout[tableMeta].name))
		if err := meta.Put(metaVersion, binary.AppendUvarint(nil, version)); err != nil {
			return err
		}
		return meta.Put(metaIdentity, []byte(m.options.Identity))
	})
}

// load reads what is kept in memory.
func (m *Model) load(tx *bbolt.Tx) error {
	meta := tx.Bucket([]byte(layout[tableMeta].name))
	m.committedTo, _ = binary.Uvarint(meta.Get(metaCursor))
	m.appliedID = string(meta.Get(metaFact))
	if n, k := binary.Uvarint(meta.Get(metaNumber)); k > 0 {
		m.nextNumber = n
	}
	v := view{tx: tx}
	if err := m.loadRuns(v); err != nil {
		return err
	}
	return errors.Join(
		each(v, tableGone, func(d Deletion, _ []byte) { m.gone[d.Run] = d }),
		each(v, tableExperiment, func(x Experiment, _ []byte) { m.experiments[x.ID] = x }),
		each(v, tableDataset, func(d Dataset, _ []byte) { m.datasets[d.Dataset] = d }),
		each(v, tableAlias, func(a Alias, _ []byte) { m.aliases[aliasKey{a.Experiment, a.Alias}] = a }),
		each(v, tableRule, func(r Rule, _ []byte) { m.rules[r.Rule] = r }),
		each(v, tablePrice, func(p storedPrice, _ []byte) { m.addPrice(p) }),
	)
}

// each decodes every value of a table whose groups are all "".
func each[T any](v view, t table, fn func(x T, rest []byte)) (err error) {
	v.scan(t, "", span{}, func(rest, value []byte) bool {
		var x T
		if err = json.Unmarshal(value, &x); err != nil {
			err = fmt.Errorf("%s %q: %w", layout[t].name, rest, err)
			return false
		}
		fn(x, rest)
		return true
	})
	return err
}

// loadRuns reads the heads of all runs. One that is damaged is made again from the run's record; where that is damaged too nothing is known
// of the run but its id, and the log says so.
func (m *Model) loadRuns(v view) error {
	var states []runState // side by side, as lists look at them
	v.scan(tableHead, "", span{}, func(rest, raw []byte) bool {
		h := m.parseHead(v, rest, raw)
		if len(states) == 0 {
			states = make([]runState, 1024)
		}
		st := &states[0]
		states = states[1:]
		st.head, st.row = h, len(m.rows)
		m.runs[h.id] = st
		if len(h.id) > maxPart {
			m.long[clip(string(h.id))] = st
		}
		m.order, m.rows, m.hot = append(m.order, st), append(m.rows, st), append(m.hot, m.hotOf(st))
		return true
	})
	slices.SortFunc(m.order, byCreation)
	m.ranks = make([]int32, len(m.order))
	for i, st := range m.order {
		m.ranks[i] = int32(st.row)
	}
	return nil
}

func (m *Model) parseHead(v view, rest, raw []byte) head {
	b, err := unsealed(raw)
	if err == nil {
		var h head
		if h, err = parseHead(b, &m.words); err == nil {
			return h
		}
	}
	id, _, _ := cutPart(rest)
	full, bad := readRecord(v, event.RunID(id))
	if bad != nil {
		m.log.Error("a run is damaged, and nothing is known of it", "run", id, "err", err, "record", bad, "do", "delete the file and start again: it is rebuilt from the log")
		full = &Run{ID: event.RunID(id), Bare: true}
	} else {
		m.log.Warn("a part of a run is damaged and was made again", "run", id, "err", err)
	}
	h := headOf(full)
	h.heartbeat = later(full.UpdatedAt, full.ProgressAt)
	return h
}

// storedPrice is a line of the price book and its place in the log.
type storedPrice struct {
	Seq uint64 `json:"seq"`
	event.PriceSet
}

// addPrice adds a line to the book in memory; one that cannot be applied is kept in the file only.
func (m *Model) addPrice(p storedPrice) {
	m.prices = append(m.prices, p)
	line, err := PriceLine(p.PriceSet)
	if err != nil {
		return
	}
	m.book = append(m.book[:len(m.book):len(m.book)], line)
	m.priced.books = nil
}

// Close commits what is pending (unless the file is temporary), ends watchers and waiters, and closes the file.
func (m *Model) Close() error {
	var err error
	m.once.Do(func() {
		close(m.stop)
		<-m.stopped
		if !m.options.Temporary {
			err = m.Commit()
		}
		m.mu.Lock()
		m.closed = true
		m.wakeWaiters(true)
		m.room.Broadcast()
		m.mu.Unlock()
		m.watches.close()
		if closing := m.db.Close(); err == nil {
			err = closing
		}
	})
	if err != nil {
		return fmt.Errorf("readmodel: close %s: %w", m.path, err)
	}
	return nil
}

// clampTime makes a publisher's time one that JSON can hold.
func clampTime(t time.Time) time.Time {
	if y := t.UTC().Year(); y < 0 || y > 9999 {
		return time.Unix(0, 0).UTC()
	}
	return t.UTC()
}

// finite replaces what JSON cannot hold.
func finite(v *float64) *float64 {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return nil
	}
	return v
}
