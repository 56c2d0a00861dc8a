package model_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/model/safetensors"
	"millrace/trainer/random"
)

func tuned() model.Config {
	return model.Config{Arch: "gpt2", NLayer: 2, NHead: 2, DModel: 12, Context: 8, VocabSize: 13, Bias: true}
}

func fill(ids, targets []int32, vocab int32, seed uint64) {
	for i := range ids {
		ids[i] = int32(random.Below(seed, uint64(i), uint64(vocab)))
		targets[i] = int32(random.Below(seed+1, uint64(i), uint64(vocab)))
	}
}

func written(t *testing.T, f safetensors.File) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := f.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// adaptedPair is a base with its adapted copy.
func adaptedPair(t *testing.T, k engine.Kernels, c model.Config, l model.LoRA) (base, adapted *model.Model) {
	t.Helper()
	base, err := model.New(c, k, 3)
	if err != nil {
		t.Fatal(err)
	}
	if adapted, err = model.NewAdapted(c, l, k, 5); err != nil {
		t.Fatal(err)
	}
	if err := adapted.Begin(c, bytes.NewReader(written(t, base.File())), 1); err != nil {
		t.Fatal(err)
	}
	return base, adapted
}

// Before the first step B is 0: losses are the base's to the bit. The weights get no gradient, and the adapters the right one.
func TestLoRABeginsAsItsBase(t *testing.T) {
	for name, k := range map[string]engine.Kernels{"reference": cpu.Reference(), "fast": fastKernels(t)} {
		t.Run(name, func(t *testing.T) {
			base, adapted := adaptedPair(t, k, tuned(), model.LoRA{Rank: 3})
			want, err := base.Batch(2, 8)
			if err != nil {
				t.Fatal(err)
			}
			got, err := adapted.Batch(2, 8)
			if err != nil {
				t.Fatal(err)
			}
			fill(want.IDs, want.Targets, 13, 9)
			copy(got.IDs, want.IDs)
			copy(got.Targets, want.Targets)
			a, err := want.Run(1)
			if err != nil {
				t.Fatal(err)
			}
			b, err := got.Run(1)
			if err != nil {
				t.Fatal(err)
			}
			if math.Float64bits(a) != math.Float64bits(b) || !slices.Equal(want.Losses(), got.Losses()) {
				t.Errorf("losses %v and %v", a, b)
			}
			for _, p := range adapted.Parameters() {
				if p.Grad != nil {
					t.Errorf("%s is frozen and has a gradient", p.Name)
				}
			}
			if n, err := tuned().LoRAParameters(model.LoRA{Rank: 3}); err != nil || n != 2*3*((12+36)+(12+12)+(12+48)+(48+12)) {
				t.Errorf("%d parameters, %v", n, err)
			}
		})
	}
}

