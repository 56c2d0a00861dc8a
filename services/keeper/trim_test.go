package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/keeper"
	"millrace/storage/blob"
	"millrace/storage/readmodel"
)

// TestATrimmedLogReadsAsIfItWereWhole trims half of a log, then more: everything that asks the log for the past gets the same answers as
// before.
func TestATrimmedLogReadsAsIfItWereWhole(t *testing.T) {
	l := start(t)
	ctx := t.Context()
	l.tell(lives(20, "early")...)
	half := l.tell(lives(1, "middle")...)
	l.tell(lives(10, "late")...)
	before := l.read(1)

	for _, place := range []uint64{half + 1, half + 20} {
		trimmed, err := l.keeper.Trim(ctx, keeper.TrimWish{Place: place, By: "ada"})
		if err != nil || trimmed.First != place || trimmed.Held != "" || trimmed.Freed <= 0 {
			t.Fatalf("%+v %v", trimmed, err)
		}
		state, err := l.bus.State(ctx)
		if err != nil || state.First != place {
			t.Fatalf("%+v %v", state, err)
		}
		all := l.check()
		if !reflect.DeepEqual(all[:len(before)], before) {
			t.Fatal("the facts read otherwise than before the trim")
		}
		if some := l.read(40); !reflect.DeepEqual(some[0], before[39]) {
			t.Fatalf("from 40: %+v", some[0])
		}
	}
	ended := event.RunEnded{Run: "early-3"}.Subject()
	if env, err := l.bus.Last(ctx, ended); err != nil || !reflect.DeepEqual(env, before[19]) {
		t.Errorf("last of %s: %+v %v", ended, env, err)
	}
	if env, err := l.bus.Last(ctx, "millrace.run.early-7.>"); err != nil || env.Seq != 40 {
		t.Errorf("last by a pattern: %+v %v", env, err)
	}
	if _, err := l.bus.Last(ctx, event.RunEnded{Run: "never"}.Subject()); !errors.Is(err, bus.ErrNone) {
		t.Errorf("last of what never was: %v", err)
	}
	if env, err := l.bus.At(ctx, 7); err != nil || !reflect.DeepEqual(env, before[6]) {
		t.Errorf("at 7: %+v %v", env, err)
	}
	if _, err := l.bus.PublishOnce(ctx, event.RunRequested{Run: "early-3", Spec: event.Spec{Kind: event.Train}}); !errors.Is(err, bus.ErrExists) {
		t.Errorf("a request that was trimmed was published again: %v", err)
	}
	if _, err := l.bus.PublishAfter(ctx, event.Envelope{Event: event.RunEnded{Run: "early-3", Attempt: 2, Status: event.Failed}}, 19); !errors.Is(err, bus.ErrExists) {
		t.Errorf("after a place that is not the last: %v", err)
	}
	if _, err := l.bus.PublishAfter(ctx, event.Envelope{Event: event.RunEnded{Run: "early-3", Attempt: 2, Status: event.Failed}}, 20); err != nil {
		t.Errorf("after the last, which was trimmed: %v", err)
	}
	var stops int
	end := errors.New("end")
	last := l.tell(event.RunStopRequested{Run: "early-3"})
	err := l.bus.Follow(ctx, 1, []string{"millrace.run.*.ended", event.RunStopRequested{Run: "early-3"}.Subject()}, func(env event.Envelope) error {
		if stops++; env.Seq == last {
			return end
		}
		return nil
	})
	if !errors.Is(err, end) || stops != 33 {
		t.Errorf("%d facts by filters: %v", stops, err)
	}
}

