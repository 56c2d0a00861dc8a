package trainer_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"millrace/trainer"
	"millrace/trainer/data"
	"millrace/trainer/model"
	"millrace/trainer/token"
)

// reversed are all words of three of five letters, each with what it is from its end on.
func reversed(t *testing.T, tok token.Tokenizer) []data.Translation {
	t.Helper()
	var b strings.Builder
	for i := range 125 {
		w := []byte{"abcde"[i%5], "abcde"[i/5%5], "abcde"[i/25]}
		fmt.Fprintf(&b, "{\"source\":%q,", w)
		slices.Reverse(w)
		fmt.Fprintf(&b, "\"target\":%q}\n", w)
	}
	pairs, dropped, err := data.ReadTranslations([]byte(b.String()), tok, 4)
	if err != nil || dropped != 0 || len(pairs) != 125 {
		t.Fatalf("%d pairs, %d dropped: %v", len(pairs), dropped, err)
	}
	return pairs
}

// An encoder-decoder learns to write words backwards, those too that it was not shown; interrupted in the middle it ends in the same bits.
func TestTranslationsAreLearnt(t *testing.T) {
	tok, err := token.Parse([]byte(`{"format":"millrace.tokenizer.char/1","chars":"abcde"}` + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := trainer.Default()
	c.Model = model.Config{Arch: "t5", NLayer: 1, NHead: 4, DModel: 32, Context: 8, VocabSize: tok.VocabSize()}
	c.Objective = trainer.Translate
	c.BatchSize, c.Steps, c.CheckpointEvery, c.EvalEvery, c.EvalBatches = 8, 600, 150, 300, 10
	c.Optimizer.LR, c.Seed = 0.01, 1
	if testing.Short() { // in the race pass: what it learns is looked at in the pass before it
		c.Steps, c.CheckpointEvery, c.EvalEvery = 40, 10, 20
	}
	c.Sample = trainer.Sample{Every: c.Steps, Prompt: "abd", Tokens: 8}
	pairs := reversed(t, tok)
	do := func(resume trainer.Open) *memory {
		m := newMemory()
		j := job(c, fast(t, 1), m)
		j.Train, j.Val, j.Words, j.Resume = nil, nil, tok, resume
		j.Translations, j.TranslationsVal = data.Split(pairs, 0.1, 1)
		if _, err := trainer.Run(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := do(nil)
	// Who knows the length but not the letters has 3/4·ln 5 = 1.2.
	if loss := m.value(c.Steps, trainer.KeyValLoss); !(loss < 0.7) && !testing.Short() {
		t.Errorf("the loss of words that it was not shown is %g", loss)
	}
	if len(m.samples) != 1 || len(m.samples[0].Text) > 8 {
		t.Errorf("it wrote %+v", m.samples)
	}
	from := c.Steps - c.CheckpointEvery
	again := do(m.open(from))
	if !bytes.Equal(again.checkpoints[c.Steps][trainer.ModelFile], m.checkpoints[c.Steps][trainer.ModelFile]) {
		t.Errorf("gone on from step %d it ends in other weights", from)
	}
}

// What cannot be a translation is said by the key, before anything is done.
func TestTranslationsNeedAnEncoderDecoder(t *testing.T) {
	for want, change := range map[string]func(*trainer.Config){
		"objective: translate is what an encoder-decoder learns": func(c *trainer.Config) { c.Model.Arch = "gpt2" },
		"corrupt: objective translate":                           func(c *trainer.Config) { c.Corrupt.Rate = 0.1 },
		"finetune.beta":                                          func(c *trainer.Config) { c.Finetune.Beta = 1 },
	} {
		c := tiny()
		c.Model = model.Config{Arch: "t5", NLayer: 1, NHead: 2, DModel: 16, Context: 8, VocabSize: 6}
		c.Objective = trainer.Translate
		change(&c)
		if _, err := c.Resolve(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}
