package s3embed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// errLocked says that another server has the directory.
var errLocked = errors.New("locked")

// directory is the place on disk: the lock, the format, and directories that
// are known to be durable.
//
//	LOCK      held while a server runs; says "open" or "clean"
//	format    "1\n"
//	tmp/      files being written; emptied at start
//	buckets/  a directory per bucket, below it the keys
type directory struct {
	root string
	lock *os.File

	mu      sync.Mutex
	durable map[string]bool // directories whose name in their parent has been fsynced
}

const formatVersion = "1\n"

// openDirectory makes root ready, or says why it cannot be used.
func openDirectory(root string) (*directory, error) {
	if root == "" {
		return nil, errors.New("no directory given: set Dir")
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("directory %s: %w", root, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("create the directory %s: %w", abs, err)
	}
	lock, err := os.OpenFile(filepath.Join(abs, "LOCK"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("directory %s cannot be written to: %w", abs, err)
	}
	d := &directory{root: abs, lock: lock, durable: map[string]bool{}}
	if err := d.prepare(); err != nil {
		lock.Close()
		return nil, err
	}
	return d, nil
}

func (d *directory) prepare() error {
	if err := lockFile(d.lock); errors.Is(err, errLocked) {
		return fmt.Errorf("directory %s is in use by another server: stop it, or choose another directory", d.root)
	} else if err != nil {
		return fmt.Errorf("lock %s: %w", d.lock.Name(), err)
	}
	state := make([]byte, 16)
	n, _ := d.lock.ReadAt(state, 0) // a new file is empty
	if err := d.checkFormat(); err != nil {
		return err
	}
	if strings.HasPrefix(string(state[:n]), "open") {
		// The last server did not close. It may have shown a name that was
		// not yet fsynced, and a client may trust what it sees now.
		if err := d.syncNames(); err != nil {
			return fmt.Errorf("make %s durable after a crash: %w", d.root, err)
		}
	}
	if err := d.setState("open"); err != nil {
		return err
	}
	// What a crash left half written is nobody's.
	if err := os.RemoveAll(d.tmp()); err != nil {
		return fmt.Errorf("empty %s: %w", d.tmp(), err)
	}
	for _, dir := range []string{d.tmp(), d.buckets()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("directory %s cannot be written to: %w", d.root, err)
		}
	}
	if err := syncDir(d.root); err != nil {
		return err
	}
	return syncDir(filepath.Dir(d.root))
}

func (d *directory) checkFormat() error {
	path := filepath.Join(d.root, "format")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(path, []byte(formatVersion), 0o600); err != nil {
			return fmt.Errorf("directory %s cannot be written to: %w", d.root, err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	if string(b) != formatVersion {
		return fmt.Errorf("%s says %q and this program knows only %q: it was written by another version", path, b, formatVersion)
	}
	return nil
}

func (d *directory) setState(s string) error {
	if err := d.lock.Truncate(0); err != nil {
		return err
	}
	if _, err := d.lock.WriteAt([]byte(s+"\n"), 0); err != nil {
		return err
	}
	return d.lock.Sync()
}

// syncNames fsyncs every directory below buckets/.
func (d *directory) syncNames() error {
	err := filepath.WalkDir(d.buckets(), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		return syncDir(path)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d *directory) close() error {
	err := d.setState("clean")
	return errors.Join(err, d.lock.Close())
}

func (d *directory) tmp() string               { return filepath.Join(d.root, "tmp") }
func (d *directory) buckets() string           { return filepath.Join(d.root, "buckets") }
func (d *directory) bucket(name string) string { return filepath.Join(d.buckets(), name) }
func (d *directory) temp() (*os.File, error)   { return os.CreateTemp(d.tmp(), "put-*") }

// mkdirAll creates dir and what is missing above it, up to but not including
// base, and returns when their names are durable.
func (d *directory) mkdirAll(base, dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mkdirLocked(base, dir)
}

func (d *directory) mkdirLocked(base, dir string) error {
	if dir == base || d.durable[dir] {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := d.mkdirLocked(base, parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := syncDir(parent); err != nil {
		return err
	}
	// The set saves fsyncs; forgetting it costs only time.
	const enough = 1 << 16
	if len(d.durable) >= enough {
		clear(d.durable)
	}
	d.durable[dir] = true
	return nil
}

// prune removes dir and the directories above it, below base, as long as they
// are empty.
func (d *directory) prune(base, dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for dir != base && strings.HasPrefix(dir, base) {
		if err := os.Remove(dir); err != nil {
			// Not empty, or another request removed it: both are as wanted.
			return nil
		}
		delete(d.durable, dir)
		dir = filepath.Dir(dir)
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// forget drops the memory that dir and what is above it are durable, for when
// something else removed one of them.
func (d *directory) forget(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(dir) > len(d.root) {
		delete(d.durable, dir)
		dir = filepath.Dir(dir)
	}
}
