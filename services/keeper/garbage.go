package keeper

import (
	"context"
	"errors"
	"fmt"
	"time"

	"millrace/event"
	"millrace/storage/blob"
	"millrace/storage/readmodel"
)

// Grace is how old an object is at least before it is collected, unless told otherwise.
const Grace = 24 * time.Hour

// keepSnapshots is how many snapshots of each layout stay.
const keepSnapshots = 2

// maxNaming bounds an object that names others, in bytes: a manifest or a tree.
const maxNaming = 256 << 20

// Garbage is what a collection removed, or with a dry run would, and what it left.
type Garbage struct {
	Objects, Bytes int64
	Kept           []Kept // by kind, in the order of kinds
}

// Kept counts objects of a kind.
type Kept struct {
	Kind           string
	Objects, Bytes int64
}

// kinds is the order in which an object that several kinds of record name is counted. Young ones are named by none.
var kinds = []string{"dataset", "checkpoint", "artifact", "evaluation", "text", "alias", "run", "snapshot", "archive", "young"}

// Collect removes the objects that nothing refers to and that are older than a grace period. Why that is safe:
//
//   - The store is listed first and the records are read afterwards, at a place of the log that is not before the listing: what was named by
//     then is marked. Objects that appear later are not in the list.
//   - An upload that nobody has named yet is younger than the grace period: an object is named within hours of being stored, and one that is
//     stored again though it is there is made young again, by the store itself (blob.Config.Fresh). So whoever is about to name an old object
//     has made it young first.
//   - One who names an object that he only found there has made it young too (blob.Store.Refresh): the doors for artifacts do.
//   - Just before a batch is removed, the facts that came since the records were read are searched for digests, and every object's age is asked
//     again. Within this process nobody finds an object present between that question and its removal (blob.Store.DeleteOld). What is
//     left is a worker on another machine that stores the same bytes in those few milliseconds: S3 has no removal on a condition of age.
//   - Of an object that lies in pieces the list is marked as the object is, and its pieces with it; a young list keeps its pieces too. A piece that
//     was found there when the list was made is not half as old as a grace period, so nobody removes it before the list is seen. Dead lists
//     go before their pieces.
//   - A manifest or a list that cannot be read ends the collection before anything is removed: what it names cannot be known.
//
// A grace period below a quarter of a day is refused while a run goes on.
func (k *Keeper) Collect(ctx context.Context, grace time.Duration, dry bool) (Garbage, error) {
	end, err := k.begin()
	if err != nil {
		return Garbage{}, err
	}
	defer end()
	if grace < 0 {
		return Garbage{}, refuse(invalid, "olderHours", "", "%v is no age", grace)
	}
	if grace < blob.Fresh {
		for _, id := range k.Model.RunIDs() {
			if r, err := k.Model.Run(id); err == nil && !r.Bare && !r.Status.Ended() {
				return Garbage{}, refuse(conflict, "olderHours", fmt.Sprintf("ask for %v or more, or wait until it has ended", blob.Fresh), "run %s goes on and may name what it has stored since %v", id, grace)
			}
		}
	}
	before := k.Now().Add(-grace)
	var all []blob.Info
	for o, err := range k.Blobs.List(ctx) {
		if err != nil {
			return Garbage{}, fmt.Errorf("keeper: collect: %w", err)
		}
		all = append(all, o)
	}
	var lists []blob.Info
	for l, err := range k.Blobs.Lists(ctx) {
		if err != nil {
			return Garbage{}, fmt.Errorf("keeper: collect: %w", err)
		}
		lists = append(lists, l)
	}
	live, place, err := k.mark(ctx)
	if err == nil {
		err = k.markPieces(ctx, live, lists, before)
	}
	if err != nil {
		return Garbage{}, fmt.Errorf("keeper: collect: %w", err)
	}
	var g Garbage
	kept := map[string]*Kept{}
	for _, kind := range kinds {
		kept[kind] = &Kept{Kind: kind}
	}
	var dead []found
	sort := func(o found) {
		kind := live[event.Digest(o.Digest)]
		switch {
		case kind != "":
		case o.Modified.After(before):
			kind = "young"
		default:
			dead = append(dead, o)
			return
		}
		kept[kind].Objects++
		kept[kind].Bytes += o.Size
	}
	for _, l := range lists {
		sort(found{l, true})
	}
	for _, o := range all {
		sort(found{o, false})
	}
	if dry {
		for _, o := range dead {
			g.Objects, g.Bytes = g.Objects+1, g.Bytes+o.Size
		}
	} else if g, err = k.sweep(ctx, dead, before, place, kept["young"]); err != nil {
		return g, fmt.Errorf("keeper: collect: %w", err)
	}
	for _, kind := range kinds {
		if kept[kind].Objects > 0 {
			g.Kept = append(g.Kept, *kept[kind])
		}
	}
	return g, nil
}

