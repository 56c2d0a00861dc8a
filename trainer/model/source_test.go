package model_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
)

// rewriters are the shapes that read one text and write another, small.
var rewriters = map[string]model.Config{
	"t5":         {Arch: "t5", NLayer: 2, NEncoder: 3, NHead: 3, HeadDim: 10, DModel: 32, Context: 36, VocabSize: 50, RelativeBuckets: 8, RelativeDistance: 12},
	"t5 v1.1":    {Arch: "t5", NLayer: 2, NHead: 4, DModel: 32, Context: 36, VocabSize: 50, Activation: "geglu", Tie: model.No, RelativeBuckets: 12, RelativeDistance: 20},
	"learned":    {Arch: "t5", NLayer: 1, NHead: 2, DModel: 32, Context: 36, VocabSize: 50, Position: "learned", Norm: "layernorm", NormPlace: "post", Bias: true},
	"alibi":      {Arch: "t5", NLayer: 2, NHead: 3, DModel: 36, Context: 36, VocabSize: 50, Position: "alibi", NormPlace: "both"},
	"rope, few":  {Arch: "t5", NLayer: 2, NHead: 4, NKVHead: 2, DModel: 32, Context: 36, VocabSize: 50, Position: "rope", QKNorm: true, LogitSoftcap: 9},
	"sinusoidal": {Arch: "t5", NLayer: 1, NEncoder: 2, NHead: 2, DModel: 32, Context: 36, VocabSize: 50, Position: "sinusoidal", Activation: "swiglu"},
}

// What an encoder-decoder writes token by token is what a whole pass over source and target says, however the target is cut, beside others.
func TestAGeneratorReadsAndWritesWhatAWholePassSays(t *testing.T) {
	for name, c := range rewriters {
		t.Run(name, func(t *testing.T) {
			m := scaled(t, c, 1) // scores are not scaled, and larger weights make rounding more
			g := generator(t, m, engine.FormF32)
			rapid.Check(t, func(t *rapid.T) {
				draw := func(name string) []int32 {
					return rapid.SliceOfN(rapid.Int32Range(0, int32(c.VocabSize)-1), 1, c.Context).Draw(t, name)
				}
				source, target := draw("source"), draw("target")
				want, err := m.ScoreTarget(context.Background(), source, target)
				if err != nil {
					t.Fatal(err)
				}
				s, other := g.NewSequence(), g.NewSequence()
				for seq, text := range map[*model.Sequence][]int32{other: draw("other"), s: source} {
					if err := seq.Read(text); err != nil {
						t.Fatal(err)
					}
				}
				given := append([]int32{model.StartToken}, target[:len(target)-1]...)
				for at := 0; at < len(given); {
					cut := rapid.IntRange(1, len(given)-at).Draw(t, "cut")
					feed := &model.Feed{Sequence: s, Tokens: given[at : at+cut], All: true}
					feeds := []*model.Feed{feed}
					if other.Len() < c.Context {
						feeds = append(feeds, &model.Feed{Sequence: other, Tokens: []int32{int32(at)}})
					}
					if err := g.Step(feeds); err != nil {
						t.Fatal(err)
					}
					for i, logits := range feed.Logits {
						if got := logProb(logits, target[at+i]); math.Abs(got-want[at+i].LogProb) > 1e-4*max(1, math.Abs(want[at+i].LogProb)) {
							t.Fatalf("token %d: %g, a whole pass says %g", at+i, got, want[at+i].LogProb)
						}
					}
					at += cut
					if rapid.Bool().Draw(t, "fork") {
						s = s.Fork()
					}
				}
			})
		})
	}
}

func TestAModelThatLearntReadsItsNewTables(t *testing.T) {
	c := rewriters["t5"]
	m, prompt := scaled(t, c, 1), []int32{3, 1, 4, 1, 5, 9, 2, 6}
	ask := func(m *model.Model) []int32 {
		said, err := m.Generate(context.Background(), prompt, 24, model.Sampling{Temperature: 1, Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	before := ask(m)
	fresh := scaled(t, c, 1)
	for _, net := range []*model.Model{m, fresh} {
		for i, p := range net.Parameters() {
			noise := make([]float32, len(p.Value))
			for j := range noise {
				noise[j] = float32(3 * math.Sin(float64(i+j*j)))
			}
			if len(p.Shape) == 2 && p.Shape[0] == c.RelativeBuckets {
				cpu.Reference().Upload(p.Value, noise)
			}
		}
	}
	after := ask(m)
	if want := ask(fresh); !slices.Equal(after, want) {
		t.Errorf("a generator that was there before says %v, a new one %v", after, want)
	}
	if slices.Equal(before, after) {
		t.Error("other tables say the same text; the test shows nothing")
	}
}

func TestASourceIsNeededAndMustFit(t *testing.T) {
	g := generator(t, lively(t, rewriters["t5"]), engine.FormF32)
	s := g.NewSequence()
	if err := g.Step([]*model.Feed{{Sequence: s, Tokens: []int32{model.StartToken}}}); err == nil {
		t.Error("a sequence that read nothing was fed")
	}
	if err := s.Read([]int32{7, 8}); err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string][]int32{"none": {}, "more than fits": make([]int32, 37), "an unknown token": {50}} {
		if err := s.Read(source); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := g.Step([]*model.Feed{{Sequence: s, Tokens: []int32{model.StartToken}}}); err != nil {
		t.Errorf("after sources that were refused: %v", err)
	}
	if err := generator(t, lively(t, decoders["gpt2"]), engine.FormF32).NewSequence().Read([]int32{1}); err == nil {
		t.Error("a decoder read a source")
	}
}

// What transformers' generate writes on the same weights, taking the likeliest each time.
func TestTextsAgainstTransformers(t *testing.T) {
	var want map[string][][]int32
	raw, err := os.ReadFile("testdata/peers/texts.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	said := 0
	for name, c := range peers() {
		texts := want[name]
		if c.Arch == model.BERT {
			continue
		}
		m, err := model.New(c, cpu.Reference(), 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range m.File().Tensors {
			copy(x.Data, hashed(x.Name, x.Shape))
		}
		for i, text := range texts {
			prompt := tokens(11, c.VocabSize, uint64(i))
			if c.Arch == model.T5 {
				prompt = tokens(9, c.VocabSize, 7+uint64(i))
			}
			got, err := m.Generate(context.Background(), prompt, len(text), model.Sampling{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if said++; !slices.Equal(got, text) {
				t.Errorf("%s: %v, transformers says %v", name, got, text)
			}
		}
	}
	if said < 26 {
		t.Errorf("%d texts were compared", said)
	}
}
