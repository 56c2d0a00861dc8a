package acceptance_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/client"
	"millrace/services/node"
)

// up runs a node in this process until stop is called.
func up(t *testing.T, c node.Config) (cl *client.Client, stop func()) {
	t.Helper()
	c.Log = slog.New(slog.DiscardHandler)
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	n, err := node.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := errors.Join(<-done, n.Close()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return client.New(n.URL(), ""), stop
}

// corpus writes a small folder of text: sentences made by rule, no two documents the same.
func corpus(t *testing.T, documents int) string {
	t.Helper()
	dir := t.TempDir()
	subjects := []string{"the miller", "a trout", "the old wheel", "rain", "the river", "a heron", "the stone"}
	verbs := []string{"turns", "waits for", "grinds", "follows", "carries", "remembers", "leaves"}
	for d := range documents {
		var b strings.Builder
		for i := range 40 {
			k := d*37 + i*11
			b.WriteString(subjects[k%7] + " " + verbs[(k/7+i)%7] + " " + subjects[(k/3+d)%7] + " near mill " + string(rune('A'+(d+i)%26)) + ".\n")
		}
		name := filepath.Join(dir, "doc"+string(rune('a'+d/26))+string(rune('a'+d%26))+".txt")
		if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func recipe(t *testing.T, folder string) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(map[string]any{
		"name": "mill", "sources": []map[string]any{{"folder": folder}}, "held_out": 0.2,
		"tokenizer": map[string]any{"kind": "bpe", "vocab_size": 300},
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// wait follows a run to its end.
func wait(t *testing.T, c *client.Client, id string) client.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var run client.Run
	err := c.WatchRun(ctx, id, func(r client.Run) error { run = r; return nil })
	if err != nil || !run.Ended() {
		t.Fatalf("run %s is %s: %v", id, run.Status, err)
	}
	return run
}

func finished(t *testing.T, c *client.Client, s client.StartRun) client.Run {
	t.Helper()
	run, err := c.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if run = wait(t, c, run.ID); run.Status != "FINISHED" {
		t.Fatalf("%s is %s: %+v", run.Name, run.Status, run.Failure)
	}
	return run
}

const tinyConfig = `{"model":{"n_layer":2,"n_head":2,"d_model":32,"context":32},"batch_size":4,"steps":20,"checkpoint_every":10,"eval_every":10,
	"eval_batches":2,"seed":7,"optimizer":{"name":"adamw","lr":LR,"beta1":0.9,"beta2":0.95,"eps":1e-8,"weight_decay":0.1}}`

func train(dataset, lr string) client.StartRun {
	return client.StartRun{
		Kind: "TRAIN", Name: "lr " + lr, Experiment: "learning rate", Config: json.RawMessage(strings.ReplaceAll(tinyConfig, "LR", lr)),
		Inputs: []client.Input{{Role: "dataset", Digest: dataset}}, Suites: []string{"quick"},
	}
}

// judged waits until every checkpoint of a run has its scores, and returns them.
func judged(t *testing.T, c *client.Client, id string, checkpoints int) []client.Checkpoint {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		ks, err := c.Checkpoints(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		for _, k := range ks {
			done += min(1, len(k.Evaluations))
		}
		if len(ks) == checkpoints && done == checkpoints {
			return ks
		}
		if time.Now().After(deadline) {
			t.Fatalf("run %s: %d checkpoints, %d judged, want %d", id, len(ks), done, checkpoints)
		}
	}
}

func TestTheWholeLoop(t *testing.T) {
	data := t.TempDir()
	c, stop := up(t, node.Config{Data: data})
	folder := corpus(t, 60)
	made := finished(t, c, client.StartRun{Kind: "CURATE", Config: recipe(t, folder)})
	set, err := c.Dataset(t.Context(), made.Output("dataset"))
	if err != nil || set.Name != "mill" || set.VocabSize != 300 || len(set.Splits) != 2 {
		t.Fatalf("%+v %v", set, err)
	}
	again := finished(t, c, client.StartRun{Kind: "CURATE", Config: recipe(t, folder)})
	if again.Output("dataset") != set.ID || again.Cost.Tokens != made.Cost.Tokens {
		t.Errorf("the same recipe over the same text is another dataset: %+v", again)
	}

	a := finished(t, c, train("mill", "1e-2"))
	b := finished(t, c, train(set.ID, "1e-3"))
	for _, run := range []client.Run{a, b} {
		for _, k := range judged(t, c, run.ID, 2) {
			if len(k.Evaluations) != 1 || len(k.Evaluations[0].Scores) < 2 || len(k.Evaluations[0].Samples) == 0 {
				t.Errorf("checkpoint of step %d: %+v", k.Step, k.Evaluations)
			}
		}
		if loss, ok := run.Last("train/loss"); !ok || loss <= 0 || run.Cost.Dollars <= 0 || run.Cost.FLOPs <= 0 || run.Cost.Tokens != 20*4*32 {
			t.Errorf("%s: loss %v, cost %+v", run.Name, loss, run.Cost)
		}
	}
	cmp, err := c.Compare(t.Context(), []string{a.ID, b.ID})
	if err != nil || len(cmp.Config) != 1 || cmp.Config[0].Path != "optimizer.lr" || len(cmp.Scores) == 0 {
		t.Errorf("compared: %+v %v", cmp.Config, err)
	}
	series, err := c.Series(t.Context(), []string{a.ID, b.ID}, []string{"train/loss"}, 100)
	if err != nil || len(series) != 2 || len(series[0].Steps) != 20 {
		t.Errorf("%d series: %v", len(series), err)
	}

	repro, err := c.Reproduce(t.Context(), a.ID, 10)
	if err != nil {
		t.Fatal(err)
	}
	wait(t, c, repro.ID)
	for deadline := time.Now().Add(time.Minute); repro.Reproduction == nil || repro.Reproduction.Verdict == "running"; time.Sleep(20 * time.Millisecond) {
		if repro, err = c.Run(t.Context(), repro.ID); err != nil || time.Now().After(deadline) {
			t.Fatalf("no verdict: %v", err)
		}
	}
	if v := repro.Reproduction; v.Verdict != "identical" || v.Points < 30 || v.Digests != 1 {
		t.Errorf("%+v", v)
	}

	stop()
	facts, err := node.VerifyView(t.Context(), data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d facts, folded anew: the same", facts)
	// The picture can be thrown away: it comes back from the log.
	if err := os.Remove(filepath.Join(data, "readmodel.db")); err != nil {
		t.Fatal(err)
	}
	c, _ = up(t, node.Config{Data: data})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		back, err := c.Run(t.Context(), repro.ID)
		if err == nil && back.Reproduction != nil && back.Reproduction.Verdict == "identical" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after a rebuild: %+v %v", back.Reproduction, err)
		}
	}
}

func TestBadInputEndsInARecordThatSaysWhatToDo(t *testing.T) {
	c, _ := up(t, node.Config{Data: t.TempDir()})
	refused := func(s client.StartRun, says string) {
		t.Helper()
		_, err := c.Start(t.Context(), s)
		var r *client.Refused
		if !errors.As(err, &r) || !strings.Contains(err.Error(), says) {
			t.Errorf("want a refusal that says %q, got %v", says, err)
		}
	}
	failed := func(s client.StartRun, code, says string) {
		t.Helper()
		run, err := c.Start(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		run = wait(t, c, run.ID)
		if run.Status != "FAILED" || run.Failure == nil || run.Failure.Code != code || !strings.Contains(run.Failure.Message, says) {
			t.Errorf("want %s with %q, got %s %+v", code, says, run.Status, run.Failure)
		}
	}
	folder := corpus(t, 60)
	refused(client.StartRun{Kind: "CURATE", Config: json.RawMessage(`{"nmae":"x"}`)}, "nmae")
	failed(client.StartRun{Kind: "CURATE", Config: recipe(t, filepath.Join(folder, "nowhere"))}, "missing_source", "nowhere")
	failed(client.StartRun{Kind: "CURATE", Config: recipe(t, t.TempDir())}, "empty_corpus", "")

	set := finished(t, c, client.StartRun{Kind: "CURATE", Config: recipe(t, folder)}).Output("dataset")
	refused(train("nowhere", "1e-3"), "nowhere")
	s := train(set, "1e-3")
	s.Config = json.RawMessage(`{"lerning_rate":1}`)
	refused(s, "lerning_rate")
	s.Config = json.RawMessage(`{"model":{"n_head":3,"d_model":32}}`)
	refused(s, "n_head")
	s.Suites, s.Config = []string{"qiuck"}, json.RawMessage(`{}`)
	refused(s, "qiuck")
	big := train(set, "1e-3")
	big.Config = json.RawMessage(`{"model":{"n_layer":1,"n_head":2,"d_model":32,"context":64},"batch_size":4096,"steps":2}`)
	failed(big, "cannot_train", "windows")
	hot := train(set, "100")
	failed(hot, "nan_loss", "step")

	stopped, err := c.Start(t.Context(), func() client.StartRun {
		s := train(set, "1e-3")
		s.Config = json.RawMessage(`{"model":{"n_layer":2,"n_head":2,"d_model":32,"context":32},"steps":1000000,"checkpoint_every":500000,"eval_every":500000}`)
		return s
	}())
	if err != nil {
		t.Fatal(err)
	}
	err = c.WatchRun(t.Context(), stopped.ID, func(r client.Run) error {
		if _, ok := r.Last("train/loss"); ok {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if _, err := c.Stop(t.Context(), stopped.ID, "seen enough"); err != nil {
		t.Fatal(err)
	}
	run := wait(t, c, stopped.ID)
	ks, err := c.Checkpoints(t.Context(), stopped.ID)
	if run.Status != "STOPPED" || err != nil || len(ks) != 1 {
		t.Errorf("stopped: %s with %d checkpoints: %v", run.Status, len(ks), err)
	}
	// After all that the node still works.
	finished(t, c, train(set, "1e-3"))
}

var errEnough = errors.New("enough")
