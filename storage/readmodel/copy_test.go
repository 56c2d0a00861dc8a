package readmodel_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
)

// TestACopyIsTheModelOfItsPlace copies a model while it folds on: the copy says up to where it goes, is what the log folds to up to there, and
// goes on from there to the same end.
func TestACopyIsTheModelOfItsPlace(t *testing.T) {
	l := readmodeltest.Start(t)
	path := filepath.Join(t.TempDir(), "copy.db")
	facts := crashLog(300)
	for _, env := range facts[:120] {
		l.Tell(env.Event)
	}
	folding := make(chan struct{})
	go func() {
		defer close(folding)
		for _, env := range facts[120:] {
			l.Tell(env.Event)
		}
	}()
	c, err := l.CopyTo(path)
	<-folding
	if err != nil || c.Seq < 120 || c.Seq > 300 || c.Layout != readmodel.Layout || c.Fact != "test" {
		t.Fatalf("%+v %v", c, err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != c.Bytes {
		t.Fatalf("%v, want %d bytes", err, c.Bytes)
	}
	if is, err := readmodel.Inspect(path); err != nil || is != c {
		t.Fatalf("%+v %v, want %+v", is, err, c)
	}
	m, err := readmodel.Open(path, readmodel.Options{})
	if err != nil || m.Rebuilt() != "" || m.Cursor().Committed != c.Seq {
		t.Fatalf("%v, rebuilt %q, at %+v", err, m.Rebuilt(), m.Cursor())
	}
	defer mustClose(t, m)
	readmodeltest.Check(t, m, l.Told())
	feed(t, m, l.Told()[c.Seq:])
	readmodeltest.Check(t, m, l.Told())
}

func TestInspectTellsOfNoFileAndOfNonsense(t *testing.T) {
	dir := t.TempDir()
	nonsense := filepath.Join(dir, "nonsense")
	if err := os.WriteFile(nonsense, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{nonsense, filepath.Join(dir, "absent")} {
		if c, err := readmodel.Inspect(path); err != nil || c != (readmodel.Copied{}) {
			t.Errorf("%s: %+v %v", path, c, err)
		}
		if freed, err := readmodel.Compact(path, 0); freed != 0 || err != nil {
			t.Errorf("%s: compacted %d %v", path, freed, err)
		}
	}
	if raw, err := os.ReadFile(nonsense); err != nil || string(raw) != "nonsense" {
		t.Fatalf("changed: %q %v", raw, err)
	}
}

// TestCompactGivesBackWhatDeletedRunsHeld deletes most of a file's runs. The pages are free but the file is as long as before; compaction
// makes it short and changes nothing in it. What a crash in the middle left behind is no hindrance.
func TestCompactGivesBackWhatDeletedRunsHeld(t *testing.T) {
	l := readmodeltest.Start(t)
	for r := range 20 {
		run := event.RunID(fmt.Sprintf("r%d", r))
		l.Tell(event.RunRequested{Run: run, Name: "n"})
		values := make([]float64, 5000)
		steps := make([]int64, len(values))
		for i := range values {
			values[i], steps[i] = float64(i*7919%1009)/3, int64(i)
		}
		l.Tell(event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: run, Writer: "w", Series: []event.Series{{Key: "k", Steps: steps, Times: steps, Values: values}}}}})
	}
	if err := l.Commit(); err != nil {
		t.Fatal(err)
	}
	full := l.Stats().FileBytes
	if freed, err := readmodel.Compact(l.Path, 0); err == nil {
		t.Fatalf("an open file was compacted: %d", freed)
	}
	for r := range 19 {
		l.Tell(event.RunDeleted{Run: event.RunID(fmt.Sprintf("r%d", r))})
	}
	mustClose(t, l.Model)
	if err := os.WriteFile(l.Path+".compact", []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	freed, err := readmodel.Compact(l.Path, 0)
	info, serr := os.Stat(l.Path)
	if err != nil || serr != nil || freed < full/2 || info.Size() > full/2 {
		t.Fatalf("freed %d of %d, %d left: %v %v", freed, full, info.Size(), err, serr)
	}
	if again, err := readmodel.Compact(l.Path, 0); again != 0 || err != nil {
		t.Errorf("compacted again: %d %v", again, err)
	}
	l.Open()
}

// TestKeptFactsInAnyOrder folds facts about keeping between those of runs: whatever the order, the fold does not stop and a replay is the same.
func TestKeptFactsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := readmodeltest.Start(t)
		defer l.End()
		digests := []event.Digest{event.DigestOf([]byte("a")), event.DigestOf([]byte("b"))}
		for range rapid.IntRange(1, 40).Draw(rt, "facts") {
			run := event.RunID(rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "run"))
			d := rapid.SampledFrom(digests).Draw(rt, "digest")
			place := rapid.Uint64Range(0, 200).Draw(rt, "place")
			l.Tell(rapid.SampledFrom([]event.Event{
				event.RunRequested{Run: run, Experiment: "x"}, event.RunDeleted{Run: run}, event.RunPruned{Run: run, Console: true}, event.RunPruned{Run: run, System: true},
				event.LinesLogged{Run: run, First: int64(place), Lines: []string{"a", "b"}},
				event.UsageSampled{Run: run, Worker: "w", Usage: event.Usage{At: int64(place), CPUPercent: 7}},
				event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: run, Writer: "w", Series: []event.Series{{Key: "loss", Steps: []int64{int64(place)}, Times: []int64{1}, Values: []float64{1}}}}}},
				event.DatasetPublished{Dataset: d, Name: "d", Run: run}, event.DatasetDeleted{Dataset: d},
				event.ExperimentCreated{Experiment: "x", Name: "x"}, event.ExperimentDeleted{Experiment: "x"}, event.AliasSet{Experiment: "x", Alias: "best", Run: run, Checkpoint: d},
				event.SnapshotTaken{Place: place, Layout: 2, Snapshot: d}, event.LogArchived{Log: "l", Through: place, Archive: d},
				event.RetentionSet{Experiment: "x", Policy: event.Retention{LogDays: event.Number(place)}}, event.RetentionSet{Policy: event.Retention{ConsoleDays: 1}},
			}).Draw(rt, "fact"))
		}
		if n, err := l.Snapshots(); err != nil || len(n) > 100 {
			rt.Fatalf("%d %v", len(n), err)
		}
	})
}