// TestWhatIsStillNeededStaysInTheLog asks for everything to be trimmed while a run goes on and a group has work.
func TestWhatIsStillNeededStaysInTheLog(t *testing.T) {
	l := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l.tell(life("over")...)
	open := l.tell(life("open")[0])
	l.tell(life("open")[1:4]...)
	l.tell(life("later")...)
	trimmed, err := l.keeper.Trim(ctx, keeper.TrimWish{Place: 1 << 40})
	if err != nil || trimmed.First != open || !strings.Contains(trimmed.Held, "run open") {
		t.Fatalf("%+v %v, want the log to begin at %d", trimmed, err, open)
	}
	l.tell(life("open")[4])

	held := make(chan struct{})
	done := make(chan error, 1)
	work := l.tell(event.RunRequested{Run: "job", Spec: event.Spec{Kind: event.Curate}})
	go func() {
		done <- l.bus.Work(ctx, bus.Group{Name: "curate", Filters: []string{event.Requested(event.Curate)}}, func(ctx context.Context, _ event.Envelope, _ bus.Delivery) error {
			close(held)
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	<-held
	l.tell(event.RunEnded{Run: "job", Attempt: 1, Status: event.Finished})
	l.tell(life("last")...)
	trimmed, err = l.keeper.Trim(ctx, keeper.TrimWish{Place: 1 << 40})
	if err != nil || trimmed.First > work || !strings.Contains(trimmed.Held, "group curate") {
		t.Fatalf("%+v %v, want the request at %d to stay", trimmed, err, work)
	}
	cancel()
	<-done
	l.check()
}

// TestANewNodeBeginsWithASnapshotAndFoldsTheTail deletes the read model's file: the snapshot is used, and what comes of it is what the whole
// log folds to. Then the snapshot is of another layout, or gone: the archive is folded.
func TestANewNodeBeginsWithASnapshotAndFoldsTheTail(t *testing.T) {
	l := start(t)
	ctx := t.Context()
	l.tell(lives(10, "a")...)
	taken, err := l.keeper.Snapshot(ctx, "ada")
	if err != nil || taken.Place != 50 || taken.Layout != readmodel.Layout {
		t.Fatalf("%+v %v", taken, err)
	}
	if again, err := l.keeper.Snapshot(ctx, "ada"); err != nil || again != taken {
		t.Errorf("nothing happened, and another was taken: %+v %v", again, err)
	}
	l.tell(lives(10, "b")...)
	if _, err := l.keeper.Trim(ctx, keeper.TrimWish{Place: 30}); err != nil {
		t.Fatal(err)
	}
	l.tell(lives(2, "c")...)
	l.close()

	path := filepath.Join(l.dir, "fresh.db")
	l.open(path)
	if all := l.check(); l.model.Rebuilt() != "" || len(all) != 50+1+50+2+10 {
		t.Errorf("%d facts, rebuilt %q", len(all), l.model.Rebuilt())
	}
	// The tail alone was folded: the model has the snapshot's beginning without having read it.
	is, err := readmodel.Inspect(path + ".none")
	if err != nil || is != (readmodel.Copied{}) {
		t.Fatal(err)
	}
	newest, err := l.model.Snapshots()
	if err != nil || len(newest) != 2 {
		t.Fatalf("%+v %v", newest, err)
	}
	for _, s := range newest {
		if err := l.blobs.Delete(ctx, blob.Digest(s.SnapshotTaken.Snapshot)); err != nil {
			t.Fatal(err)
		}
	}
	l.close()
	l.open(filepath.Join(l.dir, "fresh2.db"))
	l.check()
}

// TestASnapshotThatWasSpoiledIsNotUsed damages each kind of object of a snapshot: it is an error, and no file appears.
func TestASnapshotThatWasSpoiledIsNotUsed(t *testing.T) {
	l := start(t)
	ctx := t.Context()
	l.tell(lives(5, "a")...)
	taken, err := l.keeper.Snapshot(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(l.dir, "restored.db")
	tree, err := l.blobs.Tree(ctx, blob.Digest(taken.Snapshot))
	if err != nil || len(tree.Files) != 2 {
		t.Fatalf("%+v %v", tree, err)
	}
	other, err := l.blobs.Put(ctx, []byte("something else"))
	if err != nil {
		t.Fatal(err)
	}
	header, _ := tree.File("header.json")
	for name, files := range map[string][]blob.Entry{
		"no header":       tree.Files[:1],
		"no piece":        {{Name: "header.json", Ref: header}},
		"another header":  {tree.Files[0], {Name: "header.json", Ref: other}},
		"another piece":   {{Name: "000000", Ref: other}, {Name: "header.json", Ref: header}},
		"a missing piece": {{Name: "000000", Ref: blob.Ref{Digest: blob.DigestOf([]byte("never stored")), Size: 5}}, {Name: "header.json", Ref: header}},
	} {
		ref, err := l.blobs.PutTree(ctx, files)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keeper.Restore(ctx, l.blobs, event.Digest(ref.Digest), path); !errors.Is(err, keeper.ErrSnapshot) && !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a file appeared", name)
		}
	}
	if h, err := keeper.Restore(ctx, l.blobs, taken.Snapshot, path); err != nil || h.Place != taken.Place {
		t.Errorf("%+v %v", h, err)
	}
}

// TestALogWithoutItsBeginningIsSaid purges the log by hand: nothing has those facts, and a node says so instead of showing half a lab.
func TestALogWithoutItsBeginningIsSaid(t *testing.T) {
	l := start(t)
	l.tell(lives(4, "a")...)
	l.close()
	file := filepath.Join(l.dir, "readmodel.db")
	if err := os.Rename(file, file+".ahead"); err != nil {
		t.Fatal(err)
	}
	b, err := bus.Open(t.Context(), bus.Config{Dir: filepath.Join(l.dir, "log"), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Trim(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	archive := &keeper.Archive{Bus: b}
	defer b.Close(context.Background())
	m, err := readmodel.Open(file, readmodel.Options{Identity: identity(t, b), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Apply(event.Envelope{Seq: 3, ID: "x", Time: begins, Event: event.RunRequested{Run: "r"}}), m.Close()); err != nil {
		t.Fatal(err)
	}
	if err := keeper.Prepare(t.Context(), b, archive, file, quiet); err == nil || !strings.Contains(err.Error(), "facts 4 to 9") {
		t.Errorf("%v", err)
	}
}

func identity(t *testing.T, b *bus.Bus) string {
	t.Helper()
	s, err := b.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Identity
}

// TestKilledWhileItTrims kills a process again and again in the middle of trims. After each the log and its archive hold every fact once, in
// order, and the next trim goes on.
func TestKilledWhileItTrims(t *testing.T) {
	dir := t.TempDir()
	var last uint64
	for round := range 6 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "KEEPER_TEST_TRIM="+dir)
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(300+137*round) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if strings.Contains(out.String(), "FAILED") {
			t.Fatal(out.String())
		}

		l := &lab{t: t, dir: dir, now: begins}
		l.open(filepath.Join(dir, "readmodel.db"))
		for i, env := range l.check() {
			if env.Seq != uint64(i+1) {
				t.Fatalf("round %d: fact %d lies at %d", round, i+1, env.Seq)
			}
			last = max(last, env.Seq)
		}
		if last == 0 { // it was killed before its first fact
			l.close()
			continue
		}
		if _, err := l.keeper.Trim(t.Context(), keeper.TrimWish{Place: last / 2}); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		l.check()
		l.close()
	}
	if last == 0 {
		t.Skip("the machine was too slow for a single fact")
	}
}

// trimUntilKilled is the child: it tells and trims, for ever.
func trimUntilKilled(dir string) {
	l := &lab{t: &child{}, dir: dir, now: begins}
	if err := l.tryOpen(filepath.Join(dir, "readmodel.db")); err != nil {
		fmt.Println("FAILED", err)
		return
	}
	for i := 0; ; i++ {
		last := l.tell(life(fmt.Sprintf("run-%d-%d", os.Getpid(), i))...)
		if _, err := l.keeper.Trim(context.Background(), keeper.TrimWish{Place: last - 3}); err != nil {
			fmt.Println("FAILED", err)
			return
		}
	}
}

// child is a testing.TB for a process that is no test.
type child struct{ testing.TB }

func (child) Helper()                           {}
func (child) Errorf(format string, args ...any) { fmt.Printf("FAILED "+format+"\n", args...) }
func (child) Fatalf(format string, args ...any) {
	fmt.Printf("FAILED "+format+"\n", args...)
	os.Exit(1)
}
func (child) Fatal(args ...any) { fmt.Println(append([]any{"FAILED"}, args...)...); os.Exit(1) }
func (child) Error(args ...any) { fmt.Println(append([]any{"FAILED"}, args...)...) }
