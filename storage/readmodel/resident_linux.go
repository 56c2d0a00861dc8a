package readmodel

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Pages of the mapped file count as this process's memory from the first look at them until the system needs memory, though they are the system's
// cache. Of a file with 10⁹ points that is more than everything else, so pages are let go of: looking at one again takes a microsecond, as it is
// still in the cache.
const (
	maxResident   = 128 << 20
	residentEvery = time.Second
)

// residentPages is how many bytes of mapped files count as this process's memory, 0 where that cannot be told.
func residentPages() int {
	raw, err := os.ReadFile("/proc/self/statm")
	if fields := bytes.Fields(raw); err == nil && len(fields) > 2 {
		if n, err := strconv.Atoi(string(fields[2])); err == nil {
			return n * os.Getpagesize()
		}
	}
	return 0
}

// letGo stops counting the file's pages. Its readers go on undisturbed.
func letGo(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) error { // meanwhile the map stays where it is
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, db.Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED); errno != 0 {
			return errno
		}
		return nil
	})
}
