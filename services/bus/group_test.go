package bus_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"millrace/event"
	"millrace/services/bus"
)

// frameOf makes points of keys×steps, values that tell them apart, from a step on.
func frameOf(run, writer string, keys, steps int, from int64) event.Frame {
	f := event.Frame{Run: event.RunID(run), Writer: event.WriterID(writer)}
	for k := range keys {
		s := event.Series{Key: fmt.Sprintf("loss/%d", k)}
		for i := range steps {
			step := from + int64(i)
			s.Steps = append(s.Steps, step)
			s.Times = append(s.Times, 1790000000000000+step*1000)
			s.Values = append(s.Values, math.Sin(float64(step))+float64(k))
		}
		f.Series = append(f.Series, s)
	}
	return f
}

func logged(frames ...event.Frame) event.MetricsLogged {
	return event.MetricsLogged{Gateway: "gateway", Frames: frames}
}

// point is a metric point's key and value.
type point struct {
	run    event.RunID
	writer event.WriterID
	key    string
	step   int64
	value  uint64
}

func pointsOf(envs []event.Envelope) (all []point, frames int) {
	for _, env := range envs {
		m, ok := env.Event.(event.MetricsLogged)
		if !ok {
			continue
		}
		for _, f := range m.Frames {
			frames++
			for _, s := range f.Series {
				for i := range s.Steps {
					all = append(all, point{f.Run, f.Writer, s.Key, s.Steps[i], math.Float64bits(s.Values[i])})
				}
			}
		}
	}
	return all, frames
}

func TestConcurrentFramesShareMessagesAndNoneIsLostOrDoubled(t *testing.T) {
	b := embedded(t)
	const writers, frames = 16, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			last := uint64(0)
			for i := range frames {
				seq, err := b.Publish(t.Context(), logged(frameOf("run", fmt.Sprint("w", w), 2, 3, int64(i*3))))
				if err != nil {
					t.Error(err)
					return
				}
				if seq <= last {
					t.Errorf("writer %d: frame %d lies at %d, the one before at %d", w, i, seq, last)
				}
				last = seq
			}
		})
	}
	wg.Wait()
	s, err := b.State(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if s.Last >= writers*frames {
		t.Errorf("%d frames took %d messages: none was shared", writers*frames, s.Last)
	}
	envs := follow(t, b, 1).until(t, int(s.Last))
	points, n := pointsOf(envs)
	seen := map[point]bool{}
	next := map[point]int64{} // by writer and key: the order of each writer is kept
	for _, p := range points {
		if seen[p] {
			t.Fatalf("%+v is there twice", p)
		}
		seen[p] = true
		series := point{writer: p.writer, key: p.key}
		if p.step != next[series] {
			t.Fatalf("%s %s: step %d came, want %d", p.writer, p.key, p.step, next[series])
		}
		next[series]++
	}
	if n != writers*frames || len(points) != writers*frames*6 {
		t.Errorf("%d frames of %d points came back, want %d of %d", n, len(points), writers*frames, writers*frames*6)
	}
}

func TestALargeFrameIsCutAndKeepsItsOrder(t *testing.T) {
	b := embedded(t)
	big := frameOf("run", "w", 2, 100_000, 0) // about 2.4 MB
	seq := publish(t, b, logged(big))
	if seq < 5 {
		t.Errorf("it lies in %d messages", seq)
	}
	points, _ := pointsOf(follow(t, b, 1).until(t, int(seq)))
	i := 0
	for _, s := range big.Series {
		for j := range s.Steps {
			if want := (point{"run", "w", s.Key, s.Steps[j], math.Float64bits(s.Values[j])}); points[i] != want {
				t.Fatalf("point %d is %+v, want %+v", i, points[i], want)
			}
			i++
		}
	}
	if i != len(points) {
		t.Errorf("%d points came back, want %d", len(points), i)
	}
}

func TestAReaderOfLargeMessagesGetsThemAll(t *testing.T) {
	b := embedded(t)
	const n = 60 // of about 480 KB: several times what a reader asks for ahead
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { publish(t, b, logged(frameOf("run", fmt.Sprint("w", i), 1, 40_000, 0))) })
	}
	wg.Wait()
	envs := follow(t, b, 1).until(t, n)
	if points, frames := pointsOf(envs); len(envs) != n || frames != n || len(points) != n*40_000 {
		t.Errorf("%d messages of %d frames and %d points", len(envs), frames, len(points))
	}
}

