package readmodel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
)

// heard is a log handler's output.
func heard() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}

func smallLog() []event.Envelope {
	log := crashLog(200)
	for i := range log {
		log[i].ID = fmt.Sprintf("fact-%d", log[i].Seq)
	}
	return log
}

func feed(t *testing.T, m *readmodel.Model, log []event.Envelope) {
	t.Helper()
	for _, env := range log {
		if err := m.Apply(env); err != nil {
			t.Fatal(err)
		}
	}
}

func mustClose(t *testing.T, m *readmodel.Model) {
	t.Helper()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOpenRebuilds opens files that must not be used as they are. Each is rebuilt, loudly, and is then good again.
func TestOpenRebuilds(t *testing.T) {
	last := func(n uint64) *uint64 { return &n }
	facts := smallLog()
	lastID := facts[len(facts)-1].ID
	factAt := func(id string, known bool) func(uint64) (string, bool, error) {
		return func(seq uint64) (string, bool, error) {
			if seq != 200 {
				t.Errorf("asked for the fact at %d, the cursor is at 200", seq)
			}
			return id, known, nil
		}
	}
	for _, c := range []struct {
		name    string
		options readmodel.Options
		spoil   func(t *testing.T, path string)
		because string // "" : not rebuilt
		kept    bool   // the damaged file
	}{
		{name: "as it was", options: readmodel.Options{Identity: "s", LastSeq: last(200)}},
		{name: "the stream has grown", options: readmodel.Options{Identity: "s", LastSeq: last(1000)}},
		{name: "another stream", options: readmodel.Options{Identity: "other"}, because: `folded from stream "s", this one is "other"`},
		{name: "ahead of the stream", options: readmodel.Options{Identity: "s", LastSeq: last(199)}, because: "ahead of the stream: it has folded 200 facts, the stream has 199"},
		{name: "an empty stream", options: readmodel.Options{Identity: "s", LastSeq: last(0)}, because: "ahead of the stream"},
		{name: "the same last fact", options: readmodel.Options{Identity: "s", FactAt: factAt(lastID, true)}},
		{name: "the stream does not reach back", options: readmodel.Options{Identity: "s", FactAt: factAt("", false)}},
		{name: "another last fact", options: readmodel.Options{Identity: "s", FactAt: factAt("later", true)}, because: `is "later" in the stream`},
		{name: "no last fact", options: readmodel.Options{Identity: "s", FactAt: factAt("", true)}, because: "cut short"},
		{name: "another layout", options: readmodel.Options{Identity: "s"}, because: "its layout is version 99", spoil: func(t *testing.T, path string) {
			m, err := readmodel.Open(path, readmodel.Options{Identity: "s"})
			if err != nil {
				t.Fatal(err)
			}
			if err := m.SetVersion(99); err != nil {
				t.Fatal(err)
			}
			mustClose(t, m)
		}},
		{name: "truncated", options: readmodel.Options{Identity: "s"}, because: "damaged", kept: true, spoil: func(t *testing.T, path string) {
			if err := os.Truncate(path, 5*4096); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "no bbolt file", options: readmodel.Options{Identity: "s"}, because: "damaged", kept: true, spoil: func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("not a database "), 10_000), 0o644); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "pages overwritten", options: readmodel.Options{Identity: "s"}, because: "damaged", kept: true, spoil: func(t *testing.T, path string) {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := readmodel.Damage(path, 2*4096, bytes.Repeat([]byte{0xAB}, int(info.Size())-2*4096)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sub", "model.db")
			m, err := readmodel.Open(path, readmodel.Options{Identity: "s"})
			if err != nil {
				t.Fatal(err)
			}
			feed(t, m, smallLog())
			mustClose(t, m)
			if c.spoil != nil {
				c.spoil(t, path)
			}
			log, said := heard()
			c.options.Log = log
			if m, err = readmodel.Open(path, c.options); err != nil {
				t.Fatal(err)
			}
			defer mustClose(t, m)
			if why := m.Rebuilt(); !strings.Contains(why, c.because) || (c.because == "") != (why == "") {
				t.Fatalf("rebuilt because %q, want %q", why, c.because)
			}
			if c.because != "" && !strings.Contains(said.String(), "rebuilt from the log") {
				t.Errorf("said nothing of it: %s", said)
			}
			want := readmodel.Cursor{Applied: 200, Committed: 200}
			if c.because != "" {
				want = readmodel.Cursor{}
			}
			if got := m.Cursor(); got != want {
				t.Fatalf("cursor %+v, want %+v", got, want)
			}
			if _, err := os.Stat(path + ".damaged"); (err == nil) != c.kept {
				t.Errorf("damaged file kept: %v, want %v", err == nil, c.kept)
			}
			feed(t, m, smallLog()[m.Cursor().Committed:])
			readmodeltest.Check(t, m, smallLog())
		})
	}
}

func TestOpenLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.db")
	m, err := readmodel.Open(path, readmodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, m)
	if _, err := readmodel.Open(path, readmodel.Options{}); !errors.Is(err, readmodel.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Fatalf("error %v, want ErrLocked naming the file", err)
	}
}

