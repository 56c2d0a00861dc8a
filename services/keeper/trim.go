package keeper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"millrace/event"
	"millrace/services/bus"
	"millrace/storage/readmodel"
)

// TrimWish says how much of the log may go. One of Before and Place is given.
type TrimWish struct {
	Before time.Time // facts that happened before
	Place  uint64    // facts before this place
	DryRun bool      // only tell
	By     string
}

// Trimmed is what a trim did, or with DryRun would do.
type Trimmed struct {
	First    uint64 // the log begins here now
	Archived int64  // facts that were put into the archive
	Stored   int64  // bytes of storage that they take
	Freed    int64  // bytes of the log
	// Held says what kept more from being trimmed; "" when nothing did.
	Held string
}

// catalogueEvery is after how many segments the catalogue is published, so that a trim that is killed need not begin again.
const catalogueEvery = 16

// Trim moves the log's beginning into the archive. It takes a snapshot, stores every segment, reads it back and compares, publishes
// log.archived, and only then lets the log forget. Facts stay that a group of workers has not settled, those from the first of a run on that is
// not over, and those that the read model's file does not have yet.
func (k *Keeper) Trim(ctx context.Context, w TrimWish) (Trimmed, error) {
	end, err := k.begin()
	if err != nil {
		return Trimmed{}, err
	}
	defer end()
	return k.trim(ctx, w)
}

func (k *Keeper) trim(ctx context.Context, w TrimWish) (Trimmed, error) {
	state, err := k.Bus.State(ctx)
	if err != nil {
		return Trimmed{}, err
	}
	before := w.Place
	if before == 0 {
		if before, err = k.placeOf(ctx, state, w.Before); err != nil {
			return Trimmed{}, err
		}
		before++ // the first that did not happen before
	}
	before, held, err := k.allowed(ctx, before, state.Last)
	if err != nil {
		return Trimmed{}, err
	}
	t := Trimmed{First: max(before, state.First), Held: held}
	c, _, place, err := k.Archive.newest(ctx)
	if err != nil {
		return Trimmed{}, err
	}
	if before <= state.First {
		return t, nil
	}
	if w.DryRun {
		t.Archived = int64(before - max(c.Through()+1, state.First))
		t.Freed = int64(float64(state.Bytes) * float64(before-state.First) / float64(max(1, state.Last+1-state.First)))
		return t, nil
	}
	if c.Through()+1 < before {
		if _, err := k.snapshot(ctx, w.By); err != nil {
			return Trimmed{}, err
		}
		if t.Archived, t.Stored, err = k.archive(ctx, state, c, place, before-1, w.By); err != nil {
			return Trimmed{}, fmt.Errorf("keeper: trim: %w", err)
		}
	}
	if err := k.Bus.Trim(ctx, before); err != nil {
		return Trimmed{}, err
	}
	after, err := k.Bus.State(ctx)
	if err != nil {
		return Trimmed{}, err
	}
	t.First, t.Freed = after.First, max(0, int64(state.Bytes)-int64(after.Bytes))
	return t, nil
}

// allowed lowers a place until everything that may still be needed stays in the log, and says what that was.
func (k *Keeper) allowed(ctx context.Context, before, last uint64) (uint64, string, error) {
	held := ""
	lower := func(to uint64, why string) {
		if to < before {
			before, held = to, why
		}
	}
	if err := k.Model.Commit(); err != nil {
		return 0, "", err
	}
	lower(k.Model.Cursor().Committed+1, "the read model's file is not further")
	lower(last, "the last fact stays")
	floor, group, err := k.Bus.Floor(ctx)
	if err != nil {
		return 0, "", err
	}
	lower(floor, "the group "+group+" has work from there on")
	for _, id := range k.Model.RunIDs() {
		r, err := k.Model.Run(id)
		if errors.Is(err, readmodel.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, "", err
		}
		if !r.Bare && !r.Foreign() && !r.Status.Ended() {
			lower(r.Seq, fmt.Sprintf("run %s is not over", id))
		}
	}
	return before, held, nil
}

