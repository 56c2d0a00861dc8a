package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/keeper"
	"millrace/storage/blob"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
	"millrace/storage/s3embed"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("KEEPER_TEST_TRIM"); dir != "" {
		trimUntilKilled(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// lab is a log, an object store and a read model in one folder, with a keeper over them.
type lab struct {
	t      testing.TB
	dir    string
	now    time.Time // what the bus and the keeper think it is
	bus    *bus.Bus
	s3     *s3embed.Server
	blobs  *blob.Store
	model  *readmodel.Model
	keeper *keeper.Keeper
	past   *keeper.Past
	stop   func()
}

var quiet = slog.New(slog.DiscardHandler)

// begins is when the first fact of a lab happens; each next one is a second later.
var begins = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func start(t testing.TB) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), now: begins}
	l.open(filepath.Join(l.dir, "readmodel.db"))
	t.Cleanup(l.close)
	return l
}

// open opens everything over a folder, which may have been used before.
func (l *lab) open(model string) {
	l.t.Helper()
	if err := l.tryOpen(model); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) tryOpen(model string) error {
	ctx := context.Background()
	var err error
	if l.bus, err = bus.Open(ctx, bus.Config{Dir: filepath.Join(l.dir, "log"), Source: "/test", Log: quiet, Now: func() time.Time { l.now = l.now.Add(time.Second); return l.now }}); err != nil {
		return err
	}
	if l.s3, err = s3embed.Open(ctx, s3embed.Config{Dir: filepath.Join(l.dir, "objects"), AccessKey: "test", SecretKey: "test-secret"}); err != nil {
		return err
	}
	if l.blobs, err = blob.Open(ctx, blob.Config{Endpoint: l.s3.Endpoint(), AccessKey: "test", SecretKey: "test-secret", Bucket: "millrace", PieceFrom: 100}); err != nil {
		return err
	}
	archive := &keeper.Archive{Bus: l.bus, Blobs: l.blobs}
	l.bus.Remember(archive)
	if err := keeper.Prepare(ctx, l.bus, archive, model, quiet); err != nil {
		return err
	}
	state, err := l.bus.State(ctx)
	if err != nil {
		return err
	}
	if l.model, err = readmodel.Open(model, readmodel.Options{Identity: state.Identity, LastSeq: &state.Last, Log: quiet}); err != nil {
		return err
	}
	l.keeper = &keeper.Keeper{Bus: l.bus, Blobs: l.blobs, Model: l.model, Archive: archive, Temp: l.dir, Now: func() time.Time { return l.now }, Log: quiet}
	if l.past, err = keeper.OpenPast(l.keeper, filepath.Join(l.dir, "past"), keeper.PastLimits{Patience: time.Minute}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- l.bus.Follow(ctx, l.model.Cursor().Committed+1, nil, l.model.Apply)
	}()
	l.stop = func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			l.t.Errorf("the fold ended: %v", err)
		}
	}
	return l.model.WaitFor(ctx, state.Last)
}

func (l *lab) close() {
	l.t.Helper()
	if l.stop == nil {
		return
	}
	l.stop()
	l.stop = nil
	if err := errors.Join(l.past.Close(), l.model.Close(), l.blobs.Close(), l.s3.Close(), l.bus.Close(context.Background())); err != nil {
		l.t.Error(err)
	}
}

// tell publishes facts and waits until they are folded; it returns the last one's place.
func (l *lab) tell(facts ...event.Event) uint64 {
	l.t.Helper()
	var seq uint64
	for _, e := range facts {
		var err error
		if seq, err = l.bus.Publish(context.Background(), e); err != nil {
			l.t.Fatalf("%T: %v", e, err)
		}
	}
	if err := l.model.WaitFor(context.Background(), seq); err != nil {
		l.t.Fatal(err)
	}
	return seq
}

// log reads every fact there ever was, and checks that the model is what they fold to.
func (l *lab) check() []event.Envelope {
	l.t.Helper()
	all := l.read(1)
	readmodeltest.Check(l.t, l.model, all)
	return all
}

// read follows from a place to the log's end.
func (l *lab) read(from uint64) (all []event.Envelope) {
	l.t.Helper()
	state, err := l.bus.State(context.Background())
	if err != nil {
		l.t.Fatal(err)
	}
	if state.Last < from {
		return nil
	}
	end := errors.New("end")
	err = l.bus.Follow(context.Background(), from, nil, func(env event.Envelope) error {
		all = append(all, env)
		if env.Seq >= state.Last {
			return end
		}
		return nil
	})
	if !errors.Is(err, end) {
		l.t.Fatal(err)
	}
	return all
}

// life is a run's facts from beginning to end.
func life(run string) []event.Event {
	id := event.RunID(run)
	values := []float64{3, 2, 1}
	return []event.Event{
		event.RunRequested{Run: id, Name: run, Spec: event.Spec{Kind: event.Train}},
		event.RunStarted{Run: id, Attempt: 1, Worker: "w"},
		event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: id, Writer: "w", Series: []event.Series{{Key: "loss", Steps: []int64{1, 2, 3}, Times: []int64{1, 2, 3}, Values: values}}}}},
		event.LinesLogged{Run: id, Stream: "stdout", First: 1, Lines: []string{"one of " + run}},
		event.RunEnded{Run: id, Attempt: 1, Status: event.Finished, Steps: 3},
	}
}

func lives(n int, name string) (all []event.Event) {
	for i := range n {
		all = append(all, life(fmt.Sprintf("%s-%d", name, i))...)
	}
	return all
}
