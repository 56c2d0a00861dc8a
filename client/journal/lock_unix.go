//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package journal

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockFile takes a file until it is closed. The operating system lets go of it when the process dies.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrBusy
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// removeLocked deletes a directory while its lock is held. It gets another name first, so that nobody can begin to write into
// what is being deleted.
func removeLocked(path string, lock *os.File) error {
	gone := fmt.Sprintf("%s.%d.gone", path, time.Now().UnixNano())
	if err := os.Rename(path, gone); err != nil {
		return errors.Join(fmt.Errorf("journal: %w", err), lock.Close())
	}
	// Who was just opening the lock by its old name may still leave an empty file behind; nobody else can come.
	err := os.RemoveAll(gone)
	for tries := 0; errors.Is(err, syscall.ENOTEMPTY) && tries < 100; tries++ {
		err = os.RemoveAll(gone)
	}
	return errors.Join(err, lock.Close())
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
