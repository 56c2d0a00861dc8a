package model_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
)

// decoders are the shapes that continue texts, small.
var decoders = map[string]model.Config{
	"gpt2":           {Arch: "gpt2", NLayer: 2, NHead: 3, DModel: 48, Context: 40, VocabSize: 61, Bias: true},
	"gpt2 no biases": {Arch: "gpt2", NLayer: 1, NHead: 2, DModel: 34, Context: 70, VocabSize: 50},
	"llama":          {Arch: "llama", NLayer: 2, NHead: 4, NKVHead: 2, DModel: 32, Context: 40, VocabSize: 50},
	"llama qk":       {Arch: "llama", NLayer: 2, NHead: 4, NKVHead: 1, DModel: 32, Context: 40, VocabSize: 50, QKNorm: true, QKVBias: true, LogitSoftcap: 9, NormPlace: "both"},
	"alibi":          {Arch: "llama", NLayer: 2, NHead: 3, DModel: 36, Context: 40, VocabSize: 50, Position: "alibi", Tie: model.Yes, Activation: "geglu"},
	"relative":       {Arch: "gpt2", NLayer: 2, NHead: 3, DModel: 48, Context: 40, VocabSize: 61, Bias: true, Position: "relative", RelativeBuckets: 8, RelativeDistance: 12},
	"sinusoidal":     {Arch: "gpt2", NLayer: 2, NHead: 2, DModel: 32, Context: 40, VocabSize: 50, Bias: true, Position: "sinusoidal", NormPlace: "post", Activation: "relu2"},
}

// lively is a model whose weights are large enough that its tokens are told apart.
func lively(t testing.TB, c model.Config) *model.Model {
	t.Helper()
	return scaled(t, c, 4)
}

// scaled is a model with its initial weights times a factor.
func scaled(t testing.TB, c model.Config, factor float32) *model.Model {
	t.Helper()
	k, err := cpu.Open(2)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(c, k, 5)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Parameters() {
		k.Scale(p.Value, factor)
	}
	return m
}

// adapted is a model with a LoRA that says something.
func adapted(t testing.TB, c model.Config) *model.Model {
	t.Helper()
	k, err := cpu.Open(2)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.NewAdapted(c, model.LoRA{Rank: 3, Alpha: 2}, k, 5)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range append(m.Parameters(), m.Learnt()...) {
		noise := make([]float32, len(p.Value))
		for j := range noise {
			noise[j] = float32(math.Sin(float64(i + j*j)))
		}
		k.Upload(p.Value, noise)
		k.Scale(p.Value, 0.3)
	}
	return m
}

// logProb is the logarithm of the softmax.
func logProb(logits []float32, id int32) float64 {
	best, sum := math.Inf(-1), 0.0
	for _, v := range logits {
		best = max(best, float64(v))
	}
	for _, v := range logits {
		sum += math.Exp(float64(v) - best)
	}
	return float64(logits[id]) - best - math.Log(sum)
}

