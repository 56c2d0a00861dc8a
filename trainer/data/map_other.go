//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package data

import (
	"fmt"
	"os"
)

// Map gives the bytes of a file. Here they are held in memory until done is called.
func Map(path string) (b []byte, done func() error, err error) {
	if b, err = os.ReadFile(path); err != nil {
		return nil, nil, fmt.Errorf("data: %w", err)
	}
	return b, func() error { return nil }, nil
}
