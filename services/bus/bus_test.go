package bus_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"millrace/event"
	"millrace/services/bus"
)

func TestEveryFactComesBackAsItWasPublished(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC)
	b := open(t, bus.Config{Dir: t.TempDir(), Source: "/node/test", Now: func() time.Time { return now }})
	facts := event.Examples()
	for i, e := range facts {
		if seq := publish(t, b, e); seq != uint64(i+1) {
			t.Fatalf("%s got place %d, want %d", e.Type(), seq, i+1)
		}
	}
	ids := map[string]bool{}
	for i, env := range follow(t, b, 1).until(t, len(facts)) {
		want := facts[i]
		if m, ok := want.(event.MetricsLogged); ok { // a frame without points says nothing and is not sent
			m.Frames = m.Frames[:1]
			raw, err := event.AppendFrames(nil, m.Frames)
			if err != nil {
				t.Fatal(err)
			}
			got, err := event.AppendFrames(nil, env.Event.(event.MetricsLogged).Frames) // NaN is not equal to itself
			if err != nil || string(got) != string(raw) {
				t.Errorf("frames came back as %v, %v", env.Event, err)
			}
		} else if !reflect.DeepEqual(env.Event, want) {
			t.Errorf("%s came back as %+v, want %+v", want.Type(), env.Event, want)
		}
		if env.Seq != uint64(i+1) || env.Source != "/node/test" || !env.Time.Equal(now) || env.ID == "" || ids[env.ID] {
			t.Errorf("%s: envelope %+v", want.Type(), env)
		}
		ids[env.ID] = true
	}
}

func TestFollowBeginsWhereItIsTold(t *testing.T) {
	b := embedded(t)
	for i := range 10 {
		publish(t, b, beat(fmt.Sprint("r", i%2)))
	}
	if got := seqs(follow(t, b, 7).until(t, 4)); !slices.Equal(got, []uint64{7, 8, 9, 10}) {
		t.Errorf("from 7: %v", got)
	}
	if got := seqs(follow(t, b, 1, event.RunFacts("r1")).until(t, 5)); !slices.Equal(got, []uint64{2, 4, 6, 8, 10}) {
		t.Errorf("of r1: %v", got)
	}
	end := follow(t, b, 11)
	publish(t, b, beat("r0"))
	if got := seqs(end.until(t, 1)); !slices.Equal(got, []uint64{11}) {
		t.Errorf("from the end: %v", got)
	}
}

func TestFollowFromZeroBringsOnlyWhatIsNew(t *testing.T) {
	b := embedded(t)
	publish(t, b, beat("old"))
	f := follow(t, b, 0)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // Follow cannot say when it has begun, so publish until it has seen something
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := b.Publish(t.Context(), beat("new")); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	got := f.until(t, 3)
	close(stop)
	wg.Wait()
	for i, env := range got {
		if env.Event != beat("new") || env.Seq != got[0].Seq+uint64(i) {
			t.Errorf("fact %d: %+v", i, env)
		}
	}
}

func TestFollowReturnsWhatItsFunctionReturns(t *testing.T) {
	b := embedded(t)
	publish(t, b, beat("a"))
	publish(t, b, beat("b"))
	enough := errors.New("enough")
	n := 0
	err := b.Follow(soon(t), 1, nil, func(event.Envelope) error { n++; return enough })
	if err != enough || n != 1 {
		t.Errorf("after %d facts: %v", n, err)
	}
}

func TestFollowRefusesWhatNoServerWouldTake(t *testing.T) {
	b := embedded(t)
	if err := b.Follow(soon(t), 1, []string{"millrace.>", "millrace.run.>"}, func(event.Envelope) error { return nil }); err == nil || !strings.Contains(err.Error(), "overlap") {
		t.Errorf("overlapping filters: %v", err)
	}
	for _, filter := range []string{"", "other.run.>", "millrace", "millrace..x", "millrace.>.x", "millrace.run.a b"} {
		if err := b.Follow(soon(t), 1, []string{filter}, func(event.Envelope) error { return nil }); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", filter)) {
			t.Errorf("filter %q: %v", filter, err)
		}
		if _, err := b.Last(soon(t), filter); err == nil || errors.Is(err, bus.ErrNone) {
			t.Errorf("last of %q: %v", filter, err)
		}
	}
	if err := b.Follow(soon(t), 5, nil, func(event.Envelope) error { return nil }); !errors.Is(err, bus.ErrOtherLog) {
		t.Errorf("a place behind the end: %v", err)
	}
}