func TestOneCallersBadFrameHurtsNobodyElse(t *testing.T) {
	b := embedded(t)
	bad := frameOf("run", "w", 1, 1, 0)
	bad.Series[0].Key = ""
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if i%2 == 0 {
				if _, err := b.Publish(soon(t), logged(bad)); !errors.Is(err, event.ErrMalformed) {
					t.Errorf("bad frame: %v", err)
				}
			} else if _, err := b.Publish(soon(t), logged(frameOf("run", "w", 1, 1, int64(i)))); err != nil {
				t.Errorf("good frame: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestNoPointsAreNoFact(t *testing.T) {
	b := embedded(t)
	if seq, err := b.Publish(soon(t), logged(event.Frame{Run: "r", Writer: "w"})); seq != 0 || err != nil {
		t.Errorf("%d, %v", seq, err)
	}
	if s, err := b.State(soon(t)); err != nil || s.Last != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestGatewaysAreNotMixed(t *testing.T) {
	b := embedded(t)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			m := logged(frameOf("run", fmt.Sprint("g", i%2), 1, 1, int64(i)))
			m.Gateway = event.WorkerID(fmt.Sprint("g", i%2))
			if _, err := b.Publish(soon(t), m); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s, err := b.State(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, env := range follow(t, b, 1).until(t, int(s.Last)) {
		m := env.Event.(event.MetricsLogged)
		for _, f := range m.Frames {
			if string(f.Writer) != string(m.Gateway) {
				t.Errorf("a frame of %s lies under %s", f.Writer, m.Gateway)
			}
		}
	}
}

func TestCuttingKeepsEveryPointInOrderAndUnderTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(200, 4000).Draw(t, "limit")
		var frames []event.Frame
		for i := range rapid.IntRange(0, 4).Draw(t, "frames") {
			frames = append(frames, frameOf(fmt.Sprint("r", i), "w", rapid.IntRange(0, 3).Draw(t, "keys"), rapid.IntRange(0, 200).Draw(t, "steps"), rapid.Int64().Draw(t, "from")))
		}
		pieces, err := bus.Cut(frames, limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []event.Envelope
		for _, p := range pieces {
			raw, err := event.AppendFrames(nil, p)
			if err != nil || len(raw) > limit {
				t.Fatalf("a piece of %d bytes, limit %d: %v", len(raw), limit, err)
			}
			got = append(got, event.Envelope{Event: logged(p...)})
		}
		want, _ := pointsOf([]event.Envelope{{Event: logged(frames...)}})
		have, _ := pointsOf(got)
		if fmt.Sprint(want) != fmt.Sprint(have) {
			t.Fatalf("cut\n%v\ninto\n%v", want, have)
		}
	})
}

func TestACallerWhoLeavesTakesItsFramesAlong(t *testing.T) {
	n := startNATS(t, natsOptions(t))
	b := open(t, bus.Config{URL: n.URL()})
	publish(t, b, logged(frameOf("run", "w", 1, 1, 0)))
	n.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 8 { // some are on their way, some in the queue
		wg.Go(func() {
			if _, err := b.Publish(ctx, logged(frameOf("run", "w", 1, 1, int64(100+i)))); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, bus.ErrUnreachable) {
				t.Errorf("while NATS is away: %v", err)
			}
		})
	}
	wg.Wait()
	n.start()
	publish(t, b, logged(frameOf("run", "w", 1, 1, 1)))
	s, err := b.State(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	points, _ := pointsOf(follow(t, b, 1).until(t, int(s.Last)))
	for _, p := range points {
		if p.step >= 100 {
			t.Errorf("step %d was published after its caller had left", p.step)
		}
	}
}

// BenchmarkGroupCommit is the promise: 16 writers × 100-point frames, fsync before every acknowledgement, at least 100,000 points/s.
func BenchmarkGroupCommit(b *testing.B) {
	for _, c := range []struct{ writers, keys, steps int }{{1, 10, 10}, {16, 10, 10}, {64, 10, 10}, {16, 10, 100}} {
		b.Run(fmt.Sprintf("writers=%d/points=%d", c.writers, c.keys*c.steps), func(b *testing.B) {
			l, err := bus.Open(b.Context(), bus.Config{Dir: b.TempDir(), Log: quiet()})
			if err != nil {
				b.Fatal(err)
			}
			defer shut(b, l)
			jobs := make(chan int64)
			var wg sync.WaitGroup
			for w := range c.writers {
				wg.Go(func() {
					for from := range jobs {
						if _, err := l.Publish(b.Context(), logged(frameOf("run", fmt.Sprint("w", w), c.keys, c.steps, from))); err != nil {
							b.Error(err)
						}
					}
				})
			}
			n := int64(0)
			for b.Loop() {
				jobs <- n
				n++
			}
			close(jobs)
			wg.Wait()
			b.ReportMetric(float64(n)*float64(c.keys*c.steps)/b.Elapsed().Seconds(), "points/s")
		})
	}
}