// TestPruningTakesWhatItSays prunes a run's console, then its machine series, and nothing else.
func TestPruningTakesWhatItSays(t *testing.T) {
	l := readmodeltest.Start(t)
	l.Tell(event.RunRequested{Run: "r"},
		event.LinesLogged{Run: "r", Stream: "stdout", First: 1, Lines: []string{"one"}},
		event.UsageSampled{Run: "r", Worker: "w", Usage: event.Usage{At: 5, CPUPercent: 50}},
		event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: "r", Writer: "w", Series: []event.Series{{Key: "loss", Steps: []int64{1}, Times: []int64{1}, Values: []float64{1}}}}}})
	count := func() (lines, system, others int) {
		ls, err := l.LastLines("r", "", 10)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := l.Keys("r")
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if k.Sampled {
				system++
			} else {
				others++
			}
		}
		return len(ls), system, others
	}
	if lines, system, others := count(); lines != 1 || system == 0 || others != 1 {
		t.Fatalf("%d %d %d", lines, system, others)
	}
	l.Tell(event.RunPruned{Run: "r", Console: true})
	if lines, system, others := count(); lines != 0 || system == 0 || others != 1 {
		t.Errorf("console: %d %d %d", lines, system, others)
	}
	l.Tell(event.RunPruned{Run: "r", System: true})
	if lines, system, others := count(); lines != 0 || system != 0 || others != 1 {
		t.Errorf("system: %d %d %d", lines, system, others)
	}
}