func generator(t testing.TB, m *model.Model, form engine.Form) *model.Generator {
	t.Helper()
	g, err := model.NewGenerator(m, form)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAGeneratorSaysWhatAWholePassSays(t *testing.T) {
	models := map[string]*model.Model{"gpt2 with adapters": adapted(t, decoders["gpt2"])}
	for name, c := range decoders {
		models[name] = lively(t, c)
	}
	for name, m := range models {
		t.Run(name, func(t *testing.T) {
			c := m.Config()
			g := generator(t, m, engine.FormF32)
			rapid.Check(t, func(t *rapid.T) {
				text := rapid.SliceOfN(rapid.Int32Range(0, int32(c.VocabSize)-1), 2, c.Context).Draw(t, "text")
				want, err := m.Score(context.Background(), text, 1)
				if err != nil {
					t.Fatal(err)
				}
				s := g.NewSequence()
				for at := 0; at < len(text)-1; {
					cut := rapid.IntRange(1, len(text)-1-at).Draw(t, "cut")
					feed := &model.Feed{Sequence: s, Tokens: text[at : at+cut], All: true}
					if err := g.Step([]*model.Feed{feed}); err != nil {
						t.Fatal(err)
					}
					for i, logits := range feed.Logits {
						next := text[at+i+1]
						if got := logProb(logits, next); math.Abs(got-want[at+i].LogProb) > 1e-4*max(1, math.Abs(want[at+i].LogProb)) {
							t.Fatalf("token %d: %g, a whole pass says %g", at+i+1, got, want[at+i].LogProb)
						}
					}
					at += cut
				}
				if s.Len() != len(text)-1 {
					t.Fatalf("the sequence has %d tokens, was given %d", s.Len(), len(text)-1)
				}
			})
		})
	}
}

// Whatever else is in a step, however its tokens were cut, and on a fork: the same bits.
func TestASequenceDoesNotDependOnItsCompany(t *testing.T) {
	c := decoders["gpt2"]
	m := lively(t, c)
	for _, form := range engine.Forms() {
		t.Run(string(form), func(t *testing.T) {
			g := generator(t, m, form)
			rapid.Check(t, func(t *rapid.T) {
				draw := func(name string, least int) []int32 {
					return rapid.SliceOfN(rapid.Int32Range(0, int32(c.VocabSize)-1), least, 20).Draw(t, name)
				}
				step := func(feeds ...*model.Feed) {
					if err := g.Step(feeds); err != nil {
						t.Fatal(err)
					}
				}
				text, more := draw("text", 2), draw("more", 1)
				alone := &model.Feed{Sequence: g.NewSequence(), Tokens: append(slices.Clone(text), more...)}
				step(alone)
				want := slices.Clone(alone.Logits[0])

				cut := rapid.IntRange(1, len(text)-1).Draw(t, "cut")
				one, two := g.NewSequence(), g.NewSequence()
				step(&model.Feed{Sequence: two, Tokens: draw("other", 1)}, &model.Feed{Sequence: one, Tokens: text[:cut]})
				step(&model.Feed{Sequence: one, Tokens: text[cut:]}, &model.Feed{Sequence: two, Tokens: draw("other", 1), All: true})
				fork := one.Fork()
				step(&model.Feed{Sequence: one, Tokens: draw("elsewhere", 1)})
				one.Truncate(len(text))
				for name, s := range map[string]*model.Sequence{"fork": fork, "truncated": one} {
					last := &model.Feed{Sequence: s, Tokens: more}
					step(last, &model.Feed{Sequence: g.NewSequence(), Tokens: draw("third", 1)})
					for i, v := range last.Logits[0] {
						if math.Float32bits(v) != math.Float32bits(want[i]) {
							t.Fatalf("%s: logit %d is %g, alone it is %g", name, i, v, want[i])
						}
					}
				}
			})
		})
	}
}

func TestSmallerFormsSayNearlyTheSame(t *testing.T) {
	c := model.Config{Arch: "gpt2", NLayer: 2, NHead: 2, DModel: 64, Context: 40, VocabSize: 61, Bias: true}
	m := lively(t, c)
	text := []int32{3, 60, 7, 7, 19, 0, 22, 41}
	logits := func(form engine.Form) ([]float32, *model.Generator) {
		g := generator(t, m, form)
		f := &model.Feed{Sequence: g.NewSequence(), Tokens: text}
		if err := g.Step([]*model.Feed{f}); err != nil {
			t.Fatal(err)
		}
		return f.Logits[0], g
	}
	exact, g := logits(engine.FormF32)
	if g.Bytes() != 0 {
		t.Errorf("f32 copies %d bytes of the model", g.Bytes())
	}
	for form, tolerance := range map[engine.Form]float64{engine.FormBF16: 0.03, engine.FormQ8: 0.05} {
		rough, g := logits(form)
		largest, off := 0.0, 0.0
		for i, v := range exact {
			largest, off = max(largest, math.Abs(float64(v))), max(off, math.Abs(float64(v-rough[i])))
		}
		if off == 0 || off > tolerance*largest || g.Bytes() == 0 {
			t.Errorf("%s: logits of up to %g are off by %g; %d bytes", form, largest, off, g.Bytes())
		}
	}
}

func TestAGeneratorRefuses(t *testing.T) {
	m := lively(t, decoders["gpt2"])
	g, other := generator(t, m, engine.FormF32), generator(t, m, engine.FormF32)
	s := g.NewSequence()
	if err := g.Step([]*model.Feed{{Sequence: s, Tokens: []int32{1, 2}}}); err != nil {
		t.Fatal(err)
	}
	for name, feeds := range map[string][]*model.Feed{
		"no tokens":         {{Sequence: s}},
		"an unknown token":  {{Sequence: s, Tokens: []int32{61}}},
		"a negative token":  {{Sequence: s, Tokens: []int32{-1}}},
		"more than fit":     {{Sequence: s, Tokens: make([]int32, 39)}},
		"a sequence twice":  {{Sequence: s, Tokens: []int32{1}}, {Sequence: s, Tokens: []int32{2}}},
		"another generator": {{Sequence: other.NewSequence(), Tokens: []int32{1}}},
	} {
		if err := g.Step(feeds); err == nil {
			t.Errorf("%s: no error", name)
		}
		if s.Len() != 2 {
			t.Fatalf("%s: the sequence has %d tokens", name, s.Len())
		}
	}
	if _, err := model.NewGenerator(m, "q4"); err == nil {
		t.Error("q4 is no form")
	}
}

// BenchmarkGenerate is one stream of GPT-2 124M's shape behind a prompt of 16 tokens, with random weights.
func BenchmarkGenerate(b *testing.B) {
	k, err := cpu.Open(0)
	if err != nil {
		b.Fatal(err)
	}
	m, err := model.New(model.Config{Arch: "gpt2", NLayer: 12, NHead: 12, DModel: 768, Context: 1024, VocabSize: 50257, Bias: true}, k, 1)
	if err != nil {
		b.Fatal(err)
	}
	for _, form := range engine.Forms() {
		b.Run(string(form), func(b *testing.B) {
			g := generator(b, m, form)
			f := &model.Feed{Sequence: g.NewSequence(), Tokens: make([]int32, 16)}
			if err := g.Step([]*model.Feed{f}); err != nil {
				b.Fatal(err)
			}
			f.Tokens = []int32{7}
			for b.Loop() {
				if f.Sequence.Len() == 512 {
					f.Sequence.Truncate(16)
				}
				if err := g.Step([]*model.Feed{f}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
