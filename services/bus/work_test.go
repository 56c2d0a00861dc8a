package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"millrace/event"
	"millrace/services/bus"
)

func jobs() bus.Group {
	return bus.Group{Name: "training", Filters: []string{event.Requested(event.Train)}, Lease: 2 * time.Second, Backoff: []time.Duration{10 * time.Millisecond}}
}

func job(run string) event.Event {
	return event.RunRequested{Run: event.RunID(run), Spec: event.Spec{Kind: event.Train, Config: event.RawJSON("{}")}}
}

func runOf(env event.Envelope) string { return string(env.Event.(event.RunRequested).Run) }

// working runs Work in the background; stop ends it and returns what Work returned.
func working(t testing.TB, b *bus.Bus, g bus.Group, fn func(context.Context, event.Envelope, bus.Delivery) error) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Work(ctx, g, fn) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() {
			cancel()
			select {
			case err = <-done:
			case <-time.After(time.Minute):
				t.Error("Work does not end")
			}
		})
		return err
	}
	t.Cleanup(func() { stop() })
	return stop
}

func receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-soon(t).Done():
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func TestEachFactGoesToOneOfAGroup(t *testing.T) {
	b := embedded(t)
	const n = 60
	for i := range n {
		if i%3 == 0 { // not of the group's kind
			publish(t, b, beat(fmt.Sprint("r", i)))
		}
		publish(t, b, job(fmt.Sprint("r", i)))
	}
	done := make(chan string, 2*n)
	g := jobs()
	g.Parallel = 4
	for range 3 {
		working(t, b, g, func(_ context.Context, env event.Envelope, d bus.Delivery) error {
			if d.Attempt != 1 {
				t.Errorf("%s: attempt %d", runOf(env), d.Attempt)
			}
			done <- runOf(env)
			return nil
		})
	}
	seen := map[string]bool{}
	for range n {
		r := receive(t, done)
		if seen[r] {
			t.Errorf("%s was worked on twice", r)
		}
		seen[r] = true
	}
	publish(t, b, job("last")) // whatever came twice would have come before it
	if r := receive(t, done); r != "last" {
		t.Errorf("%s was worked on twice", r)
	}
}

func TestParallelBoundsWhatOneProcessDoesAtOnce(t *testing.T) {
	b := embedded(t)
	for i := range 6 {
		publish(t, b, job(fmt.Sprint("r", i)))
	}
	g := jobs()
	g.Parallel = 3
	began, finish := make(chan string, 6), make(chan struct{})
	var now, most atomic.Int32
	working(t, b, g, func(_ context.Context, env event.Envelope, _ bus.Delivery) error {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		began <- runOf(env)
		<-finish
		return nil
	})
	for range 3 {
		receive(t, began)
	}
	other := make(chan string, 6) // a second worker gets what the first has no hands for
	working(t, b, jobs(), func(_ context.Context, env event.Envelope, _ bus.Delivery) error {
		other <- runOf(env)
		return nil
	})
	for range 3 {
		receive(t, other)
	}
	close(finish)
	if most.Load() != 3 {
		t.Errorf("at most %d at once, want 3", most.Load())
	}
}

func TestAFailureComesAgainAndPoisonDoesNot(t *testing.T) {
	b := embedded(t)
	publish(t, b, job("flaky"))
	publish(t, b, job("poison"))
	publish(t, b, job("hopeless"))
	g := jobs()
	g.Parallel = 3
	g.MaxAttempts = 4
	gaveUp := make(chan string, 10)
	why := map[string]error{}
	var mu sync.Mutex
	g.GaveUp = func(_ context.Context, env event.Envelope, err error) error {
		mu.Lock()
		defer mu.Unlock()
		why[runOf(env)] = err
		gaveUp <- runOf(env)
		return nil
	}
	sick := errors.New("sick")
	attempts := map[string][]int{}
	flaky := make(chan struct{}, 10)
	stop := working(t, b, g, func(_ context.Context, env event.Envelope, d bus.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		r := runOf(env)
		attempts[r] = append(attempts[r], d.Attempt)
		switch {
		case r == "poison":
			return bus.Poison(sick)
		case r == "flaky" && d.Attempt == 3:
			flaky <- struct{}{}
			return nil
		}
		return sick
	})
	receive(t, flaky)
	got := []string{receive(t, gaveUp), receive(t, gaveUp)}
	slices.Sort(got)
	if !slices.Equal(got, []string{"hopeless", "poison"}) {
		t.Errorf("given up: %v", got)
	}
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("Work returned %v", err)
	}
	if !errors.Is(why["poison"], sick) || !errors.Is(why["poison"], bus.ErrPoison) || !errors.Is(why["hopeless"], sick) || errors.Is(why["hopeless"], bus.ErrPoison) {
		t.Errorf("why: %v", why)
	}
	for r, want := range map[string][]int{"flaky": {1, 2, 3}, "poison": {1}, "hopeless": {1, 2, 3, 4}} {
		if !slices.Equal(attempts[r], want) {
			t.Errorf("%s: attempts %v, want %v", r, attempts[r], want)
		}
	}
	// Nothing is left: a new worker sees only what is new.
	publish(t, b, job("new"))
	next := make(chan string, 10)
	working(t, b, g, func(_ context.Context, env event.Envelope, _ bus.Delivery) error { next <- runOf(env); return nil })
	if r := receive(t, next); r != "new" {
		t.Errorf("%s came again", r)
	}
}

