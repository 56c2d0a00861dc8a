package trainer_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"millrace/trainer"
	"millrace/trainer/data"
	"millrace/trainer/model"
)

// pattern is a text in which every token follows from its neighbours: 1 2 3 … 10 1 2 …, begun anew now and then.
func pattern(n int) data.IDs {
	ids := make(data.IDs, n)
	at := int32(0)
	for i := range ids {
		if i%37 == 0 {
			at = int32(i*7) % 10
		}
		ids[i] = 1 + at%10
		at++
	}
	return ids
}

func TestEveryKindOfModelLearnsWhatItIsFor(t *testing.T) {
	for arch, least := range map[model.Arch]float64{model.BERT: 2, model.T5: 1.5} {
		t.Run(string(arch), func(t *testing.T) {
			c := tiny()
			c.Model = model.Config{Arch: arch, NLayer: 1, NHead: 2, DModel: 32, Context: 16, Bias: arch == model.BERT, Dropout: 0.01}
			c.BatchSize, c.GradAccum, c.Steps, c.CheckpointEvery, c.EvalEvery = 8, 1, 90, 30, 30
			c.Model.VocabSize = 32 // fewer sentinels are enough here
			m := newMemory()
			run := func(k int, m *memory, from int64) trainer.Result {
				j := job(c, fast(t, k), m)
				j.Train, j.Val = pattern(2000), pattern(400)
				if from > 0 {
					j.Resume = m.open(from)
				}
				r, err := trainer.Run(context.Background(), j)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			r := run(2, m, 0)
			if first := m.value(1, "train/loss"); first < math.Log(32)-0.1 || !(r.ValLoss < least) {
				t.Errorf("the loss goes from %g to %g held out, want less than %g", first, r.ValLoss, least)
			}
			again := newMemory()
			again.checkpoints[60] = m.checkpoints[60]
			run(1, again, 60)
			delete(again.checkpoints, 60)
			same(t, m, again, 61) // dropout and what is taken out too
		})
	}
}

func TestObjectiveMistakesAreNamed(t *testing.T) {
	for in, want := range map[string]string{
		`"model":{"vocab_size":50},"objective":"masked"`:                                 `objective: "masked" is not what a gpt2 learns; use "next"`,
		`"model":{"vocab_size":50,"arch":"bert"},"objective":"next"`:                     `use "masked"`,
		`"model":{"vocab_size":50},"corrupt":{"rate":0.2}`:                               "corrupt: a decoder",
		`"model":{"vocab_size":50,"arch":"bert"},"corrupt":{"rate":0.7}`:                 "corrupt.rate: 0.7",
		`"model":{"vocab_size":50,"arch":"bert"},"corrupt":{"mean_length":3}`:            "corrupt.mean_length",
		`"model":{"vocab_size":50,"arch":"t5"},"corrupt":{"mean_length":0.5}`:            "corrupt.mean_length: 0.5",
		`"model":{"vocab_size":5,"arch":"t5"}`:                                           "no room for",
		`"model":{"vocab_size":50,"arch":"t5","context":2}`:                              "model.context: 2",
		`"model":{"vocab_size":50,"arch":"t5"},"objective":"spam"`:                       "objective",
		`"model":{"vocab_size":50,"arch":"t5"},"corrupt":{"rate":0.15,"mean_lenght": 3}`: `unknown key "mean_lenght"`,
	} {
		c, err := trainer.Parse([]byte("{" + in + "}"))
		if err == nil {
			_, err = c.Resolve()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", in, err, want)
		}
	}
	for in, want := range map[string]int{`{}`: 0, `{"model":{"arch":"bert"}}`: 1, `{"model":{"arch":"bert","mask_token":4}}`: 0, `{"model":{"arch":"t5"}}`: 100,
		`{"model":{"arch":"t5","context":4096},"corrupt":{"mean_length":1}}`: 615} {
		c, err := trainer.Parse([]byte(in))
		if err != nil || c.ExtraTokens() != want {
			t.Errorf("%s: %d extra tokens, want %d: %v", in, c.ExtraTokens(), want, err)
		}
	}
	// What is said although it goes without saying is not another configuration.
	c, err := trainer.Parse([]byte(`{"model":{"vocab_size":50},"objective":"next","precision":"f32"}`))
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := trainer.Parse([]byte(`{"model":{"vocab_size":50}}`))
	said, err := c.Resolve()
	silent, err2 := plain.Resolve()
	if said != silent || err != nil || err2 != nil {
		t.Errorf("%s\n%s", said.JSON(), silent.JSON())
	}
}
