package keeper_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"millrace/event"
	"millrace/services/keeper"
	"millrace/storage/blob"
)

// put stores some bytes and names them.
func (l *lab) put(text string) event.File {
	l.t.Helper()
	ref, err := l.blobs.Put(l.t.Context(), []byte(text))
	if err != nil {
		l.t.Fatal(err)
	}
	return event.File{Name: text, Digest: event.Digest(ref.Digest), Size: ref.Size}
}

// checkpoint stores a checkpoint's files and its tree.
func (l *lab) checkpoint(run event.RunID, step int64, files ...event.File) event.CheckpointSaved {
	l.t.Helper()
	var entries []blob.Entry
	for _, f := range files {
		entries = append(entries, blob.Entry{Name: f.Name, Ref: blob.Ref{Digest: blob.Digest(f.Digest), Size: f.Size}})
	}
	tree, err := l.blobs.PutTree(l.t.Context(), entries)
	if err != nil {
		l.t.Fatal(err)
	}
	return event.CheckpointSaved{Run: run, Step: step, Checkpoint: event.Digest(tree.Digest), Files: files}
}

// dataset stores a manifest that names objects, as the curator's does.
func (l *lab) dataset(name string, files ...event.File) event.DatasetPublished {
	l.t.Helper()
	raw, err := json.Marshal(map[string]any{"name": name, "shards": files})
	if err != nil {
		l.t.Fatal(err)
	}
	manifest := l.put(string(raw))
	return event.DatasetPublished{Dataset: manifest.Digest, Name: name, Run: "curate", Tokenizer: l.put("tokenizer").Digest}
}

func (l *lab) has(f event.Digest) bool {
	l.t.Helper()
	_, err := l.blobs.Stat(l.t.Context(), blob.Digest(f))
	if err != nil && !errors.Is(err, blob.ErrNotFound) {
		l.t.Fatal(err)
	}
	return err == nil
}

// collect removes everything that is garbage, whatever its age.
func (l *lab) collect() keeper.Garbage {
	l.t.Helper()
	l.now = time.Now().Add(48 * time.Hour)
	g, err := l.keeper.Collect(l.t.Context(), keeper.Grace, false)
	if err != nil {
		l.t.Fatal(err)
	}
	return g
}

