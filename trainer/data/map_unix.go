//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package data

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Map gives the bytes of a file without holding them: the system reads what is touched and lets go of it when memory is wanted for something
// else. They are there until done is called, also when the file has been removed meanwhile; nobody may make it shorter.
func Map(path string) (b []byte, done func() error, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("data: %w", err)
	}
	if info.Size() == 0 {
		return nil, func() error { return nil }, nil
	}
	if b, err = unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return nil, nil, fmt.Errorf("data: map %s: %w", path, err)
	}
	_ = unix.Madvise(b, unix.MADV_RANDOM) // windows are read in no order; what is read beyond them would be for nothing
	return b, func() error { return unix.Munmap(b) }, nil
}
