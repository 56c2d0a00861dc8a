package model

import (
	"fmt"
	"math"

	"millrace/trainer/engine"
	"millrace/trainer/random"
)

type part int

const (
	partEmbedding part = iota
	partPosition
	partAttention
	partMLP
	partNorm
)

// spec is a parameter before it has memory.
type spec struct {
	name  string
	shape []int
	part  part
	// Initial values: normal with deviation std, or all equal to fill when std is 0.
	std, fill float64
}

// specs lists the parameters in the order of Hugging Face's GPT-2. Linear weights are [in, out] (its Conv1D).
func (c Config) specs() []spec {
	const std = 0.02
	// Residual projections are scaled down with depth, so that the stream's variance does not grow (Radford et al. 2019).
	residual := std / math.Sqrt(2*float64(c.NLayer))
	d := c.DModel
	s := []spec{
		{"transformer.wte.weight", []int{c.VocabSize, d}, partEmbedding, std, 0},
		{"transformer.wpe.weight", []int{c.Context, d}, partPosition, std, 0},
	}
	add := func(name string, p part, std, fill float64, shape ...int) {
		s = append(s, spec{name + ".weight", shape, p, std, fill})
		if c.Bias {
			s = append(s, spec{name + ".bias", shape[len(shape)-1:], p, 0, 0})
		}
	}
	for l := range c.NLayer {
		block := blockName(l)
		add(block+"ln_1", partNorm, 0, 1, d)
		add(block+"attn.c_attn", partAttention, std, 0, d, 3*d)
		add(block+"attn.c_proj", partAttention, residual, 0, d, d)
		add(block+"ln_2", partNorm, 0, 1, d)
		add(block+"mlp.c_fc", partMLP, std, 0, d, 4*d)
		add(block+"mlp.c_proj", partMLP, residual, 0, 4*d, d)
	}
	add("transformer.ln_f", partNorm, 0, 1, d)
	return s
}

func blockName(l int) string { return fmt.Sprintf("transformer.h.%d.", l) }

// initialise fills p with its initial values. Each parameter has its own stream, named after it.
func (s spec) initialise(p *engine.Parameter, k engine.Kernels, seed uint64) {
	const chunk = 1 << 15 // even, as normals come in pairs
	key := random.Key(seed, s.name)
	host := make([]float32, min(chunk, len(p.Value)+1))
	for at := 0; at < len(p.Value); at += chunk {
		n := min(chunk, len(p.Value)-at)
		for i := 0; i < n; i += 2 {
			a, b := s.fill, s.fill
			if s.std > 0 {
				a, b = random.Normal(key, uint64(at+i)/2)
				a, b = a*s.std, b*s.std
			}
			host[i] = float32(a)
			if i+1 < n {
				host[i+1] = float32(b)
			}
		}
		k.Upload(p.Value[at:at+n], host[:n])
	}
}
