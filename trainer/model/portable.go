package model

import "millrace/trainer/model/safetensors"

// Portable is the model as every reader of GPT-2 files knows it: with biases, which are zero where this architecture has none.
// It computes the same function. The file goes with the config's HuggingFace.
func (m *Model) Portable() (Config, safetensors.File) {
	c, f := m.config, m.File()
	if c.Bias {
		return c, f
	}
	c.Bias = true
	f.Tensors = nil
	for _, s := range c.specs() {
		t := safetensors.Tensor{Name: s.name, Shape: s.shape}
		if p := m.named[s.name]; p != nil {
			t.Data = p.Value
		} else {
			t.Data = m.k.Alloc(s.shape[0]) // a bias is a vector
		}
		f.Tensors = append(f.Tensors, t)
	}
	return c, f
}