func TestLastFindsTheNewestFactOfASubjectOrPattern(t *testing.T) {
	b := embedded(t)
	if _, err := b.Last(soon(t), "millrace.run.a.heartbeat"); !errors.Is(err, bus.ErrNone) {
		t.Errorf("of an empty log: %v", err)
	}
	publish(t, b, beat("a"))
	publish(t, b, event.RunArchived{Run: "a", Archived: true})
	publish(t, b, beat("b"))
	for subject, want := range map[string]uint64{"millrace.run.a.heartbeat": 1, "millrace.run.a.>": 2, event.FactOf("run", "heartbeat"): 3, event.Subjects: 3} {
		if env, err := b.Last(soon(t), subject); err != nil || env.Seq != want {
			t.Errorf("last of %s: %d, %v, want %d", subject, env.Seq, err, want)
		}
	}
	if _, err := b.Last(soon(t), "millrace.run.c.>"); !errors.Is(err, bus.ErrNone) {
		t.Errorf("of a run without facts: %v", err)
	}
}

func TestPublishOnceLetsOneOfManyThrough(t *testing.T) {
	b := embedded(t)
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := b.PublishOnce(soon(t), event.RunStarted{Run: "r", Attempt: 1, Worker: "w"})
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, bus.ErrExists):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 15 {
		t.Errorf("%d won, %d lost", won.Load(), lost.Load())
	}
}

func TestStateTellsWhichLogItIs(t *testing.T) {
	dir := t.TempDir()
	b := open(t, bus.Config{Dir: dir})
	empty, err := b.State(soon(t))
	if err != nil || empty.Last != 0 || empty.Messages != 0 || empty.Identity == "" {
		t.Fatalf("empty: %+v, %v", empty, err)
	}
	publish(t, b, beat("a"))
	publish(t, b, beat("a"))
	s, err := b.State(soon(t))
	if err != nil || s.First != 1 || s.Last != 2 || s.Messages != 2 || s.Bytes == 0 || s.Identity != empty.Identity {
		t.Errorf("after two: %+v, %v", s, err)
	}
	shut(t, b)
	again := open(t, bus.Config{Dir: dir})
	if r, err := again.State(soon(t)); err != nil || r != s {
		t.Errorf("after a restart: %+v, %v, want %+v", r, err, s)
	}
	if o, err := embedded(t).State(soon(t)); err != nil || o.Identity == s.Identity {
		t.Errorf("another log: %+v, %v", o, err)
	}
}

