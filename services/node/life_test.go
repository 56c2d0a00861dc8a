package node_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/acceptance/freeport"
	"millrace/client"
	"millrace/services/node"
)

// stands waits until a run stands still in a way.
func stands(t *testing.T, c *client.Client, id, status string) client.Run {
	t.Helper()
	return until(t, c, id, status, func(r client.Run) bool { return r.Status == status })
}

// judged waits for a reproduction's end, and for the verdict, which comes moments later.
func judged(t *testing.T, c *client.Client, id string) client.Reproduction {
	t.Helper()
	run := finish(t, c, id)
	for deadline := time.Now().Add(time.Minute); run.Reproduction == nil || run.Reproduction.Verdict == "running"; time.Sleep(10 * time.Millisecond) {
		var err error
		if run, err = c.Run(t.Context(), id); err != nil || time.Now().After(deadline) {
			t.Fatalf("no verdict on %s: %+v %v", id, run.Reproduction, err)
		}
	}
	return *run.Reproduction
}

// same compares two trainings to the bit: the points from a step on, and the final checkpoint.
func same(t *testing.T, c *client.Client, is, was client.Run, steps int) {
	t.Helper()
	if got, want := is.Output("checkpoint"), was.Output("checkpoint"); got != want || want == "" {
		t.Errorf("it ended in checkpoint %q, the undisturbed one in %q", got, want)
	}
	for _, key := range deterministic {
		if got, want := points(t, c, is.ID, key, steps), points(t, c, was.ID, key, steps); !slices.Equal(got, want) {
			t.Errorf("%s differs", key)
		}
	}
}

