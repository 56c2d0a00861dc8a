package readmodel

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"millrace/event"
)

// runState is a run in memory: its head, and its whole record while it is in use. What it holds but the atomics changes under the model's
// lock only.
type runState struct {
	row int // its place in columns, which it keeps while it is there
	head
	// full is the whole record but for HeartbeatAt, nil when it must be read from the file first. The Run it points at is never
	// changed, only replaced.
	full   atomic.Pointer[Run]
	used   atomic.Bool // since the cache last looked
	pinned bool        // not in the file yet as it is here
	cached bool        // in the cache; guarded by the cache's lock, as is size
	size   int         // bytes of the record, about, when it came into the cache
	// changed is the place in the log of the newest fact since Open that changed more than its heartbeat, metrics, console and usage.
	changed uint64
}

// The cache of whole records: how many, and about how many bytes of them.
const (
	maxRecords     = 2048
	maxRecordBytes = 32 << 20
)

// records bounds how many whole records of runs are in memory beside those that wait for a commit. Those that were not used lately go first.
type records struct {
	mu    sync.Mutex
	ring  []*runState
	hand  int
	bytes int
}

// add lets a run whose record is in memory be forgotten later. The model's lock must be held, for reading at least.
func (c *records) add(st *runState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	full := st.full.Load()
	if st.cached || full == nil {
		return
	}
	st.cached, st.size = true, 2000+len(full.Spec.Config)+len(full.Note)
	for len(c.ring) > 0 && (len(c.ring) >= maxRecords || c.bytes+st.size > maxRecordBytes) {
		c.evict()
	}
	c.bytes += st.size
	c.ring = append(c.ring, st)
}

// evict forgets one record, or leaves one that waits for a commit to add, which comes after it.
func (c *records) evict() {
	for range c.ring {
		c.hand %= len(c.ring)
		if !c.ring[c.hand].used.Swap(false) {
			break
		}
		c.hand++
	}
	c.hand %= len(c.ring)
	st := c.ring[c.hand]
	last := len(c.ring) - 1
	c.ring[c.hand], c.ring[last] = c.ring[last], nil
	c.ring = c.ring[:last]
	st.cached = false
	c.bytes -= st.size
	if !st.pinned {
		st.full.Store(nil)
	}
}

// live is the part of a run that changes all the time; it is stored apart so that progress does not rewrite a config.
type live struct {
	Heartbeats map[event.WriterID]time.Time `json:"heartbeats,omitempty"`
	Progress   *event.RunProgressed         `json:"progress,omitempty"`
	ProgressAt time.Time                    `json:"progress_at,omitzero"`
	Usage      *event.UsageSampled          `json:"usage,omitempty"`
	Spent      []Spending                   `json:"spent,omitempty"`
	Kept       Kept                         `json:"kept,omitzero"`
}

// split parts a run into what is stored in tableRun and in tableLive.
func (r *Run) split() (Run, live) {
	record := *r
	l := live{r.Heartbeats, r.Progress, r.ProgressAt, r.Usage, r.Spent, r.Kept}
	record.HeartbeatAt, record.Heartbeats, record.Progress, record.ProgressAt, record.Usage, record.Spent, record.Kept = time.Time{}, nil, nil, time.Time{}, nil, nil, Kept{}
	return record, l
}

// record returns a run's whole record, from memory or from the file, and keeps it for a while. The model's lock must be held, for reading
// at least. A record that cannot be read is an error with the word "damaged"; what the head tells is still good.
func (m *Model) record(v view, st *runState) (*Run, error) {
	if full := st.full.Load(); full != nil {
		st.used.Store(true)
		return full, nil
	}
	full, err := readRecord(v, st.id)
	if err != nil {
		return nil, fmt.Errorf("run %q is damaged: %w: delete %s and start again, it is rebuilt from the log", st.id, err, m.path)
	}
	st.full.Store(full)
	m.records.add(st)
	return full, nil
}

// readRecord reads both parts of a run's record from the file.
func readRecord(v view, id event.RunID) (*Run, error) {
	key := parts(string(id))
	raw := v.bucket(tableRun).Get(append(appendPart(nil, ""), key...))
	if raw == nil {
		return nil, errors.New("its record is missing")
	}
	var r Run
	if err := unseal(raw, &r); err != nil {
		return nil, fmt.Errorf("its record: %w", err)
	}
	if raw = v.bucket(tableLive).Get(append(appendPart(nil, ""), key...)); raw != nil {
		var l live
		if err := unseal(raw, &l); err != nil {
			return nil, fmt.Errorf("its progress and usage: %w", err)
		}
		r.Heartbeats, r.Progress, r.ProgressAt, r.Usage, r.Spent, r.Kept = l.Heartbeats, l.Progress, l.ProgressAt, l.Usage, l.Spent, l.Kept
	}
	return &r, nil
}

// unseal checks a value of the file and decodes its JSON.
func unseal(raw []byte, into any) error {
	value, err := unsealed(raw)
	if err != nil {
		return err
	}
	return json.Unmarshal(value, into)
}

// seal encodes a value for the file. Configurations keep their bytes: '<' stays '<'.
func seal(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return sealed(bytes.TrimSuffix(out.Bytes(), []byte("\n"))), nil
}

// snapshot is a run as it is now. One that is damaged is what is known of it, and says so in Damaged. The lock must be held.
func (m *Model) snapshot(v view, st *runState) Run {
	full, err := m.record(v, st)
	if err != nil {
		m.log.Error("the record of a run cannot be read", "run", st.id, "err", err)
		r := st.run()
		r.Damaged = err.Error()
		return r
	}
	r := *full
	r.HeartbeatAt = st.heartbeat
	return r
}
