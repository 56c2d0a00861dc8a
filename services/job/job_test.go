package job_test

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

	"github.com/nats-io/nats-server/v2/server"

	"millrace/acceptance/freeport"
	"millrace/event"
	"millrace/services/bus"
	"millrace/services/job"
)

var loss = []string{"loss"}

func TestAJobTellsItsWholeStoryInOrder(t *testing.T) {
	b := open(t, bus.Config{Dir: t.TempDir()})
	working(t, runner(t, b), func(ctx context.Context, j *job.Job) (job.Outcome, error) {
		for step := int64(1); step <= 10_000; step++ {
			if err := j.Metrics(ctx, step, loss, []float64{1 / float64(step)}); err != nil {
				return job.Outcome{}, err
			}
			if step == 5000 {
				if err := j.Publish(ctx, event.CheckpointSaved{Run: j.Request.Run, Step: step, Checkpoint: event.DigestOf([]byte("x"))}); err != nil {
					return job.Outcome{}, err
				}
			}
		}
		for i := range 250 {
			j.Print(fmt.Sprintf("line %d", i))
		}
		j.Print(strings.Repeat("é", 10_000))
		j.Progress("train", 1, 2, "steps", time.Minute)
		j.Progress("train", 2, 2, "steps", 0)
		j.Spend(1e9, 42, 7, 8)
		j.Spend(1e9, 0, 0, 0)
		return job.Outcome{Steps: 10_000, Outputs: []event.Input{{Role: "checkpoint", Digest: event.DigestOf([]byte("x"))}}}, nil
	})
	request(t, b, "story")
	end, all := ended(t, b, "story")
	if end.Status != event.Finished || end.Steps != 10_000 || len(end.Outputs) != 1 || end.Attempt != 1 {
		t.Errorf("%+v", end)
	}
	if got := steps(all, "loss"); !slices.Equal(got, upTo(10_000)) {
		t.Errorf("%d points, not every one once and in order", len(got))
	}
	before := 0 // points before the checkpoint's fact
	for _, e := range all {
		if _, ok := e.(event.CheckpointSaved); ok {
			break
		}
		before += len(steps([]event.Event{e}, "loss"))
	}
	if before < 5000 {
		t.Errorf("the checkpoint of step 5000 is in the log after %d points", before)
	}
	next := int64(0)
	for _, l := range of[event.LinesLogged](all) {
		if l.First != next {
			t.Errorf("lines from %d, want %d", l.First, next)
		}
		next += int64(len(l.Lines))
		if last := l.Lines[len(l.Lines)-1]; len(last) > 5000 {
			t.Errorf("a line of %d bytes", len(last))
		}
	}
	if next != 251 {
		t.Errorf("%d lines", next)
	}
	progress := of[event.RunProgressed](all)
	if last := progress[len(progress)-1]; last.Done != 2 || last.SecondsLeft != nil {
		t.Errorf("%+v", last)
	}
	spent := of[event.ResourcesSpent](all)
	if last := spent[len(spent)-1]; last.FLOPs != 2e9 || last.Tokens != 42 || last.Stored != 7 || last.Moved != 8 || last.Seconds <= 0 {
		t.Errorf("%+v", last)
	}
	if started := of[event.RunStarted](all); len(started) != 1 || started[0].Worker != "here" || started[0].ResumedFrom != nil {
		t.Errorf("%+v", started)
	}
}