func TestADirectoryHasOneProcess(t *testing.T) {
	dir := t.TempDir()
	b := open(t, bus.Config{Dir: dir})
	_, err := bus.Open(soon(t), bus.Config{Dir: dir, Log: quiet()})
	if !errors.Is(err, bus.ErrLocked) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("second open: %v", err)
	}
	publish(t, b, beat("a")) // the first is unharmed
	shut(t, b)
	publish(t, open(t, bus.Config{Dir: dir}), beat("a"))
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		conf bus.Config
		is   error
		says string
	}{
		"nothing":   {bus.Config{}, nil, "neither a NATS URL nor a directory"},
		"busy port": {bus.Config{Dir: t.TempDir(), Listen: busy.Addr().String()}, nil, busy.Addr().String()},
		"open door": {bus.Config{Dir: t.TempDir(), Listen: "0.0.0.0:0"}, nil, "set a token"},
		"address":   {bus.Config{Dir: t.TempDir(), Listen: "4222"}, nil, "not host:port"},
		"a file":    {bus.Config{Dir: file}, nil, file},
		"nobody":    {bus.Config{URL: "nats://user:secret@127.0.0.1:1"}, bus.ErrUnreachable, "127.0.0.1:1"},
		"no host":   {bus.Config{URL: "nats://no.such.host.invalid:4222"}, bus.ErrUnreachable, "no.such.host.invalid"},
		"replicas":  {bus.Config{URL: "nats://127.0.0.1:1", Replicas: 9}, nil, "9 replicas"},
		"bytes":     {bus.Config{Dir: t.TempDir(), MaxBytes: -1}, nil, "cannot be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			c.conf.Log = quiet()
			b, err := bus.Open(soon(t), c.conf)
			if err == nil {
				shut(t, b)
				t.Fatal("it opened")
			}
			if !strings.Contains(err.Error(), c.says) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error: %v", err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func TestADamagedLogIsNotMistakenForAnEmptyOne(t *testing.T) {
	dir := t.TempDir()
	b := open(t, bus.Config{Dir: dir})
	publish(t, b, beat("a"))
	shut(t, b)
	meta := filepath.Join(dir, "jetstream", "$G", "streams", bus.Stream, "meta.inf")
	if err := os.WriteFile(meta, []byte(`{"name":`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := bus.Open(soon(t), bus.Config{Dir: dir, Log: quiet()})
	if !errors.Is(err, bus.ErrCorrupt) || !strings.Contains(err.Error(), dir) {
		t.Errorf("open: %v", err)
	}
}

func TestALogThatIsFullSaysSoAndKeepsWhatItHas(t *testing.T) {
	b := open(t, bus.Config{Dir: t.TempDir(), MaxBytes: 10_000})
	n := 0
	for {
		_, err := b.Publish(soon(t), beat("a"))
		if err == nil {
			if n++; n > 1000 {
				t.Fatal("it takes everything")
			}
			continue
		}
		if !errors.Is(err, bus.ErrFull) {
			t.Fatal(err)
		}
		break
	}
	if s, err := b.State(soon(t)); err != nil || s.First != 1 || s.Messages != uint64(n) {
		t.Errorf("%d were acknowledged; %+v, %v", n, s, err)
	}
}

func TestWhatCannotBeSentIsRefused(t *testing.T) {
	b := embedded(t)
	if _, err := b.Publish(soon(t), event.RunHeartbeat{Run: "a.b"}); !errors.Is(err, event.ErrBadID) {
		t.Errorf("an id with a dot: %v", err)
	}
	if _, err := b.Publish(soon(t), event.TextLogged{Run: "a", Text: strings.Repeat("x", event.MaxBody+1)}); !errors.Is(err, event.ErrMalformed) {
		t.Errorf("too much text: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Publish(ctx, beat("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled caller: %v", err)
	}
}

func TestAClosedBusSaysSo(t *testing.T) {
	b := embedded(t)
	f := follow(t, b, 1)
	worked := make(chan error, 1)
	go func() {
		worked <- b.Work(t.Context(), bus.Group{Name: "g", Filters: []string{event.Subjects}}, func(context.Context, event.Envelope, bus.Delivery) error { return nil })
	}()
	publish(t, b, beat("a"))
	f.until(t, 1)
	shut(t, b)
	shut(t, b)
	if err := <-f.done; !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Follow: %v", err)
	}
	if err := <-worked; !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Work: %v", err)
	}
	if _, err := b.Publish(t.Context(), beat("a")); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Publish: %v", err)
	}
	if err := b.Ready(); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Ready: %v", err)
	}
}

func TestAnotherProcessJoinsTheEmbeddedServer(t *testing.T) {
	host := open(t, bus.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Token: "open sesame"})
	_, err := bus.Open(soon(t), bus.Config{URL: host.URL(), Token: "guess", Log: quiet()})
	if !errors.Is(err, bus.ErrRefused) || !strings.Contains(err.Error(), host.URL()) || strings.Contains(err.Error(), "guess") {
		t.Errorf("with a wrong token: %v", err)
	}
	guest := open(t, bus.Config{URL: host.URL(), Token: "open sesame"})
	publish(t, guest, beat("a"))
	publish(t, host, beat("b"))
	if got := follow(t, guest, 1).until(t, 2); got[0].Event != beat("a") || got[1].Event != beat("b") {
		t.Errorf("got %+v", got)
	}
	if err := guest.Ready(); err != nil {
		t.Error(err)
	}
}

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		l, err := bus.Open(b.Context(), bus.Config{Dir: b.TempDir(), Log: quiet()})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		shut(b, l)
		b.StartTimer()
	}
}
