package graph_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"millrace/event"
	"millrace/graph"
	"millrace/storage/readmodel"
)

// TestACorruptChunkIsShownAndHurtsNobodyElse flips bytes in the stored points of one run: what of it can be read is answered and called
// damaged, and the other run's are answered as before, also in one question with it.
func TestACorruptChunkIsShownAndHurtsNobodyElse(t *testing.T) {
	const points = 40_000
	path := filepath.Join(t.TempDir(), "model.db")
	m, err := readmodel.Open(path, readmodel.Options{Identity: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	seq := uint64(0)
	tell := func(e event.Event) {
		seq++
		if err := m.Apply(event.Envelope{ID: fmt.Sprint("f", seq), Seq: seq, Time: epoch, Event: e}); err != nil {
			t.Fatal(err)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, run := range []event.RunID{"bad", "good"} {
		tell(event.RunRequested{Run: run, Name: string(run), Spec: event.Spec{Kind: event.Train, Config: []byte(`{}`)}})
		s := event.Series{Key: "loss"}
		for i := range int64(points) {
			s.Steps, s.Times, s.Values = append(s.Steps, i), append(s.Times, epoch.UnixMicro()+i), append(s.Values, random.Float64())
		}
		tell(event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: run, Writer: "w", Series: []event.Series{s}}}})
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	spoil(t, path)
	if m, err = readmodel.Open(path, readmodel.Options{Identity: "test", Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	l := newLab(t, func(c *graph.Config) { c.Model = m })
	type series struct {
		Run     string
		Damaged bool
		Points  int64
		Steps   []int64
	}
	got := get[struct{ MetricSeries []series }](t, l, `{ metricSeries(runs: ["bad", "good"], keys: ["loss"], maxPoints: 100000) { run damaged points steps } }`, nil)
	if len(got.MetricSeries) != 2 {
		t.Fatalf("%d series", len(got.MetricSeries))
	}
	for _, s := range got.MetricSeries {
		bad := s.Run == "bad"
		if s.Damaged != bad || (len(s.Steps) == points) == bad {
			t.Errorf("%s: damaged %v, %d of %d points are answered", s.Run, s.Damaged, len(s.Steps), s.Points)
		}
	}
	names := get[struct {
		Runs struct{ Nodes []struct{ Name string } }
	}](t, l, `{ runs { nodes { name } } }`, nil)
	if len(names.Runs.Nodes) != 2 {
		t.Errorf("%+v", names)
	}
}

// spoil flips a byte in the middle of the first pack of chunks in a file, which is of its first series.
func spoil(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("chunk"))
		key, value := b.Cursor().First()
		value = bytes.Clone(value)
		value[len(value)/2] ^= 0x55
		return b.Put(bytes.Clone(key), value)
	})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