func TestPausedBudgetedForkedAndRewoundTrainingsEndToTheBitAsUndisturbedOnes(t *testing.T) {
	t.Parallel()
	steps := shorter(1800, 450)
	every := steps / 3
	config := node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Threads: 1}
	c, _ := lab(t, config)
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	plain := finish(t, c, begin(t, c, training(steps, every)).ID)

	// A pause, and a stop of a run that stands still.
	run := begin(t, c, training(steps, every))
	waiting := begin(t, c, training(steps, every)) // the worker is busy with the first
	checkpointed(t, c, run.ID, 1)
	if now, err := c.Pause(t.Context(), waiting.ID, "later"); err != nil || now.Status != "PAUSED" || now.Attempts != 0 {
		t.Errorf("a run that nobody has is %s after %d attempts: %v", now.Status, now.Attempts, err)
	}
	if _, err := c.Pause(t.Context(), run.ID, "the night"); err != nil {
		t.Fatal(err)
	}
	stands(t, c, run.ID, "PAUSED")
	var refused *client.Refused
	if _, err := c.Rewind(t.Context(), run.ID, -1); !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
	if _, err := c.Resume(t.Context(), run.ID, nil); err != nil {
		t.Fatal(err)
	}
	done := finish(t, c, run.ID)
	same(t, c, done, plain, steps)
	if done.Attempts != 2 || done.SpecDigest != plain.SpecDigest {
		t.Errorf("%d attempts", done.Attempts)
	}
	if _, err := c.Resume(t.Context(), waiting.ID, nil); err != nil {
		t.Fatal(err)
	}
	same(t, c, finish(t, c, waiting.ID), plain, steps)

	// A budget: it stops, is refused while the budget is what it is, and goes on when it is raised.
	small := training(steps, every)
	small.Budget = &client.Budget{DeviceSeconds: 0.01}
	poor := begin(t, c, small)
	stopped := stands(t, c, poor.ID, "STOPPED")
	if _, err := c.Resume(t.Context(), poor.ID, nil); !errors.As(err, &refused) || refused.Errors[0].Code != "CONFLICT" || !strings.Contains(err.Error(), "of 0.01 device-seconds") {
		t.Errorf("%v", err)
	}
	if ks, err := c.Checkpoints(t.Context(), poor.ID); err != nil || len(ks) == 0 {
		t.Errorf("it was stopped without a checkpoint: %+v %v", stopped, err)
	}
	if _, err := c.Resume(t.Context(), poor.ID, &client.Budget{DeviceSeconds: 1e6}); err != nil {
		t.Fatal(err)
	}
	same(t, c, finish(t, c, poor.ID), plain, steps)

	// Rewound to a step between two checkpoints, it goes on from the one before.
	if now, err := c.Rewind(t.Context(), done.ID, int64(every)+50); err != nil || now.Status != "PAUSED" {
		t.Fatalf("%s %v", now.Status, err)
	}
	if got, err := c.Series(t.Context(), []string{done.ID}, []string{"train/loss"}, 10_000); err != nil || len(got[0].Steps) != every+50 {
		t.Errorf("%d steps are left: %v", len(got[0].Steps), err)
	}
	left, err := c.Checkpoints(t.Context(), done.ID)
	if err != nil || len(left) == 0 || left[len(left)-1].Step > int64(every)+50 {
		t.Fatalf("%+v %v", left, err)
	}
	if _, err := c.Resume(t.Context(), done.ID, nil); err != nil {
		t.Fatal(err)
	}
	same(t, c, finish(t, c, done.ID), plain, steps)
	started := facts(t, c, "run.started", done.ID)
	if last := string(started[len(started)-1]); !strings.Contains(last, fmt.Sprintf(`"resumed_from":%d`, left[len(left)-1].Step)) || !strings.Contains(last, `"attempt":3`) {
		t.Errorf("%s", last)
	}

	// A fork without a change ends where its parent did; one with a change goes its own way.
	fork := func(changes string) client.Run {
		t.Helper()
		run, err := c.Fork(t.Context(), client.ForkRun{ID: plain.ID, Step: int64(every) + 50, Config: json.RawMessage(changes)})
		if err != nil {
			t.Fatal(err)
		}
		return finish(t, c, run.ID)
	}
	twin := fork(`{}`)
	if twin.Output("checkpoint") != plain.Output("checkpoint") || twin.SpecDigest == plain.SpecDigest {
		t.Errorf("a fork that changes nothing ends in %q", twin.Output("checkpoint"))
	}
	own := fork(fmt.Sprintf(`{"optimizer.lr": 0.01, "steps": %d, "checkpoint_every": 100}`, 2*every))
	got, err := c.Series(t.Context(), []string{own.ID}, []string{"train/loss"}, 10_000)
	if err != nil || len(got) != 1 || got[0].Steps[0] != int64(every)+1 || got[0].Steps[len(got[0].Steps)-1] != int64(2*every) || own.Output("checkpoint") == plain.Output("checkpoint") {
		t.Errorf("%+v %v", got, err)
	}
	for changes, says := range map[string]string{`{"model.n_layer": 3}`: "model", `{"seed": 8}`: "seed", fmt.Sprintf(`{"steps": %d}`, every): "steps", `{"stepz": 3}`: "stepz"} {
		if _, err := c.Fork(t.Context(), client.ForkRun{ID: plain.ID, Step: int64(every), Config: json.RawMessage(changes)}); !errors.As(err, &refused) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", changes, err)
		}
	}

	// Each of them can be done again from its spec.
	for name, id := range map[string]string{"resumed": done.ID, "forked": own.ID} {
		repro, warnings, err := c.ReproduceWarned(t.Context(), id, 0)
		if err != nil || len(warnings) != 0 {
			t.Fatalf("%s: %v %v", name, warnings, err)
		}
		if v := judged(t, c, repro.ID); v.Verdict != "identical" || v.Points == 0 || v.Digests == 0 {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestACurationAndAnEvaluationAreReproducedToo(t *testing.T) {
	t.Parallel()
	config := node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Threads: 1}
	c, _ := lab(t, config)
	made := finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	trained := finish(t, c, begin(t, c, training(20, 20)).ID)
	asked, err := c.Evaluate(t.Context(), trained.ID, 20, "quick")
	if err != nil {
		t.Fatal(err)
	}
	evaluated := finish(t, c, asked.ID)
	for name, id := range map[string]string{"curation": made.ID, "evaluation": evaluated.ID} {
		repro, err := c.Reproduce(t.Context(), id, 0)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if v := judged(t, c, repro.ID); v.Verdict != "identical" || v.Points+v.Digests == 0 {
			t.Errorf("%s: %+v", name, v)
		}
	}
	ks, err := c.Checkpoints(t.Context(), trained.ID)
	if err != nil || len(ks) != 1 || len(ks[0].Evaluations) != 1 {
		t.Errorf("the reproduction counts for the checkpoint: %+v %v", ks, err)
	}
}

func TestKilledWhilePausingResumingAndForkingTheEndIsRight(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: a child process is killed, run in the pass before it")
	}
	t.Parallel()
	const steps, every = 1800, 600
	config := node.Config{Data: t.TempDir(), Addr: freeport.Addr(t), Threads: 1}
	proc := spawn(t, config)
	defer func() { end(proc) }()
	c := client.New("http://"+config.Addr, "")
	again := func() {
		end(proc)
		proc = spawn(t, config)
	}
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	plain := finish(t, c, begin(t, c, training(steps, every)).ID)

	run := begin(t, c, training(steps, every))
	checkpointed(t, c, run.ID, 1)
	if _, err := c.Pause(t.Context(), run.ID, "and gone"); err != nil {
		t.Fatal(err)
	}
	again() // with the wish in the log, and perhaps its effect
	stands(t, c, run.ID, "PAUSED")
	if _, err := c.Resume(t.Context(), run.ID, nil); err != nil {
		t.Fatal(err)
	}
	again()
	same(t, c, finish(t, c, run.ID), plain, steps)

	fork, err := c.Fork(t.Context(), client.ForkRun{ID: plain.ID, Step: every})
	if err != nil {
		t.Fatal(err)
	}
	again()
	if done := finish(t, c, fork.ID); done.Output("checkpoint") != plain.Output("checkpoint") {
		t.Errorf("the fork ended in %q", done.Output("checkpoint"))
	}
}