// TestSharedObjectsStayWhileAnythingRefersToThem deletes one thing after the other. What only it referred to goes, to the byte that was
// foretold, and nothing else does.
func TestSharedObjectsStayWhileAnythingRefersToThem(t *testing.T) {
	l := start(t)
	ctx := t.Context()
	shared, one, two, plot := l.put("shared weights"), l.put("weights one"), l.put("weights two"), l.put("a plot")
	shard, common := l.put("a shard"), l.put("a shard of both")
	early, late := l.checkpoint("r", 1, shared, one), l.checkpoint("r", 2, shared, two)
	other := l.checkpoint("s", 1, shared)
	first, second := l.dataset("first", shard, common), l.dataset("second", common)
	loose := l.put("nobody's")
	l.tell(life("r")...)
	l.tell(life("s")...)
	l.tell(event.ExperimentCreated{Experiment: "x", Name: "x"}, early, late, other, first, second, event.ArtifactLogged{Run: "r", Path: "plot.png", File: plot})

	if g := l.collect(); g.Objects != 1 || g.Bytes != loose.Size || l.has(loose.Digest) {
		t.Fatalf("%+v: want the one that nobody refers to", g)
	}
	for _, c := range []struct {
		name string
		what keeper.What
		fact event.Event
		gone []event.Digest
	}{
		{"a checkpoint", keeper.What{Run: "r", Step: 1}, event.CheckpointDeleted{Run: "r", Step: 1, Checkpoint: early.Checkpoint}, []event.Digest{early.Checkpoint, one.Digest}},
		{"a run", keeper.What{Runs: []event.RunID{"r"}}, event.RunDeleted{Run: "r"}, []event.Digest{late.Checkpoint, two.Digest, plot.Digest}},
		{"a dataset", keeper.What{Dataset: first.Dataset}, event.DatasetDeleted{Dataset: first.Dataset}, []event.Digest{first.Dataset, shard.Digest}},
		{"the other run", keeper.What{Runs: []event.RunID{"s"}}, event.RunDeleted{Run: "s"}, []event.Digest{other.Checkpoint, shared.Digest}},
		{"the other dataset", keeper.What{Dataset: second.Dataset}, event.DatasetDeleted{Dataset: second.Dataset}, []event.Digest{second.Dataset, common.Digest, first.Tokenizer}},
	} {
		foretold, err := l.keeper.Storage(ctx, c.what)
		if err != nil {
			t.Fatal(err)
		}
		l.tell(c.fact)
		dry, err := l.keeper.Collect(ctx, keeper.Grace, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range c.gone {
			if !l.has(d) {
				t.Fatalf("%s: a dry run removed %s", c.name, d)
			}
		}
		g := l.collect()
		if g.Objects != int64(len(c.gone)) || g.Bytes != foretold || dry.Objects != g.Objects || dry.Bytes != g.Bytes {
			t.Errorf("%s: foretold were %d bytes of %d objects, dry run %d of %d, removed were %d of %d", c.name, foretold, len(c.gone), dry.Bytes, dry.Objects, g.Bytes, g.Objects)
		}
		for _, d := range c.gone {
			if l.has(d) {
				t.Errorf("%s: %s is still there", c.name, d)
			}
		}
	}
	if g := l.collect(); len(g.Kept) != 0 || g.Objects != 0 {
		t.Errorf("nothing should be left: %+v", g)
	}
	l.check()
}

// TestWhatIsYoungOrNamedJustNowStays collects while uploads are on their way.
func TestWhatIsYoungOrNamedJustNowStays(t *testing.T) {
	l := start(t)
	ctx := t.Context()
	young := l.put("uploaded, not yet named")
	l.now = time.Now()
	g, err := l.keeper.Collect(ctx, keeper.Grace, false)
	if err != nil || g.Objects != 0 || !l.has(young.Digest) || len(g.Kept) != 1 || g.Kept[0].Kind != "young" {
		t.Fatalf("%+v %v", g, err)
	}
	l.tell(life("open")[:2]...)
	var refused *keeper.Refusal
	if _, err := l.keeper.Collect(ctx, time.Hour, false); !errors.As(err, &refused) || refused.Code() != "CONFLICT" {
		t.Errorf("a short grace while a run goes on: %v", err)
	}
	if _, err := l.keeper.Collect(ctx, -time.Hour, false); !errors.As(err, &refused) || refused.Code() != "INVALID" {
		t.Errorf("a negative age: %v", err)
	}
	l.tell(event.CheckpointSaved{Run: "open", Step: 1, Checkpoint: l.checkpoint("open", 1, young).Checkpoint, Files: []event.File{young}})
	l.collect()
	if !l.has(young.Digest) {
		t.Error("what was named is gone")
	}
}

// TestAManifestThatCannotBeReadEndsTheCollection loses a dataset's manifest: what it named cannot be known, so nothing is removed.
func TestAManifestThatCannotBeReadEndsTheCollection(t *testing.T) {
	l := start(t)
	ctx := t.Context()
	loose := l.put("nobody's")
	d := l.dataset("d", l.put("a shard"))
	l.tell(d)
	if err := l.blobs.Delete(ctx, blob.Digest(d.Dataset)); err != nil {
		t.Fatal(err)
	}
	l.now = time.Now().Add(48 * time.Hour)
	if g, err := l.keeper.Collect(ctx, keeper.Grace, false); err == nil || !strings.Contains(err.Error(), string(d.Dataset)) || g.Objects != 0 || !l.has(loose.Digest) {
		t.Fatalf("%+v %v", g, err)
	}
	l.tell(event.DatasetDeleted{Dataset: d.Dataset})
	if g := l.collect(); g.Objects != 3 {
		t.Errorf("%+v", g)
	}
}

// TestSnapshotsAndArchiveSurviveACollection takes five snapshots and trims: the newest two and the whole archive stay, and are enough.
func TestSnapshotsAndArchiveSurviveACollection(t *testing.T) {
	l := start(t)
	ctx := t.Context()
	for i := range 5 {
		l.tell(lives(2, fmt.Sprint("r", i))...)
		if _, err := l.keeper.Snapshot(ctx, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.keeper.Trim(ctx, keeper.TrimWish{Place: 30}); err != nil {
		t.Fatal(err)
	}
	all, err := l.model.Snapshots()
	if err != nil || len(all) != 5 {
		t.Fatalf("%d %v", len(all), err)
	}
	g := l.collect()
	for i, s := range all {
		if l.has(s.SnapshotTaken.Snapshot) != (i >= 3) {
			t.Errorf("snapshot %d is there: %v", i, i < 3)
		}
	}
	if g.Objects < 3 || len(g.Kept) != 2 {
		t.Errorf("%+v", g)
	}
	l.check()
	if _, _, release, err := l.past.At(ctx, 12); err != nil {
		t.Error(err)
	} else {
		release()
	}
}
