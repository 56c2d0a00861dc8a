//go:build !unix

package s3embed

import "os"

// lockFile does nothing: these systems have no flock, and a second server on
// the directory is not noticed.
func lockFile(*os.File) error { return nil }

// syncDir does nothing: these systems cannot fsync a directory, and write their
// names through a journal.
func syncDir(string) error { return nil }

// isFull cannot tell a full disk from other faults here.
func isFull(error) bool { return false }
