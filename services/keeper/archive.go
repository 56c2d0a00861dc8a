package keeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"millrace/event"
	"millrace/services/bus"
	"millrace/storage/blob"
)

// Archive reads the log's beginning from storage, where the log has forgotten it. It implements bus.Past and is safe for concurrent use.
type Archive struct {
	Bus   *bus.Bus
	Blobs *blob.Store

	mu        sync.Mutex
	fact      uint64 // place of the log.archived that named the catalogue
	digest    event.Digest
	catalogue Catalogue
	hashes    map[blob.Digest][]uint64 // of the subjects of a segment, sorted, by the digest of its list
	recent    []held                   // objects read lately, newest last
}

type held struct {
	digest blob.Digest
	bytes  []byte
}

// maxHeld is how many objects are kept in memory, of at most 16 MiB each.
const maxHeld = 3

var archived = event.LogArchived{}.Subject()

// Catalogue returns the newest catalogue of this log, and the fact that named it. Where nothing was archived it is empty, and so is the fact.
func (a *Archive) Catalogue(ctx context.Context) (Catalogue, event.LogArchived, error) {
	c, fact, _, err := a.newest(ctx)
	return c, fact, err
}

// newest also tells the place of the fact, 0 when there is none.
func (a *Archive) newest(ctx context.Context) (Catalogue, event.LogArchived, uint64, error) {
	state, err := a.Bus.State(ctx)
	if err != nil {
		return Catalogue{}, event.LogArchived{}, 0, err
	}
	// The newest of these lies in the log itself: it was published after what it names had been archived.
	env, err := a.Bus.Kept(ctx, archived)
	if errors.Is(err, bus.ErrNone) {
		return Catalogue{Format: catalogueFormat, Log: state.Identity}, event.LogArchived{}, 0, nil
	}
	if err != nil {
		return Catalogue{}, event.LogArchived{}, 0, err
	}
	fact, ok := env.Event.(event.LogArchived)
	if !ok || fact.Log != state.Identity {
		return Catalogue{}, event.LogArchived{}, 0, fmt.Errorf("keeper: the archive is of log %q, this is %q: %w", fact.Log, state.Identity, ErrArchive)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fact == env.Seq && a.digest == fact.Archive {
		return a.catalogue, fact, env.Seq, nil
	}
	raw, err := a.Blobs.Get(ctx, blob.Digest(fact.Archive))
	if err != nil {
		return Catalogue{}, fact, 0, fmt.Errorf("keeper: catalogue: %w", err)
	}
	if len(raw) > maxCatalogue {
		return Catalogue{}, fact, 0, fmt.Errorf("keeper: a catalogue of %d bytes: %w", len(raw), ErrArchive)
	}
	c, err := ParseCatalogue(raw)
	if err != nil {
		return Catalogue{}, fact, 0, err
	}
	if c.Log != fact.Log || c.Through() != fact.Through {
		return Catalogue{}, fact, 0, fmt.Errorf("keeper: catalogue %s of log %q through %d, its fact says through %d: %w", fact.Archive.Short(), c.Log, c.Through(), fact.Through, ErrArchive)
	}
	a.fact, a.digest, a.catalogue = env.Seq, fact.Archive, c
	return c, fact, env.Seq, nil
}

// object reads an object, or finds it in memory. The caller does not write to it.
func (a *Archive) object(ctx context.Context, d blob.Digest) ([]byte, error) {
	a.mu.Lock()
	for i, h := range a.recent {
		if h.digest == d {
			a.recent = append(slices.Delete(a.recent, i, i+1), h)
			a.mu.Unlock()
			return h.bytes, nil
		}
	}
	a.mu.Unlock()
	b, err := a.Blobs.Get(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("keeper: archive: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.recent = append(a.recent, held{d, b})
	if len(a.recent) > maxHeld {
		a.recent = slices.Delete(a.recent, 0, 1)
	}
	return b, nil
}

// Read calls fn with the facts from a place until another, both included, whose subjects fit one of the filters (none: all). Segments that
// hold none of the filters' subjects are not fetched. bus.ErrTrimmed when the archive does not hold them all; ErrArchive; those of the store.
func (a *Archive) Read(ctx context.Context, from, until uint64, filters []string, fn func(event.Record) error) error {
	c, _, err := a.Catalogue(ctx)
	if err != nil {
		return err
	}
	if len(c.Segments) == 0 || c.Segments[0].First > from || c.Through() < until {
		first := uint64(0)
		if len(c.Segments) > 0 {
			first = c.Segments[0].First
		}
		return fmt.Errorf("%w: the archive holds %d to %d, and %d to %d are asked for", bus.ErrTrimmed, first, c.Through(), from, until)
	}
	for _, s := range c.Segments {
		if s.Last < from || s.First > until {
			continue
		}
		if some, err := a.mayHold(ctx, s, filters); err != nil {
			return err
		} else if !some {
			continue
		}
		b, err := a.object(ctx, s.Records.Digest)
		if err != nil {
			return err
		}
		if err := ReadSegment(b, func(r event.Record) error {
			if r.Seq < from || r.Seq > until || len(filters) > 0 && !slices.ContainsFunc(filters, func(f string) bool { return bus.Fits(r.Subject, f) }) {
				return ctx.Err()
			}
			return fn(r)
		}); err != nil {
			return err
		}
	}
	return nil
}

// mayHold tells whether a segment may hold a fact that fits: by the hashes of its subjects, when no filter is a pattern.
func (a *Archive) mayHold(ctx context.Context, s Segment, filters []string) (bool, error) {
	if len(filters) == 0 || slices.ContainsFunc(filters, func(f string) bool { return strings.ContainsAny(f, "*>") || isPoints(f) }) {
		return true, nil
	}
	hashes, err := a.hashesOf(ctx, s)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(filters, func(f string) bool {
		_, found := slices.BinarySearch(hashes, hashOf(f))
		return found
	}), nil
}

func (a *Archive) hashesOf(ctx context.Context, s Segment) ([]uint64, error) {
	a.mu.Lock()
	hashes, ok := a.hashes[s.Subjects.Digest]
	a.mu.Unlock()
	if ok {
		return hashes, nil
	}
	b, err := a.Blobs.Get(ctx, s.Subjects.Digest)
	if err != nil {
		return nil, fmt.Errorf("keeper: archive: %w", err)
	}
	hashes = []uint64{}
	if err := parseSubjects(b, func(subject string, _ uint64) { hashes = append(hashes, hashOf(subject)) }); err != nil {
		return nil, err
	}
	slices.Sort(hashes)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hashes == nil {
		a.hashes = map[blob.Digest][]uint64{}
	}
	a.hashes[s.Subjects.Digest] = hashes
	return hashes, nil
}

// Last returns the newest archived fact on a subject, which may hold wildcards: bus.ErrNone. Metric points are not found by it.
func (a *Archive) Last(ctx context.Context, subject string) (event.Record, error) {
	c, _, err := a.Catalogue(ctx)
	if err != nil {
		return event.Record{}, err
	}
	for _, s := range slices.Backward(c.Segments) {
		if some, err := a.mayHold(ctx, s, []string{subject}); err != nil {
			return event.Record{}, err
		} else if !some {
			continue
		}
		b, err := a.object(ctx, s.Subjects.Digest)
		if err != nil {
			return event.Record{}, err
		}
		var at uint64
		if err := parseSubjects(b, func(is string, seq uint64) {
			if bus.Fits(is, subject) {
				at = max(at, seq)
			}
		}); err != nil {
			return event.Record{}, err
		}
		if at == 0 {
			continue
		}
		var found event.Record
		if err := a.Read(ctx, at, at, nil, func(r event.Record) error {
			found = r
			return nil
		}); err != nil {
			return event.Record{}, err
		}
		return found, nil
	}
	return event.Record{}, fmt.Errorf("keeper: last of %s: %w", subject, bus.ErrNone)
}

// within narrows a search by time: the archived places among which the last fact before t lies.
func (c Catalogue) within(t time.Time) (from, until uint64, ok bool) {
	for _, s := range slices.Backward(c.Segments) {
		if !s.From.After(t) {
			return s.First, s.Last, true
		}
	}
	return 0, 0, false
}
