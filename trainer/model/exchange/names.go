package exchange

import "fmt"

// name is a tensor in transformers' words and in llama.cpp's, with its shape in transformers.
type name struct {
	hf, gguf string
	shape    []int
	turned   bool // a matrix that llama.cpp has the other way around
	heads    int  // rows that are permuted, as those of so many heads; 0: none are
	vector   bool // norms, biases, positions: always F32 in llama.cpp
	missing  bool // a bias that a GPT-2 of ours may lack
}

// names lists the tensors that a model of c has, in transformers' order, without the head when it is tied.
func (c *config) names() []name {
	if c.ModelType == "gpt2" {
		return c.gpt2Names()
	}
	return c.llamaNames()
}

func (c *config) gpt2Names() []name {
	d, inner := c.NEmbd, *c.NInner
	all := []name{
		{hf: "transformer.wte.weight", gguf: "token_embd.weight", shape: []int{c.VocabSize, d}},
		{hf: "transformer.wpe.weight", gguf: "position_embd.weight", shape: []int{c.NPositions, d}, vector: true},
	}
	pair := func(hf, gguf string, turned bool, shape ...int) {
		all = append(all, name{hf: hf + ".weight", gguf: gguf + ".weight", shape: shape, turned: turned, vector: len(shape) == 1},
			name{hf: hf + ".bias", gguf: gguf + ".bias", shape: shape[len(shape)-1:], vector: true, missing: true})
	}
	for l := range c.NLayer {
		h, g := fmt.Sprintf("transformer.h.%d.", l), fmt.Sprintf("blk.%d.", l)
		pair(h+"ln_1", g+"attn_norm", false, d)
		pair(h+"attn.c_attn", g+"attn_qkv", true, d, 3*d)
		pair(h+"attn.c_proj", g+"attn_output", true, d, d)
		pair(h+"ln_2", g+"ffn_norm", false, d)
		pair(h+"mlp.c_fc", g+"ffn_up", true, d, inner)
		pair(h+"mlp.c_proj", g+"ffn_down", true, inner, d)
	}
	pair("transformer.ln_f", "output_norm", false, d)
	if !c.tied() {
		all = append(all, name{hf: "lm_head.weight", gguf: "output.weight", shape: []int{c.VocabSize, d}})
	}
	return all
}

func (c *config) llamaNames() []name {
	d, dim, kv := c.Hidden, *c.HeadDim, *c.KVHeads
	all := []name{{hf: "model.embed_tokens.weight", gguf: "token_embd.weight", shape: []int{c.VocabSize, d}}}
	add := func(hf, gguf string, heads int, bias bool, shape ...int) {
		all = append(all, name{hf: hf + ".weight", gguf: gguf + ".weight", shape: shape, heads: heads, vector: len(shape) == 1})
		if bias {
			all = append(all, name{hf: hf + ".bias", gguf: gguf + ".bias", shape: shape[:1], heads: heads, vector: true})
		}
	}
	for l := range c.Layers {
		h, g := fmt.Sprintf("model.layers.%d.", l), fmt.Sprintf("blk.%d.", l)
		add(h+"self_attn.q_proj", g+"attn_q", c.Heads, c.QKVBias, c.Heads*dim, d)
		add(h+"self_attn.k_proj", g+"attn_k", kv, c.QKVBias, kv*dim, d)
		add(h+"self_attn.v_proj", g+"attn_v", 0, c.QKVBias, kv*dim, d)
		add(h+"self_attn.o_proj", g+"attn_output", 0, c.QKVBias, d, c.Heads*dim)
		add(h+"mlp.gate_proj", g+"ffn_gate", 0, c.MLPBias, c.Inner, d)
		add(h+"mlp.up_proj", g+"ffn_up", 0, c.MLPBias, c.Inner, d)
		add(h+"mlp.down_proj", g+"ffn_down", 0, c.MLPBias, d, c.Inner)
		add(h+"input_layernorm", g+"attn_norm", 0, false, d)
		add(h+"post_attention_layernorm", g+"ffn_norm", 0, false, d)
	}
	add("model.norm", "output_norm", 0, false, d)
	if !c.tied() {
		add("lm_head", "output", 0, false, c.VocabSize, d)
	}
	return all
}

// toNeighbours says which row of transformers' a row of llama.cpp's is, when heads of dim rows are rotated: 2i and 2i+1 there are i and
// i+dim/2 here.
func toNeighbours(dim int) func(int) int {
	return func(r int) int {
		head, at := r/dim, r%dim
		return head*dim + at%2*(dim/2) + at/2
	}
}

// toHalves is the other way around.
func toHalves(dim int) func(int) int {
	return func(r int) int {
		head, at := r/dim, r%dim
		return head*dim + at%(dim/2)*2 + at/(dim/2)
	}
}
