package bus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"millrace/event"
	"millrace/services/bus"
)

func TestPublishFollowAndWorkSurviveRestartsOfNATS(t *testing.T) {
	n := startNATS(t, natsOptions(t))
	b := open(t, bus.Config{URL: n.URL()})
	reader := open(t, bus.Config{URL: n.URL()})
	f := follow(t, reader, 1)
	g := jobs()
	g.Parallel = 2
	worked := make(chan string, 1000)
	working(t, reader, g, func(_ context.Context, env event.Envelope, _ bus.Delivery) error {
		worked <- runOf(env)
		return nil
	})
	var mu sync.Mutex
	acked := map[string]uint64{}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				run := fmt.Sprintf("w%d-%d", w, i)
				seq, err := b.Publish(soon(t), job(run))
				if err != nil {
					t.Errorf("%s: %v", run, err)
					return
				}
				mu.Lock()
				acked[run] = seq
				mu.Unlock()
			}
		})
	}
	for range 2 {
		f.until(t, len(f.until(t, 1))+50)
		n.stop()
		time.Sleep(100 * time.Millisecond) // long enough for publishers to notice
		n.start()
	}
	f.until(t, len(f.until(t, 1))+50)
	close(stop)
	writers.Wait()
	s, err := b.State(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	got := f.until(t, int(s.Last))
	if !slices.Equal(seqs(got), upTo(int(s.Last))) {
		t.Errorf("the follower's places have gaps or repeats: %v", seqs(got))
	}
	at := map[string]uint64{}
	for _, env := range got {
		if r := runOf(env); at[r] != 0 {
			t.Errorf("%s is in the log twice, at %d and %d", r, at[r], env.Seq)
		} else {
			at[r] = env.Seq
		}
	}
	for run, seq := range acked {
		if at[run] != seq {
			t.Errorf("%s was acknowledged at %d and lies at %d", run, seq, at[run])
		}
	}
	done := map[string]bool{}
	for len(done) < len(at) {
		done[receive(t, worked)] = true
	}
}

func TestAJobOutlivesARestartOfNATS(t *testing.T) {
	n := startNATS(t, natsOptions(t))
	b := open(t, bus.Config{URL: n.URL()})
	publish(t, b, job("long"))
	g := jobs()
	began, finish, done := make(chan int, 10), make(chan struct{}), make(chan string, 10)
	working(t, b, g, func(_ context.Context, env event.Envelope, d bus.Delivery) error {
		if runOf(env) == "long" {
			began <- d.Attempt
			<-finish
		}
		done <- runOf(env)
		return nil
	})
	receive(t, began)
	n.stop()
	n.start()
	publish(t, b, job("next"))
	close(finish)
	for {
		if r := receive(t, done); r == "next" {
			break
		}
	}
	if len(began) > 0 { // it may come again when the restart forgot the delivery, but then as another attempt
		if a := <-began; a < 2 {
			t.Errorf("it came again as attempt %d", a)
		}
	}
}

// A server that was killed may have lost its last deliveries. It has no answer to their acknowledgement, for which nobody may wait.
func TestAServerThatForgotADeliveryDoesNotHoldItsWorker(t *testing.T) {
	options := natsOptions(t)
	n := startNATS(t, options)
	b := open(t, bus.Config{URL: n.URL()})
	publish(t, b, job("long"))
	g := jobs()
	g.Lease = time.Hour
	began, finish, done := make(chan int, 10), make(chan struct{}), make(chan string, 10)
	working(t, b, g, func(_ context.Context, env event.Envelope, d bus.Delivery) error {
		if runOf(env) == "long" {
			began <- d.Attempt
			<-finish
		}
		done <- runOf(env)
		return nil
	})
	receive(t, began)
	n.stop()
	states, err := filepath.Glob(filepath.Join(options.StoreDir, "jetstream", "*", "streams", "*", "obs", g.Name, "o.dat"))
	if err != nil || len(states) != 1 {
		t.Fatalf("the group's state is in %q: %v", states, err)
	}
	if err := os.Remove(states[0]); err != nil {
		t.Fatal(err)
	}
	n.start()
	close(finish)
	publish(t, b, job("next"))
	for receive(t, done) != "next" { // what was forgotten comes again
	}
}

func TestNATSBeingAwayIsSaid(t *testing.T) {
	n := startNATS(t, natsOptions(t))
	b := open(t, bus.Config{URL: n.URL()})
	publish(t, b, beat("a"))
	n.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := b.Publish(ctx, beat("a"))
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, bus.ErrUnreachable) {
		t.Errorf("Publish: %v", err)
	}
	if err := b.Ready(); !errors.Is(err, bus.ErrUnreachable) {
		t.Errorf("Ready: %v", err)
	}
	if _, err := b.State(ctx); err == nil {
		t.Error("State answers")
	}
	n.start()
	publish(t, b, beat("a"))
	if err := b.Ready(); err != nil {
		t.Errorf("Ready: %v", err)
	}
}

