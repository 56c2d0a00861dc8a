package model

import (
	"fmt"
	"io"

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
	batches  map[shape]*Batch
	forwards map[int]*forward
}

// New makes a model to be trained, with initial weights drawn from seed: normal with deviation 0.02, residual projections
// 0.02/√(2·n_layer), gains 1, biases 0 (GPT-2's).
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

// Read makes a model that is not trained (it keeps no gradients) from the bytes of a model.safetensors.
func Read(c Config, k engine.Kernels, r io.Reader) (*Model, error) {
	m, err := allocate(c, k, false)
	if err != nil {
		return nil, err
	}
	return m, m.Load(r)
}

func allocate(c Config, k engine.Kernels, trained bool) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m := &Model{
		config: c, k: k, specs: c.specs(), named: map[string]*engine.Parameter{},
		batches: map[shape]*Batch{}, forwards: map[int]*forward{},
	}
	for _, s := range m.specs {
		p := engine.NewParameter(k, s.name, trained, s.shape...)
		m.params = append(m.params, p)
		m.named[s.name] = p
	}
	return m, nil
}

// Config is the model's architecture.
func (m *Model) Config() Config { return m.config }

// Parameters are the model's own, in the order of its file.
func (m *Model) Parameters() []*engine.Parameter { return m.params }

// File is the model as safetensors: reading it sees the weights as they are then.
func (m *Model) File() safetensors.File {
	f := safetensors.File{Metadata: map[string]string{"format": "pt"}, Download: m.k.Download}
	for _, p := range m.params {
		f.Tensors = append(f.Tensors, safetensors.Tensor{Name: p.Name, Shape: p.Shape, Data: p.Value})
	}
	return f
}

// Load replaces every parameter by that of a safetensors file. The names may lack "transformer.", as in OpenAI's own files;
// attention masks and a tied lm_head that some writers add are skipped. After an error some parameters may be replaced.
func (m *Model) Load(r io.Reader) error {
	f, err := safetensors.NewReader(r)
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	missing := map[string]bool{}
	for _, p := range m.params {
		missing[p.Name] = true
	}
	for _, e := range f.Entries {
		p := m.named[e.Name]
		if p == nil {
			p = m.named["transformer."+e.Name]
		}
		if p == nil {
			if ignored(e.Name) {
				if err := f.Next(nil, nil); err != nil {
					return fmt.Errorf("model: %w", err)
				}
				continue
			}
			return fmt.Errorf("model: the file has %s, which this architecture (%s, bias %t) has not", e.Name, m.config.Arch, m.config.Bias)
		}
		if !equal(e.Shape, p.Shape) {
			return fmt.Errorf("model: %s is %v in the file and %v in the config", e.Name, e.Shape, p.Shape)
		}
		if err := f.Next(p.Value, m.k.Upload); err != nil {
			return fmt.Errorf("model: %w", err)
		}
		delete(missing, p.Name)
	}
	for _, p := range m.params {
		if missing[p.Name] {
			return fmt.Errorf("model: the file lacks %s", p.Name)
		}
	}
	if err := f.Next(nil, nil); err != io.EOF {
		return fmt.Errorf("model: %w", err)
	}
	return nil
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
