package tracker_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"millrace/event"
	"millrace/services/bus"
	"millrace/storage/readmodel"
)

// house is a bus with fsync and a read model that follows it, as in a node.
func house(b *testing.B) (*bus.Bus, *readmodel.Model) {
	b.Helper()
	dir, quiet := b.TempDir(), slog.New(slog.NewTextHandler(io.Discard, nil))
	l, err := bus.Open(b.Context(), bus.Config{Dir: filepath.Join(dir, "log"), Source: "/bench", Log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	m, err := readmodel.Open(filepath.Join(dir, "model.db"), readmodel.Options{Log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = l.Follow(ctx, 1, nil, m.Apply)
	}()
	b.Cleanup(func() {
		cancel()
		<-ended
		if err := m.Close(); err != nil {
			b.Error(err)
		}
		if err := l.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return l, m
}

// frame is n points of 10 keys.
func frame(run string, step int64, n int) event.Frame {
	f := event.Frame{Run: event.RunID(run), Writer: "w"}
	now := time.Now().UnixMicro()
	for k := range 10 {
		s := event.Series{Key: fmt.Sprintf("train/metric-%d", k)}
		for i := range n / 10 {
			s.Steps, s.Times, s.Values = append(s.Steps, step+int64(i)), append(s.Times, now+int64(i)), append(s.Values, float64(float32(3+rand.NormFloat64()/10)))
		}
		f.Series = append(f.Series, s)
	}
	return f
}

// BenchmarkIngest is points a second that are durable in the log, and that are folded as well: writers that each wait for their frame.
func BenchmarkIngest(b *testing.B) {
	for _, c := range []struct{ writers, points int }{{16, 100}, {64, 1000}} {
		b.Run(fmt.Sprintf("%d writers x %d points", c.writers, c.points), func(b *testing.B) {
			l, m := house(b)
			var next atomic.Int64
			var last atomic.Uint64
			b.ResetTimer()
			var all sync.WaitGroup
			for w := range c.writers {
				all.Add(1)
				go func() {
					defer all.Done()
					f := frame(fmt.Sprintf("run-%d", w), 0, c.points)
					for next.Add(1) <= int64(b.N) {
						seq, err := l.Publish(b.Context(), event.MetricsLogged{Gateway: "g", Frames: []event.Frame{f}})
						if err != nil {
							b.Error(err)
							return
						}
						for have := last.Load(); seq > have && !last.CompareAndSwap(have, seq); have = last.Load() {
						}
						for _, s := range f.Series {
							for i := range s.Steps {
								s.Steps[i] += int64(c.points)
								s.Times[i] += 20_000
							}
						}
					}
				}()
			}
			all.Wait()
			b.ReportMetric(float64(b.N*c.points)/b.Elapsed().Seconds(), "points/s")
			if err := m.WaitFor(b.Context(), last.Load()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N*c.points)/b.Elapsed().Seconds(), "folded/s")
		})
	}
}

// BenchmarkPublishToWatcher offers 20,000 points a second, 20 frames of 10 points every 10 ms by 20 writers, and measures from before a frame is
// published until somebody who watches its run has read its points.
func BenchmarkPublishToWatcher(b *testing.B) {
	l, m := house(b)
	const writers = 20
	var mu sync.Mutex
	var took []time.Duration
	var all sync.WaitGroup
	for w := range writers {
		run := event.RunID(fmt.Sprintf("run-%d", w))
		starts := make([]atomic.Int64, b.N)
		watch := m.Watch(run)
		all.Add(2)
		go func() {
			defer all.Done()
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			var sent sync.WaitGroup
			for i := range b.N {
				<-tick.C
				f := frame(string(run), int64(i), 10)
				starts[i].Store(time.Now().UnixNano())
				sent.Add(1)
				go func() { // who offers does not wait for the log
					defer sent.Done()
					if _, err := l.Publish(b.Context(), event.MetricsLogged{Gateway: "g", Frames: []event.Frame{f}}); err != nil {
						b.Error(err)
					}
				}()
			}
			sent.Wait()
		}()
		go func() {
			defer all.Done()
			defer watch.Close()
			marks := map[string]readmodel.Mark{}
			seen := make([]bool, b.N)
			for left := b.N; left > 0; {
				<-watch.C()
				got, err := m.Points(run, readmodel.PointsQuery{Keys: []string{"train/metric-9"}, After: marks})
				now := time.Now().UnixNano()
				if err != nil {
					continue
				}
				for _, s := range got {
					marks[s.Ref()] = s.Mark
					for _, step := range s.Steps {
						if !seen[step] {
							seen[step] = true
							left--
							mu.Lock()
							took = append(took, time.Duration(now-starts[step].Load()))
							mu.Unlock()
						}
					}
				}
			}
		}()
	}
	all.Wait()
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(b.N*writers*10)/b.Elapsed().Seconds(), "offered/s")
}
