package node_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/client"
	"millrace/services/node"
	"millrace/storage/blob"
)

// A shard that is cut short, or of which one bit was turned, ends the run before its first step, with the shard's name and what to do; also when
// it happens between two attempts of a run. What is put back is learnt from to the same end.
func TestADamagedShardIsNotLearntFrom(t *testing.T) {
	t.Parallel()
	config := node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Threads: 1}
	c, _ := lab(t, config)
	folder := corpus(t, 20)
	made := finish(t, c, begin(t, c, curation(t, folder, 300)).ID)
	const steps = 4000
	plain := begin(t, c, training(20, 20))
	finish(t, c, plain.ID)

	digest := blob.Digest(manifest(t, c, made.Output("dataset")).Splits[0].Shards[0].Digest)
	file := filepath.Join(config.Data, "objects", "buckets", "millrace", "keys", filepath.FromSlash(digest.Key())+".object")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(whole)/3] ^= 4
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(id, how string) {
		t.Helper()
		run := until(t, c, id, how, func(r client.Run) bool { return r.Status == "FAILED" })
		if f := run.Failure; f == nil || f.Code != "corrupt_input" || !strings.Contains(f.Message, "shard 0 of train "+digest.Hex()[:12]) || !strings.Contains(f.Hint, digest.Key()) {
			t.Errorf("%s: %+v", how, run.Failure)
		}
	}
	for how, b := range map[string][]byte{"a bit was turned": flipped, "cut short": whole[:len(whole)/2], "cut short by a byte": whole[:len(whole)-1], "empty": nil} {
		write(b)
		refused(begin(t, c, training(20, 20)).ID, how)
	}
	write(whole)

	run := begin(t, c, training(steps, 50))
	checkpointed(t, c, run.ID, 1)
	if left, err := filepath.Glob(filepath.Join(config.Data, "tmp", "millrace-shards-*")); err != nil || len(left) > 0 {
		t.Errorf("shards that are learnt from have names: %v, %v", left, err)
	}
	if _, err := c.Pause(t.Context(), run.ID, "for the night"); err != nil {
		t.Fatal(err)
	}
	stands(t, c, run.ID, "PAUSED")
	write(flipped)
	if _, err := c.Resume(t.Context(), run.ID, nil); err != nil {
		t.Fatal(err)
	}
	refused(run.ID, "damaged between two attempts")

	// Removed and curated again, it is what it was.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	finish(t, c, begin(t, c, curation(t, folder, 300)).ID)
	same(t, c, finish(t, c, begin(t, c, training(20, 20)).ID), finish(t, c, plain.ID), 20)
}