// sweepBatch is how many objects are removed between two looks at the log.
const sweepBatch = 200

// sweep removes objects unless they were named or stored again since the records were read.
func (k *Keeper) sweep(ctx context.Context, dead []found, before time.Time, place uint64, young *Kept) (g Garbage, err error) {
	named := map[event.Digest]bool{}
	for len(dead) > 0 {
		batch := dead[:min(sweepBatch, len(dead))]
		dead = dead[len(batch):]
		if place, err = k.news(ctx, place, named); err != nil {
			return g, err
		}
		for _, o := range batch {
			deleted := false
			if !named[event.Digest(o.Digest)] {
				deleted, err = o.deleteOld(ctx, k.Blobs, before)
				if errors.Is(err, blob.ErrNotFound) {
					continue
				}
				if err != nil {
					return g, err
				}
			}
			if deleted {
				g.Objects, g.Bytes = g.Objects+1, g.Bytes+o.Size
				continue
			}
			young.Objects++
			young.Bytes += o.Size
		}
	}
	return g, nil
}

// news adds every digest in the facts after a place, and returns the place of the last of them.
func (k *Keeper) news(ctx context.Context, after uint64, named map[event.Digest]bool) (uint64, error) {
	state, err := k.Bus.State(ctx)
	if err != nil || state.Last <= after {
		return after, err
	}
	end := errors.New("end")
	err = k.Bus.Follow(ctx, after+1, nil, func(env event.Envelope) error {
		if _, points := env.Event.(event.MetricsLogged); !points {
			_, body, err := event.Encode(env)
			if err != nil {
				return err
			}
			for d := range readmodel.Digests(body) {
				named[d] = true
			}
		}
		if env.Seq >= state.Last {
			return end
		}
		return nil
	})
	if !errors.Is(err, end) {
		return after, err
	}
	return state.Last, nil
}

// mark finds every object that something refers to, by the kind of what does, and the place in the log up to which it has looked.
func (k *Keeper) mark(ctx context.Context) (map[event.Digest]string, uint64, error) {
	state, err := k.Bus.State(ctx)
	if err != nil {
		return nil, 0, err
	}
	if err := k.Model.WaitFor(ctx, state.Last); err != nil {
		return nil, 0, err
	}
	rank := map[string]int{}
	for i, kind := range kinds {
		rank[kind] = i
	}
	live := map[event.Digest]string{}
	add := func(d event.Digest, kind string) {
		if is, ok := live[d]; !ok || rank[kind] < rank[is] {
			live[d] = kind
		}
	}
	naming := map[event.Digest]string{}
	if err := k.Model.Objects(ctx, func(o readmodel.Object) {
		add(o.Digest, o.Kind)
		if o.Names {
			if is, ok := naming[o.Digest]; !ok || rank[o.Kind] < rank[is] {
				naming[o.Digest] = o.Kind
			}
		}
	}); err != nil {
		return nil, 0, err
	}
	if err := k.markKept(add, naming); err != nil {
		return nil, 0, err
	}
	c, fact, err := k.Archive.Catalogue(ctx)
	if err != nil {
		return nil, 0, err
	}
	add(fact.Archive, "archive")
	for _, s := range c.Segments {
		add(event.Digest(s.Records.Digest), "archive")
		add(event.Digest(s.Subjects.Digest), "archive")
	}
	for d, kind := range naming {
		named, err := k.namedBy(ctx, d)
		if errors.Is(err, blob.ErrNotFound) && kind == "snapshot" { // it cannot be used anyway
			continue
		}
		if errors.Is(err, blob.ErrNotFound) && kind == "alias" && live[d] != "dataset" { // of a checkpoint that is gone
			continue
		}
		if err != nil {
			return nil, 0, fmt.Errorf("%s %s names objects, and which cannot be known: delete it, or bring it back: %w", kind, d, err)
		}
		for _, n := range named {
			add(n, kind)
		}
	}
	return live, state.Last, nil
}

// markKept adds the snapshots that stay.
func (k *Keeper) markKept(add func(event.Digest, string), naming map[event.Digest]string) error {
	snapshots, err := k.Model.Snapshots()
	if err != nil {
		return err
	}
	count := map[int]int{}
	for i := len(snapshots) - 1; i >= 0; i-- {
		s := snapshots[i]
		if count[s.Layout]++; count[s.Layout] > keepSnapshots {
			continue
		}
		add(s.SnapshotTaken.Snapshot, "snapshot")
		if naming[s.SnapshotTaken.Snapshot] == "" {
			naming[s.SnapshotTaken.Snapshot] = "snapshot"
		}
	}
	return nil
}

