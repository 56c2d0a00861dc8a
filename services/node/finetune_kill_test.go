package node_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/acceptance/freeport"
	"millrace/client"
	"millrace/event"
	"millrace/services/node"
)

// A fine-tuning of all weights, and one by adapters, are killed with the node in the middle. Each goes on from its last checkpoint and ends in the
// checkpoint of one that was left alone. What adapters leave as it was is in storage once: with the base, and with every checkpoint.
func TestFineTuningsThatWereKilledEndAsIfNothingHadHappened(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: a child process is killed, run in the pass before it")
	}
	t.Parallel()
	config := node.Config{Data: t.TempDir(), Addr: freeport.Addr(t), Threads: 1}
	proc := spawn(t, config)
	defer func() { end(proc) }()
	c := client.New("http://"+config.Addr, "")
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	first := training(2, 2)
	first.Config = json.RawMessage(`{"model":{"n_layer":1,"n_head":2,"d_model":256,"context":8},"batch_size":1,"steps":2,"checkpoint_every":2,"eval_every":2,"eval_batches":1}`)
	base := finish(t, c, begin(t, c, first).ID)
	kinds := map[string]string{"full": "", "adapters": `,"finetune":{"lora":{"rank":2,"targets":"attention"}}`}
	for kind, settings := range kinds {
		caught(t, func(size int) bool {
			steps := 60 * size
			start := tuning(base.ID, "dataset", "mill", fmt.Sprintf(`{"steps":%d,"checkpoint_every":%d,"eval_every":%d,"eval_batches":1,"batch_size":1%s}`, steps, steps/4, steps, settings))
			plain := finish(t, c, begin(t, c, start).ID)
			broken := begin(t, c, start)
			checkpointed(t, c, broken.ID, 1)
			end(proc) // kill -9
			proc = spawn(t, config)
			done := finish(t, c, broken.ID)
			if done.Output("checkpoint") != plain.Output("checkpoint") || done.Output("checkpoint") == "" {
				t.Errorf("%s: it ended in %q, the undisturbed one in %q", kind, done.Output("checkpoint"), plain.Output("checkpoint"))
			}
			for _, key := range []string{"train/loss", "grad_norm"} {
				if fmt.Sprint(points(t, c, done.ID, key, steps)) != fmt.Sprint(points(t, c, plain.ID, key, steps)) {
					t.Errorf("%s: %s differs", kind, key)
				}
			}
			if !filesOf(t, c, done.ID)["from "+base.ID+" by finetune"] {
				t.Errorf("%s: nothing says that it came from %s", kind, base.ID)
			}

			// The two matrices of the feed-forward part have a mebibyte each, and are pieces of their own.
			ours, theirs := piecesOf(t, c, config.Data, done.Output("checkpoint")), piecesOf(t, c, config.Data, base.Output("checkpoint"))
			same := 0
			for d := range ours {
				if theirs[d] {
					same++
				}
			}
			if want := map[string]int{"full": 0, "adapters": 2}[kind]; same != want || len(theirs) < 2 {
				t.Errorf("%s: %d of %d pieces are the base's, want %d", kind, same, len(ours), want)
			}
			return done.Attempts == 2
		})
	}
}

// piecesOf are the digests of the objects that a checkpoint's weights lie in. The weights as they are read have the digest that names them.
func piecesOf(t *testing.T, c *client.Client, data, checkpoint string) map[string]bool {
	t.Helper()
	var tree struct {
		Files []struct{ Name, Digest string }
	}
	raw, err := c.Blob(t.Context(), event.Digest(checkpoint))
	if err == nil {
		err = json.Unmarshal(raw, &tree)
	}
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, f := range tree.Files {
		if f.Name != "model.safetensors" {
			continue
		}
		whole, err := c.Blob(t.Context(), event.Digest(f.Digest))
		if err != nil || event.DigestOf(whole) != event.Digest(f.Digest) {
			t.Fatalf("%s: %v", f.Digest, err)
		}
		hex := strings.TrimPrefix(f.Digest, "sha256:")
		file, err := os.Open(filepath.Join(data, "objects", "buckets", "millrace", "keys", "pieces", hex[:2], hex+".object"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		var list struct{ Pieces []struct{ Digest string } }
		if err := json.NewDecoder(file).Decode(&list); err != nil { // what the store knows of it follows
			t.Fatal(err)
		}
		for _, p := range list.Pieces {
			if p.Digest != "" {
				out[p.Digest] = true
			}
		}
	}
	return out
}
