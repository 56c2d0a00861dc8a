package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/client"
)

// corpus writes sentences made by rule, no two documents the same.
func corpus(t *testing.T, documents int) string {
	t.Helper()
	subjects := []string{"the miller", "a trout", "the old wheel", "rain", "the river", "a heron", "the stone"}
	verbs := []string{"turns", "waits for", "grinds", "follows", "carries", "remembers", "leaves"}
	dir := t.TempDir()
	for d := range documents {
		var b strings.Builder
		for i := range 40 {
			k := d*37 + i*11
			fmt.Fprintf(&b, "%s %s %s near mill %c%d.\n", subjects[k%7], verbs[(k/7+i)%7], subjects[(k/3+d)%7], 'A'+(d+i)%26, d)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("doc%05d.txt", d)), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// noise writes words that nobody knows, so that a tokenizer has much to learn.
func noise(t *testing.T, documents int) string {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	for d := range documents {
		b := make([]byte, 0, 4096)
		for len(b) < 4000 {
			for range 3 + random.IntN(8) {
				b = append(b, byte('a'+random.IntN(26)))
			}
			b = append(b, ' ')
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("doc%05d.txt", d)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func curation(t *testing.T, folder string, vocab int) client.StartRun {
	t.Helper()
	raw, err := json.Marshal(map[string]any{
		"name": "mill", "sources": []map[string]any{{"folder": folder}}, "held_out": 0.2, "tokenizer": map[string]any{"kind": "bpe", "vocab_size": vocab},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client.StartRun{Kind: "CURATE", Config: raw}
}

func training(steps, checkpointEvery int, suites ...string) client.StartRun {
	return client.StartRun{
		Kind: "TRAIN", Inputs: []client.Input{{Role: "dataset", Digest: "mill"}}, Suites: append([]string{}, suites...),
		Config: json.RawMessage(fmt.Sprintf(`{"model":{"n_layer":2,"n_head":2,"d_model":32,"context":32},"batch_size":4,"steps":%d,"checkpoint_every":%d,
			"eval_every":%d,"eval_batches":2,"seed":7}`, steps, checkpointEvery, checkpointEvery)),
	}
}

func begin(t *testing.T, c *client.Client, s client.StartRun) client.Run {
	t.Helper()
	run, err := c.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// until waits for a run to be as wanted. A node that is away is waited for.
func until(t *testing.T, c *client.Client, id, want string, is func(client.Run) bool) client.Run {
	t.Helper()
	var run client.Run
	var err error
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		var now client.Run
		if now, err = c.Run(t.Context(), id); err == nil {
			run = now
			if is(run) {
				return run
			}
			if run.Ended() {
				t.Fatalf("run %s is %s (%+v), not %s", id, run.Status, run.Failure, want)
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("run %s is %s, not %s: %v", id, run.Status, want, err)
		}
	}
}

func finish(t *testing.T, c *client.Client, id string) client.Run {
	t.Helper()
	return until(t, c, id, "finished", func(r client.Run) bool { return r.Status == "FINISHED" })
}

// checkpointed waits until a run has so many checkpoints.
func checkpointed(t *testing.T, c *client.Client, id string, n int) {
	t.Helper()
	until(t, c, id, "saved", func(client.Run) bool {
		ks, err := c.Checkpoints(t.Context(), id)
		return err == nil && len(ks) >= n
	})
}

// points reads a metric's points, and fails unless every step from 1 to steps is there once.
func points(t *testing.T, c *client.Client, id, key string, steps int) []uint64 {
	t.Helper()
	got, err := c.Series(t.Context(), []string{id}, []string{key}, 1_000_000)
	if err != nil || len(got) != 1 || len(got[0].Steps) != steps || got[0].Points != int64(steps) {
		t.Fatalf("run %s: %s: %d series, %v; want every one of %d steps once", id, key, len(got), err, steps)
	}
	bits := make([]uint64, steps)
	for i, s := range got[0].Steps {
		if s != int64(i+1) {
			t.Fatalf("run %s: %s: point %d is of step %d", id, key, i, s)
		}
		bits[i] = math.Float64bits(float64(got[0].Values[i]))
	}
	return bits
}

// facts counts the log's facts of a type about a run.
func facts(t *testing.T, c *client.Client, kind, run string) (bodies []json.RawMessage) {
	t.Helper()
	_, _, last, _, err := c.System(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if last == 0 {
		return nil // and until 0 would be without an end
	}
	err = c.Events(t.Context(), 1, last, nil, func(e client.LoggedEvent) error {
		if e.Type == kind && strings.Contains(e.Subject, run) {
			bodies = append(bodies, e.Body)
		}
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return bodies
}
