package node_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/curator"
	"millrace/event"
	"millrace/services/node"
)

// Conversations become a dataset with masks, a model is trained on it, and what the masks leave out is not learnt.
func TestFineTuningOnConversations(t *testing.T) {
	var lines strings.Builder
	for i := range 200 {
		fmt.Fprintf(&lines, `{"messages":[{"role":"user","content":"%x?"},{"role":"assistant","content":"yes"}]}`+"\n", i*7919)
	}
	path := filepath.Join(t.TempDir(), "chat.jsonl")
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ := lab(t, node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0"})
	recipe := curation(t, t.TempDir(), 300)
	raw, err := json.Marshal(map[string]any{
		"name": "mill", "sources": []map[string]any{{"chat": path}}, "held_out": 0.2, "chat_template": "chatml", "pack_length": 32,
		"tokenizer": map[string]any{"vocab_size": 300},
	})
	if err != nil {
		t.Fatal(err)
	}
	recipe.Config = raw
	made := finish(t, c, begin(t, c, recipe).ID)
	stored, err := c.Blob(t.Context(), event.Digest(made.Output("dataset")))
	if err != nil {
		t.Fatal(err)
	}
	m, err := curator.ParseManifest(stored)
	if err != nil {
		t.Fatal(err)
	}
	train := m.Splits[0]
	if train.LossTokens == 0 || train.LossTokens > train.Tokens/3 || train.Shards[0].Mask == "" {
		t.Errorf("%d of %d tokens count", train.LossTokens, train.Tokens)
	}
	wish := training(120, 120)
	wish.Config = json.RawMessage(strings.Replace(string(wish.Config), "{", `{"optimizer":{"lr":0.01},`, 1))
	run := finish(t, c, begin(t, c, wish).ID)
	// The answer is always the same, and soon known. The questions are chance: hexadecimal digits, two bits and more a token.
	if loss, _ := run.Last("val/loss"); loss > 1 || loss <= 0 {
		t.Errorf("the held-out loss is %v", loss)
	}
}
