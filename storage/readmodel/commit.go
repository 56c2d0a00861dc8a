package readmodel

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"

	"go.etcd.io/bbolt"

	"millrace/event"
)

// nearlyFull is how full pages are made of tables whose new keys come at the end, as the ids of runs do.
const nearlyFull = 0.9

// maxPendingBytes is how much may wait in a layer before Apply waits for the commit.
const maxPendingBytes = 64 << 20

// carried is what one commit takes to the file.
type carried struct {
	layer  *layer
	seq    uint64
	id     string // of the fact at seq
	number uint64
	runs   map[event.RunID]carriedRun
	series []carriedSeries
}

type carriedRun struct {
	state *runState
	head  head
	run   *Run // nil where only the head is carried
	dirt  dirt
}

type carriedSeries struct {
	series  *series
	last    []byte // its summary, encoded
	chunks  []carriedChunk
	blocks  []blockID
	encoded [][]byte // the blocks
}

type carriedChunk struct {
	chunk   *chunk
	lower   bound
	columns columns
	isTail  bool
	packed  []byte // as in chunk
	next    int
	edits   int
}

// encode packs a chunk on from where it was.
func (c *carriedChunk) encode() []byte {
	n := c.columns.len()
	if c.next == 0 {
		c.packed, c.next = nil, 1
	}
	if whole := n - (n-c.next)%blockPoints; n > c.next && whole > c.next {
		c.packed = appendBlocks(c.packed[:len(c.packed):len(c.packed)], c.columns, c.next, whole)
		c.next = whole
	}
	return appendChunkAfter(nil, c.columns, c.packed, c.next)
}

// commitLoop carries what was applied to the file, every CommitEvery while there is something, and sooner when asked.
func (m *Model) commitLoop() {
	defer close(m.stopped)
	tick := time.NewTicker(m.options.CommitEvery)
	defer tick.Stop()
	looked := time.Time{} // at once: all heads were read a moment ago
	for {
		select {
		case <-m.stop:
			return
		case <-tick.C:
		case <-m.kick:
		}
		if time.Since(looked) > residentEvery {
			if looked = time.Now(); residentPages() > maxResident {
				if err := letGo(m.db); err != nil {
					m.log.Warn("pages of the read model's file stay in memory", "err", err)
				}
			}
		}
		if err := m.Commit(); err != nil {
			m.log.Error("the read model cannot be written; facts are kept in memory and it is tried again", "err", err)
		}
	}
}

// Commit carries everything applied so far to the file and waits until it is there. The cursor goes with it, in one
// transaction.
func (m *Model) Commit() error {
	m.commits.Lock()
	defer m.commits.Unlock()
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return ErrClosed
	}
	if m.appliedTo == m.committedTo {
		m.mu.Unlock()
		return nil
	}
	c := m.freeze()
	m.mu.Unlock()

	err := m.db.Update(c.write)

	m.mu.Lock()
	defer m.mu.Unlock()
	m.frozen = nil
	m.failed = err
	if err != nil {
		m.failed = fmt.Errorf("readmodel: write %s: %w", m.path, err)
		m.takeBack(c)
	} else {
		m.committedTo = c.seq
		for id, r := range c.runs {
			if m.runs[id] == r.state && m.dirtyRuns[id]&(dirtyRecord|dirtyLive) == 0 {
				r.state.pinned = false
				m.records.add(r.state)
			}
		}
		for _, s := range c.series {
			s.series.commits--
			for _, ch := range s.chunks {
				if ch.isTail && ch.edits == ch.chunk.edits {
					ch.chunk.packed, ch.chunk.next = ch.packed, ch.next
				}
			}
			if m.series[s.series.name.run][s.series.name] == s.series { // not deleted or rewound meanwhile
				m.trim(s.series)
			}
		}
		m.evict()
	}
	m.room.Broadcast()
	return m.failed
}

