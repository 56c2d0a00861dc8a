package model

import "fmt"

// layout is how a family's files name parameters, and which way their matrices lie. Where a name is empty the family has no such
// part, or its parts are not split.
type layout struct {
	transposed bool // linear weights are [out, in], as torch's Linear keeps them; otherwise [in, out], as GPT-2's Conv1D

	tokens, positions, segments string // tables; positions of an encoder-decoder are under its stacks
	head                        string // a head that is not tied
	// Of BERT's head: a dense layer and a norm before the token table, and a bias after it.
	headDense, headNorm, headBias string

	stack func(encoder bool) stackLayout
}

// stackLayout names the parts of a stack of blocks.
type stackLayout struct {
	embedNorm, finalNorm string // norms after the embedding and before the head, without ".weight"
	positions, relative  string // tables of an encoder-decoder's stack
	block                func(l int) blockLayout
}

// blockLayout names the parts of a block; those of a linear layer or a norm without ".weight" and ".bias".
type blockLayout struct {
	attention, cross attentionLayout
	mlp              mlpLayout
}

// attentionLayout names the parts of an attention. Queries, keys and values are one parameter, qkv, whose parts q, k and v are
// tensors of their own in the file, if they have names; in a cross attention q stands alone and kv is one parameter.
type attentionLayout struct {
	norm, qkv, q, k, v, out, qNorm, kNorm string
}

// mlpLayout names the parts of a feed-forward part. up is one parameter; where it is gated, gateUp is, whose parts are gate and up.
type mlpLayout struct {
	norm, gateUp, gate, up, down string
}

// after is what the norm behind a part is called where there is another before it.
const after = "_post"

func (a Arch) layout() layout {
	switch a {
	case Llama:
		return llamaLayout()
	case BERT:
		return bertLayout()
	case T5:
		return t5Layout()
	}
	return gpt2Layout()
}

func gpt2Layout() layout {
	return layout{
		tokens: "transformer.wte.weight", positions: "transformer.wpe.weight", segments: "transformer.wse.weight", head: "lm_head.weight",
		stack: func(bool) stackLayout {
			return stackLayout{
				embedNorm: "transformer.ln_e", finalNorm: "transformer.ln_f", relative: "transformer.relative_attention_bias.weight",
				block: func(l int) blockLayout {
					b := fmt.Sprintf("transformer.h.%d.", l)
					return blockLayout{
						attention: attentionLayout{norm: b + "ln_1", qkv: b + "attn.c_attn", out: b + "attn.c_proj", qNorm: b + "attn.q_norm", kNorm: b + "attn.k_norm"},
						mlp:       mlpLayout{norm: b + "ln_2", gateUp: b + "mlp.c_fc", up: b + "mlp.c_fc", down: b + "mlp.c_proj"},
					}
				},
			}
		},
	}
}

func llamaLayout() layout {
	return layout{
		transposed: true, tokens: "model.embed_tokens.weight", positions: "model.embed_positions.weight", segments: "model.embed_segments.weight", head: "lm_head.weight",
		stack: func(bool) stackLayout {
			return stackLayout{
				embedNorm: "model.embed_norm", finalNorm: "model.norm", relative: "model.relative_attention_bias.weight",
				block: func(l int) blockLayout {
					b := fmt.Sprintf("model.layers.%d.", l)
					a, m := b+"self_attn.", b+"mlp."
					return blockLayout{
						attention: attentionLayout{
							norm: b + "input_layernorm", qkv: a + "qkv_proj", q: a + "q_proj", k: a + "k_proj", v: a + "v_proj", out: a + "o_proj", qNorm: a + "q_norm", kNorm: a + "k_norm",
						},
						mlp: mlpLayout{norm: b + "post_attention_layernorm", gateUp: m + "gate_up_proj", gate: m + "gate_proj", up: m + "up_proj", down: m + "down_proj"},
					}
				},
			}
		},
	}
}

func bertLayout() layout {
	const e, h = "bert.embeddings.", "cls.predictions."
	return layout{
		transposed: true, tokens: e + "word_embeddings.weight", positions: e + "position_embeddings.weight", segments: e + "token_type_embeddings.weight",
		head: h + "decoder.weight", headDense: h + "transform.dense", headNorm: h + "transform.LayerNorm", headBias: h + "bias",
		stack: func(bool) stackLayout {
			return stackLayout{
				embedNorm: e + "LayerNorm", finalNorm: "bert.encoder.LayerNorm", relative: "bert.encoder.relative_attention_bias.weight",
				block: func(l int) blockLayout {
					b := fmt.Sprintf("bert.encoder.layer.%d.", l)
					a, m := b+"attention.self.", b+"intermediate."
					return blockLayout{
						attention: attentionLayout{
							norm: b + "attention.output.LayerNorm", qkv: a + "qkv", q: a + "query", k: a + "key", v: a + "value", out: b + "attention.output.dense", qNorm: a + "q_norm", kNorm: a + "k_norm",
						},
						mlp: mlpLayout{norm: b + "output.LayerNorm", gateUp: m + "gate_up", gate: m + "gate", up: m + "dense", down: b + "output.dense"},
					}
				},
			}
		},
	}
}

func t5Layout() layout {
	return layout{
		transposed: true, tokens: "shared.weight", segments: "segments.weight", head: "lm_head.weight",
		stack: func(encoder bool) stackLayout {
			s, ff := "decoder.", 2
			if encoder {
				s, ff = "encoder.", 1
			}
			return stackLayout{
				embedNorm: s + "embed_layer_norm", finalNorm: s + "final_layer_norm", positions: s + "embed_positions.weight",
				relative: s + "block.0.layer.0.SelfAttention.relative_attention_bias.weight",
				block: func(l int) blockLayout {
					attention := func(layer int, name string) attentionLayout {
						p := fmt.Sprintf("%sblock.%d.layer.%d.", s, l, layer)
						a := p + name + "."
						return attentionLayout{norm: p + "layer_norm", qkv: a + "qkv", q: a + "q", k: a + "k", v: a + "v", out: a + "o", qNorm: a + "q_norm", kNorm: a + "k_norm"}
					}
					p := fmt.Sprintf("%sblock.%d.layer.%d.", s, l, ff)
					m := p + "DenseReluDense."
					b := blockLayout{
						attention: attention(0, "SelfAttention"),
						mlp:       mlpLayout{norm: p + "layer_norm", gateUp: m + "wi_01", gate: m + "wi_0", up: m + "wi", down: m + "wo"},
					}
					if !encoder {
						b.cross = attention(1, "EncDecAttention")
						b.cross.qkv = fmt.Sprintf("%sblock.%d.layer.1.EncDecAttention.kv", s, l)
					}
					return b
				},
			}
		},
	}
}