// admin talks to NATS behind the bus's back.
func admin(t testing.TB, url string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestAFollowerNoticesAnotherLog(t *testing.T) {
	n := startNATS(t, natsOptions(t))
	b := open(t, bus.Config{URL: n.URL()})
	for range 3 {
		publish(t, b, beat("a"))
	}
	f := follow(t, b, 1)
	f.until(t, 3)
	js := admin(t, n.URL())
	if err := js.DeleteStream(soon(t), bus.Stream); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, f.done); !errors.Is(err, bus.ErrNoLog) {
		t.Errorf("Follow of a deleted log: %v", err)
	}
	if _, err := b.Publish(soon(t), beat("a")); !errors.Is(err, bus.ErrNoLog) {
		t.Errorf("Publish into a deleted log: %v", err)
	}
	again := open(t, bus.Config{URL: n.URL()}) // makes a new one
	publish(t, again, beat("b"))
	if err := again.Follow(soon(t), 4, nil, func(event.Envelope) error { return nil }); !errors.Is(err, bus.ErrOtherLog) {
		t.Errorf("Follow from a place that the new log has not: %v", err)
	}
}

func TestAFollowerNoticesThatItsPlaceWasRemoved(t *testing.T) {
	n := startNATS(t, natsOptions(t))
	b := open(t, bus.Config{URL: n.URL()})
	for range 5 {
		publish(t, b, beat("a"))
	}
	s, err := admin(t, n.URL()).Stream(soon(t), bus.Stream)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(soon(t), jetstream.WithPurgeSequence(4)); err != nil {
		t.Fatal(err)
	}
	if err := b.Follow(soon(t), 2, nil, func(event.Envelope) error { return nil }); !errors.Is(err, bus.ErrTrimmed) {
		t.Errorf("from 2: %v", err)
	}
	if got := seqs(follow(t, b, 1).until(t, 2)); !slices.Equal(got, []uint64{4, 5}) {
		t.Errorf("from the beginning: %v", got)
	}
}

func TestAFactNobodyCanReadIsSkippedLoudly(t *testing.T) {
	n := startNATS(t, natsOptions(t))
	var mu sync.Mutex
	var unread []bus.Unreadable
	b := open(t, bus.Config{URL: n.URL(), Unreadable: func(u bus.Unreadable) {
		mu.Lock()
		defer mu.Unlock()
		unread = append(unread, u)
	}})
	js := admin(t, n.URL())
	publish(t, b, job("a"))
	for _, m := range []*nats.Msg{
		{Subject: "millrace.run.x.requested.train", Data: []byte("no headers at all")},
		{Subject: "millrace.run.y.requested.train", Data: []byte(`{}`), Header: nats.Header{
			event.HeaderSpec: {"1.0"}, event.HeaderType: {"millrace.from.the.future.v1"}, event.HeaderTime: {"2030-01-01T00:00:00Z"}}},
		{Subject: "millrace.run.z.requested.train"},
	} {
		if _, err := js.PublishMsg(soon(t), m); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, b, job("b"))
	if got := seqs(follow(t, b, 1).until(t, 2)); !slices.Equal(got, []uint64{1, 5}) {
		t.Errorf("followed %v", got)
	}
	done := make(chan string, 10)
	working(t, b, jobs(), func(_ context.Context, env event.Envelope, _ bus.Delivery) error { done <- runOf(env); return nil })
	if x, y := receive(t, done), receive(t, done); x != "a" || y != "b" {
		t.Errorf("worked on %s, %s", x, y)
	}
	if _, err := b.Last(soon(t), "millrace.run.y.>"); !errors.Is(err, event.ErrUnknownType) {
		t.Errorf("Last: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	count := map[string]int{}
	for _, u := range unread {
		count[fmt.Sprint(u.Seq, u.Group)]++
		if u.Err == nil || u.Subject == "" {
			t.Errorf("told: %+v", u)
		}
	}
	for _, k := range []string{"2", "3", "4", "2training", "3training", "4training"} {
		if count[k] == 0 {
			t.Errorf("nobody was told of %s: %v", k, count)
		}
	}
}

func TestTheServersMessageLimitIsKept(t *testing.T) {
	opts := natsOptions(t)
	opts.MaxPayload = 32 << 10
	n := startNATS(t, opts)
	b := open(t, bus.Config{URL: n.URL()})
	if _, err := b.Publish(soon(t), event.TextLogged{Run: "r", Writer: "w", Key: "k", Text: strings.Repeat("x", 32<<10)}); !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("a large text: %v", err)
	}
	seq := publish(t, b, logged(frameOf("run", "w", 1, 20_000, 0))) // frames are cut to what fits
	if points, _ := pointsOf(follow(t, b, 1).until(t, int(seq))); len(points) != 20_000 {
		t.Errorf("%d points", len(points))
	}
}

func TestAStreamOfSomebodyElseIsRefused(t *testing.T) {
	n := startNATS(t, natsOptions(t))
	if _, err := admin(t, n.URL()).CreateStream(soon(t), jetstream.StreamConfig{Name: bus.Stream, Subjects: []string{"other.>"}}); err != nil {
		t.Fatal(err)
	}
	b, err := bus.Open(soon(t), bus.Config{URL: n.URL(), Log: quiet()})
	if err == nil {
		shut(t, b)
		t.Fatal("it opened")
	}
}

func TestNATSWithoutJetStreamIsSaid(t *testing.T) {
	opts := natsOptions(t)
	opts.JetStream = false
	n := startNATS(t, opts)
	b, err := bus.Open(soon(t), bus.Config{URL: n.URL(), Log: quiet()})
	if err == nil {
		shut(t, b)
		t.Fatal("it opened")
	}
	if !strings.Contains(err.Error(), "is it enabled there") || !strings.Contains(err.Error(), n.URL()) {
		t.Error(err)
	}
}
