package model

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"millrace/trainer/engine"
	"millrace/trainer/model/safetensors"
)

// Model is a network with its parameters, on one device.
type Model struct {
	config   Config
	k        engine.Kernels
	specs    []spec
	params   []*engine.Parameter
	named    map[string]*engine.Parameter
	batches  map[compiled]*Batch
	forwards map[Shape]*forward
	rotaries map[int]*rotary   // by length
	waves    *engine.Parameter // sinusoidal positions, when first asked for

	lora     LoRA
	adapters map[string]*adapter // by the layer's name; nil without
	order    []*adapter          // in the order of the file
	writer   *Generator          // of Generate
}

// New makes a model to be trained, with initial weights drawn from seed, as its family has them (see docs/models.md).
func New(c Config, k engine.Kernels, seed uint64) (*Model, error) {
	m, err := allocate(c, k, true)
	if err != nil {
		return nil, err
	}
	for i, s := range m.specs {
		s.initialise(m.params[i], k, seed)
	}
	return m, nil
}

// Read makes a model that is not trained (it keeps no gradients) from the bytes of a model.safetensors. The file is compared
// with the config before memory is taken for either.
func Read(c Config, k engine.Kernels, r io.Reader) (*Model, error) {
	c, err := c.Resolve()
	if err != nil {
		return nil, err
	}
	f, places, err := match(c, c.specs(), r)
	if err != nil {
		return nil, err
	}
	m, err := allocate(c, k, false)
	if err != nil {
		return nil, err
	}
	return m, m.fill(f, places)
}

func allocate(c Config, k engine.Kernels, trained bool) (*Model, error) {
	c, err := c.Resolve()
	if err != nil {
		return nil, err
	}
	m := &Model{
		config: c, k: k, specs: c.specs(), named: map[string]*engine.Parameter{},
		batches: map[compiled]*Batch{}, forwards: map[Shape]*forward{}, rotaries: map[int]*rotary{},
	}
	for _, s := range m.specs {
		p := engine.NewParameter(k, s.name, trained, s.shape...)
		m.params = append(m.params, p)
		m.named[s.name] = p
	}
	return m, nil
}

// Config is the model's architecture, resolved.
func (m *Model) Config() Config { return m.config }

// Parameters are the model's own, in the order of its file.
func (m *Model) Parameters() []*engine.Parameter { return m.params }

// Parts says what each of Parameters is for, in their order.
func (m *Model) Parts() []Part {
	parts := make([]Part, len(m.specs))
	for i, s := range m.specs {
		parts[i] = s.part
	}
	return parts
}

// File is the model as safetensors, its tensors named and shaped as transformers has them: reading it sees the weights as they are
// then. Tensors that are parts of one parameter are views of it. A weight that has an adapter is merged with it, and is as it was at the call.
func (m *Model) File() safetensors.File {
	f := safetensors.File{Metadata: map[string]string{"format": "pt"}, Download: m.k.Download}
	for i, s := range m.specs {
		at, value := 0, m.params[i].Value
		if a := m.adapters[strings.TrimSuffix(s.name, ".weight")]; a != nil {
			value = a.merge(m.k)
		}
		for _, p := range s.pieces {
			n := int(product(p.shape))
			f.Tensors = append(f.Tensors, safetensors.Tensor{Name: p.name, Shape: p.shape, Data: value[at : at+n]})
			at += n
		}
	}
	return f
}

// Load replaces every parameter by that of a safetensors file. The names may lack "transformer.", as in OpenAI's own files;
// attention masks and tied tables that some writers add are skipped. A file of another architecture changes nothing; one that
// breaks off may leave some parameters replaced.
func (m *Model) Load(r io.Reader) error {
	f, places, err := match(m.config, m.specs, r)
	if err != nil {
		return err
	}
	return m.fill(f, places)
}

// place is where a tensor of a file goes: elements [from, to) of a parameter, or nowhere if that is negative.
type place struct{ parameter, from, to int }

// match reads a file's header and finds the place of each of its tensors.
func match(c Config, specs []spec, r io.Reader) (*safetensors.Reader, []place, error) {
	f, err := safetensors.NewReader(r)
	if err != nil {
		return nil, nil, fmt.Errorf("model: %w", err)
	}
	type want struct {
		place
		shape []int
		found bool
	}
	wants := map[string]*want{}
	for i, s := range specs {
		at := 0
		for _, p := range s.pieces {
			n := int(product(p.shape))
			wants[p.name] = &want{place: place{i, at, at + n}, shape: p.shape}
			at += n
		}
	}
	prefix := c.Arch.layout().prefix()
	places := make([]place, len(f.Entries))
	for i, e := range f.Entries {
		name := e.Name
		if c.Arch == BERT {
			name = renamed.Replace(name)
		}
		w := wants[name]
		if w == nil {
			w = wants[prefix+name]
		}
		switch {
		case w == nil && c.ignored(e.Name):
			places[i] = place{parameter: -1}
			continue
		case w == nil:
			return nil, nil, fmt.Errorf("model: the file has %s, which this architecture has not", e.Name)
		case !slices.Equal(e.Shape, w.shape):
			return nil, nil, fmt.Errorf("model: %s is %v in the file and %v in the config", e.Name, e.Shape, w.shape)
		case w.found:
			return nil, nil, fmt.Errorf("model: the file has %s twice", e.Name)
		}
		places[i], w.found = w.place, true
	}
	for _, s := range specs {
		for _, p := range s.pieces {
			if !wants[p.name].found {
				return nil, nil, fmt.Errorf("model: the file lacks %s", p.name)
			}
		}
	}
	return f, places, nil
}

// renamed are words of BERT files from before 2019, as the published bert-base still has.
var renamed = strings.NewReplacer("LayerNorm.gamma", "LayerNorm.weight", "LayerNorm.beta", "LayerNorm.bias")

// prefix is what names lack in files of the network without its head.
func (l layout) prefix() string {
	before, _, _ := strings.Cut(l.tokens, ".")
	return before + "."
}

// fill reads the tensors of a matched file into their places.
func (m *Model) fill(f *safetensors.Reader, places []place) error {
	for _, p := range places {
		var dst []float32
		if p.parameter >= 0 {
			dst = m.params[p.parameter].Value[p.from:p.to]
		}
		if err := f.Next(dst, m.k.Upload); err != nil {
			return fmt.Errorf("model: %w", err)
		}
	}
	if err := f.Next(nil, nil); err != io.EOF {
		return fmt.Errorf("model: %w", err)
	}
	return nil
}

// ignored are tensors of other writers' files that hold nothing this network lacks: masks, positions that are counted, heads for other tasks,
// and copies of the token table.
func (c Config) ignored(name string) bool {
	copies := c.Tie == Yes && (name == "lm_head.weight" || name == "cls.predictions.decoder.weight")
	switch c.Arch {
	case GPT2:
		return copies || strings.HasSuffix(name, ".attn.bias") || strings.HasSuffix(name, ".attn.masked_bias")
	case Llama:
		return copies || strings.HasSuffix(name, ".rotary_emb.inv_freq")
	case BERT:
		return copies || name == "bert.embeddings.position_ids" || name == "cls.predictions.decoder.bias" ||
			strings.HasPrefix(name, "bert.pooler.") || strings.HasPrefix(name, "cls.seq_relationship.")
	case T5:
		return copies || name == "encoder.embed_tokens.weight" || name == "decoder.embed_tokens.weight" ||
			name == "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
	}
	return false
}
