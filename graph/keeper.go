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
	// Collect removes objects that nothing refers to and that are older than grace.
	Collect(ctx context.Context, grace time.Duration, dry bool) (Garbage, error)
	// Plan tells what the policies delete now, were one of them replaced; set may be nil.
	Plan(ctx context.Context, set *event.RetentionSet) (RetentionPlan, error)
	// ApplyRetention does what the policies say.
	ApplyRetention(ctx context.Context, dry bool) (RetentionPlan, error)
	// Storage is how many bytes of storage only some runs, one checkpoint of a run, or a dataset refer to.
	Storage(ctx context.Context, runs []event.RunID, checkpoint *readmodel.Checkpoint, dataset event.Digest) (int64, error)
}

// Trimmed is what a trim did, or would do.
type Trimmed struct {
	First                   uint64 // the log begins here now
	Archived, Stored, Freed int64  // facts; bytes of storage; bytes of the log
	Held                    string // what kept more from being trimmed
}

// Garbage is what a collection removed, and what it left by kind.
type Garbage struct {
	Objects, Bytes int64
	Kept           []KeptObjects
}

// KeptObjects counts objects of a kind.
type KeptObjects struct {
	Kind           string
	Objects, Bytes int64
}

// RetentionPlan is what policies delete.
type RetentionPlan struct {
	Runs        []event.RunID
	Checkpoints []readmodel.Checkpoint
	Pruned      int
	LogBefore   time.Time // zero: nothing leaves the log
	// Database and Storage are the bytes that it frees.
	Database, Storage int64
}
