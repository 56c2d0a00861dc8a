package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

const (
	segmentMagic  = "MRJRNL1\n"
	segmentSuffix = ".mrj"
	// maxSegment bounds what is read of a segment: more than is ever written.
	maxSegment = 64 << 20
)

// segment is a file of records, or the same in memory where the disk takes no more. Its name is the number of its first batch, and its
// end is the end of a batch.
type segment struct {
	first  uint64
	path   string
	f      *os.File // nil: in memory
	mem    []byte
	size   int64
	synced atomic.Int64
	left   int // batches cut in it that nobody has acknowledged
}

func segmentName(first uint64) string { return fmt.Sprintf("%016d%s", first, segmentSuffix) }

// firstOf reads a segment's name.
func firstOf(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0
}

// newSegment makes a segment's file.
func newSegment(dir string, first uint64) (*segment, error) {
	s := &segment{first: first, path: filepath.Join(dir, segmentName(first))}
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	s.f = f
	if err := s.append([]byte(segmentMagic)); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(s.path))
	}
	return s, nil
}

// append writes b at the end: all of it, or an error, and then what was written before is still whole.
func (s *segment) append(b []byte) error {
	if s.f == nil {
		s.mem = append(s.mem, b...)
		s.size += int64(len(b))
		return nil
	}
	n, err := s.f.WriteAt(b, s.size)
	if err != nil {
		if n > 0 {
			// Where this fails too, the torn end is found by the next reader.
			err = errors.Join(err, s.f.Truncate(s.size))
		}
		return err
	}
	s.size += int64(len(b))
	return nil
}

// read returns a copy of the bytes of a range.
func (s *segment) read(from, to int64) ([]byte, error) {
	b := make([]byte, to-from)
	if s.f == nil {
		copy(b, s.mem[from:to])
		return b, nil
	}
	if _, err := s.f.ReadAt(b, from); err != nil {
		return nil, err
	}
	return b, nil
}

// sync makes what was appended before durable. size is what the caller saw of it.
func (s *segment) sync(size int64) error {
	if s.f == nil || s.synced.Load() >= size {
		return nil
	}
	if err := s.f.Sync(); err != nil {
		return err
	}
	for {
		now := s.synced.Load()
		if now >= size || s.synced.CompareAndSwap(now, size) {
			return nil
		}
	}
}

func (s *segment) close() error {
	if s.f == nil {
		return nil
	}
	return s.f.Close()
}

// remove deletes the segment.
func (s *segment) remove() error {
	if s.f == nil {
		s.mem = nil
		return nil
	}
	return errors.Join(s.f.Close(), os.Remove(s.path))
}
