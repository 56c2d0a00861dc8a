package graph

import (
	"context"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
)

// Past opens the read model as it was. Its methods are safe for concurrent use; their errors may be Refusals.
type Past interface {
	// Place is the place of the last fact that had happened at a time, 0 before the first.
	Place(ctx context.Context, t time.Time) (uint64, error)
	// At is the read model when a place was the last, and when that was; release is called once.
	At(ctx context.Context, place uint64) (m *readmodel.Model, at time.Time, release func(), err error)
}

// Keeper keeps storage and log small. Its errors may be Refusals.
type Keeper interface {
	// First is the place of the first fact that the log itself still has.
	First(ctx context.Context) (uint64, error)
	// Snapshot puts a copy of the read model into storage.
	Snapshot(ctx context.Context, by string) (event.SnapshotTaken, error)
	// Trim moves the log's beginning into the archive: facts before a time, or if place is not 0 before a place.
	Trim(ctx context.Context, before time.Time, place uint64, dry bool, by string) (Trimmed, error)
}

// Trimmed is what a trim did, or would do.
type Trimmed struct {
	First                   uint64 // the log begins here now
	Archived, Stored, Freed int64  // facts; bytes of storage; bytes of the log
	Held                    string // what kept more from being trimmed
}
