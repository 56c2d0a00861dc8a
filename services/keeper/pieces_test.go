package keeper_test

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"millrace/event"
	"millrace/services/keeper"
	"millrace/storage/blob"
)

// TestPiecesStayWhileAnythingRefersToThem deletes checkpoints whose files have tensors in common, one after the other and runs as a whole. Each
// frees what was foretold, to the byte; every file that is left can be read; at the end nothing is left.
func TestPiecesStayWhileAnythingRefersToThem(t *testing.T) {
	l := start(t)
	l.tell(event.ExperimentCreated{Experiment: "x", Name: "x"})
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		if round++; round > 6 {
			return
		}
		ctx := t.Context()
		files := map[event.Digest][]byte{}
		left := map[event.RunID]map[int64]event.CheckpointSaved{}
		for _, name := range []string{"a", "b"} {
			run := event.RunID(fmt.Sprintf("%s%d", name, round))
			l.tell(life(string(run))...)
			left[run] = map[int64]event.CheckpointSaved{}
			for step := range int64(rapid.IntRange(1, 3).Draw(rt, "checkpoints")) {
				// Of each tensor there are two states; the header and a gain are too small to lie alone.
				whole := fmt.Appendf(nil, "header of %d tensors", 3)
				lengths := []int64{int64(len(whole))}
				for i := range 3 {
					state := rapid.IntRange(0, 1).Draw(rt, "state")
					part := bytes.Repeat(fmt.Appendf(nil, "round %d tensor %d state %d;", round, i, state), 10)
					if i == 2 {
						part = part[:40]
					}
					whole, lengths = append(whole, part...), append(lengths, int64(len(part)))
				}
				ref, err := l.blobs.PutPieces(ctx, bytes.NewReader(whole), lengths)
				if err != nil {
					rt.Fatal(err)
				}
				f := event.File{Name: "model.safetensors", Digest: event.Digest(ref.Digest), Size: ref.Size}
				files[f.Digest] = whole
				state := l.put(fmt.Sprintf("state of %s at %d", run, step))
				c := l.checkpoint(run, step+1, f, state)
				l.tell(c)
				left[run][step+1] = c
			}
		}
		if g := l.collect(); g.Objects != 0 {
			rt.Fatalf("removed were %+v, and everything is referred to", g)
		}
		for len(left) > 0 {
			runs := make([]event.RunID, 0, len(left))
			for _, name := range []string{"a", "b"} {
				if run := event.RunID(fmt.Sprintf("%s%d", name, round)); left[run] != nil {
					runs = append(runs, run)
				}
			}
			run := rapid.SampledFrom(runs).Draw(rt, "run")
			what, fact := keeper.What{Runs: []event.RunID{run}}, event.Event(event.RunDeleted{Run: run})
			step := rapid.Int64Range(1, 3).Draw(rt, "step")
			if c, ok := left[run][step]; ok {
				what, fact = keeper.What{Run: run, Step: step}, event.CheckpointDeleted{Run: run, Step: step, Checkpoint: c.Checkpoint}
				delete(left[run], step)
			} else {
				delete(left, run)
			}
			foretold, err := l.keeper.Storage(ctx, what)
			if err != nil {
				rt.Fatal(err)
			}
			l.tell(fact)
			if g := l.collect(); g.Bytes != foretold {
				rt.Fatalf("%+v: foretold were %d bytes, removed %d", what, foretold, g.Bytes)
			}
			for _, steps := range left {
				for _, c := range steps {
					for _, f := range c.Files {
						got, err := l.blobs.Get(ctx, blob.Digest(f.Digest))
						if want := files[f.Digest]; err != nil || want != nil && !bytes.Equal(got, want) {
							rt.Fatalf("%s of step %d after %+v: %v", f.Name, c.Step, what, err)
						}
					}
				}
			}
		}
		if g := l.collect(); len(g.Kept) != 0 {
			rt.Fatalf("nothing should be left: %+v", g)
		}
	})
	l.check()
}

// TestAYoungListKeepsItsPieces collects between an upload in pieces and the fact that names it, when the pieces are old.
func TestAYoungListKeepsItsPieces(t *testing.T) {
	l := start(t)
	ctx := t.Context()
	tensor := bytes.Repeat([]byte("a frozen tensor;"), 20)
	if _, err := l.blobs.Put(ctx, tensor); err != nil {
		t.Fatal(err)
	}
	if err := l.age(); err != nil {
		t.Fatal(err)
	}
	whole := append(append([]byte("header"), tensor...), "rest"...)
	ref, err := l.blobs.PutPieces(ctx, bytes.NewReader(whole), []int64{6, int64(len(tensor)), 4})
	if err != nil {
		t.Fatal(err)
	}
	g, err := l.keeper.Collect(ctx, keeper.Grace, false)
	if err != nil || g.Objects != 0 {
		t.Fatalf("%+v %v", g, err)
	}
	if got, err := l.blobs.Get(ctx, ref.Digest); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("%q %v", got, err)
	}
	if g := l.collect(); g.Objects != 3 || len(g.Kept) != 0 {
		t.Errorf("nobody has named it: %+v", g)
	}
	l.check()
}
