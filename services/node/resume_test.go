package node_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"millrace/acceptance/freeport"
	"millrace/client"
	"millrace/services/node"
)

// deterministic are the metrics that an interrupted run must have to the bit.
var deterministic = []string{"train/loss", "grad_norm", "lr", "tokens", "epoch"}

func TestATrainingThatWasKilledAndStoppedEndsAsIfNothingHadHappened(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: a child process is killed, run in the pass before it")
	}
	t.Parallel()
	const steps, every = 2400, 300
	config := node.Config{Data: t.TempDir(), Addr: freeport.Addr(t), Threads: 1}
	proc := spawn(t, config)
	defer func() { end(proc) }()
	c := client.New("http://"+config.Addr, "")
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	plain := finish(t, c, begin(t, c, training(steps, every)).ID)

	broken := begin(t, c, training(steps, every))
	checkpointed(t, c, broken.ID, 2)
	end(proc) // kill -9
	config.Threads = 2
	proc = spawn(t, config)
	again := until(t, c, broken.ID, "on its second attempt", func(r client.Run) bool { return r.Attempts == 2 })
	checkpointed(t, c, broken.ID, 4)
	if err := proc.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := proc.Wait(); err != nil {
		t.Fatalf("after SIGTERM: %v", err)
	}
	proc = spawn(t, config)
	done := finish(t, c, broken.ID)

	if done.SpecDigest != plain.SpecDigest || done.Attempts != 3 || again.Attempts != 2 {
		t.Errorf("%d attempts at %s, want 3 at %s", done.Attempts, done.SpecDigest, plain.SpecDigest)
	}
	if got, want := done.Output("checkpoint"), plain.Output("checkpoint"); got != want || want == "" {
		t.Errorf("it ended in checkpoint %q, the undisturbed one in %q", got, want)
	}
	for _, key := range deterministic {
		if got, want := points(t, c, done.ID, key, steps), points(t, c, plain.ID, key, steps); !slices.Equal(got, want) {
			t.Errorf("%s differs", key)
		}
	}
	was, err := c.Checkpoints(t.Context(), plain.ID)
	if err != nil {
		t.Fatal(err)
	}
	is, err := c.Checkpoints(t.Context(), done.ID)
	if err != nil {
		t.Fatal(err)
	}
	same := 0
	for _, k := range is {
		i := slices.IndexFunc(was, func(w client.Checkpoint) bool { return w.Step == k.Step })
		switch {
		case i >= 0 && was[i].Digest == k.Digest:
			same++
		case i >= 0:
			t.Errorf("the checkpoint of step %d differs", k.Step)
		}
	}
	// SIGTERM saved one more, at the step where it came, unless that was due.
	if same != steps/every || len(is) > same+1 {
		t.Errorf("%d checkpoints, %d of them those of the undisturbed run; want %d", len(is), same, steps/every)
	}
	started := facts(t, c, "run.started", done.ID)
	if len(started) != 3 || bytes.Contains(started[0], []byte("resumed_from")) || !bytes.Contains(started[1], []byte(`"resumed_from":`)) || !bytes.Contains(started[2], []byte(`"resumed_from":`)) {
		t.Errorf("started: %s", started)
	}
}

func TestAnEvaluationThatWasKilledIsDoneOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: a child process is killed, run in the pass before it")
	}
	t.Parallel()
	config := node.Config{Data: t.TempDir(), Addr: freeport.Addr(t), Threads: 1}
	proc := spawn(t, config)
	defer func() { end(proc) }()
	c := client.New("http://"+config.Addr, "")
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	caught(t, func(size int) bool {
		suite := fmt.Sprintf("long-%d", size)
		prompts, err := json.Marshal(slices.Repeat([]string{"", "the ", "rain"}, size))
		if err != nil {
			t.Fatal(err)
		}
		definition := fmt.Sprintf(`{"format":"millrace.suite/1","name":%q,"version":1,"tasks":[{"name":"greedy","kind":"generate","prompts":%s,"max_tokens":500}]}`, suite, prompts)
		if _, err := c.SaveSuite(t.Context(), json.RawMessage(definition), nil, ""); err != nil {
			t.Fatal(err)
		}
		run := begin(t, c, training(10, 10, suite))
		var evaluation client.Run
		eventually(t, func() bool {
			runs, _, _, err := c.Runs(t.Context(), map[string]any{"kind": []string{"EVALUATE"}, "status": []string{"RUNNING", "FINISHED"}}, 1, "")
			if err != nil || len(runs) == 0 || runs[0].Name != suite+" of step 10" {
				return false
			}
			evaluation = runs[0]
			return true
		}, func() any { return run })
		end(proc) // kill -9
		proc = spawn(t, config)
		judged := finish(t, c, evaluation.ID)
		ks, err := c.Checkpoints(t.Context(), run.ID)
		if err != nil || len(ks) != 1 || len(ks[0].Evaluations) != 1 || len(ks[0].Evaluations[0].Samples) == 0 {
			t.Errorf("%+v %v", ks, err)
		}
		if n := len(facts(t, c, "evaluation.completed", run.ID)); n != 1 {
			t.Errorf("%d evaluations after %d attempts", n, judged.Attempts)
		}
		return judged.Attempts == 2
	})
}

func TestACurationThatIsStoppedPublishesNothing(t *testing.T) {
	t.Parallel()
	config := node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0"}
	c, stop := lab(t, config)
	folder := noise(t, shorter(3000, 500))
	busy := func(id string) {
		t.Helper()
		until(t, c, id, "reading", func(r client.Run) bool { return r.Progress != nil })
	}
	run := begin(t, c, curation(t, folder, 16384))
	busy(run.ID)
	if _, err := c.Stop(t.Context(), run.ID, "enough"); err != nil {
		t.Fatal(err)
	}
	until(t, c, run.ID, "stopped", func(r client.Run) bool { return r.Status == "STOPPED" })
	if _, err := c.Dataset(t.Context(), "mill"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("after a stop there is a dataset: %v", err)
	}

	// A node that goes away meanwhile hands the job back; the next one does it.
	run = begin(t, c, curation(t, folder, 16384))
	busy(run.ID)
	stop()
	c, _ = lab(t, config)
	if now, err := c.Run(t.Context(), run.ID); err != nil || now.Status != "RUNNING" {
		t.Fatalf("%s %v", now.Status, err)
	}
	if _, err := c.Dataset(t.Context(), "mill"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("after the node went away there is a dataset: %v", err)
	}
	done := finish(t, c, run.ID)
	if set, err := c.Dataset(t.Context(), "mill"); err != nil || set.ID != done.Output("dataset") || done.Attempts != 2 {
		t.Errorf("%s after %d attempts: %v", set.ID, done.Attempts, err)
	}
}

// away is how long something is away in these tests.
const away = 1500 * time.Millisecond