// freeze takes what is pending for a commit and begins a new layer. The lock must be held. Columns are taken as they are, not
// copied: from now on the fold copies before it inserts.
func (m *Model) freeze() carried {
	c := carried{layer: m.pending, seq: m.appliedTo, id: m.appliedID, number: m.nextNumber, runs: map[event.RunID]carriedRun{}}
	m.frozen, m.pending = m.pending, newLayer()
	for id, d := range m.dirtyRuns {
		if st := m.runs[id]; st != nil {
			c.runs[id] = carriedRun{st, st.head, st.full.Load(), d}
		}
	}
	m.dirtyRuns = map[event.RunID]dirt{}
	for s := range m.dirtySeries {
		c.series = append(c.series, s.freeze())
	}
	m.dirtySeries = map[*series]struct{}{}
	m.points = 0
	return c
}

func (s *series) freeze() carriedSeries {
	c := carriedSeries{series: s, last: appendSummary(nil, s.number, s.summary)}
	for ch := range s.chunks() {
		if ch.dirty {
			ch.dirty = false
			ch.shared.Store(true)
			c.chunks = append(c.chunks, carriedChunk{ch, ch.lower, ch.slice(0, ch.len()), ch == s.tail, ch.packed, ch.next, ch.edits})
		}
	}
	for id, b := range s.blocks {
		if b.dirty {
			b.dirty = false
			c.blocks = append(c.blocks, id)
			c.encoded = append(c.encoded, appendBlock(nil, id, &b.block))
		}
	}
	s.dirty = false
	s.commits++
	return c
}

// chunks yields the chunks in memory, in no order.
func (s *series) chunks() func(yield func(*chunk) bool) {
	return func(yield func(*chunk) bool) {
		if s.tail != nil && !yield(s.tail) {
			return
		}
		for _, c := range s.loaded {
			if !yield(c) {
				return
			}
		}
	}
}

// takeBack makes what a failed commit carried pending again. The lock must be held.
func (m *Model) takeBack(c carried) {
	c.layer.under(m.pending)
	for id, r := range c.runs {
		if m.runs[id] != nil {
			m.dirtyRuns[id] |= r.dirt
		}
	}
	for _, cs := range c.series {
		s := cs.series
		s.commits--
		if m.series[s.name.run][s.name] != s {
			continue // its run was deleted or rewound meanwhile
		}
		for _, ch := range cs.chunks {
			ch.chunk.dirty = true
		}
		for _, id := range cs.blocks {
			if b := s.blocks[id]; b != nil {
				b.dirty = true
			}
		}
		m.touch(s)
	}
}

// touch marks a series for the next commit. The lock must be held.
func (m *Model) touch(s *series) {
	s.dirty = true
	m.dirtySeries[s] = struct{}{}
	m.measured(s.name.run, s.name.key)
}

// write puts everything into the file, cursor included.
func (c carried) write(tx *bbolt.Tx) error {
	// Chunks first: bbolt's cursors do not find their way among pages that the same transaction has emptied.
	if err := c.writeChunks(tx); err != nil {
		return err
	}
	if err := c.layer.write(tx); err != nil {
		return err
	}
	if err := c.writeRuns(tx); err != nil {
		return err
	}
	if err := c.writeSeries(tx); err != nil {
		return err
	}
	meta := tx.Bucket([]byte(layout[tableMeta].name))
	if err := meta.Put(metaNumber, binary.AppendUvarint(nil, c.number)); err != nil {
		return err
	}
	if err := meta.Put(metaFact, []byte(c.id)); err != nil {
		return err
	}
	return meta.Put(metaCursor, binary.AppendUvarint(nil, c.seq))
}

