package readmodel_test

import (
	"bytes"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"millrace/event"
	"millrace/storage/readmodel"
)

// flip turns one bit in the middle of every copy of a piece of the file. bbolt never moves a page's bytes about, so a value lies there as it
// was put; what was freed holds older ones.
func flip(t *testing.T, path string, piece []byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for at := 0; ; found++ {
		i := bytes.Index(raw[at:], piece)
		if i < 0 {
			break
		}
		at += i + len(piece)/2
		raw[at] ^= 4
	}
	if found == 0 || os.WriteFile(path, raw, 0o600) != nil {
		t.Fatalf("%d copies of the piece in the file", found)
	}
}

// damageLog is two runs with two keys each of 3,000 points.
func damageLog() (log []event.Envelope) {
	for i := range 30 {
		for _, run := range []event.RunID{"a", "b"} {
			f := event.Frame{Run: run, Writer: "w"}
			for k, key := range []string{"loss", "norm"} {
				amplitude := float64(len(log)%2*2 + k + 1) // no two series have the same bytes
				s := event.Series{Key: key}
				for j := range 100 {
					step := int64(i*100 + j)
					s.Steps, s.Times, s.Values = append(s.Steps, step), append(s.Times, 1000*step+step%7), append(s.Values, amplitude*math.Sin(float64(step)))
				}
				f.Series = append(f.Series, s)
			}
			log = append(log, event.Envelope{Seq: uint64(len(log) + 1), Event: event.MetricsLogged{Gateway: "g", Frames: []event.Frame{f}}})
		}
	}
	return log
}

func metricAt(run event.RunID, key string, step int64) event.MetricsLogged {
	return event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: run, Writer: "w",
		Series: []event.Series{{Key: key, Steps: []int64{step}, Times: []int64{1000 * step}, Values: []float64{7}}}}}}
}

// TestDamage flips a bit of what is stored of one series: everything else is read and folded as before, the series says that it is damaged and
// takes new points, and a fresh fold of the log heals it.
func TestDamage(t *testing.T) {
	log := damageLog()
	for name, pick := range map[string]func(m *readmodel.Model) []byte{
		"first chunk": func(m *readmodel.Model) []byte { return m.StoredChunks("a", "loss")[0] },
		"middle":      func(m *readmodel.Model) []byte { return m.StoredChunks("a", "loss")[1] },
		"last chunk":  func(m *readmodel.Model) []byte { c := m.StoredChunks("a", "loss"); return c[len(c)-1] },
		"summary":     func(m *readmodel.Model) []byte { return m.StoredSummary("a", "loss") },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.db")
			quiet := readmodel.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
			m, err := readmodel.Open(path, quiet)
			if err != nil {
				t.Fatal(err)
			}
			feed(t, m, log)
			if err := m.Commit(); err != nil {
				t.Fatal(err)
			}
			piece := pick(m)
			mustClose(t, m)
			flip(t, path, piece)
			if m, err = readmodel.Open(path, quiet); err != nil {
				t.Fatal(err)
			}
			if why := m.Rebuilt(); why != "" {
				t.Fatalf("rebuilt: %s", why)
			}
			read := func(run event.RunID, key string) readmodel.Series {
				t.Helper()
				s, err := m.Series(run, readmodel.SeriesQuery{Keys: []string{key}})
				if err != nil || len(s) != 1 {
					t.Fatalf("%d series, error %v", len(s), err)
				}
				return s[0]
			}
			if s := read("a", "loss"); name != "summary" && (!s.Damaged || len(s.Steps) == 0 || len(s.Steps) == 3000) {
				t.Errorf("read %d points, damaged %v; want some", len(s.Steps), s.Damaged)
			}
			// New points, late ones among them, and a repeat.
			seq := uint64(len(log))
			for _, step := range []int64{3000, 3001, -5, 1500, 3001} {
				for _, run := range []event.RunID{"a", "b"} {
					for _, key := range []string{"loss", "norm"} {
						seq++
						if err := m.Apply(event.Envelope{Seq: seq, Event: metricAt(run, key, step)}); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			mustClose(t, m)
			if m, err = readmodel.Open(path, quiet); err != nil {
				t.Fatal(err)
			}
			for _, other := range [][2]string{{"a", "norm"}, {"b", "loss"}, {"b", "norm"}} {
				s := read(event.RunID(other[0]), other[1])
				if s.Damaged || len(s.Steps) != 3003 {
					t.Errorf("%s of %s: %d points, damaged %v; want 3,003", other[1], other[0], len(s.Steps), s.Damaged)
				}
			}
			s := read("a", "loss")
			if !s.Damaged || !slices.IsSorted(s.Steps) || !slices.Contains(s.Steps, 3001) || s.LastStep != 3001 {
				t.Errorf("the damaged series: %d points, damaged %v, last step %d; want it marked, with what is new", len(s.Steps), s.Damaged, s.LastStep)
			}
			thin, err := m.Series("a", readmodel.SeriesQuery{Keys: []string{"loss"}, MaxPoints: 50})
			if err != nil || len(thin) != 1 || !thin[0].Damaged || len(thin[0].Steps) > 50 {
				t.Errorf("a chart of it: %+v, error %v", thin, err)
			}
			if last, err := m.LastValues("loss"); err != nil || len(last) != 2 {
				t.Errorf("%d last values, error %v", len(last), err)
			}
			// It can be rewound and deleted as any other.
			if err := m.Apply(event.Envelope{Seq: seq + 1, Event: event.RunRewound{Run: "a", Step: 2500}}); err != nil {
				t.Fatal(err)
			}
			if s := read("a", "loss"); len(s.Steps) > 0 && slices.Max(s.Steps) > 2500 {
				t.Errorf("rewound to 2500, but it has step %d", slices.Max(s.Steps))
			}
			if s := read("a", "norm"); s.Damaged || len(s.Steps) != 2502 {
				t.Errorf("its neighbour, rewound: %d points, damaged %v; want 2,502", len(s.Steps), s.Damaged)
			}
			if err := m.Apply(event.Envelope{Seq: seq + 2, Event: event.RunDeleted{Run: "a"}}); err != nil {
				t.Fatal(err)
			}
			if keys, err := m.Keys("b"); err != nil || len(keys) != 2 {
				t.Errorf("%d keys of the other run, error %v", len(keys), err)
			}
			mustClose(t, m)
		})
	}
}
