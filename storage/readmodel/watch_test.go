package readmodel_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
	"millrace/storage/readmodel/where"
)

func nudged(w *readmodel.Watcher) bool {
	select {
	case <-w.C():
		return true
	default:
		return false
	}
}

func TestWatch(t *testing.T) {
	l := readmodeltest.Start(t)
	all, a, ab := l.Watch(), l.Watch("a"), l.Watch("a", "b")
	defer all.Close()
	if nudged(all) || nudged(a) {
		t.Fatal("nudged before anything happened")
	}
	l.Tell(event.RunHeartbeat{Run: "b"})
	if !nudged(all) || nudged(a) || !nudged(ab) {
		t.Error("a fact about b must nudge those who watch b or everything")
	}
	for range 100 { // nobody takes them: they merge
		l.Tell(frameOf("a", event.ByStep, event.Series{Steps: []int64{1}, Times: []int64{0}, Values: []float64{0}}))
	}
	if !nudged(a) || nudged(a) {
		t.Error("want one nudge for many facts")
	}
	l.Tell(event.PriceSet{Device: "x:y"})
	if nudged(a) || !nudged(all) {
		t.Error("a fact about no run nudges those who watch everything")
	}
	l.Tell(event.RunDeleted{Run: "a"})
	if !nudged(a) {
		t.Error("deletion must nudge")
	}
	a.Close()
	a.Close()
	if _, open := <-a.C(); open {
		t.Error("a closed watcher's channel is open")
	}
	ab.Close()
	if n := l.Stats().Watchers; n != 1 {
		t.Errorf("%d watchers, want 1", n)
	}
}

func TestWaitFor(t *testing.T) {
	l := readmodeltest.Start(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	if err := l.WaitFor(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing came, error %v", err)
	}
	seen := make(chan string, 1)
	go func() {
		err := l.WaitFor(context.Background(), 2)
		r, found := l.Run("b")
		seen <- fmt.Sprintf("%v %v %s", err, found, r.ID)
	}()
	l.Tell(event.RunHeartbeat{Run: "a"}, event.RunHeartbeat{Run: "b"})
	if got := <-seen; got != "<nil> <nil> b" {
		t.Errorf("after the wait: %s", got)
	}
	if err := l.WaitFor(context.Background(), 1); err != nil {
		t.Error(err)
	}
}

// TestReadersBesideTheFold reads in every way while facts are folded and committed: each reader sees a series without holes, and what was there
// before stays.
func TestReadersBesideTheFold(t *testing.T) {
	l := readmodeltest.Start(t)
	l.Tell(event.RunRequested{Run: "r", Spec: event.Spec{Kind: event.Train, Config: []byte(`{"a":1}`)}})
	const points = 30_000
	done := make(chan struct{})
	var wg sync.WaitGroup
	reader := func(read func() error) {
		wg.Go(func() {
			for {
				if err := read(); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	whole := func(steps []int64) error {
		for i, s := range steps {
			if s != int64(i) {
				return fmt.Errorf("step %d at place %d", s, i)
			}
		}
		return nil
	}
	had := 0
	reader(func() error {
		s, err := l.Series("r", readmodel.SeriesQuery{Keys: []string{"loss"}})
		if err != nil || len(s) == 0 {
			return err
		}
		if len(s[0].Steps) < had || int64(len(s[0].Steps)) != s[0].Points {
			return fmt.Errorf("%d points of %d, had %d", len(s[0].Steps), s[0].Points, had)
		}
		had = len(s[0].Steps)
		return whole(s[0].Steps)
	})
	reader(func() error {
		s, err := l.Series("r", readmodel.SeriesQuery{Keys: []string{"loss"}, MaxPoints: 100})
		if err != nil || len(s) == 0 || !s[0].Downsampled {
			return err
		}
		total := int64(0)
		for _, n := range s[0].Counts {
			total += n
		}
		if total != s[0].Points || slices.Max(s[0].Maxs) != s[0].Max {
			return fmt.Errorf("buckets of %d points up to %v, want %d up to %v", total, slices.Max(s[0].Maxs), s[0].Points, s[0].Max)
		}
		return nil
	})
	marks, followed := map[string]readmodel.Mark{}, []int64(nil)
	follow := func() error {
		s, err := l.Points("r", readmodel.PointsQuery{Keys: []string{"loss"}, After: marks})
		if err != nil || len(s) == 0 {
			return err
		}
		if s[0].Reset {
			return errors.New("nothing came late, and yet a reset")
		}
		followed = append(followed, s[0].Steps...)
		marks[s[0].Ref()] = s[0].Mark
		return whole(followed)
	}
	reader(follow)
	reader(func() error {
		if _, err := l.LastValues("loss"); err != nil {
			return err
		}
		p, err := l.Runs(context.Background(),
			where.Compare{Field: where.Field{Name: where.Config, Key: "a"}, Op: where.Equal, Values: []where.Value{{Kind: where.Number, Number: 1}}},
			[]where.Sort{{Field: where.Field{Name: where.Metric, Key: "loss"}}}, "", 0)
		if err == nil && p.Total != 1 {
			err = fmt.Errorf("%d runs", p.Total)
		}
		return err
	})
	for i := 0; i < points; i += 50 {
		var s event.Series
		for j := i; j < i+50; j++ {
			s.Steps, s.Times, s.Values = append(s.Steps, int64(j)), append(s.Times, int64(j)), append(s.Values, float64(j%777))
		}
		l.Tell(frameOf("r", event.ByStep, s))
		if i%1000 == 0 {
			l.Tell(event.RunTagged{Run: "r", Set: map[string]string{"at": fmt.Sprint(i)}}, event.LinesLogged{Run: "r", Stream: "stdout", First: int64(i), Lines: []string{"x"}})
		}
	}
	close(done)
	wg.Wait()
	for len(followed) < points {
		before := len(followed)
		if err := follow(); err != nil || len(followed) == before {
			t.Fatalf("followed %d points, error %v", len(followed), err)
		}
	}
}
