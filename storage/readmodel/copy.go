package readmodel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Layout is the version of the file's layout: a copy of another one cannot be opened, it is folded anew.
const Layout = version

// Copied says what a copy of a read model holds.
type Copied struct {
	Layout   int    // of the file
	Identity string // of the log that was folded
	Seq      uint64 // the facts up to here are in it
	Fact     string // id of the fact there
	Bytes    int64  // of the file
}

// CopyTo commits, and writes the file as it is then to a new file at path, while facts are applied on. The copy is a read model like any
// other: Open takes it. It is fsynced. An existing file is replaced; when it fails nothing is left at path.
func (m *Model) CopyTo(path string) (c Copied, err error) {
	if err := m.Commit(); err != nil {
		return Copied{}, err
	}
	// Not under the lock: bbolt itself waits for readers when it closes the file.
	tx, err := m.db.Begin(false)
	if err != nil {
		return Copied{}, fmt.Errorf("readmodel: copy %s: %w", m.path, errors.Join(ErrClosed, err))
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	c = copied(tx)
	if err := writeFile(path, func(f *os.File) error {
		_, err := tx.WriteTo(f)
		return err
	}); err != nil {
		return Copied{}, fmt.Errorf("readmodel: copy %s to %s: %w", m.path, path, err)
	}
	return c, nil
}

// writeFile makes a whole, durable file or none.
func writeFile(path string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is no such name
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// copied reads a file's own word on what it is.
func copied(tx *bbolt.Tx) Copied {
	c := Copied{Bytes: tx.Size()}
	meta := tx.Bucket([]byte(layout[tableMeta].name))
	if meta == nil {
		return c
	}
	v, _ := binary.Uvarint(meta.Get(metaVersion))
	c.Layout, c.Identity, c.Fact = int(v), string(meta.Get(metaIdentity)), string(meta.Get(metaFact))
	c.Seq, _ = binary.Uvarint(meta.Get(metaCursor))
	return c
}

// Inspect tells what a file holds without folding or loading it; a file that is not there, or is none of ours, is a zero Copied. It is never
// changed. ErrLocked when a process has it open.
func Inspect(path string) (c Copied, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return Copied{}, nil
	}
	var db *bbolt.DB
	err = guarded(func() error {
		db, err = bbolt.Open(path, 0o644, &bbolt.Options{Timeout: time.Second, ReadOnly: true, NoStatistics: true})
		return err
	})
	if err != nil {
		if errors.Is(err, bolterrors.ErrTimeout) {
			return Copied{}, fmt.Errorf("readmodel: %s: %w", path, ErrLocked)
		}
		return Copied{}, nil // damaged: Open says so
	}
	err = guarded(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			c = copied(tx)
			return nil
		})
	})
	if err != nil {
		c = Copied{}
	}
	_ = guarded(db.Close)
	return c, nil
}

// Compact rewrites a file that no process has open when more than half of it is free pages, and at least minFree bytes: into a new file
// beside it, which then takes its place in one rename. It returns the bytes that the file system got back. A crash leaves the old file or the
// new one. A damaged file is left to Open.
func Compact(path string, minFree int64) (freed int64, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	next := path + ".compact"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a crash
		return 0, fmt.Errorf("readmodel: compact %s: %w", path, err)
	}
	var was, is int64
	err = guarded(func() error {
		was, is, err = compactInto(path, next, minFree)
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return 0, fmt.Errorf("readmodel: compact %s: %w; stop that process first", path, ErrLocked)
	case isDamage(err):
		return 0, removed(next)
	case err != nil:
		return 0, fmt.Errorf("readmodel: compact %s: %w", path, errors.Join(err, removed(next)))
	case is == 0:
		return 0, nil
	}
	if err := os.Rename(next, path); err != nil {
		return 0, fmt.Errorf("readmodel: compact %s: %w", path, err)
	}
	return was - is, nil
}

// removed removes a file that may not be there.
func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// compactInto copies every key of a file into a new one, when that is worth it, and tells the sizes before and after; after is 0 when it is not.
func compactInto(path, next string, minFree int64) (was, is int64, err error) {
	from, err := bbolt.Open(path, 0o644, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if err := from.View(func(tx *bbolt.Tx) error {
		was = tx.Size()
		if tx.Bucket([]byte(layout[tableMeta].name)) == nil {
			was = 0 // none of ours
		}
		return nil
	}); err != nil {
		return 0, 0, err
	}
	stats := from.Stats()
	free := int64(stats.FreePageN+stats.PendingPageN) * int64(from.Info().PageSize)
	if free < minFree || 2*free <= was {
		return was, 0, nil
	}
	to, err := bbolt.Open(next, 0o644, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType, NoStatistics: true})
	if err != nil {
		return 0, 0, err
	}
	if err := bbolt.Compact(to, from, 16<<20); err != nil {
		return 0, 0, errors.Join(err, to.Close())
	}
	if err := errors.Join(to.Sync(), to.Close()); err != nil {
		return 0, 0, err
	}
	info, err := os.Stat(next)
	if err != nil {
		return 0, 0, err
	}
	return was, info.Size(), nil
}