// namedBy reads the digests that stand in a manifest or a tree.
func (k *Keeper) namedBy(ctx context.Context, d event.Digest) (out []event.Digest, err error) {
	info, err := k.Blobs.Stat(ctx, blob.Digest(d))
	if err != nil {
		return nil, err
	}
	if info.Size > maxNaming {
		return nil, fmt.Errorf("keeper: %s has %d bytes, and a list of objects at most %d", d, info.Size, maxNaming)
	}
	raw, err := k.Blobs.Get(ctx, blob.Digest(d))
	if err != nil {
		return nil, err
	}
	for n := range readmodel.Digests(raw) {
		out = append(out, n)
	}
	return out, nil
}

// What is something that may be deleted: one of its fields is set.
type What struct {
	Runs    []event.RunID
	Run     event.RunID // with Step: a checkpoint
	Step    int64
	Dataset event.Digest
}

// Storage is how many bytes of storage only this refers to: what the next collection would free were it deleted. What records do not tell
// the size of is asked for; a dataset of very many objects is taken for what it said that it stored.
func (k *Keeper) Storage(ctx context.Context, w What) (int64, error) {
	mine, err := k.objectsOf(ctx, w)
	if err != nil {
		return 0, err
	}
	of := map[event.RunID]bool{}
	for _, id := range w.Runs {
		of[id] = true
	}
	others := map[event.Digest]bool{} // what somebody else refers to
	keep := func(d event.Digest) {
		delete(mine, d)
		others[d] = true
	}
	var manifests []event.Digest // others, that may name the same
	if w.Dataset != "" {
		all, err := k.Model.Datasets()
		if err != nil {
			return 0, err
		}
		for _, d := range all {
			if d.Dataset != w.Dataset {
				manifests = append(manifests, d.Dataset)
				keep(d.Tokenizer)
			}
		}
	}
	if err := k.Model.Objects(ctx, func(o readmodel.Object) {
		ours := of[o.Run] || w.Run != "" && o.Run == w.Run && o.Kind == "checkpoint" || w.Dataset != "" && o.Kind == "dataset"
		if !ours {
			keep(o.Digest)
		}
	}); err != nil {
		return 0, err
	}
	for _, d := range manifests {
		named, err := k.namedBy(ctx, d)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return 0, err
		}
		keep(d)
		for _, n := range named {
			keep(n)
		}
	}
	if w.Run != "" { // the run's other checkpoints
		all, err := k.Model.Checkpoints(w.Run)
		if err != nil {
			return 0, err
		}
		for _, c := range all {
			if c.Step == w.Step {
				continue
			}
			keep(c.Checkpoint)
			for _, f := range c.Files {
				keep(f.Digest)
			}
		}
	}
	if err := k.split(ctx, mine, others); err != nil {
		return 0, err
	}
	return k.sum(ctx, mine, w)
}

// maxAsked is how many objects are asked for their size.
const maxAsked = 10_000

func (k *Keeper) sum(ctx context.Context, mine map[event.Digest]int64, w What) (total int64, err error) {
	if w.Dataset != "" && len(mine) > maxAsked {
		d, err := k.Model.Dataset(w.Dataset)
		return d.Bytes, err
	}
	asked := 0
	for d, size := range mine {
		if size == 0 && asked < maxAsked {
			asked++
			info, err := k.Blobs.Stat(ctx, blob.Digest(d))
			if err != nil && !errors.Is(err, blob.ErrNotFound) {
				return 0, err
			}
			size = info.Size
		}
		total += size
	}
	return total, nil
}

// objectsOf lists what something refers to, with the sizes that are recorded.
func (k *Keeper) objectsOf(ctx context.Context, w What) (map[event.Digest]int64, error) {
	mine := map[event.Digest]int64{}
	checkpoint := func(c readmodel.Checkpoint) {
		mine[c.Checkpoint] = 0
		for _, f := range c.Files {
			mine[f.Digest] = f.Size
		}
	}
	for _, id := range w.Runs {
		all, err := k.Model.Checkpoints(id)
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			checkpoint(c)
		}
		artifacts, err := k.Model.Artifacts(id)
		if err != nil {
			return nil, err
		}
		for _, a := range artifacts {
			if a.File.Digest.Valid() {
				mine[a.File.Digest] = a.File.Size
			}
		}
	}
	if w.Run != "" {
		c, err := k.Model.Checkpoint(w.Run, w.Step)
		if err != nil {
			return nil, err
		}
		checkpoint(c)
	}
	if w.Dataset != "" {
		named, err := k.namedBy(ctx, w.Dataset)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return nil, err
		}
		d, err := k.Model.Dataset(w.Dataset)
		if err != nil {
			return nil, err
		}
		mine[w.Dataset], mine[d.Tokenizer] = 0, 0
		for _, d := range named {
			mine[d] = 0
		}
	}
	return mine, nil
}
