package readmodel_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
)

func benchModel(b *testing.B) *readmodel.Model {
	b.Helper()
	m, err := readmodel.Open(filepath.Join(b.TempDir(), "model.db"), readmodel.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := m.Close(); err != nil {
			b.Error(err)
		}
	})
	return m
}

// lossFrame is n points of some keys from a step on: what float32 training curves look like.
func lossFrame(run event.RunID, keys, from, n int, rng *rand.Rand) event.Frame {
	f := event.Frame{Run: run, Writer: "train"}
	for k := range keys {
		s := event.Series{Key: fmt.Sprintf("train/metric-%d", k)}
		for i := range n {
			step := int64(from + i)
			s.Steps = append(s.Steps, step)
			s.Times = append(s.Times, 1790000000000000+step*20000+rng.Int64N(500))
			s.Values = append(s.Values, float64(float32(3+rng.NormFloat64()/10)))
		}
		f.Series = append(f.Series, s)
	}
	return f
}

// benchApply folds messages that repeat with growing steps and reports points per second, the last commit included, and bytes per point.
func benchApply(b *testing.B, runs, keys, points int) {
	m := benchModel(b)
	rng := rand.New(rand.NewPCG(1, 1))
	var frames []event.Frame
	for r := range runs {
		frames = append(frames, lossFrame(event.RunID(fmt.Sprintf("run-%03d", r)), keys, 0, points, rng))
	}
	seq := uint64(0)
	b.ResetTimer()
	for b.Loop() {
		seq++
		if err := m.Apply(event.Envelope{Seq: seq, Time: time.Unix(int64(seq), 0), Event: event.MetricsLogged{Gateway: "g", Frames: frames}}); err != nil {
			b.Fatal(err)
		}
		for _, f := range frames {
			for _, s := range f.Series {
				for i := range s.Steps {
					s.Steps[i] += int64(points)
					s.Times[i] += int64(points) * 20000
				}
			}
		}
	}
	if err := m.Commit(); err != nil {
		b.Fatal(err)
	}
	total := float64(b.N * runs * keys * points)
	b.ReportMetric(total/b.Elapsed().Seconds(), "points/s")
	b.ReportMetric(float64(m.Stats().FileBytes)/total, "file-B/point")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkApplyWide(b *testing.B) { benchApply(b, 100, 10, 10) }

func BenchmarkApplyBulk(b *testing.B) { benchApply(b, 1, 10, 1000) }

func longModel(b *testing.B) *readmodel.Model { return longRuns(b, "long") }

// longRuns is 10 keys of 100,000 points in each of some runs.
func longRuns(b *testing.B, runs ...event.RunID) *readmodel.Model {
	m := benchModel(b)
	rng := rand.New(rand.NewPCG(1, 1))
	seq := uint64(0)
	for _, run := range runs {
		for i := range 100 {
			seq++
			if err := m.Apply(event.Envelope{Seq: seq, Event: event.MetricsLogged{Gateway: "g", Frames: []event.Frame{lossFrame(run, 10, i*1000, 1000, rng)}}}); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := m.Commit(); err != nil {
		b.Fatal(err)
	}
	return m
}

// BenchmarkReadMillion reads 10 keys of 100,000 points whole.
func BenchmarkReadMillion(b *testing.B) {
	m := longModel(b)
	for b.Loop() {
		s, err := m.Series("long", readmodel.SeriesQuery{})
		if err != nil || len(s) != 10 || len(s[9].Steps) != 100_000 {
			b.Fatal(len(s), err)
		}
	}
}

// BenchmarkReadTenMillion reads 10 runs of 10 keys of 100,000 points whole, as one reader does: run after run.
func BenchmarkReadTenMillion(b *testing.B) {
	var runs []event.RunID
	for i := range 10 {
		runs = append(runs, event.RunID(fmt.Sprint("long-", i)))
	}
	m := longRuns(b, runs...)
	for b.Loop() {
		for _, run := range runs {
			s, err := m.Series(run, readmodel.SeriesQuery{})
			if err != nil || len(s) != 10 || len(s[9].Steps) != 100_000 {
				b.Fatal(len(s), err)
			}
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/read")
}

// BenchmarkChart reads the same as charts of 1,000 points each.
func BenchmarkChart(b *testing.B) {
	m := longModel(b)
	for b.Loop() {
		s, err := m.Series("long", readmodel.SeriesQuery{MaxPoints: 1000})
		if err != nil || len(s) != 10 || !s[9].Downsampled {
			b.Fatal(len(s), err)
		}
	}
}

// BenchmarkReadOn is one reading of a subscription that is 10 points behind on 10 keys.
func BenchmarkReadOn(b *testing.B) {
	m := longModel(b)
	s, err := m.Points("long", readmodel.PointsQuery{MaxPoints: 99_990})
	if err != nil {
		b.Fatal(err)
	}
	marks := map[string]readmodel.Mark{}
	for _, x := range s {
		marks[x.Ref()] = x.Mark
	}
	for b.Loop() {
		if s, err = m.Points("long", readmodel.PointsQuery{After: marks}); err != nil || len(s) != 10 || len(s[0].Steps) != 10 {
			b.Fatal(len(s), err)
		}
	}
}

// BenchmarkLastValues reads one metric's last value of 1,000 runs, from the file.
func BenchmarkLastValues(b *testing.B) {
	path := filepath.Join(b.TempDir(), "model.db")
	m, err := readmodel.Open(path, readmodel.Options{})
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 1000 {
		if err := m.Apply(event.Envelope{Seq: uint64(i + 1), Event: event.MetricsLogged{Gateway: "g", Frames: []event.Frame{lossFrame(event.RunID(fmt.Sprintf("run-%04d", i)), 10, 0, 3, rng)}}}); err != nil {
			b.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
	if m, err = readmodel.Open(path, readmodel.Options{}); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	for b.Loop() {
		s, err := m.LastValues("train/metric-3")
		if err != nil || len(s) != 1000 {
			b.Fatal(len(s), err)
		}
	}
}
