package model_test

import (
	"bytes"
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/model/safetensors"
	"millrace/trainer/random"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func small() model.Config {
	return model.Config{Arch: "gpt2", NLayer: 2, NHead: 2, DModel: 8, Context: 40, VocabSize: 13, Bias: true}
}

func tokens(n, vocab int, seed uint64) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(random.Below(seed, uint64(i), uint64(vocab)))
	}
	return ids
}

// GPT-2's published sizes: 124M, 355M, 774M, 1.5B.
func TestParameterCounts(t *testing.T) {
	for _, c := range []struct {
		layers, heads, width int
		want                 int64
	}{{12, 12, 768, 124_439_808}, {24, 16, 1024, 354_823_168}, {36, 20, 1280, 774_030_080}, {48, 25, 1600, 1_557_611_200}} {
		cfg := model.Config{Arch: "gpt2", NLayer: c.layers, NHead: c.heads, DModel: c.width, Context: 1024, VocabSize: 50257, Bias: true}
		n := cfg.Parameters()
		if n.Total != c.want {
			t.Errorf("%d layers: %d parameters, want %d", c.layers, n.Total, c.want)
		}
		if n.Embedding+n.Position+n.Attention+n.MLP+n.Norm != n.Total {
			t.Errorf("%d layers: the parts %+v do not add up", c.layers, n)
		}
	}
	gpt2 := model.Config{Arch: "gpt2", NLayer: 12, NHead: 12, DModel: 768, Context: 1024, VocabSize: 50257, Bias: true}
	if got, want := gpt2.FLOPsPerToken(1024), 6*(124_439_808.0-1024*768)+12*12*1024*768; got != want {
		t.Errorf("%g FLOPs a token, want %g", got, want)
	}
}

func TestInitialWeights(t *testing.T) {
	c := small()
	c.DModel, c.VocabSize = 64, 500
	m, err := model.New(c, cpu.Reference(), 1)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := model.New(c, cpu.Reference(), 1)
	other, _ := model.New(c, cpu.Reference(), 2)
	for i, p := range m.Parameters() {
		var mean, squares float64
		for _, x := range p.Value {
			mean += float64(x) / float64(len(p.Value))
			squares += float64(x) * float64(x) / float64(len(p.Value))
		}
		want := 0.02
		switch {
		case strings.HasSuffix(p.Name, "c_proj.weight"):
			want = 0.01 // 0.02/√(2·2)
		case strings.HasSuffix(p.Name, "bias"):
			want = 0
		case strings.Contains(p.Name, "ln_"):
			want = 1
		}
		if got := math.Sqrt(squares); math.Abs(got-want) > 0.05*want {
			t.Errorf("%s: root mean square %g, want %g", p.Name, got, want)
		}
		if !slices.Equal(p.Value, again.Parameters()[i].Value) {
			t.Errorf("%s: the same seed gave other weights", p.Name)
		}
		if len(p.Shape) == 2 && slices.Equal(p.Value, other.Parameters()[i].Value) {
			t.Errorf("%s: another seed gave the same weights", p.Name)
		}
	}
}

// The whole network's gradient against central differences, for every kind of parameter, with and without biases.
func TestWholeModelGradients(t *testing.T) {
	for _, bias := range []bool{true, false} {
		c := small()
		c.Bias = bias
		m, err := model.New(c, cpu.Reference(), 4)
		if err != nil {
			t.Fatal(err)
		}
		// Larger weights than at the start, so that every gradient is well above rounding.
		for _, p := range m.Parameters() {
			key := random.Key(9, p.Name)
			for i := range p.Value {
				a, _ := random.Normal(key, uint64(i))
				p.Value[i] += float32(0.3 * a)
			}
		}
		b, err := m.Batch(2, 6)
		if err != nil {
			t.Fatal(err)
		}
		copy(b.IDs, tokens(12, c.VocabSize, 5))
		copy(b.Targets, tokens(12, c.VocabSize, 6))
		b.Targets[3] = -1
		scale := float32(1.0 / 11)
		loss := func() float64 {
			for _, p := range m.Parameters() {
				clear(p.Grad)
			}
			l, err := b.Run(scale)
			if err != nil {
				t.Fatal(err)
			}
			return l / 11
		}
		loss()
		grads := map[string][]float32{}
		for _, p := range m.Parameters() {
			grads[p.Name] = slices.Clone(p.Grad)
		}
		for _, p := range m.Parameters() {
			for n := range 6 {
				i := int(random.Below(random.Key(8, p.Name), uint64(n), uint64(len(p.Value))))
				v := p.Value[i]
				const h = 5e-3
				p.Value[i] = v + h
				up := loss()
				p.Value[i] = v - h
				down := loss()
				p.Value[i] = v
				numeric, analytic := (up-down)/(2*h), float64(grads[p.Name][i])
				if math.Abs(numeric-analytic) > 2e-3+0.02*math.Abs(numeric) {
					t.Errorf("bias %t: %s[%d]: gradient %g, difference quotient %g", bias, p.Name, i, analytic, numeric)
				}
			}
		}
	}
}

func TestEvaluationEqualsTrainingLoss(t *testing.T) {
	m, err := model.New(small(), cpu.Reference(), 4)
	if err != nil {
		t.Fatal(err)
	}
	train, err := m.Batch(3, 10)
	if err != nil {
		t.Fatal(err)
	}
	eval, err := m.Evaluation(3, 10)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(3) {
		for _, b := range []*model.Batch{train, eval} {
			copy(b.IDs, tokens(30, 13, seed))
			copy(b.Targets, tokens(30, 13, seed+100))
		}
		a, err := train.Run(1)
		if err != nil {
			t.Fatal(err)
		}
		b, err := eval.Run(0)
		if err != nil {
			t.Fatal(err)
		}
		if math.Float64bits(a) != math.Float64bits(b) {
			t.Errorf("training sees a loss of %g, evaluation of %g", a, b)
		}
	}
	if train.Operations() <= eval.Operations() {
		t.Errorf("%d operations to train, %d to evaluate", train.Operations(), eval.Operations())
	}
}

