package node_test

import (
	"encoding/json"
	"testing"

	"millrace/client"
	"millrace/services/node"
)

// Every kind of model is trained from one dataset, whose tokenizer knows neither masks nor sentinels, with a growing batch, a guard, texts
// written meanwhile and statistics of layers.
func TestEveryKindOfModelIsTrainedFromADataset(t *testing.T) {
	t.Parallel()
	c, _ := lab(t, node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Threads: 1})
	finish(t, c, begin(t, c, curation(t, corpus(t, 20), 300)).ID)
	for arch, more := range map[string]string{
		"bert":  `"optimizer":{"name":"lion"},"precision":"bf16"`,
		"t5":    `"optimizer":{"name":"muon"}`,
		"llama": `"schedule":{"name":"wsd"},"sample":{"every":6,"prompt":"the","tokens":4},"layer_stats":6,"keep":{"last":1}`,
	} {
		config := `{"model":{"arch":"` + arch + `","n_layer":1,"n_head":2,"d_model":32,"context":32},"batch_size":2,"grad_accum":2,"steps":12,"seed":7,
			"batch_ramp":{"from":2,"tokens":200},"guard":{"action":"skip"},` + more + `}`
		run := finish(t, c, begin(t, c, client.StartRun{Kind: "TRAIN", Inputs: []client.Input{{Role: "dataset", Digest: "mill"}}, Suites: []string{}, Config: json.RawMessage(config)}).ID)
		points(t, c, run.ID, "train/loss", 12)
		points(t, c, run.ID, "mfu", 12)
		for key, want := range map[string]int{"layer/lm_head.weight/update_ratio": 2} {
			got, err := c.Series(t.Context(), []string{run.ID}, []string{key}, 100)
			if n := len(got); err != nil || arch == "llama" && (n != 1 || len(got[0].Steps) != want) || arch != "llama" && n != 0 {
				t.Errorf("%s: %d series of %s: %v", arch, n, key, err)
			}
		}
		if n := len(facts(t, c, "run.text_logged", run.ID)); arch == "llama" && n != 2 || arch != "llama" && n != 0 {
			t.Errorf("%s: %d texts", arch, n)
		}
		// It can be done again from its spec.
		again, err := c.Reproduce(t.Context(), run.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		if v := judged(t, c, again.ID); v.Verdict != "identical" {
			t.Errorf("%s: %+v", arch, v)
		}
	}
}
