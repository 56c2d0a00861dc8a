package model_test

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"strings"
	"testing"

	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
)

var update = flag.Bool("update", false, "write testdata/peers/models.json, for golden.py beside it")

// peer is a model that golden.py builds, and what it reads.
type peer struct {
	Config   json.RawMessage  `json:"config"`
	Tensors  map[string][]int `json:"tensors"`
	IDs      [][]int32        `json:"ids"`
	Source   [][]int32        `json:"source,omitempty"`
	Lengths  []int32          `json:"lengths,omitempty"`
	Segments [][]int32        `json:"segments,omitempty"`
}

// The models that transformers knows, in every choice that it has.
func peers() map[string]model.Config {
	all := map[string]model.Config{}
	add := func(name string, a model.Arch, change func(*model.Config)) {
		c := family(a)
		c.NHead, c.DModel, c.DFF = 4, 32, 40
		change(&c)
		all[name] = c
	}
	scaled := func(s model.RopeScaling) func(*model.Config) {
		return func(c *model.Config) { c.RopeScaling = s }
	}
	add("gpt2", model.GPT2, func(*model.Config) {})
	add("gpt2 relu untied", model.GPT2, func(c *model.Config) { c.Activation, c.Tie, c.NormEps = "relu", model.No, 1e-3 })
	add("llama", model.Llama, func(c *model.Config) { c.NKVHead = 2 })
	add("llama multi-query wide heads", model.Llama, func(c *model.Config) { c.NKVHead, c.HeadDim, c.Tie, c.RopeTheta = 1, 12, model.Yes, 300 })
	add("llama biases", model.Llama, func(c *model.Config) { c.Bias = true })
	add("llama attention biases", model.Llama, func(c *model.Config) { c.AttnBias = true })
	add("llama linear", model.Llama, scaled(model.RopeScaling{Type: "linear", Factor: 3}))
	add("llama dynamic", model.Llama, scaled(model.RopeScaling{Type: "dynamic", Factor: 4, OriginalContext: 6}))
	add("llama llama3", model.Llama, scaled(model.RopeScaling{Type: "llama3", Factor: 8, OriginalContext: 20}))
	add("llama yarn", model.Llama, scaled(model.RopeScaling{Type: "yarn", Factor: 4, OriginalContext: 60}))
	add("qwen2", model.Llama, func(c *model.Config) { c.QKVBias = true })
	add("qwen3", model.Llama, func(c *model.Config) { c.QKNorm, c.NKVHead = true, 2 })
	add("bert", model.BERT, func(*model.Config) {})
	add("bert relu", model.BERT, func(c *model.Config) { c.Activation, c.NSegment = "relu", 3 })
	add("t5", model.T5, func(c *model.Config) { c.NEncoder, c.HeadDim = 1, 6 })
	add("t5 v1.1", model.T5, func(c *model.Config) {
		c.Activation, c.Tie, c.RelativeBuckets, c.RelativeDistance = "geglu", model.No, 8, 10
	})
	return all
}

// hashed is golden.py's formula of a tensor's values.
func hashed(name string, shape []int) []float32 {
	h := uint32(2166136261)
	for _, b := range []byte(name) {
		h = (h ^ uint32(b)) * 16777619
	}
	n := 1
	for _, d := range shape {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		x := h + uint32(i)*2654435761
		x = (x ^ x>>15) * 0x2C1B3C6D
		x = (x ^ x>>12) * 0x297A2D39
		x ^= x >> 15
		u := (float64(x)/(1<<32) - 0.5) * 0.8
		if len(shape) == 1 && strings.HasSuffix(name, ".weight") {
			u = 1 + u/2
		}
		v[i] = float32(u)
	}
	return v
}

// Logits are those of transformers on the same weights, and config.json means the same network there.
func TestLogitsAgainstTransformers(t *testing.T) {
	const b, n, source = 2, 11, 9
	want := map[string][][][]float64{}
	if raw, err := os.ReadFile("testdata/peers/logits.json"); err != nil || json.Unmarshal(raw, &want) != nil {
		t.Log("no logits yet", err)
	}
	var made map[string]peer
	if raw, err := os.ReadFile("testdata/peers/models.json"); err == nil {
		if err := json.Unmarshal(raw, &made); err != nil {
			t.Fatal(err)
		}
	}
	written := map[string]peer{}
	for name, c := range peers() {
		m, err := model.New(c, cpu.Reference(), 1)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p := peer{Config: c.HuggingFace(), Tensors: map[string][]int{}}
		for _, x := range m.File().Tensors {
			copy(x.Data, hashed(x.Name, x.Shape))
			p.Tensors[x.Name] = x.Shape
		}
		for i := range b {
			p.IDs = append(p.IDs, tokens(n, c.VocabSize, uint64(i)))
			switch c.Arch {
			case model.T5:
				p.Source, p.Lengths = append(p.Source, tokens(source, c.VocabSize, 7+uint64(i))), []int32{source, source - 3}
			case model.BERT:
				p.Segments, p.Lengths = append(p.Segments, tokens(n, 2, 7+uint64(i))), []int32{n, n - 4}
			}
		}
		written[name] = p
		if *update {
			continue
		}
		was := made[name]
		if string(flat(t, was.Config)) != string(flat(t, p.Config)) {
			t.Errorf("%s: config.json is %s\nand the peer read %s", name, flat(t, p.Config), flat(t, was.Config))
		}
		got, err := m.Logits(p.IDs, p.Source, p.Segments, p.Lengths)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		worst := 0.0
		for i, sequence := range want[name] {
			for j, row := range sequence {
				if p.Segments != nil && j >= int(p.Lengths[i]) {
					break // padding
				}
				for k, x := range row {
					worst = max(worst, math.Abs(x-float64(got[i][j*len(row)+k])))
				}
			}
		}
		if worst > 1e-4 || len(want[name]) != b {
			t.Errorf("%s: logits of %d sequences are off by %.2g", name, len(want[name]), worst)
		}
	}
	if *update {
		raw, err := json.Marshal(written)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/peers/models.json", raw, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// flat is JSON without its spaces.
func flat(t *testing.T, raw json.RawMessage) []byte {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
