//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows)

package journal

import (
	"errors"
	"os"
)

// lockFile opens the file: these systems have no lock that ends with its process, and a second writer is not noticed.
func lockFile(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) }

func removeLocked(path string, lock *os.File) error {
	return errors.Join(lock.Close(), os.RemoveAll(path))
}

func syncDir(string) error { return nil }
