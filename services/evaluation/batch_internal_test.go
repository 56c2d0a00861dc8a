package evaluation

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"millrace/evaluator"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
)

// No score and no text depends on what is asked beside it, and all are those of a model that is asked one thing at a time.
func TestNothingDependsOnTheBatch(t *testing.T) {
	k, err := cpu.Open(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, arch := range []model.Arch{model.GPT2, model.Llama} {
		net, err := model.New(model.Config{Arch: arch, NLayer: 2, NHead: 2, DModel: 16, Context: 24, VocabSize: 40}, k, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range net.Parameters() {
			k.Scale(p.Value, 5)
		}
		one := judged{net}
		many, ok := Model(net).(evaluator.Batcher)
		if !ok {
			t.Fatalf("%s cannot be asked at once", arch)
		}
		rapid.Check(t, func(t *rapid.T) {
			ids := func(name string, least, most int) []int32 {
				return rapid.SliceOfN(rapid.Int32Range(0, 39), least, most).Draw(t, name)
			}
			contexts := [][]int32{ids("context", 1, 18), ids("another", 1, 18)}
			var requests []evaluator.Request
			for range rapid.IntRange(1, 20).Draw(t, "requests") {
				c := rapid.SampledFrom(contexts).Draw(t, "of")
				requests = append(requests, evaluator.Request{Tokens: slices.Concat(c, ids("continuation", 1, 7)), From: len(c)})
			}
			together, err := many.ScoreAll(t.Context(), requests)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range requests {
				alone, err := many.ScoreAll(t.Context(), requests[i:i+1])
				if err != nil || !slices.Equal(alone[0], together[i]) {
					t.Fatalf("alone %v, together %v: %v", alone, together[i], err)
				}
				plain, err := one.Score(t.Context(), r.Tokens, r.From)
				if err != nil || len(plain) != len(together[i]) {
					t.Fatalf("%v of %d: %v", plain, len(together[i]), err)
				}
				for j, p := range plain {
					if math.Abs(p.LogProb-together[i][j].LogProb) > 1e-4*max(1, math.Abs(p.LogProb)) {
						t.Fatalf("a whole pass says %g, a part %g", p.LogProb, together[i][j].LogProb)
					}
				}
			}

			prompts := [][]int32{contexts[0], contexts[1], ids("a long prompt", 20, 40)}
			s := evaluator.Sampling{Temperature: 0.9, TopK: 10, TopP: 0.9, MinP: 0.01, Seed: 3, Stop: []int32{7}}
			texts, err := many.GenerateAll(t.Context(), prompts, 9, []evaluator.Sampling{s, s, s})
			if err != nil {
				t.Fatal(err)
			}
			for i, prompt := range prompts {
				want, err := one.Generate(t.Context(), prompt, 9, s)
				if err != nil || !slices.Equal(want, texts[i]) {
					t.Fatalf("together %v, alone %v: %v", texts[i], want, err)
				}
			}
			s.Done = func(ids []int32) bool { return len(ids) == 2 }
			if cut, err := many.Generate(t.Context(), prompts[0], 9, s); err != nil || len(cut) > 2 || !slices.Equal(cut, texts[0][:len(cut)]) {
				t.Fatalf("%v: %v", cut, err)
			}
		})
	}
}
