package model

import (
	"fmt"

	"millrace/trainer/engine"
)

// logits describes the network up to the scores of every next token, [len(ids), vocab_size], for sequences of length t.
func (m *Model) logits(g *engine.Graph, ids []int32, t int) *engine.Tensor {
	return g.Linear("lm_head", m.hidden(g, ids, t), m.named["transformer.wte.weight"], nil, true)
}

// hidden describes the network up to its last norm, [len(ids), d_model].
func (m *Model) hidden(g *engine.Graph, ids []int32, t int) *engine.Tensor {
	x := g.Embed("embed", m.named["transformer.wte.weight"], m.named["transformer.wpe.weight"], ids, t)
	heads := engine.Heads{Q: m.config.NHead, KV: m.config.NHead, Dim: m.config.DModel / m.config.NHead}
	for l := range m.config.NLayer {
		b := fmt.Sprintf("transformer.h.%d.", l)
		h := m.norm(g, b+"ln_1", x)
		h = m.linear(g, b+"attn.c_attn", h)
		h = g.Attention(b+"attn", h, engine.AttentionOptions{T: t, Heads: heads, Causal: true})
		h = m.linear(g, b+"attn.c_proj", h)
		x = g.Add(b+"attn.residual", x, h)

		h = m.norm(g, b+"ln_2", x)
		h = m.linear(g, b+"mlp.c_fc", h)
		h = g.Activate(b+"mlp.act", h, engine.GELU)
		h = m.linear(g, b+"mlp.c_proj", h)
		x = g.Add(b+"mlp.residual", x, h)
	}
	return m.norm(g, "transformer.ln_f", x)
}

func (m *Model) linear(g *engine.Graph, name string, x *engine.Tensor) *engine.Tensor {
	return m.adapt(g, name, x, g.Linear(name, x, m.named[name+".weight"], m.named[name+".bias"], false))
}

func (m *Model) norm(g *engine.Graph, name string, x *engine.Tensor) *engine.Tensor {
	return g.LayerNorm(name, x, m.named[name+".weight"], m.named[name+".bias"], 1e-5)
}