func fastKernels(t *testing.T) engine.Kernels {
	t.Helper()
	k, err := cpu.Open(1)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// stir gives the adapters values as training would: by their file, which has what is learnt alone.
func stir(m *model.Model) {
	f := m.AdapterFile()
	for i, x := range f.Tensors {
		x.Data = make([]float32, len(x.Data))
		for j := range x.Data {
			v, _ := random.Normal(uint64(i), uint64(j))
			x.Data[j] = float32(0.1 * v)
		}
		f.Tensors[i] = x
	}
	var b bytes.Buffer
	if _, err := f.WriteTo(&b); err != nil {
		panic(err)
	}
	if err := m.LoadAdapters(&b); err != nil {
		panic(err)
	}
}

// fused is an architecture whose queries, keys and values, and gates, are several layers in one weight.
func fused() model.Config {
	return model.Config{Arch: "llama", NLayer: 1, NHead: 4, NKVHead: 2, DModel: 16, DFF: 12, Context: 8, VocabSize: 13}
}

func TestLoRAGradients(t *testing.T) {
	loraGradients(t, tuned(), "attention,mlp.c_fc", 2*3*2)
	loraGradients(t, fused(), "q_proj,v_proj,mlp", 2*3)
}

func loraGradients(t *testing.T, c model.Config, targets string, learnt int) {
	k := cpu.Reference()
	_, m := adaptedPair(t, k, c, model.LoRA{Rank: 2, Alpha: 3, Targets: targets})
	stir(m)
	b, err := m.Batch(1, 6)
	if err != nil {
		t.Fatal(err)
	}
	fill(b.IDs, b.Targets, 13, 4)
	loss := func() float64 {
		for _, p := range m.Learnt() {
			k.Zero(p.Grad)
		}
		l, err := b.Run(1)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	loss()
	if n := len(m.Learnt()); n != learnt {
		t.Errorf("%d parameters are learnt", n)
	}
	for _, p := range m.Learnt() {
		analytic := slices.Clone(p.Grad)
		for i := 0; i < len(p.Value); i += 5 {
			const h = 1e-2
			x := p.Value[i]
			p.Value[i] = x + h
			up := loss()
			p.Value[i] = x - h
			down := loss()
			p.Value[i] = x
			numeric := (up - down) / (2 * h)
			if x == 0 { // outside of a layer's part of a fused weight: nothing is learnt there
				numeric = 0
			}
			if math.Abs(numeric-float64(analytic[i])) > 2e-2*(0.2+math.Abs(numeric)) {
				t.Errorf("%s[%d]: gradient %g, want %g", p.Name, i, analytic[i], numeric)
			}
		}
	}
}

// What is saved as model.safetensors computes what the frozen weights and adapters compute together, and is W + scale·B·A to float32's precision.
func TestLoRAMerges(t *testing.T) {
	k := cpu.Reference()
	c := tuned()
	base, m := adaptedPair(t, k, c, model.LoRA{Rank: 2, Alpha: 3})
	stir(m)
	merged, err := model.Read(c, k, bytes.NewReader(written(t, m.File())))
	if err != nil {
		t.Fatal(err)
	}
	text := []int32{1, 5, 2, 12, 7, 0, 3}
	a, err := m.Score(context.Background(), text, 1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := merged.Score(context.Background(), text, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range a {
		if math.Abs(a[i].LogProb-b[i].LogProb) > 1e-5 {
			t.Errorf("token %d: %g with adapters, %g merged", i, a[i].LogProb, b[i].LogProb)
		}
	}
	learnt := map[string][]float32{}
	for _, p := range m.Learnt() {
		learnt[p.Name] = p.Value
	}
	for i, p := range merged.Parameters() {
		name := strings.TrimSuffix(p.Name, ".weight")
		A, B := learnt[name+".lora_A"], learnt[name+".lora_B"]
		was := base.Parameters()[i].Value
		if A == nil {
			if !slices.Equal(was, p.Value) {
				t.Errorf("%s is not adapted and changed", p.Name)
			}
			continue
		}
		in, out := p.Shape[0], p.Shape[1]
		for j := range p.Value {
			want := float64(was[j])
			for r := range 2 {
				want += 1.5 * float64(B[r*out+j%out]) * float64(A[r*in+j/out])
			}
			if math.Abs(want-float64(p.Value[j])) > 1e-7 {
				t.Fatalf("%s[%d]: %g, want %g", p.Name, j, p.Value[j], want)
			}
		}
	}
}

// The parts of a fused weight are adapted each by its own, and merged so; what no target names stays.
func TestLoRAMergesPartsOfAFusedWeight(t *testing.T) {
	k := cpu.Reference()
	base, m := adaptedPair(t, k, fused(), model.LoRA{Rank: 2, Targets: "q_proj,v_proj,down_proj,up_proj"})
	stir(m)
	merged, err := model.Read(fused(), k, bytes.NewReader(written(t, m.File())))
	if err != nil {
		t.Fatal(err)
	}
	text := []int32{1, 5, 2, 12, 7, 0, 3}
	score := func(m *model.Model) []model.Score {
		s, err := m.Score(context.Background(), text, 1)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b, was := score(m), score(merged), score(base)
	moved := 0.0
	for i := range a {
		moved += math.Abs(a[i].LogProb - was[i].LogProb)
		if math.Abs(a[i].LogProb-b[i].LogProb) > 1e-5 {
			t.Errorf("token %d: %g with adapters, %g merged", i, a[i].LogProb, b[i].LogProb)
		}
	}
	if moved < 1e-2 {
		t.Error("the adapters change nothing")
	}
	before, after := base.File(), m.File()
	for i, x := range after.Tensors {
		adapted := strings.Contains(x.Name, "q_proj") || strings.Contains(x.Name, "v_proj") || strings.Contains(x.Name, "down_proj") || strings.Contains(x.Name, "up_proj")
		if slices.Equal(x.Data, before.Tensors[i].Data) == adapted {
			t.Errorf("%s: adapted %t, but the same %t", x.Name, adapted, !adapted)
		}
	}
}

// Adapters are written as PEFT writes them, and read back to the bit.
func TestAdaptersAreFilesOfPEFT(t *testing.T) {
	k := cpu.Reference()
	l := model.LoRA{Rank: 2, Alpha: 3, Targets: "c_attn,mlp", Dropout: 0.1}
	_, m := adaptedPair(t, k, tuned(), l)
	stir(m)
	file := written(t, m.AdapterFile())
	_, again := adaptedPair(t, k, tuned(), l)
	if err := again.LoadAdapters(bytes.NewReader(file)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, written(t, again.AdapterFile())) || !bytes.Equal(written(t, m.File()), written(t, again.File())) {
		t.Error("what was read is not what was written")
	}
	r, err := safetensors.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range r.Entries {
		names = append(names, e.Name)
	}
	if want := "base_model.model.transformer.h.1.mlp.c_proj.lora_B.weight"; !slices.Contains(names, want) || len(names) != 12 {
		t.Errorf("%v", names)
	}
	var config struct {
		Type    string   `json:"peft_type"`
		R       int      `json:"r"`
		Alpha   float64  `json:"lora_alpha"`
		Targets []string `json:"target_modules"`
		FanIn   bool     `json:"fan_in_fan_out"`
	}
	if err := json.Unmarshal(m.AdapterConfig("base"), &config); err != nil {
		t.Fatal(err)
	}
	if config.Type != "LORA" || config.R != 2 || config.Alpha != 3 || !config.FanIn || !slices.Equal(config.Targets, []string{"attn.c_attn", "mlp.c_fc", "mlp.c_proj"}) {
		t.Errorf("%+v", config)
	}
	_, other := adaptedPair(t, k, tuned(), model.LoRA{Rank: 2, Targets: "mlp"})
	if err := other.LoadAdapters(bytes.NewReader(file)); err == nil || !strings.Contains(err.Error(), "c_attn") {
		t.Errorf("adapters of other layers: %v", err)
	}
	if err := m.LoadAdapters(bytes.NewReader(written(t, other.AdapterFile()))); err == nil || !strings.Contains(err.Error(), "lacks") {
		t.Errorf("too few adapters: %v", err)
	}
}

func TestLoRANamesWhatIsWrong(t *testing.T) {
	for want, l := range map[string]model.LoRA{
		"lora.rank: 0": {Alpha: 1}, "lora.rank: 9999999": {Rank: 9999999}, "lora.alpha: -1": {Rank: 1, Alpha: -1}, "lora.dropout: 1": {Rank: 1, Dropout: 1},
		`"q_proj" fits no linear layer; there are attention, cross and mlp, and attn.c_attn, attn.c_proj, mlp.c_fc, mlp.c_proj`: {Rank: 1, Targets: "mlp, q_proj"},
	} {
		if _, err := model.NewAdapted(tuned(), l, cpu.Reference(), 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	labels := tuned()
	labels.NLabel = 4
	if n, err := labels.LoRAParameters(model.LoRA{Rank: 2, Targets: "attn.c_proj", Tables: true}); err != nil || n != 2*2*(12+12)+4*12+13*12 {
		t.Errorf("%d parameters with a head and a table, %v", n, err)
	}
	llama := model.Config{Arch: "llama", NLayer: 1, NHead: 4, NKVHead: 2, DModel: 32, Context: 8, VocabSize: 13}
	if n, err := llama.LoRAParameters(model.LoRA{Rank: 2, Targets: "q_proj,v_proj"}); err != nil || n != 2*(32+32)+2*(32+16) {
		t.Errorf("%d parameters in two parts of a fused weight, %v", n, err)
	}
}

// A base that knows fewer tokens keeps its rows; the new ones are near the mean, and no two are the same.
func TestBeginGrowsTheVocabulary(t *testing.T) {
	k := cpu.Reference()
	base, err := model.New(tuned(), k, 3)
	if err != nil {
		t.Fatal(err)
	}
	file := written(t, base.File())
	c := tuned()
	c.VocabSize = 16
	m, err := model.New(c, k, 8)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Begin(tuned(), bytes.NewReader(file), 1); err != nil {
		t.Fatal(err)
	}
	was, is := base.Parameters()[0].Value, m.Parameters()[0].Value
	if !slices.Equal(was, is[:len(was)]) || !slices.Equal(base.Parameters()[1].Value, m.Parameters()[1].Value) {
		t.Error("rows that were there have changed")
	}
	for col := range 12 {
		mean := 0.0
		for row := range 13 {
			mean += float64(was[row*12+col]) / 13
		}
		for row := 13; row < 16; row++ {
			if math.Abs(float64(is[row*12+col])-mean) > 0.002 {
				t.Errorf("row %d, column %d: %g, the mean is %g", row, col, is[row*12+col], mean)
			}
		}
	}
	if slices.Equal(is[13*12:14*12], is[14*12:15*12]) {
		t.Error("two new tokens are the same")
	}
	again, err := model.New(c, k, 8)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Begin(tuned(), bytes.NewReader(file), 1); err != nil || !slices.Equal(again.Parameters()[0].Value, is) {
		t.Errorf("the same seed grows otherwise: %v", err)
	}
	c.VocabSize = 5
	small, err := model.New(c, k, 8)
	if err != nil {
		t.Fatal(err)
	}
	if err := small.Begin(tuned(), bytes.NewReader(file), 1); err == nil || !strings.Contains(err.Error(), "model.vocab_size: 5") {
		t.Error(err)
	}
	c = tuned()
	c.NLayer = 1
	if err := c.Grows(tuned()); err == nil {
		t.Error("another depth passes for the base's")
	}
}

// A table and a classifier's head that are learnt beside adapters are in the adapters' file.
func TestTablesAreLearntBesideAdapters(t *testing.T) {
	k := cpu.Reference()
	c := tuned()
	c.NLabel = 3
	m, err := model.NewAdapted(c, model.LoRA{Rank: 2, Targets: "mlp", Tables: true}, k, 1)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range m.Learnt() {
		names = append(names, p.Name)
	}
	if !slices.Contains(names, "transformer.wte.weight") || !slices.Contains(names, "score.weight") || slices.Contains(names, "transformer.wpe.weight") {
		t.Errorf("%v are learnt", names)
	}
	stir(m)
	m.Parameters()[0].Value[5] = 7
	file := written(t, m.AdapterFile())
	again, err := model.NewAdapted(c, model.LoRA{Rank: 2, Targets: "mlp", Tables: true}, k, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.LoadAdapters(bytes.NewReader(file)); err != nil || again.Parameters()[0].Value[5] != 7 {
		t.Errorf("the table was not read: %v", err)
	}
	if config := string(m.AdapterConfig("")); !strings.Contains(config, `"modules_to_save": [
    "wte",
    "score"
  ]`) || !strings.Contains(config, "SEQ_CLS") {
		t.Error(config)
	}
}
