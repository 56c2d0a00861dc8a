package fetch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const errorSharingViolation = syscall.Errno(32)

// lockDir takes a directory for one Fetcher until the file is closed, by opening a file in it that nobody else may open.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, fmt.Errorf("fetch: lock %s: %w", path, err)
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errorSharingViolation) {
		return nil, busy(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("fetch: lock %s: %w", path, err)
	}
	return os.NewFile(uintptr(h), path), nil
}

// syncDir has nothing to do: names are durable with their files.
func syncDir(string) error { return nil }
