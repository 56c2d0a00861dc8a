package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Sizes in bytes. They are variables for tests that want many segments of little.
var (
	// MaxBatch is where a batch is cut by itself; one entry may make it longer by MaxRecord.
	MaxBatch = 256 << 10
	// MaxSegment is where a file ends, after the next cut.
	MaxSegment = 8 << 20
	// freeAt is how long a file may be that is sent to its end and still written to.
	freeAt = int64(1 << 20)
)

// maxPerRecord is how many points go into one record at most.
const maxPerRecord = 4096

// ErrFull is returned when the disk takes no more and memory is full: what was to be written was not.
var ErrFull = errors.New("the journal is full")

// Batch is what is sent at once.
type Batch struct {
	Number uint64 // counted from 1 in this journal; Identity.Base is added on the wire
	Points int
	seg    *segment
	from   int64
	to     int64
}

// Bytes is the batch's size in the journal.
func (b Batch) Bytes() int64 { return b.to - b.from }

// Journal is one writer's directory, held by this process. Its methods may be called at once.
type Journal struct {
	dir  string
	lock *os.File
	// memoryLimit bounds what is kept in memory while the disk takes no more.
	memoryLimit int64

	namesMu sync.RWMutex
	names   []name
	byName  map[name]uint32

	mu       sync.Mutex
	id       Identity
	cur      *segment // written to; nil until something is written
	from     int64    // where the batch begins that is not cut yet
	points   int      // in it
	next     uint64   // its number
	gen      uint64   // grows with every batch: names are written once in each
	written  []uint64 // gen in which a name was written last
	segments []*segment
	batches  []Batch // cut and not acknowledged, oldest first
	waiting  int64   // points in them
	memory   int64
	degraded error
	damage   []Damage
	buf      []byte
}

type name struct{ key, context string }

// Damage is a part of a file in which nothing could be read.
type Damage struct {
	File  string
	At    int
	Bytes int
}

// Name makes a number for a key in a context (canonical JSON, "" for none), for use in a Point.
func (j *Journal) Name(key, context string) uint32 {
	n := name{key, context}
	j.namesMu.Lock()
	defer j.namesMu.Unlock()
	id, ok := j.byName[n]
	if !ok {
		id = uint32(len(j.names))
		j.names = append(j.names, n)
		j.byName[n] = id
	}
	return id
}

// Write appends points and entries in their order. When it returns, the operating system has them. n is how many were taken; with fewer
// than all the error is ErrFull.
func (j *Journal) Write(items []Point, entries [][]byte) (n int, err error) {
	j.namesMu.RLock()
	names := j.names
	j.namesMu.RUnlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.written = append(j.written, make([]uint64, len(names)-len(j.written))...)
	for n < len(items) {
		took, err := j.writeSome(items[n:], entries, names)
		if n += took; err != nil {
			return n, err
		}
	}
	return n, nil
}

// writeSome writes what goes into the batch that is open, and cuts it when it is full.
func (j *Journal) writeSome(items []Point, entries [][]byte, names []name) (int, error) {
	j.ensureSegment()
	had := int(j.cur.size - j.from)
	buf, i, points := j.buf[:0], 0, 0
	for i < len(items) && (had+len(buf) < MaxBatch || had+len(buf) == 0) {
		if items[i].Name == IsEntry {
			e := entries[items[i].Step]
			if had+len(buf) > 0 && had+len(buf)+len(e) > MaxBatch {
				had = MaxBatch // full
				break
			}
			at := len(buf)
			buf = endRecord(append(appendHeader(buf, Entry), e...), at)
			i++
			continue
		}
		k := i
		for k < len(items) && items[k].Name != IsEntry && k-i < maxPerRecord && (k == i || had+len(buf)+(k-i)*38 < MaxBatch) {
			if id := items[k].Name; j.written[id] != j.gen {
				j.written[id] = j.gen
				at := len(buf)
				buf = binary.AppendUvarint(appendHeader(buf, Name), uint64(id))
				buf = endRecord(appendString(appendString(buf, names[id].key), names[id].context), at)
			}
			k++
		}
		at := len(buf)
		buf = binary.AppendUvarint(appendHeader(buf, Points), uint64(k-i))
		var before Point
		for _, p := range items[i:k] {
			buf = appendPoint(buf, p, before)
			before = p
		}
		buf = endRecord(buf, at)
		points += k - i
		i = k
	}
	j.buf = buf
	if err := j.append(buf); err != nil {
		j.gen++ // the names were not written after all
		return 0, err
	}
	if len(buf) > 0 && j.cur == nil { // the disk failed: again, into the next segment
		return 0, nil
	}
	j.points += points
	if had+len(buf) >= MaxBatch {
		j.cut()
	}
	return i, nil
}

// append adds bytes to the segment. When the disk takes them not, the segment ends, and with it its batch.
func (j *Journal) append(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if j.cur.f == nil {
		if j.memory+int64(len(b)) > j.memoryLimit {
			return fmt.Errorf("journal: %s: %w: the disk says: %w", j.dir, ErrFull, j.degraded)
		}
		j.memory += int64(len(b))
		return j.cur.append(b)
	}
	if err := j.cur.append(b); err != nil {
		j.degraded = fmt.Errorf("journal: %w", err)
		j.retire()
	}
	return nil
}

