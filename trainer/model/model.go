package model

import (
	"fmt"
	"io"
	"slices"

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

// Read makes a model that is not trained (it keeps no gradients) from the bytes of a model.safetensors. The file is compared
// with the config before memory is taken for either.
func Read(c Config, k engine.Kernels, r io.Reader) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	f, places, err := match(c.specs(), r)
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
// attention masks and a tied lm_head that some writers add are skipped. A file of another architecture changes nothing; one
// that breaks off may leave some parameters replaced.
func (m *Model) Load(r io.Reader) error {
	f, places, err := match(m.specs, r)
	if err != nil {
		return err
	}
	return m.fill(f, places)
}

// match reads a file's header and finds the parameter each of its tensors is, or -1 for one to skip.
func match(specs []spec, r io.Reader) (*safetensors.Reader, []int, error) {
	f, err := safetensors.NewReader(r)
	if err != nil {
		return nil, nil, fmt.Errorf("model: %w", err)
	}
	at := map[string]int{}
	for i, s := range specs {
		at[s.name] = i
	}
	found := make([]bool, len(specs))
	places := make([]int, len(f.Entries))
	for i, e := range f.Entries {
		p, ok := at[e.Name]
		if !ok {
			p, ok = at["transformer."+e.Name]
		}
		switch {
		case !ok && ignored(e.Name):
			places[i] = -1
			continue
		case !ok:
			return nil, nil, fmt.Errorf("model: the file has %s, which this architecture has not", e.Name)
		case !slices.Equal(e.Shape, specs[p].shape):
			return nil, nil, fmt.Errorf("model: %s is %v in the file and %v in the config", e.Name, e.Shape, specs[p].shape)
		case found[p]:
			return nil, nil, fmt.Errorf("model: the file has %s twice", specs[p].name)
		}
		places[i], found[p] = p, true
	}
	for i, ok := range found {
		if !ok {
			return nil, nil, fmt.Errorf("model: the file lacks %s", specs[i].name)
		}
	}
	return f, places, nil
}

// fill reads the tensors of a matched file into their places.
func (m *Model) fill(f *safetensors.Reader, places []int) error {
	for _, p := range places {
		var dst []float32
		if p >= 0 {
			dst = m.params[p].Value
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
