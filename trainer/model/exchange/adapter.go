package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"millrace/trainer/model/safetensors"
	"millrace/trainer/model/stored"
)

// Names of files of an adapter, as Hugging Face's PEFT has them.
const (
	AdapterConfigFile = "adapter_config.json"
	AdapterFile       = "adapter_model.safetensors"
)

// adapterConfig is what of an adapter_config.json decides what the adapter means.
type adapterConfig struct {
	Type         string             `json:"peft_type"`
	Alpha        float64            `json:"lora_alpha"`
	AlphaPattern map[string]float64 `json:"alpha_pattern"`
	RankStable   bool               `json:"use_rslora"`
	DoRA         bool               `json:"use_dora"`
}

// adapterPrefix is what PEFT puts before the names of a model's parts.
const adapterPrefix = "base_model.model."

// maxAdapterRank bounds the rank of one.
const maxAdapterRank = 1 << 12

// Adapt merges a LoRA that PEFT saved, the folder dir, with the model: W + alpha/rank · B·A (Hu et al. 2021), alpha/√rank with use_rslora.
// What is merged is float32 from then on, and computed when it is written; what the adapter was saved with (modules_to_save) takes the place
// of the model's. An adapter of another kind, of another model or of another shape is refused by its key or its tensor, and changes nothing.
func (m *Model) Adapt(dir string) (err error) {
	raw, err := small(dir, AdapterConfigFile, maxConfig)
	if err != nil {
		return err
	}
	if raw == nil {
		return wrong("%s has no %s: name the folder of an adapter as PEFT saves it", dir, AdapterConfigFile)
	}
	var c adapterConfig
	if err := json.Unmarshal(raw, &c); err != nil {
		return wrong("%s: %w", AdapterConfigFile, err)
	}
	switch {
	case c.Type != "LORA":
		return wrong("%s: peft_type %q: only LORA can be merged here", AdapterConfigFile, c.Type)
	case c.DoRA:
		return wrong("%s: use_dora: only plain LoRA can be merged here; merge it with PEFT's merge_and_unload, and import the folder that comes out", AdapterConfigFile)
	case len(c.AlphaPattern) > 0:
		return wrong("%s: alpha_pattern: only one lora_alpha for all layers can be merged here", AdapterConfigFile)
	case !(c.Alpha > 0) || math.IsInf(c.Alpha, 0):
		return wrong("%s: lora_alpha %g is not above 0", AdapterConfigFile, c.Alpha)
	}
	f, err := os.Open(filepath.Join(dir, AdapterFile))
	if err != nil {
		return wrong("%s: %w", AdapterFile, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return wrong("%w", err)
	}
	parts, _, err := safetensors.Open(f, info.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", AdapterFile, err)
	}
	merged, err := m.merged(parts, c)
	if err != nil {
		return err
	}
	m.Tensors, m.Whole = merged, ""
	m.files = append(m.files, f)
	return nil
}

// merged are the model's tensors with an adapter's in them.
func (m *Model) merged(parts []stored.Tensor, c adapterConfig) ([]stored.Tensor, error) {
	var kind struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(m.Config, &kind); err != nil {
		return nil, wrong("%s: %w", ConfigFile, err)
	}
	at := map[string]int{}
	for i, t := range m.Tensors {
		at[t.Name] = i
	}
	all, low := slices.Clone(m.Tensors), map[string]stored.Tensor{}
	for _, t := range parts {
		name, ours := strings.CutPrefix(t.Name, adapterPrefix)
		if layer, ok := strings.CutSuffix(name, ".lora_A.weight"); ours && ok {
			low[layer] = t
			continue
		}
		layer, back := strings.CutSuffix(name, ".lora_B.weight")
		if !back {
			layer, name = name, strings.Replace(name, ".modules_to_save.default.", ".", 1)
		} else {
			name = layer + ".weight"
		}
		i, ok := at[name]
		switch {
		case !ours || !back && strings.Contains(layer, ".lora_"):
			return nil, wrong("the adapter has %s, which is no part of a LoRA of linear layers", t.Name)
		case !ok:
			return nil, wrong("the adapter has %s, and the model no %s: it is another model's", t.Name, name)
		case !t.DType.Weights():
			return nil, wrong("%s is %s; weights are F32, F16 or BF16", t.Name, t.DType)
		}
		if !back {
			if !sameShape(t.Shape, all[i].Shape) {
				return nil, wrong("%s is %v in the adapter, and %s is %v in the model", t.Name, t.Shape, name, all[i].Shape)
			}
			all[i] = t.Named(name)
		}
	}
	for _, b := range parts {
		name := strings.TrimPrefix(b.Name, adapterPrefix)
		layer, back := strings.CutSuffix(name, ".lora_B.weight")
		if !back {
			continue
		}
		a, ok := low[layer]
		if !ok {
			return nil, wrong("the adapter has no lora_A of %s", layer)
		}
		delete(low, layer)
		i := at[layer+".weight"]
		// OpenAI's GPT-2 has [in, out] in its blocks, everything else [out, in].
		t, err := lowRank(all[i], a, b, c, kind.ModelType == "gpt2" && layer != "lm_head")
		if err != nil {
			return nil, err
		}
		all[i] = t
	}
	for layer := range low {
		return nil, wrong("the adapter has no lora_B of %s", layer)
	}
	return all, nil
}

// lowRank is w + scale·b·a, a [rank, in], b [out, rank], w [out, in] or, turned, [in, out].
func lowRank(w, a, b stored.Tensor, c adapterConfig, turned bool) (stored.Tensor, error) {
	if len(w.Shape) != 2 || len(a.Shape) != 2 || len(b.Shape) != 2 || !a.DType.Weights() {
		return w, wrong("%s: a LoRA is of matrices, and has two", w.Name)
	}
	out, in, rank := w.Shape[0], w.Shape[1], a.Shape[0]
	if turned {
		out, in = in, out
	}
	if rank < 1 || rank > maxAdapterRank || a.Shape[1] != in || b.Shape[0] != out || b.Shape[1] != rank {
		return w, wrong("%s is %v in the model; the adapter's lora_A is %v and lora_B %v", w.Name, w.Shape, a.Shape, b.Shape)
	}
	scale := c.Alpha / float64(rank)
	if c.RankStable {
		scale = c.Alpha / math.Sqrt(float64(rank))
	}
	t := stored.Tensor{Name: w.Name, DType: stored.F32, Shape: w.Shape}
	t.Write = func(to io.Writer) error {
		var numbers [3][]float32
		for i, x := range []stored.Tensor{w, a, b} {
			var err error
			if numbers[i], err = x.Floats(); err != nil {
				return err
			}
		}
		base, a, b := numbers[0], numbers[1], numbers[2]
		sums := make([]float64, in)
		for o := range out {
			clear(sums)
			for r := range rank {
				f := scale * float64(b[o*rank+r])
				for i, x := range a[r*in : (r+1)*in] {
					sums[i] += f * float64(x)
				}
			}
			for i, s := range sums {
				at := o*in + i
				if turned {
					at = i*out + o
				}
				base[at] = float32(float64(base[at]) + s)
			}
		}
		return stored.Of(base, t.Name, t.Shape...).Write(to)
	}
	return t, nil
}
