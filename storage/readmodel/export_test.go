package readmodel

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"millrace/event"
)

// The codecs, for golden bytes and fuzzing.
var (
	ErrChunk   = errChunk
	ErrBlock   = errBlock
	ErrSummary = errSummary
)

// SiftRows has conditions asked of so many runs at a time until the test is over.
func SiftRows(t *testing.T, n int) {
	was := siftRows
	siftRows = n
	t.Cleanup(func() { siftRows = was })
}

// EncodeChunk and DecodeChunk are the chunk format.
func EncodeChunk(steps, times []int64, values []float64) []byte {
	return appendChunk(nil, columns{steps, times, values})
}

func DecodeChunk(b []byte) (steps, times []int64, values []float64, err error) {
	c, err := parseChunk(b)
	return c.steps, c.times, c.values, err
}

// RecodeBlock and RecodeSummary read a value and write it again.
func RecodeBlock(level uint8, index int64, b []byte) ([]byte, error) {
	id := blockID{level, index}
	k, err := parseBlock(id, b)
	if err != nil {
		return nil, err
	}
	return appendBlock(nil, id, k), nil
}

func RecodeSummary(b []byte) ([]byte, error) {
	n, s, err := parseSummary(b)
	if err != nil {
		return nil, err
	}
	return appendSummary(nil, n, s), nil
}

// GoldenBlock and GoldenSummary encode what a few points make.
func GoldenBlock() []byte {
	b := &block{}
	for _, p := range []point{{0, 1000, 1.5}, {3, 4000, -2}, {130, 131000, 7}} {
		_, place := blockOf(p.step, 2)
		b.present |= 1 << place
		b.buckets[place].add(p)
	}
	return appendBlock(nil, blockID{2, 0}, b)
}

func GoldenSummary() []byte {
	var s summary
	for _, p := range []point{{5, 5000, 1.5}, {-1, 0, 2}, {9, 9000, 0.25}} {
		s.add(p)
	}
	return appendSummary(nil, 7, s)
}

// Checked puts the right checksum behind a value.
func Checked(body []byte) []byte {
	return binary.LittleEndian.AppendUint32(append([]byte(nil), body...), crc32.Checksum(body, castagnoli))
}

// AppendPart and CutPart are the coding of strings in keys.
func AppendPart(s string) []byte                        { return appendPart(nil, s) }
func CutPart(b []byte) (s string, rest []byte, ok bool) { return cutPart(b) }

// LimitFile makes commits fail that would grow the file beyond so many bytes: a full disk.
func (m *Model) LimitFile(bytes int) {
	m.commits.Lock()
	defer m.commits.Unlock()
	m.db.MaxSize = bytes
}

// SetVersion makes the file one of another layout.
func (m *Model) SetVersion(v byte) error {
	tx, err := m.db.Begin(true)
	if err != nil {
		return err
	}
	if err := tx.Bucket([]byte("meta")).Put(metaVersion, []byte{v}); err != nil {
		return err
	}
	return tx.Commit()
}

// StoredChunks returns the encoded chunks of a run's series of a key as they lie in the file, the last one last.
func (m *Model) StoredChunks(run event.RunID, key string) (out [][]byte) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	tx, err := m.db.Begin(false)
	if err != nil {
		panic(err)
	}
	defer func() { _ = tx.Rollback() }()
	v := view{layers: m.layers(), tx: tx}
	for _, n := range v.names(run) {
		if n.key != key {
			continue
		}
		number, _, err := parseSummary(v.get(tableLast, n.key, n.inKey()))
		if err != nil {
			panic(err)
		}
		w := v.shelf().stored(n, number, floor)
		for _, raw, ok := w.next(); ok; _, raw, ok = w.next() {
			out = append(out, append([]byte(nil), raw...))
		}
	}
	return out
}

// StoredSummary returns the encoded summary of a run's series of a key as it lies in the file.
func (m *Model) StoredSummary(run event.RunID, key string) []byte {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := name{run: run, key: key, writer: "w"}
	var out []byte
	_ = m.db.View(func(tx *bbolt.Tx) error {
		out = append(out, view{tx: tx}.get(tableLast, n.key, n.inKey())...)
		return nil
	})
	return out
}

// InMemory tells how many series of a run are in memory.
func (m *Model) InMemory(run event.RunID) int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.series[run])
}

// Damage overwrites a part of a file.
func Damage(path string, at int64, with []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(with, at)
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}

// Sealed puts the version before and the right checksum after a chunk's body.
func Sealed(body []byte) []byte {
	b := append([]byte{chunkVersion}, body...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// EncodeColumn and DecodeColumn are the packing of numbers.
func EncodeColumn(xs []int64, at, step int64) []byte { return appendColumn(nil, xs, line{at, step}) }

func DecodeColumn(b []byte, n int, at, step int64) ([]int64, []byte, bool) {
	xs := make([]int64, n)
	rest, ok := cutColumn(b, xs, line{at, step})
	return xs, rest, ok
}

// AppendEntry adds a chunk to a pack of a series by step.
func AppendEntry(dst []byte, step int64, chunk []byte) []byte {
	return name{}.appendEntry(dst, bound{step: step}, chunk)
}

// CutEntry takes the first chunk of a pack.
func CutEntry(b []byte, byContent bool) (chunk, rest []byte, ok bool) {
	n := name{}
	if byContent {
		n.identity = byte(event.ByContent)
	}
	_, chunk, rest, ok = n.cutEntry(b)
	return chunk, rest, ok
}

// RecodeHead, RecodeFlat and RecodeCursor read a value and write it again.
func RecodeHead(b []byte) ([]byte, error) {
	h, err := parseHead(b, &interned{})
	if err != nil {
		return nil, err
	}
	return appendHead(nil, &h), nil
}

func RecodeFlat(b []byte) ([]byte, error) {
	flat, err := parseFlat(b)
	if err != nil {
		return nil, err
	}
	return appendFlat(nil, flat), nil
}

func RecodeCursor(s string, keys int) (string, error) {
	by := sorting{keys: make([]func(*runState) value, keys)}
	p, err := by.parse(s)
	if err != nil {
		return "", err
	}
	return by.cursor(p), nil
}

// The errors of those formats.
var (
	ErrHead = errHead
	ErrFlat = errFlat
)

// GoldenHead and GoldenFlat encode what a run with something in every field makes.
func GoldenHead(r Run, heartbeat time.Time) []byte {
	h := headOf(&r)
	h.heartbeat = heartbeat
	return appendHead(nil, &h)
}

func GoldenFlat(config string) []byte {
	flat, err := flattened([]byte(config), nil)
	if err != nil {
		panic(err)
	}
	return appendFlat(nil, flat)
}