// archive stores the facts up to a place and publishes that it did.
func (k *Keeper) archive(ctx context.Context, state bus.State, c Catalogue, place, until uint64, by string) (facts, stored int64, err error) {
	c.Segments = append([]Segment(nil), c.Segments...)
	for c.Through() < until {
		for range catalogueEvery {
			s, err := k.segment(ctx, c.Through()+1, max(c.Through()+1, state.First), until)
			if err != nil {
				return facts, stored, err
			}
			c.Segments = append(c.Segments, s)
			facts, stored = facts+s.Facts, stored+s.Records.Size+s.Subjects.Size
			if s.Last == until {
				break
			}
		}
		if place, err = k.publish(ctx, c, place, by); err != nil {
			return facts, stored, err
		}
	}
	return facts, stored, nil
}

// segment stores the facts from a place on, until the segment is full or the last place is reached, and reads them back. first is where the
// segment begins, from where the log has facts.
func (k *Keeper) segment(ctx context.Context, first, from, until uint64) (Segment, error) {
	p, last := newPacked(), until
	enough := errors.New("enough")
	err := k.Bus.Records(ctx, from, until, func(r event.Record) error {
		if p.full() {
			last = r.Seq - 1
			return enough
		}
		p.add(r)
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		return Segment{}, err
	}
	s := Segment{First: first, Last: last, Facts: p.facts, From: p.from.UTC(), Until: p.until.UTC()}
	if s.Records, err = k.Blobs.Put(ctx, p.records()); err != nil {
		return Segment{}, err
	}
	if s.Subjects, err = k.Blobs.Put(ctx, p.index()); err != nil {
		return Segment{}, err
	}
	stored, err := k.Blobs.Get(ctx, s.Records.Digest)
	if err != nil {
		return Segment{}, err
	}
	raw, err := decompress(stored, maxSegment)
	if err != nil {
		return Segment{}, err
	}
	if !bytes.Equal(raw, p.raw.Bytes()) {
		return Segment{}, fmt.Errorf("segment %d to %d does not read back as it was written: %w", first, last, ErrArchive)
	}
	if _, err := k.Blobs.Get(ctx, s.Subjects.Digest); err != nil {
		return Segment{}, err
	}
	return s, nil
}

// publish stores the catalogue and says where it is, unless somebody else has meanwhile.
func (k *Keeper) publish(ctx context.Context, c Catalogue, place uint64, by string) (uint64, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return 0, err
	}
	if _, err := ParseCatalogue(raw); err != nil {
		return 0, err
	}
	ref, err := k.Blobs.Put(ctx, raw)
	if err != nil {
		return 0, err
	}
	if _, err := k.Blobs.Get(ctx, ref.Digest); err != nil {
		return 0, err
	}
	fact := event.LogArchived{Log: c.Log, Through: c.Through(), Archive: event.Digest(ref.Digest), Segments: len(c.Segments), By: by}
	fact.Facts, fact.Bytes = c.totals()
	seq, err := k.Bus.PublishAfter(ctx, event.Envelope{Event: fact}, place)
	if errors.Is(err, bus.ErrExists) {
		return 0, refuse(conflict, "", "ask again", "another process is trimming the log")
	}
	return seq, err
}

// placeOf finds the last place whose fact happened before t, 0 when none did: by halving, as publishers' clocks rise with the log, give or take
// what they differ by.
func (k *Keeper) placeOf(ctx context.Context, state bus.State, t time.Time) (uint64, error) {
	low, high := state.First, state.Last
	if low > 1 {
		first, err := k.timeAt(ctx, &low, high)
		if err != nil {
			return 0, err
		}
		if !first.Before(t) {
			c, _, err := k.Archive.Catalogue(ctx)
			if err != nil {
				return 0, err
			}
			var ok bool
			if low, high, ok = c.within(t); !ok {
				return 0, nil
			}
		}
	}
	low = max(low, 1)
	found := low - 1
	for low <= high {
		mid := low + (high-low)/2
		at := mid
		when, err := k.timeAt(ctx, &at, high)
		if err != nil {
			return 0, err
		}
		if at <= high && when.Before(t) {
			found, low = at, at+1
		} else {
			high = mid - 1
		}
	}
	return found, nil
}

// timeAt is when the fact at a place happened; a place without a readable fact is moved on to the next that has one, or beyond high.
func (k *Keeper) timeAt(ctx context.Context, at *uint64, high uint64) (time.Time, error) {
	for ; *at <= high; *at++ {
		env, err := k.Bus.At(ctx, *at)
		switch {
		case err == nil:
			return env.Time, nil
		case !errors.Is(err, bus.ErrNone) && !errors.Is(err, event.ErrUnknownType) && !errors.Is(err, event.ErrMalformed):
			return time.Time{}, err
		}
	}
	return time.Time{}, nil
}