func TestClosed(t *testing.T) {
	m, err := readmodel.Open(filepath.Join(t.TempDir(), "model.db"), readmodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	feed(t, m, smallLog())
	waited := make(chan error, 1)
	go func() { waited <- m.WaitFor(context.Background(), 1000) }()
	w := m.Watch()
	mustClose(t, m)
	mustClose(t, m) // a second time is nothing
	if err := <-waited; !errors.Is(err, readmodel.ErrClosed) {
		t.Errorf("waiter got %v", err)
	}
	for range w.C() { // ends, because the channel is closed
	}
	w.Close()
	if err := m.Apply(event.Envelope{Seq: 1000}); !errors.Is(err, readmodel.ErrClosed) {
		t.Errorf("apply: %v", err)
	}
	if _, err := m.LastValues("loss-0"); !errors.Is(err, readmodel.ErrClosed) {
		t.Errorf("last values: %v", err)
	}
	if _, err := m.Keys("run-1"); !errors.Is(err, readmodel.ErrClosed) {
		t.Errorf("keys: %v", err)
	}
	if err := m.WaitFor(context.Background(), 1000); !errors.Is(err, readmodel.ErrClosed) {
		t.Errorf("wait: %v", err)
	}
	if err := m.Commit(); !errors.Is(err, readmodel.ErrClosed) {
		t.Errorf("commit: %v", err)
	}
	<-m.Watch().C()
}

// TestFullDisk lets commits fail for a while, with facts, deletions and rewinds coming in between: nothing is lost, nothing is wrong.
func TestFullDisk(t *testing.T) {
	log, _ := heard()
	m, err := readmodel.Open(filepath.Join(t.TempDir(), "model.db"), readmodel.Options{CommitEvery: time.Hour, CommitPoints: 1000, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, m)
	facts := crashLog(1500)
	failed, stuck := 0, 0
	for i, env := range facts {
		if i%100 == 30 {
			m.LimitFile(1) // no new pages: those that are free must do
		}
		if i%10 == 9 {
			if err := m.Commit(); err != nil {
				failed++
			}
		}
		if err := m.Apply(env); err != nil {
			stuck++
			if got := m.Cursor().Applied; got != env.Seq-1 {
				t.Fatalf("a fact that failed was applied: cursor %d, fact %d", got, env.Seq)
			}
			m.LimitFile(0)
			if err := m.Apply(env); err != nil {
				t.Fatal(err)
			}
		}
		if i%100 == 60 {
			m.LimitFile(0)
		}
	}
	m.LimitFile(0)
	if failed == 0 || stuck == 0 {
		t.Fatalf("%d commits failed, %d facts had to wait: the test tests nothing", failed, stuck)
	}
	readmodeltest.Check(t, m, facts)
}

// TestEviction folds with hardly any memory for series.
func TestEviction(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.db")
	m, err := readmodel.Open(path, readmodel.Options{CommitEvery: time.Millisecond, CachePoints: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, m)
	facts := crashLog(1500)
	for i, env := range facts {
		if err := m.Apply(env); err != nil {
			t.Fatal(err)
		}
		if i%7 == 0 {
			if err := m.Commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := m.Commit(); err != nil {
		t.Fatal(err)
	}
	if s := m.Stats(); s.Series > 2 {
		t.Errorf("%d series are in memory", s.Series)
	}
	readmodeltest.Check(t, m, facts)
}

// TestOddFacts applies the zero value and an example of every fact, nonsense, and facts again: the fold goes on.
func TestOddFacts(t *testing.T) {
	l := readmodeltest.Start(t)
	for _, e := range event.Set() {
		l.Tell(e)
	}
	if n := l.Stats().Skipped; n != 0 {
		t.Errorf("%d zero facts were skipped", n)
	}
	for range 2 {
		for _, e := range event.Examples() {
			if _, deletes := e.(event.RunDeleted); deletes {
				continue
			}
			l.Tell(e)
		}
	}
	if n := l.Stats().Skipped; n != 0 {
		t.Errorf("%d examples were skipped", n)
	}
	long := strings.Repeat("x", 100_000)
	nan := func() *float64 { v := 0.0; v /= v; return &v }()
	l.Tell(
		event.RunRequested{Run: event.RunID(long), Spec: event.Spec{Config: []byte("{not json")}},
		event.RunRequested{Run: "r", Spec: event.Spec{Config: []byte(`[1,{"a":"\u00e9\"b"},[],{}]`)}},
		event.RunProgressed{Run: "r", SecondsLeft: nan},
		event.ParamsLogged{Run: "r", Params: []event.Param{{Path: long, Value: nil}, {Path: "", Value: []byte("}")}, {Path: "a..b\x00", Value: []byte("1")}}},
		event.RowsLogged{Run: "r", Stream: "\x00", First: -5, Rows: []event.RawJSON{[]byte("x"), nil}},
		event.LinesLogged{Run: "r", Stream: "stdout", First: 1 << 62, Lines: []string{"\xff\x00", long}},
		event.MetricsLogged{Frames: []event.Frame{{Run: "r", Identity: 77, Series: []event.Series{
			{Key: long, Context: long, Steps: []int64{1, 2, 3}, Times: []int64{1, 2}, Values: []float64{1, 2, 3, 4}},
			{Key: "k\x00\x01", Steps: []int64{-1 << 63, 1<<63 - 1, 0}, Times: []int64{1 << 62, -1 << 62, 0}, Values: []float64{1, 2, *nan}},
		}}}},
		event.RuleSaved{Rule: "r", Then: []byte("{")},
		event.PriceSet{Device: "gpu:*", PerHour: -1, From: "never"},
		event.RunEnded{Run: "r", Attempt: -3, Status: "odd"},
		event.RunStarted{Run: "r", Attempt: 1 << 40},
	)
	if n := l.Stats().Skipped; n != 0 {
		t.Errorf("%d odd facts were skipped", n)
	}
	log, said := heard()
	m, err := readmodel.Open(filepath.Join(t.TempDir(), "m.db"), readmodel.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, m)
	if err := m.Apply(event.Envelope{Seq: 7, ID: "empty", Time: time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC)}); err != nil {
		t.Fatal(err)
	}
	if m.Stats().Skipped != 1 || !strings.Contains(said.String(), "empty") || m.Cursor().Applied != 7 {
		t.Errorf("an envelope without an event: %d skipped, cursor %+v, said %s", m.Stats().Skipped, m.Cursor(), said)
	}
	if err := m.Apply(event.Envelope{Seq: 8, Time: time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC), Event: event.RunRequested{Run: "r"}}); err != nil {
		t.Fatal(err)
	}
	if err := m.Dump(io.Discard); err != nil {
		t.Error(err)
	}
	for _, q := range []string{"k\x00\x01", long} {
		if s, err := l.Series("r", readmodel.SeriesQuery{Keys: []string{q[:min(len(q), 960)] + "*"}, MaxPoints: 1}); err != nil || len(s) != 1 {
			t.Errorf("series %.10q: %d, error %v", q, len(s), err)
		}
	}
}

// TestRepeats feeds the log again from anywhere: facts that were applied are ignored.
func TestRepeats(t *testing.T) {
	m, err := readmodel.Open(filepath.Join(t.TempDir(), "model.db"), readmodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, m)
	log := crashLog(300)
	feed(t, m, log[:200])
	feed(t, m, log[50:])
	feed(t, m, log)
	readmodeltest.Check(t, m, log)
	if got := fmt.Sprint(m.Cursor().Applied); got != "300" {
		t.Errorf("applied %s", got)
	}
}