func TestPointsOfManyGoroutinesAreThereOnce(t *testing.T) {
	b := open(t, bus.Config{Dir: t.TempDir()})
	const writers, each = 4, 2000
	working(t, runner(t, b), func(ctx context.Context, j *job.Job) (job.Outcome, error) {
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for step := int64(1); step <= each; step++ {
					if err := j.Metrics(ctx, step, []string{fmt.Sprint("loss/", w)}, []float64{1}); err != nil {
						t.Error(err)
					}
					if step%100 == 0 {
						if err := j.Flush(ctx); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		return job.Outcome{}, nil
	})
	request(t, b, "many")
	_, all := ended(t, b, "many")
	for w := range writers {
		if got := steps(all, fmt.Sprint("loss/", w)); !slices.Equal(got, upTo(each)) {
			t.Errorf("writer %d: %d points", w, len(got))
		}
	}
}

func TestPointsWaitForALogThatIsAway(t *testing.T) {
	opts := &server.Options{Host: "127.0.0.1", Port: freeport.New(t), JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}
	start := func() *server.Server {
		s, err := server.NewServer(opts.Clone())
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		if !s.ReadyForConnections(20 * time.Second) {
			t.Fatal("NATS does not come up")
		}
		return s
	}
	nats := start()
	defer func() { nats.Shutdown(); nats.WaitForShutdown() }()
	b := open(t, bus.Config{URL: nats.ClientURL()})
	request(t, b, "patient")
	halfway, back := make(chan struct{}), make(chan struct{})
	working(t, runner(t, b), func(ctx context.Context, j *job.Job) (job.Outcome, error) {
		for step := int64(1); step <= 20_000; step++ {
			if step == 10_000 {
				close(halfway)
				<-back // from here on nobody listens
			}
			if err := j.Metrics(ctx, step, loss, []float64{1}); err != nil {
				return job.Outcome{}, err
			}
			j.Print(fmt.Sprint("step ", step))
		}
		return job.Outcome{Steps: 20_000}, nil
	})
	<-halfway
	nats.Shutdown()
	nats.WaitForShutdown()
	close(back)
	time.Sleep(500 * time.Millisecond) // long enough for flushes to fail
	nats = start()
	end, all := ended(t, b, "patient")
	// A batch that was on its way when the connection broke may be there twice, with the same steps: the fold takes it once.
	got := steps(all, "loss")
	if slices.Sort(got); end.Status != event.Finished || !slices.Equal(slices.Compact(got), upTo(20_000)) {
		t.Errorf("%s with %d points", end.Status, len(got))
	}
	next := int64(0)
	for _, l := range of[event.LinesLogged](all) {
		if l.First > next {
			t.Fatalf("lines %d to %d are missing", next, l.First)
		}
		next = max(next, l.First+int64(len(l.Lines)))
	}
	if next != 20_000 {
		t.Errorf("%d lines", next)
	}
}

func TestAStopThatCameFirstStopsTheRunAtOnce(t *testing.T) {
	b := open(t, bus.Config{Dir: t.TempDir()})
	request(t, b, "stopped")
	publish(t, b, event.RunStopRequested{Run: "stopped"})
	publish(t, b, event.RunStopRequested{Run: "other"})
	working(t, runner(t, b), func(ctx context.Context, j *job.Job) (job.Outcome, error) {
		<-ctx.Done()
		return job.Outcome{Steps: 3}, context.Cause(ctx)
	})
	if end, _ := ended(t, b, "stopped"); end.Status != event.Stopped || end.Failure != nil || end.Steps != 3 {
		t.Errorf("%+v", end)
	}
}

func TestWhatWasDoneInSpiteOfAStopIsDone(t *testing.T) {
	b := open(t, bus.Config{Dir: t.TempDir()})
	begun := make(chan struct{})
	working(t, runner(t, b), func(ctx context.Context, j *job.Job) (job.Outcome, error) {
		close(begun)
		<-ctx.Done()
		return job.Outcome{}, nil
	})
	request(t, b, "done")
	<-begun
	publish(t, b, event.RunStopRequested{Run: "done"})
	if end, _ := ended(t, b, "done"); end.Status != event.Finished {
		t.Errorf("%+v", end)
	}
}

func TestAPanicIsTheRunsFailureAndTheWorkerGoesOn(t *testing.T) {
	b := open(t, bus.Config{Dir: t.TempDir()})
	working(t, runner(t, b), func(ctx context.Context, j *job.Job) (job.Outcome, error) {
		if j.Request.Run == "bad" {
			if err := j.Metrics(ctx, 1, loss, []float64{1}); err != nil {
				return job.Outcome{}, err
			}
			panic("the mill is on fire")
		}
		return job.Outcome{}, nil
	})
	request(t, b, "bad")
	request(t, b, "good")
	end, all := ended(t, b, "bad")
	if end.Status != event.Failed || end.Failure == nil || end.Failure.Code != "panic" || !strings.Contains(end.Failure.Message, "on fire") || end.Failure.Hint == "" {
		t.Errorf("%+v %+v", end, end.Failure)
	}
	if got := steps(all, "loss"); len(got) != 1 {
		t.Errorf("%d points of before the panic", len(got))
	}
	if end, _ := ended(t, b, "good"); end.Status != event.Finished {
		t.Errorf("%+v", end)
	}
}

func TestFaultsAreTriedAgainAndNotForEver(t *testing.T) {
	b := open(t, bus.Config{Dir: t.TempDir()})
	var tries sync.Map
	count := func(run event.RunID) int {
		n, _ := tries.LoadOrStore(run, new(atomic.Int64))
		return int(n.(*atomic.Int64).Add(1))
	}
	working(t, runner(t, b), func(ctx context.Context, j *job.Job) (job.Outcome, error) {
		n := count(j.Request.Run)
		switch j.Request.Run {
		case "passing":
			if n < 3 {
				return job.Outcome{}, errors.New("the store is away")
			}
			return job.Outcome{}, nil
		case "marked":
			return job.Outcome{}, job.Retry("storage_unavailable", "look after it", errors.New("the store is away"))
		case "lasting":
			return job.Outcome{}, errors.New("the store is away")
		}
		return job.Outcome{}, job.Fail("bad_config", "correct it", errors.New("no such key"))
	})
	for run, want := range map[event.RunID]struct {
		status event.RunStatus
		code   string
		tries  int64
	}{
		"passing": {event.Finished, "", 3}, "marked": {event.Failed, "storage_unavailable", 5}, "lasting": {event.Failed, "internal", 5}, "final": {event.Failed, "bad_config", 1},
	} {
		request(t, b, run)
		end, all := ended(t, b, run)
		code := ""
		if end.Failure != nil {
			code = end.Failure.Code
		}
		n, _ := tries.Load(run)
		if end.Status != want.status || code != want.code || n.(*atomic.Int64).Load() != want.tries || end.Attempt != int(want.tries) || len(of[event.RunStarted](all)) != int(want.tries) {
			t.Errorf("%s: %s %q after %d tries, attempt %d", run, end.Status, code, n.(*atomic.Int64).Load(), end.Attempt)
		}
	}
}

func TestARunThatHasEndedIsNotDoneAgain(t *testing.T) {
	b := open(t, bus.Config{Dir: t.TempDir()})
	request(t, b, "over")
	publish(t, b, event.RunEnded{Run: "over", Attempt: 1, Status: event.Finished})
	request(t, b, "next")
	var did sync.Map
	working(t, runner(t, b), func(ctx context.Context, j *job.Job) (job.Outcome, error) {
		did.Store(j.Request.Run, true)
		return job.Outcome{}, nil
	})
	ended(t, b, "next")
	if _, again := did.Load(event.RunID("over")); again {
		t.Error("it was done again")
	}
}

func TestAWorkerThatLeavesHandsItsJobOverWithItsCheckpoint(t *testing.T) {
	b := open(t, bus.Config{Dir: t.TempDir()})
	request(t, b, "long")
	begun := make(chan struct{})
	var once sync.Once
	stop := working(t, runner(t, b), func(ctx context.Context, j *job.Job) (job.Outcome, error) {
		once.Do(func() { close(begun) })
		<-ctx.Done()
		// The worker's context has ended; what must be saved still can be.
		saved := event.CheckpointSaved{Run: j.Request.Run, Step: 7, Checkpoint: event.DigestOf([]byte("x"))}
		if err := j.Publish(j.Lasting(), saved); err != nil {
			t.Error(err)
		}
		return job.Outcome{}, context.Cause(ctx)
	})
	<-begun
	stop()
	working(t, runner(t, b), func(ctx context.Context, j *job.Job) (job.Outcome, error) {
		if j.Attempt != 2 || j.Checkpoint == nil || j.Checkpoint.Step != 7 {
			t.Errorf("attempt %d from %+v", j.Attempt, j.Checkpoint)
		}
		return job.Outcome{Steps: 10}, nil
	})
	end, all := ended(t, b, "long")
	started := of[event.RunStarted](all)
	if end.Status != event.Finished || end.Attempt != 2 || len(started) != 2 || started[1].ResumedFrom == nil || *started[1].ResumedFrom != 7 {
		t.Errorf("%+v %+v", end, started)
	}
}

func TestLastingEndsAWhileAfterTheWorker(t *testing.T) {
	b := open(t, bus.Config{Dir: t.TempDir()})
	request(t, b, "stuck")
	r := runner(t, b)
	r.Grace = 50 * time.Millisecond
	begun := make(chan struct{})
	stop := working(t, r, func(ctx context.Context, j *job.Job) (job.Outcome, error) {
		close(begun)
		<-ctx.Done()
		if j.Lasting().Err() != nil {
			t.Error("the time for last words was over before it began")
		}
		<-j.Lasting().Done()
		return job.Outcome{}, ctx.Err()
	})
	<-begun
	stop()
}
