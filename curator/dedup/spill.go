package dedup

import (
	"errors"
	"fmt"
	"os"
)

// errSpill is wrapped by errors about temporary files that do not hold what was written.
var errSpill = errors.New("duplicate search: a temporary file was changed or damaged: start again")

func spoilt(err error) error { return fmt.Errorf("%w: %w", errSpill, err) }

// spillFile is a temporary file of a search. On systems that let one, it has no name any more: it is gone when the process
// is, however that ends.
type spillFile struct {
	*os.File
	dir   string // where it is
	named string // to be removed on Close
}

// newSpillFile makes a file in dir; "" means os.TempDir.
func newSpillFile(dir, name string) (*spillFile, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	f, err := os.CreateTemp(dir, name)
	if err != nil {
		return nil, noRoom(dir, err)
	}
	s := &spillFile{File: f, dir: dir}
	if err := os.Remove(f.Name()); err != nil {
		s.named = f.Name() // Windows: not while it is open
	}
	return s, nil
}

// noRoom says what to do about a temporary file that cannot be written.
func noRoom(dir string, err error) error {
	return fmt.Errorf("duplicate search: %w: temporary files are in %s: free room there, or name another folder (TMPDIR)", err, dir)
}

// write writes at the end; writeAt elsewhere. Their errors say what to do.
func (s *spillFile) Write(b []byte) (int, error) {
	n, err := s.File.Write(b)
	if err != nil {
		err = noRoom(s.dir, err)
	}
	return n, err
}

func (s *spillFile) WriteAt(b []byte, offset int64) (int, error) {
	n, err := s.File.WriteAt(b, offset)
	if err != nil {
		err = noRoom(s.dir, err)
	}
	return n, err
}

// Close closes and removes the file.
func (s *spillFile) Close() error {
	err := s.File.Close()
	if s.named != "" {
		err = errors.Join(err, os.Remove(s.named))
	}
	return err
}
