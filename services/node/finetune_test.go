package node_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/client"
	"millrace/event"
	"millrace/services/node"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/token"
)

// linesOf writes a file of JSON lines.
func linesOf(t *testing.T, n int, line func(i int) string) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		b.WriteString(line(i) + "\n")
	}
	path := filepath.Join(t.TempDir(), "lines.jsonl")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func tuning(base, role, what, config string) client.StartRun {
	return client.StartRun{
		Kind: "FINETUNE", Inputs: []client.Input{{Role: "base", Digest: base}, {Role: role, Digest: what}}, Config: json.RawMessage(config),
	}
}

// stored puts a file where runs read it.
func stored(t *testing.T, c *client.Client, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.PutBlob(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	return string(d)
}

func filesOf(t *testing.T, c *client.Client, run string) map[string]bool {
	t.Helper()
	var data struct {
		Run struct {
			Checkpoints []struct {
				Last  bool
				Files []struct{ Name string }
			}
			Branch *struct {
				RunID string `json:"runId"`
				Kind  string
			}
		}
	}
	if err := c.Do(t.Context(), `query($id: ID!) { run(id: $id) { branch { runId kind } checkpoints { last files { name } } } }`, map[string]any{"id": run}, &data); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, k := range data.Run.Checkpoints {
		for _, f := range k.Files {
			names[f.Name] = names[f.Name] || k.Last
		}
	}
	if b := data.Run.Branch; b != nil {
		names["from "+b.RunID+" by "+b.Kind] = true
	}
	return names
}

// A model is trained on text, then further on conversations with new special tokens, by adapters; that one by preferences; and another
// to classify. Each knows where it comes from, and a dataset of another tokenizer is refused.
func TestFineTuning(t *testing.T) {
	c, _ := lab(t, node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0"})
	finish(t, c, begin(t, c, curation(t, corpus(t, 30), 300)).ID)
	base := finish(t, c, begin(t, c, training(30, 30)).ID)

	chat := linesOf(t, 120, func(i int) string {
		return fmt.Sprintf(`{"instruction":"mill %d?","output":"yes"}`, i)
	})
	recipe := func(tokenizer string) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"name":"chat","sources":[{"chat":%q}],"held_out":0.2,"chat_template":"chatml","pack_length":32,"tokenizer":%s}`, chat, tokenizer))
	}
	other := finish(t, c, begin(t, c, client.StartRun{Kind: "CURATE", Config: recipe(`{"vocab_size":270}`)}).ID)
	_, err := c.Start(t.Context(), tuning(base.ID, "dataset", other.Output("dataset"), `{}`))
	var refused *client.Refused
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "its numbers mean other tokens") || !strings.Contains(refused.Hint(), "--tokenizer-of "+base.ID) {
		t.Errorf("a dataset of another tokenizer: %v", err)
	}
	made := finish(t, c, begin(t, c, client.StartRun{
		Kind: "CURATE", Config: recipe(`{"special":["<|im_start|>","<|im_end|>"]}`), Inputs: []client.Input{{Role: "base", Digest: base.ID}},
	}).ID)
	talks := finish(t, c, begin(t, c, tuning(base.ID+"@30", "dataset", made.Output("dataset"),
		`{"steps":60,"batch_size":4,"eval_batches":2,"optimizer":{"lr":0.02},"finetune":{"lora":{"rank":8}}}`)).ID)
	if loss, _ := talks.Last("val/loss"); loss > 1 || loss <= 0 {
		t.Errorf("the held-out loss of answers that are always the same is %v", loss)
	}
	files := filesOf(t, c, talks.ID)
	for _, want := range []string{"model.safetensors", "adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "from " + base.ID + " by finetune"} {
		if !files[want] {
			t.Errorf("the fine-tuned model has no %s: %v", want, files)
		}
	}
	var config struct {
		Model struct {
			VocabSize int `json:"vocab_size"`
			NLayer    int `json:"n_layer"`
		} `json:"model"`
	}
	if err := json.Unmarshal(talks.Config, &config); err != nil || config.Model.NLayer != 2 || config.Model.VocabSize != 302 {
		t.Errorf("%+v, %v", config, err)
	}

	if got := answer(t, c, talks.ID, "mill 7?"); got != "yes<|im_end|>" {
		t.Errorf("asked in the template, the model answers %q", got)
	}

	pairs := stored(t, c, linesOf(t, 40, func(i int) string {
		return fmt.Sprintf(`{"prompt":"mill %d?","chosen":"no","rejected":"yes"}`, i)
	}))
	prefers := finish(t, c, begin(t, c, tuning(talks.ID, "examples", pairs,
		`{"objective":"preference","steps":20,"batch_size":4,"seed":5,"optimizer":{"lr":0.003},"finetune":{"chat_template":"chatml"}}`)).ID)
	if a, _ := prefers.Last("val/accuracy"); a < 0.9 {
		t.Errorf("of the pairs held out %v are as preferred", a)
	}
	again, err := c.Reproduce(t.Context(), prefers.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if v := judged(t, c, again.ID); v.Verdict != "identical" || v.Points == 0 {
		t.Errorf("%+v", v)
	}

	texts := stored(t, c, linesOf(t, 80, func(i int) string {
		return fmt.Sprintf(`{"text":"%s %d","label":"%s"}`, []string{"the river", "a heron"}[i%2], i, []string{"water", "bird"}[i%2])
	}))
	tells := finish(t, c, begin(t, c, tuning(base.ID, "examples", texts, `{"objective":"classify","steps":40,"batch_size":4,"optimizer":{"lr":0.01},"finetune":{"held_out":0.2,"lora":{"rank":4}}}`)).ID)
	if a, _ := tells.Last("val/accuracy"); a < 0.9 {
		t.Errorf("%v of the texts held out are told right", a)
	}

	for want, s := range map[string]client.StartRun{
		"needs a base":                      {Kind: "FINETUNE", Config: json.RawMessage(`{}`), Inputs: []client.Input{{Role: "dataset", Digest: "chat"}}},
		`there is no checkpoint "x"`:        tuning("x", "dataset", "chat", `{}`),
		"reads a base and one":              {Kind: "FINETUNE", Config: json.RawMessage(`{}`), Inputs: []client.Input{{Role: "base", Digest: base.ID}}},
		"learns from examples":              tuning(base.ID, "dataset", made.Output("dataset"), `{"objective":"classify"}`),
		"is not the base's":                 tuning(base.ID, "dataset", made.Output("dataset"), `{"model":{"n_layer":3}}`),
		"finetune.lora.rank: -1":            tuning(base.ID, "dataset", made.Output("dataset"), `{"finetune":{"lora":{"rank":-1}}}`),
		"has no special token <|im_start|>": tuning(base.ID, "examples", pairs, `{"objective":"preference","finetune":{"chat_template":"chatml"}}`),
		`no "text"`:                         tuning(base.ID, "examples", pairs, `{"objective":"classify"}`),
	} {
		if _, err := c.Start(t.Context(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// answer asks a run's last checkpoint, by its own files alone, and shows special tokens by name.
func answer(t *testing.T, c *client.Client, run, question string) string {
	t.Helper()
	var data struct {
		Run struct {
			Checkpoints []struct {
				Files []struct {
					Name   string
					Digest event.Digest
				}
			}
		}
	}
	if err := c.Do(t.Context(), `query($id: ID!) { run(id: $id) { checkpoints { files { name digest } } } }`, map[string]any{"id": run}, &data); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range data.Run.Checkpoints[len(data.Run.Checkpoints)-1].Files {
		raw, err := c.Blob(t.Context(), f.Digest)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = raw
	}
	tok, err := token.Parse(files["tokenizer.json"])
	if err != nil {
		t.Fatal(err)
	}
	config, err := model.ParseHuggingFace(files["config.json"])
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Read(config, cpu.Reference(), bytes.NewReader(files["model.safetensors"]))
	if err != nil {
		t.Fatal(err)
	}
	prompt, err := token.ChatML.Encode(tok, []token.Message{{Role: "user", Content: question}}, true)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := m.Generate(t.Context(), prompt.IDs, 8, model.Sampling{})
	if err != nil {
		t.Fatal(err)
	}
	names := map[int32]string{}
	for _, s := range tok.Special() {
		names[s.ID] = s.Name
	}
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(names[id])
		b.Write(tok.Bytes(id))
		if names[id] == "<|im_end|>" {
			break
		}
	}
	return b.String()
}
