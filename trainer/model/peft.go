package model

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"millrace/trainer/model/safetensors"
)

// Adapters are files in the form of Hugging Face's PEFT: adapter_config.json says what they adapt, adapter_model.safetensors has the
// matrices, lora_A [rank, in] and lora_B [out, rank] of every layer.

// peftPrefix is what PEFT puts before the names of a model's layers.
const peftPrefix = "base_model.model."

// peftConfig is adapter_config.json.
type peftConfig struct {
	Base          *string  `json:"base_model_name_or_path"`
	Bias          string   `json:"bias"`
	FanInFanOut   bool     `json:"fan_in_fan_out"`
	InferenceMode bool     `json:"inference_mode"`
	Alpha         float64  `json:"lora_alpha"`
	Dropout       float64  `json:"lora_dropout"`
	ModulesToSave []string `json:"modules_to_save"`
	Type          string   `json:"peft_type"`
	Rank          int      `json:"r"`
	Targets       []string `json:"target_modules"`
	Task          string   `json:"task_type"`
	DoRA          bool     `json:"use_dora"`
	RankStable    bool     `json:"use_rslora"`
}

// AdapterConfig is the adapter_config.json that goes with AdapterFile. base names the model that is adapted; "" leaves it out.
func (m *Model) AdapterConfig(base string) []byte {
	p := peftConfig{
		Bias: "none", FanInFanOut: !m.config.Arch.layout().transposed, InferenceMode: true, Alpha: m.lora.Alpha, Dropout: m.lora.Dropout,
		Type: "LORA", Rank: m.lora.Rank, Task: "CAUSAL_LM",
	}
	if base != "" {
		p.Base = &base
	}
	for _, a := range m.order {
		for _, part := range a.parts {
			p.Targets = append(p.Targets, shortName(part.name))
		}
	}
	slices.Sort(p.Targets)
	p.Targets = slices.Compact(p.Targets)
	for _, q := range m.params {
		if q.Grad != nil {
			name := strings.TrimSuffix(q.Name, ".weight")
			p.ModulesToSave = append(p.ModulesToSave, name[strings.LastIndexByte(name, '.')+1:])
		}
		if q.Name == scoreHead {
			p.Task = "SEQ_CLS"
		}
	}
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		panic(err) // a struct of numbers and strings always marshals
	}
	return append(b, '\n')
}

// AdapterFile is what is learnt beside the frozen weights as PEFT's adapter_model.safetensors: reading it sees the adapters as they were
// when it was made.
func (m *Model) AdapterFile() safetensors.File {
	f := safetensors.File{Metadata: map[string]string{"format": "pt"}, Download: m.k.Download}
	for _, p := range m.params {
		if p.Grad != nil {
			f.Tensors = append(f.Tensors, safetensors.Tensor{Name: peftPrefix + p.Name, Shape: p.Shape, Data: p.Value})
		}
	}
	for _, a := range m.order {
		host := make([]float32, len(a.b.Value))
		m.k.Download(host, a.b.Value)
		for i, part := range a.parts {
			cols := part.to - part.from
			b := make([]float32, cols*a.rank)
			for r := range a.rank {
				for c := range cols {
					b[c*a.rank+r] = host[(i*a.rank+r)*a.out+part.from+c]
				}
			}
			if len(a.written) <= i {
				a.written = append(a.written, m.k.Alloc(len(b)))
			}
			m.k.Upload(a.written[i], b)
			n := a.rank * a.in
			f.Tensors = append(f.Tensors,
				safetensors.Tensor{Name: peftPrefix + part.name + ".lora_A.weight", Shape: []int{a.rank, a.in}, Data: a.a.Value[i*n : (i+1)*n]},
				safetensors.Tensor{Name: peftPrefix + part.name + ".lora_B.weight", Shape: []int{cols, a.rank}, Data: a.written[i]})
		}
	}
	return f
}

// LoadAdapters replaces what is learnt beside the frozen weights by a file that AdapterFile wrote, or PEFT for the same layers. Tensors may
// come in any order; all must be there, and no other. One that breaks off may leave some replaced.
func (m *Model) LoadAdapters(r io.Reader) error {
	f, err := safetensors.NewReader(r)
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	want := m.AdapterFile().Tensors
	at := make(map[string]int, len(want))
	for i, t := range want {
		at[t.Name] = i
	}
	for _, e := range f.Entries {
		i, ok := at[e.Name]
		if !ok {
			return fmt.Errorf("model: the adapters' file has %s, which this model's adapters have not", e.Name)
		}
		if !slices.Equal(e.Shape, want[i].Shape) {
			return fmt.Errorf("model: %s is %v in the adapters' file and %v here", e.Name, e.Shape, want[i].Shape)
		}
		delete(at, e.Name)
	}
	for name := range at {
		return fmt.Errorf("model: the adapters' file lacks %s", name)
	}
	place := m.adapterPlaces()
	for _, e := range f.Entries {
		host := make([]float32, e.Elements())
		if err := f.Next(host, nil); err != nil {
			return fmt.Errorf("model: %w", err)
		}
		place[e.Name](host)
	}
	if err := f.Next(nil, nil); err != io.EOF {
		return fmt.Errorf("model: %w", err)
	}
	return nil
}

// adapterPlaces says what to do with each tensor of the adapters' file.
func (m *Model) adapterPlaces() map[string]func(host []float32) {
	places := map[string]func([]float32){}
	for _, p := range m.params {
		if p.Grad != nil {
			places[peftPrefix+p.Name] = func(host []float32) { m.k.Upload(p.Value, host) }
		}
	}
	for _, a := range m.order {
		for i, part := range a.parts {
			n, cols := a.rank*a.in, part.to-part.from
			places[peftPrefix+part.name+".lora_A.weight"] = func(host []float32) { m.k.Upload(a.a.Value[i*n:(i+1)*n], host) }
			places[peftPrefix+part.name+".lora_B.weight"] = func(host []float32) {
				row := make([]float32, cols)
				for r := range a.rank {
					for c := range cols {
						row[c] = host[c*a.rank+r]
					}
					from := (i*a.rank+r)*a.out + part.from
					m.k.Upload(a.b.Value[from:from+cols], row)
				}
			}
		}
	}
	return places
}
