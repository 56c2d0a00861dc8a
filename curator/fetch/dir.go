package fetch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const lockName = "lock"

// Dir is a directory that nobody else may take until it is closed, or the process dies.
type Dir struct {
	path string
	lock *os.File
}

// Take takes a directory, and makes it when it is missing. It returns ErrBusy when somebody else has it.
func Take(path string) (*Dir, error) {
	for {
		err := os.MkdirAll(path, 0o700)
		if errors.Is(err, os.ErrExist) {
			continue // it was there, and was removed before it could be looked at
		}
		if err != nil {
			return nil, fmt.Errorf("fetch: %w", err)
		}
		lock, err := lockFile(filepath.Join(path, lockName))
		if errors.Is(err, os.ErrNotExist) {
			continue // removed in between
		}
		if errors.Is(err, ErrBusy) {
			return nil, fmt.Errorf("fetch: %s: %w: another run fetches the same source; wait until it has ended", path, ErrBusy)
		}
		if err != nil {
			return nil, fmt.Errorf("fetch: lock: %w", err)
		}
		if here, err := sameFile(lock, filepath.Join(path, lockName)); err != nil {
			return nil, errors.Join(fmt.Errorf("fetch: lock: %w", err), lock.Close())
		} else if here {
			return &Dir{path, lock}, nil
		}
		if err := lock.Close(); err != nil { // whoever had it has removed it
			return nil, fmt.Errorf("fetch: lock: %w", err)
		}
	}
}

// sameFile tells whether an open file is the one of a name.
func sameFile(f *os.File, path string) (bool, error) {
	mine, err := f.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(mine, there), err
}

// Path is that of a file in the directory.
func (d *Dir) Path(name string) string { return filepath.Join(d.path, name) }

// String is the directory's path.
func (d *Dir) String() string { return d.path }

// Close gives the directory back, with what is in it.
func (d *Dir) Close() error { return d.lock.Close() }

// Remove deletes the directory, and gives it back.
func (d *Dir) Remove() error { return removeLocked(d.path, d.lock) }
