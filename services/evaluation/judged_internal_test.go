package evaluation

import (
	"context"
	"math"
	"strings"
	"testing"

	"millrace/evaluator"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/token"
)

// Every kind of model is judged by the suites; what a kind cannot do is left out, and it is said why.
func TestEveryKindIsJudged(t *testing.T) {
	tok := token.NewByte()
	text, err := token.Encode(tok, strings.Repeat("To be, or not to be. ", 4))
	if err != nil {
		t.Fatal(err)
	}
	for _, arch := range []model.Arch{model.GPT2, model.Llama, model.BERT, model.T5} {
		net, err := model.New(model.Config{Arch: arch, NLayer: 1, NHead: 2, DModel: 16, Context: 24, VocabSize: tok.VocabSize() + 40}, cpu.Reference(), 1)
		if err != nil {
			t.Fatal(err)
		}
		suite := evaluator.Suite{Format: evaluator.SuiteFormat, Name: "s", Version: 1, Tasks: []evaluator.Task{
			{Name: "text", Kind: evaluator.Perplexity}, {Name: "more", Kind: evaluator.Generate, Prompts: []string{"To be"}, MaxTokens: 3, TopK: 1},
		}}
		r, err := evaluator.Evaluator{}.Score(context.Background(), judged{net}, words(tok, net), text, suite)
		if err != nil {
			t.Errorf("%s: %v", arch, err)
			continue
		}
		if len(r.Scores) != 4 || !(float64(r.Scores[0].Value) > 0) || math.IsInf(float64(r.Scores[0].Value), 0) || r.Scores[0].N == 0 {
			t.Errorf("%s: scores %+v", arch, r.Scores)
		}
		writes := arch.Kind() != model.Encoder
		if len(r.Samples)+len(r.Skipped) != 1 || (len(r.Samples) == 1) != writes || !writes && !strings.Contains(r.Skipped[0].Reason, "it does not continue texts") {
			t.Errorf("%s: samples %+v, left out %+v", arch, r.Samples, r.Skipped)
		}
	}
}