func TestGivingUpThatFailsComesAgain(t *testing.T) {
	b := embedded(t)
	publish(t, b, job("a"))
	g := jobs()
	told := make(chan struct{}, 10)
	n := 0
	g.GaveUp = func(context.Context, event.Envelope, error) error {
		if n++; n < 3 {
			return errors.New("nobody listens")
		}
		told <- struct{}{}
		return nil
	}
	working(t, b, g, func(context.Context, event.Envelope, bus.Delivery) error { return bus.Poison(errors.New("bad")) })
	receive(t, told)
}

func TestAWorkerThatIsStoppedHandsBackAtOnce(t *testing.T) {
	b := embedded(t)
	publish(t, b, job("a"))
	g := jobs()
	g.Lease = time.Hour // only handing back can bring it to the second worker
	g.Backoff = []time.Duration{time.Hour}
	began := make(chan struct{})
	stop := working(t, b, g, func(ctx context.Context, _ event.Envelope, _ bus.Delivery) error {
		close(began)
		<-ctx.Done()
		return ctx.Err()
	})
	receive(t, began)
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("Work returned %v", err)
	}
	second := make(chan int, 1)
	working(t, b, g, func(_ context.Context, _ event.Envelope, d bus.Delivery) error { second <- d.Attempt; return nil })
	if attempt := receive(t, second); attempt != 2 {
		t.Errorf("attempt %d, want 2", attempt)
	}
}

func TestALongJobIsNotGivenToAnother(t *testing.T) {
	b := embedded(t)
	publish(t, b, job("long"))
	g := jobs()
	g.Lease = 300 * time.Millisecond
	var runs atomic.Int32
	done := make(chan struct{}, 10)
	long := func(_ context.Context, env event.Envelope, _ bus.Delivery) error {
		if runOf(env) == "long" {
			runs.Add(1)
			time.Sleep(5 * g.Lease)
		}
		done <- struct{}{}
		return nil
	}
	working(t, b, g, long)
	working(t, b, g, long)
	receive(t, done)
	if runs.Load() != 1 {
		t.Errorf("it ran %d times", runs.Load())
	}
}

func TestADeadWorkersFactGoesToAnother(t *testing.T) {
	host := open(t, bus.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	publish(t, host, job("a"))
	g := jobs()
	g.Lease = 500 * time.Millisecond
	dying, err := bus.Open(soon(t), bus.Config{URL: host.URL(), Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	began, grave := make(chan struct{}), make(chan struct{})
	working(t, dying, g, func(context.Context, event.Envelope, bus.Delivery) error {
		close(began)
		<-grave
		return errors.New("dead")
	})
	receive(t, began)
	bus.CutOff(dying) // the machine is gone: nothing is said
	second := make(chan int, 1)
	working(t, host, g, func(_ context.Context, _ event.Envelope, d bus.Delivery) error { second <- d.Attempt; return nil })
	if attempt := receive(t, second); attempt != 2 {
		t.Errorf("attempt %d, want 2", attempt)
	}
	close(grave)
	shut(t, dying)
}

func TestAGroupBeginsAtTheBeginningUnlessItWantsOnlyWhatIsNew(t *testing.T) {
	b := embedded(t)
	publish(t, b, job("old"))
	all, fresh := jobs(), jobs()
	fresh.Name, fresh.OnlyNew = "fresh", true
	first, later := make(chan string, 1000), make(chan string, 1000)
	working(t, b, all, func(_ context.Context, env event.Envelope, _ bus.Delivery) error { first <- runOf(env); return nil })
	working(t, b, fresh, func(_ context.Context, env event.Envelope, _ bus.Delivery) error { later <- runOf(env); return nil })
	if r := receive(t, first); r != "old" {
		t.Errorf("the group of all began with %s", r)
	}
	for { // until the new group has begun
		publish(t, b, job("new"))
		select {
		case r := <-later:
			if r != "new" {
				t.Errorf("the group of the new began with %s", r)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestAGroupCannotBeginTwice(t *testing.T) {
	b := embedded(t)
	nothing := func(context.Context, event.Envelope, bus.Delivery) error { return nil }
	done := make(chan struct{}, 1)
	publish(t, b, job("a"))
	stop := working(t, b, jobs(), func(context.Context, event.Envelope, bus.Delivery) error { done <- struct{}{}; return nil })
	receive(t, done)
	stop()
	g := jobs()
	g.OnlyNew = true
	if err := b.Work(soon(t), g, nothing); err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "training") {
		t.Errorf("the same group from elsewhere: %v", err)
	}
}

func TestCloseDoesNotWaitForAFunctionThatDoesNotListen(t *testing.T) {
	b, err := bus.Open(soon(t), bus.Config{Dir: t.TempDir(), Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, b, job("a"))
	began, deaf, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- b.Work(t.Context(), jobs(), func(context.Context, event.Envelope, bus.Delivery) error {
			close(began)
			<-deaf
			return nil
		})
	}()
	receive(t, began)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	close(deaf)
	if err := receive(t, ended); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Work: %v", err)
	}
}

func TestAGroupMustBeNamedAndFiltered(t *testing.T) {
	b := embedded(t)
	short, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, g := range []bus.Group{{Name: "a b", Filters: []string{event.Subjects}}, {Name: "a"}, {Filters: []string{event.Subjects}}, {Name: "a", Filters: []string{"millrace..x"}}} {
		if err := b.Work(short, g, func(context.Context, event.Envelope, bus.Delivery) error { return nil }); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v: %v", g, err)
		}
	}
}