func (c carried) writeRuns(tx *bbolt.Tx) error {
	bucket := func(t table) *bbolt.Bucket { return tx.Bucket([]byte(layout[t].name)) }
	heads, records, lives := bucket(tableHead), bucket(tableRun), bucket(tableLive)
	for _, b := range []*bbolt.Bucket{heads, records, lives} {
		b.FillPercent = nearlyFull
	}
	for _, id := range slices.Sorted(maps.Keys(c.runs)) {
		r := c.runs[id]
		key := append(appendPart(nil, ""), parts(string(id))...)
		if err := heads.Put(key, sealed(appendHead(nil, &r.head))); err != nil {
			return err
		}
		if r.dirt&(dirtyRecord|dirtyLive) == 0 {
			continue
		}
		record, alive := r.run.split()
		if r.dirt&dirtyRecord != 0 {
			if err := putSealed(records, key, record); err != nil {
				return err
			}
		}
		if r.dirt&dirtyLive != 0 {
			if err := putSealed(lives, key, alive); err != nil {
				return err
			}
		}
	}
	return nil
}

func putSealed(b *bbolt.Bucket, key []byte, v any) error {
	value, err := seal(v)
	if err != nil {
		return err
	}
	return b.Put(key, value)
}

func (c carried) writeChunks(tx *bbolt.Tx) error {
	sort.Slice(c.series, func(i, j int) bool { return c.series[i].series.number < c.series[j].series.number })
	shelf := shelfOf(tx)
	for _, s := range c.series {
		for i := range s.chunks {
			ch, put := &s.chunks[i], shelf.put
			if ch.isTail {
				put = shelf.putTail
			}
			if err := put(s.series.name, s.series.number, ch.lower, ch.encode()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c carried) writeSeries(tx *bbolt.Tx) error {
	last, blocks := tx.Bucket([]byte(layout[tableLast].name)), tx.Bucket([]byte(layout[tableBlock].name))
	last.FillPercent, blocks.FillPercent = nearlyFull, nearlyFull
	for _, s := range c.series {
		n, head := s.series.name, appendPart(nil, s.series.group())
		if err := last.Put(append(appendPart(nil, n.key), n.inKey()...), s.last); err != nil {
			return err
		}
		for i, id := range s.blocks {
			key := append(head[:len(head):len(head)], id.rest()...)
			if err := blocks.Put(key, s.encoded[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// trim forgets the clean chunks of a series but its last, and the clean blocks but the newest of each level, which the next
// sealed chunk will touch again. The lock must be held.
func (m *Model) trim(s *series) {
	if s.commits > 0 {
		return
	}
	for lower, c := range s.loaded {
		if !c.dirty {
			m.cached -= c.len()
			delete(s.loaded, lower)
		}
	}
	s.trimBlocks()
}

// evict forgets whole series while there are too many points or series in memory, those first that were not written for
// longest. The lock must be held.
func (m *Model) evict() {
	limit := m.options.CachePoints
	count := 0
	for _, of := range m.series {
		count += len(of)
	}
	if m.cached <= limit && count <= limit/64 {
		return
	}
	m.cached = 0
	all := make([]*series, 0, count)
	for _, of := range m.series {
		for _, s := range of {
			for c := range s.chunks() {
				m.cached += c.len()
			}
			all = append(all, s)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].touched < all[j].touched })
	for _, s := range all {
		if m.cached <= limit/4*3 && count <= limit/128 {
			return
		}
		if s.dirty || s.commits > 0 {
			continue
		}
		for c := range s.chunks() {
			m.cached -= c.len()
		}
		m.forget(s)
		count--
	}
}

func (s *series) trimBlocks() {
	newest := map[uint8]int64{}
	for id := range s.blocks {
		if at, ok := newest[id.level]; !ok || id.index > at {
			newest[id.level] = id.index
		}
	}
	for id, b := range s.blocks {
		if !b.dirty && id.index != newest[id.level] {
			delete(s.blocks, id)
		}
	}
}

// forget drops a series from memory. The lock must be held.
func (m *Model) forget(s *series) {
	delete(m.series[s.name.run], s.name)
	if len(m.series[s.name.run]) == 0 {
		delete(m.series, s.name.run)
	}
	delete(m.byKey[s.name.key], s)
	if len(m.byKey[s.name.key]) == 0 {
		delete(m.byKey, s.name.key)
	}
	delete(m.dirtySeries, s)
}