// roundTrip writes and reads a model.
func roundTrip(t *testing.T, m *model.Model) *model.Model {
	t.Helper()
	var b bytes.Buffer
	if _, err := m.File().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	c, err := model.ParseHuggingFace(m.Config().HuggingFace())
	if err != nil {
		t.Fatal(err)
	}
	back, err := model.Read(c, cpu.Reference(), &b)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func TestWrittenModelsScoreTheSame(t *testing.T) {
	for _, bias := range []bool{true, false} {
		c := small()
		c.Bias = bias
		m, err := model.New(c, cpu.Reference(), 4)
		if err != nil {
			t.Fatal(err)
		}
		back := roundTrip(t, m)
		if back.Config() != m.Config() {
			t.Errorf("config came back as %+v", back.Config())
		}
		text := tokens(41, 13, 1)
		a, err := m.Score(context.Background(), text, 1)
		if err != nil {
			t.Fatal(err)
		}
		b, err := back.Score(context.Background(), text, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(a, b) {
			t.Error("scores changed by writing and reading")
		}
		if _, err := back.Batch(1, 4); err == nil {
			t.Error("a model without gradients made a training program")
		}
	}
}

// A model without biases, written for readers that know only GPT-2 with them, predicts the same.
func TestPortableFilesScoreTheSame(t *testing.T) {
	for _, bias := range []bool{true, false} {
		c := small()
		c.Bias = bias
		m, err := model.New(c, cpu.Reference(), 4)
		if err != nil {
			t.Fatal(err)
		}
		portable, f := m.Portable()
		var b bytes.Buffer
		if _, err := f.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		c.Bias = true
		if c, err = c.Resolve(); err != nil {
			t.Fatal(err)
		}
		if portable != c || strings.Contains(string(portable.HuggingFace()), `"bias"`) {
			t.Errorf("portable config %+v", portable)
		}
		back, err := model.Read(portable, cpu.Reference(), &b)
		if err != nil {
			t.Fatal(err)
		}
		text := tokens(41, 13, 1)
		want, err := m.Score(context.Background(), text, 1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := back.Score(context.Background(), text, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("bias %t: scores changed", bias)
		}
	}
}

// Hugging Face's names, shapes and layout are the file's, so that other tools load it.
func TestFileIsHuggingFaces(t *testing.T) {
	m, err := model.New(small(), cpu.Reference(), 4)
	if err != nil {
		t.Fatal(err)
	}
	f := m.File()
	if f.Metadata["format"] != "pt" {
		t.Errorf("metadata %v", f.Metadata)
	}
	shapes := map[string][]int{}
	for _, x := range f.Tensors {
		shapes[x.Name] = x.Shape
	}
	for name, want := range map[string][]int{
		"transformer.wte.weight": {13, 8}, "transformer.wpe.weight": {40, 8}, "transformer.h.1.ln_1.weight": {8},
		"transformer.h.1.attn.c_attn.weight": {8, 24}, "transformer.h.1.attn.c_attn.bias": {24},
		"transformer.h.0.attn.c_proj.weight": {8, 8}, "transformer.h.0.mlp.c_fc.weight": {8, 32},
		"transformer.h.0.mlp.c_proj.weight": {32, 8}, "transformer.ln_f.bias": {8},
	} {
		if !slices.Equal(shapes[name], want) {
			t.Errorf("%s is %v, want %v", name, shapes[name], want)
		}
	}
	if len(shapes) != 2+2*12+2 {
		t.Errorf("%d tensors", len(shapes))
	}
	config := string(m.Config().HuggingFace())
	for _, want := range []string{`"model_type": "gpt2"`, `"GPT2LMHeadModel"`, `"n_embd": 8`, `"n_positions": 40`, `"tie_word_embeddings": true`, `"activation_function": "gelu_new"`} {
		if !strings.Contains(config, want) {
			t.Errorf("config.json lacks %s:\n%s", want, config)
		}
	}
}

// OpenAI's files name tensors without the prefix and hold attention masks.
func TestLoadAcceptsOpenAIsNaming(t *testing.T) {
	c := small()
	m, err := model.New(c, cpu.Reference(), 4)
	if err != nil {
		t.Fatal(err)
	}
	f := m.File()
	for i := range f.Tensors {
		f.Tensors[i].Name = strings.TrimPrefix(f.Tensors[i].Name, "transformer.")
	}
	f.Tensors = append(f.Tensors, safetensors.Tensor{Name: "h.0.attn.bias", Shape: []int{1, 1, 2, 2}, Data: make([]float32, 4)})
	var b bytes.Buffer
	if _, err := f.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	back, err := model.Read(c, cpu.Reference(), &b)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(back.Parameters()[5].Value, m.Parameters()[5].Value) {
		t.Error("weights differ")
	}
}

func FuzzLoad(f *testing.F) {
	c := model.Config{Arch: "gpt2", NLayer: 1, NHead: 1, DModel: 2, Context: 2, VocabSize: 2, Bias: false}
	m, err := model.New(c, cpu.Reference(), 1)
	if err != nil {
		f.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := m.File().WriteTo(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := m.Load(bytes.NewReader(b)); err == nil {
			var again bytes.Buffer
			if _, err := m.File().WriteTo(&again); err != nil {
				t.Fatal(err)
			}
		}
	})
}