// ensureSegment makes a segment when there is none: a file, or memory where the disk takes none.
func (j *Journal) ensureSegment() {
	if j.cur != nil {
		return
	}
	s, err := newSegment(j.dir, j.next)
	if err != nil {
		j.degraded = fmt.Errorf("journal: %w", err)
		s = &segment{first: j.next}
	} else {
		j.degraded = nil
	}
	j.cur, j.from, j.gen = s, s.size, j.gen+1
	j.segments = append(j.segments, s)
}

// Cut ends the batch that is open, so that it can be sent. It tells whether there was one.
func (j *Journal) Cut() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.cut()
}

func (j *Journal) cut() bool {
	s := j.cur
	if s == nil || s.size == j.from {
		return false
	}
	j.batches = append(j.batches, Batch{Number: j.next, Points: j.points, seg: s, from: j.from, to: s.size})
	s.left++
	rec := endRecord(binary.AppendUvarint(appendHeader(nil, Cut), j.next), 0)
	err := s.append(rec)
	if s.f == nil {
		j.memory += int64(len(rec))
	}
	j.waiting += int64(j.points)
	j.next, j.points, j.from, j.gen = j.next+1, 0, s.size, j.gen+1
	switch {
	case err != nil: // the end of the segment cuts as well
		j.degraded = fmt.Errorf("journal: %w", err)
		j.cur = nil
	case s.f == nil, s.size >= int64(MaxSegment): // the next one may find a disk again
		j.cur = nil
	}
	return true
}

// retire ends the segment, and the batch that is open in it.
func (j *Journal) retire() {
	s := j.cur
	if s.size > j.from {
		j.batches = append(j.batches, Batch{Number: j.next, Points: j.points, seg: s, from: j.from, to: s.size})
		s.left++
		j.waiting += int64(j.points)
		j.next++
	}
	j.points, j.gen, j.cur = 0, j.gen+1, nil
	if s.left == 0 {
		j.free(s)
	}
}

// free removes a segment of which nothing is left to send.
func (j *Journal) free(s *segment) {
	j.segments = slices.DeleteFunc(j.segments, func(o *segment) bool { return o == s })
	if s.f == nil {
		j.memory -= int64(len(s.mem))
	}
	if slices.ContainsFunc(j.damage, func(d Damage) bool { return d.File == s.path }) {
		// It stays beside what was refused, for who wants to look at it.
		if j.keep(s) == nil {
			return
		}
	}
	if err := s.remove(); err != nil {
		j.degraded = fmt.Errorf("journal: %w", err)
	}
}

func (j *Journal) keep(s *segment) error {
	dir := filepath.Join(j.dir, refusedName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return errors.Join(os.Rename(s.path, filepath.Join(dir, filepath.Base(s.path))), s.close())
}

// Next is the oldest batch that is cut and not acknowledged.
func (j *Journal) Next() (Batch, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.batches) == 0 {
		return Batch{}, false
	}
	return j.batches[0], true
}

// Load reads a batch. Call it only while the batch is not acknowledged.
func (j *Journal) Load(b Batch) (Contents, error) {
	raw, err := b.seg.read(b.from, b.to)
	if err != nil {
		return Contents{}, fmt.Errorf("journal: batch %d: %w", b.Number, err)
	}
	return Parse(raw), nil
}

// Acknowledge forgets the batches up to a number: the tracker has them, or they were set aside. Files of which nothing is left are deleted.
func (j *Journal) Acknowledge(upTo uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.batches) > 0 && j.batches[0].Number <= upTo {
		b := j.batches[0]
		j.batches = j.batches[1:]
		j.waiting -= int64(b.Points)
		b.seg.left--
		if b.seg.left > 0 {
			continue
		}
		if b.seg != j.cur {
			j.free(b.seg)
		} else if j.from == j.cur.size && j.cur.size >= freeAt {
			j.retire()
		}
	}
}

// Sync makes everything durable that was written before.
func (j *Journal) Sync() error {
	j.mu.Lock()
	type at struct {
		s    *segment
		size int64
	}
	var dirty []at
	for _, s := range j.segments {
		if s.f != nil && s.synced.Load() < s.size {
			dirty = append(dirty, at{s, s.size})
		}
	}
	j.mu.Unlock()
	for _, d := range dirty {
		born := d.s.synced.Load() == 0
		err := d.s.sync(d.size)
		if err == nil && born {
			err = syncDir(j.dir)
		}
		if err != nil && !errors.Is(err, os.ErrClosed) { // closed: it was sent to its end meanwhile
			return fmt.Errorf("journal: %w", err)
		}
	}
	return nil
}

// Left is what waits: batches and their points, points that are not in a batch yet, and whether anything is.
func (j *Journal) Left() (batches int, points int64, any bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	open := j.cur != nil && j.cur.size > j.from
	return len(j.batches), j.waiting + int64(j.points), open || len(j.batches) > 0
}

// Written is the number of the newest batch, cut or not; 0 when there has been none.
func (j *Journal) Written() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.cur != nil && j.cur.size > j.from {
		return j.next
	}
	return j.next - 1
}

// Degraded is why the journal is in memory, nil when it is on the disk.
func (j *Journal) Degraded() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.degraded
}

// Damage is what could not be read when the journal was opened.
func (j *Journal) Damage() []Damage { return j.damage }

// Close gives the directory back, with what is in it.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var errs []error
	for _, s := range j.segments {
		if s.f != nil && s.synced.Load() < s.size {
			errs = append(errs, s.f.Sync())
		}
		errs = append(errs, s.close())
	}
	j.segments, j.cur, j.batches = nil, nil, nil
	return errors.Join(append(errs, j.lock.Close())...)
}
