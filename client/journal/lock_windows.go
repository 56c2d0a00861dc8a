package journal

import (
	"errors"
	"os"
	"syscall"
)

const errorSharingViolation = syscall.Errno(32)

// lockFile takes a file until it is closed, as nobody else may open it.
func lockFile(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errorSharingViolation) {
		return nil, ErrBusy
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(h), path), nil
}

// removeLocked deletes a directory; the lock is a file in it, which is not deleted while it is open.
func removeLocked(path string, lock *os.File) error {
	return errors.Join(lock.Close(), os.RemoveAll(path))
}

// syncDir has nothing to do: names are durable with their files.
func syncDir(string) error { return nil }
