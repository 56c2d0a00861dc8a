package job_test

import (
	"context"
	"sync"
	"testing"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/job"
)

func TestAResumedRunGoesOnWhereItsRequestSays(t *testing.T) {
	b := open(t, bus.Config{Dir: t.TempDir()})
	begun := make(chan struct{}, 10)
	var mu sync.Mutex
	var seen []job.Job
	working(t, runner(t, b), func(ctx context.Context, j *job.Job) (job.Outcome, error) {
		mu.Lock()
		seen = append(seen, job.Job{Request: j.Request, Attempt: j.Attempt, Checkpoint: j.Checkpoint})
		mu.Unlock()
		j.Print("here")
		j.Spend(1, 1, 0, 0)
		for step := int64(1); step <= 4; step++ { // the last was rewound before the run was resumed
			if err := j.Publish(ctx, event.CheckpointSaved{Run: j.Request.Run, Step: step, Checkpoint: event.DigestOf([]byte{byte(step)})}); err != nil {
				return job.Outcome{}, err
			}
		}
		begun <- struct{}{}
		if j.Request.Resume > 0 {
			return job.Outcome{Steps: 4}, nil
		}
		<-ctx.Done()
		return job.Outcome{Steps: 4}, context.Cause(ctx)
	})
	req := request(t, b, "run")
	<-begun
	publish(t, b, event.RunStopRequested{Run: "run", Pause: true})
	end, _ := ended(t, b, "run")
	if end.Status != event.Paused || end.Attempt != 1 {
		t.Fatalf("%+v", end)
	}
	req.Resume, req.Attempts = 1, 1
	req.From = &event.CheckpointSaved{Run: "run", Step: 2, Checkpoint: event.DigestOf([]byte{2})}
	publish(t, b, req)
	<-begun
	// The stop of before is not for the resumed run: it ends by itself.
	var facts []event.Event
	for len(facts) == 0 || of[event.RunEnded](facts) == nil {
		facts = everything(t, b, "run")
	}
	ends := of[event.RunEnded](facts)
	if last := ends[len(ends)-1]; len(ends) != 2 || last.Status != event.Finished || last.Attempt != 2 {
		t.Errorf("%+v", ends)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 2 || seen[1].Attempt != 2 || seen[1].Checkpoint == nil || seen[1].Checkpoint.Step != 2 {
		t.Errorf("%+v", seen)
	}
	lines := of[event.LinesLogged](facts)
	if len(lines) != 2 || lines[1].First != 1 {
		t.Errorf("the console goes on after what is there: %+v", lines)
	}
	attempts := map[int]bool{}
	for _, s := range of[event.ResourcesSpent](facts) {
		attempts[s.Attempt] = true
	}
	if !attempts[1] || !attempts[2] {
		t.Errorf("what was spent: %v", attempts)
	}
}

// everything reads all facts of a run, once its second end is there.
func everything(t *testing.T, b *bus.Bus, run event.RunID) (all []event.Event) {
	t.Helper()
	ends := 0
	_ = b.Follow(soon(t), 1, []string{event.RunFacts(run)}, func(env event.Envelope) error {
		all = append(all, env.Event)
		if _, ok := env.Event.(event.RunEnded); ok {
			ends++
		}
		if ends == 2 {
			return errFound
		}
		return nil
	})
	return all
}

func TestARunThatWasEndedBeforeAWorkerHadItIsLeftAlone(t *testing.T) {
	b := open(t, bus.Config{Dir: t.TempDir()})
	request(t, b, "paused")
	publish(t, b, event.RunStopRequested{Run: "paused", Pause: true})
	publish(t, b, event.RunEnded{Run: "paused", Status: event.Paused})
	// A request that was overtaken by a newer one is settled by the newer.
	req := request(t, b, "twice")
	publish(t, b, event.RunEnded{Run: "twice", Attempt: 3, Status: event.Stopped})
	req.Resume, req.Attempts = 1, 3
	publish(t, b, req)
	// A worker that was thought dead says its last word late, on the request before.
	publish(t, b, event.RunEnded{Run: "twice", Attempt: 2, Status: event.Stopped})
	var did sync.Map
	working(t, runner(t, b), func(_ context.Context, j *job.Job) (job.Outcome, error) {
		if _, again := did.LoadOrStore(j.Request.Run, j.Attempt); again {
			t.Errorf("%s is done twice", j.Request.Run)
		}
		return job.Outcome{}, nil
	})
	request(t, b, "next")
	ended(t, b, "next")
	if _, ok := did.Load(event.RunID("paused")); ok {
		t.Error("a run that was paused was done")
	}
	if n, _ := did.Load(event.RunID("twice")); n != 4 {
		t.Errorf("attempt %v, want 4", n)
	}
}
