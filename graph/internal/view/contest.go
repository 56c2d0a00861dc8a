package view

import (
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
)

// ContestMode is what raters do.
type ContestMode string

// The modes.
const (
	PairMode  ContestMode = event.Pairs
	ScaleMode ContestMode = event.Scale
)

// Contest is a contest as it stood when it was read.
type Contest struct{ readmodel.Contest }

// ID is the contest's.
func (c Contest) ID() string { return string(c.Contest.Contest) }

// Mode is what raters do.
func (c Contest) Mode() ContestMode { return ContestMode(c.Contest.Mode) }

// Task is the one task that is judged, nil for all.
func (c Contest) Task() *string {
	if c.Contest.Task == "" {
		return nil
	}
	return &c.Contest.Task
}

// Entries are what is judged.
func (c Contest) Entries() []ContestEntry {
	out := make([]ContestEntry, len(c.Contest.Entries))
	for i, e := range c.Contest.Entries {
		out[i] = ContestEntry{e}
	}
	return out
}

// OpenedAt is when it was opened.
func (c Contest) OpenedAt() time.Time { return c.At }

// HumanVotes counts people's votes.
func (c Contest) HumanVotes() int64 { return c.Humans }

// ModelVotes counts models' votes.
func (c Contest) ModelVotes() int64 { return c.Models }

// ContestEntry is one that is judged.
type ContestEntry struct{ event.ContestEntry }

// Step is the checkpoint's, nil without one.
func (e ContestEntry) Step() *int64 {
	if e.Of == "" {
		return nil
	}
	return &e.ContestEntry.Step
}

// ContestConnection is a page of contests.
type ContestConnection struct{ Page[Contest] }

// ContestEdge is an item of it.
type ContestEdge = Edge[Contest]
