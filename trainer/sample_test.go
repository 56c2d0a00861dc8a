package trainer_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"millrace/trainer"
	"millrace/trainer/data"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/token"
)

func TestTheModelWritesMeanwhile(t *testing.T) {
	tok, err := token.NewChar([]rune("abcdefgh"))
	if err != nil {
		t.Fatal(err)
	}
	letters, err := token.Encode(tok, strings.Repeat("abcdefgh", 250))
	if err != nil {
		t.Fatal(err)
	}
	c := tiny()
	c.Steps, c.Model.VocabSize = 100, tok.VocabSize()
	c.Sample = trainer.Sample{Every: 50, Prompt: "cd", Tokens: 9}
	m, plain := newMemory(), newMemory()
	j := job(c, cpu.Reference(), m)
	j.Train, j.Val, j.Words = data.IDs(letters), nil, tok
	if _, err := trainer.Run(context.Background(), j); err != nil {
		t.Fatal(err)
	}
	if len(m.samples) != 2 || m.samples[1] != (trainer.Sampled{Step: 100, Prompt: "cd", Text: "efghabcde"}) {
		t.Errorf("%+v", m.samples)
	}
	j.Recorder, j.Config.Sample = plain, trainer.Sample{}
	if _, err := trainer.Run(context.Background(), j); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.checkpoints[100][trainer.ModelFile], plain.checkpoints[100][trainer.ModelFile]) {
		t.Error("writing changes what is learnt")
	}
	for want, s := range map[string]trainer.Sample{
		"sample.every: 0": {Tokens: 3}, "sample.tokens: -1": {Every: 1, Tokens: -1}, "sample.temperature": {Every: 1, Temperature: -1},
		"sample.prompt": {Every: 1, Prompt: strings.Repeat("x", 5000)},
	} {
		c.Sample = s
		if _, err := c.Resolve(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	c.Sample, c.Model.Arch = trainer.Sample{Every: 1}, "bert"
	if _, err := c.Resolve(); err == nil || !strings.Contains(err.Error(), "does not continue texts") {
		t.Error(err)
	}
}

func TestAnEncoderDecoderFillsGapsMeanwhile(t *testing.T) {
	tok, err := token.NewChar([]rune("abcdefgh"))
	if err != nil {
		t.Fatal(err)
	}
	letters, err := token.Encode(tok, strings.Repeat("abcdefgh", 250))
	if err != nil {
		t.Fatal(err)
	}
	c := tiny()
	c.Model.Arch, c.Model.Context, c.Model.Bias = "t5", 12, false
	c.Steps, c.Model.VocabSize, c.Optimizer.LR = 60, tok.VocabSize()+100, 1e-2
	c.Sample = trainer.Sample{Every: 60, Prompt: "abcd<extra_id_0>", Tokens: 12}
	m := newMemory()
	j := job(c, cpu.Reference(), m)
	j.Train, j.Val, j.Words = data.IDs(letters), nil, tok
	if _, err := trainer.Run(context.Background(), j); err != nil {
		t.Fatal(err)
	}
	if len(m.samples) != 1 || !strings.HasPrefix(m.samples[0].Text, "<extra_id_0>") || strings.Contains(m.samples[0].Text, "<extra_id_1>") {
		t.Errorf("%+v", m.samples)
	}
}
