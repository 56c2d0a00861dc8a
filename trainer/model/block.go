package model

import "millrace/trainer/engine"

// stack says what a stack of blocks works on.
type stack struct {
	layout  stackLayout
	layers  int
	t       int
	causal  bool
	memory  *engine.Tensor // what an encoder made, for a decoder that looks at it
	rotary  *rotary
	lengths []int32 // of the sequences; nil: whole
}

// stack describes a stack of blocks, with the norm behind it.
func (n *net) stack(x *engine.Tensor, s stack) *engine.Tensor {
	bias := n.relative(s)
	for l := range s.layers {
		b := s.layout.block(l)
		x = n.residual(b.attention.norm, x, func(h *engine.Tensor) *engine.Tensor { return n.attention(b.attention, h, s, bias) })
		if s.memory != nil {
			x = n.residual(b.cross.norm, x, func(h *engine.Tensor) *engine.Tensor { return n.cross(b.cross, h, s) })
		}
		x = n.residual(b.mlp.norm, x, func(h *engine.Tensor) *engine.Tensor { return n.mlp(b.mlp, h) })
	}
	if n.c.NormPlace != Post {
		x = n.norm(s.layout.finalNorm, x)
	}
	return x
}

// residual adds to the stream what a part makes of it, with norms where the config has them.
func (n *net) residual(norm string, x *engine.Tensor, part func(*engine.Tensor) *engine.Tensor) *engine.Tensor {
	h := x
	if n.c.NormPlace != Post {
		h = n.norm(norm, x)
	}
	h = n.dropout(norm+".dropout", part(h))
	if n.c.NormPlace == Both {
		h = n.norm(norm+after, h)
	}
	x = n.g.Add(norm+".residual", x, h)
	if n.c.NormPlace == Post {
		x = n.norm(norm, x)
	}
	return x
}

// attention is the self-attention of a block.
func (n *net) attention(b attentionLayout, x *engine.Tensor, s stack, bias *engine.Tensor) *engine.Tensor {
	heads := n.c.heads()
	h := n.linear(b.qkv, x)
	if n.c.QKNorm {
		h = n.g.HeadNorm(b.qkv+".norm", h, n.p(b.qNorm+".weight"), n.p(b.kNorm+".weight"), float32(n.c.NormEps), heads)
	}
	if s.rotary != nil {
		h = n.g.Rotate(b.qkv+".rotate", h, engine.Angles{Cos: s.rotary.cos, Sin: s.rotary.sin}, s.t, heads)
	}
	a := engine.AttentionOptions{T: s.t, Heads: heads, Causal: s.causal, Scale: n.c.scoreScale(), Lengths: s.lengths, Bias: bias}
	if n.c.Position == ALiBi {
		a.Slopes = Slopes(n.c.NHead)
	}
	return n.linear(b.out, n.g.Attention(b.out+".heads", h, a))
}

// relative describes the addends of scores by distance that all blocks of a stack share; nil without relative positions.
func (n *net) relative(s stack) *engine.Tensor {
	if n.c.Position != Relative {
		return nil
	}
	return n.g.RelativeBias(s.layout.relative+".bias", n.p(s.layout.relative), engine.RelativeOptions{
		TQ: s.t, TK: s.t, MaxDistance: n.c.RelativeDistance, Bidirectional: !s.causal,
	})
}

// cross is a decoder's attention to what the encoder made.
func (n *net) cross(b attentionLayout, x *engine.Tensor, s stack) *engine.Tensor {
	q, kv := n.linear(b.q, x), n.linear(b.qkv, s.memory)
	a := engine.AttentionOptions{T: s.t, Heads: n.c.heads(), Scale: n.c.scoreScale(), Lengths: n.in.lengths}
	return n.linear(b.out, n.g.CrossAttention(b.out+".heads", q, kv, a))
}

// mlp is the feed-forward part of a block.
func (n *net) mlp(b mlpLayout, x *engine.Tensor) *engine.Tensor {
	if n.c.Activation.Gated() {
		x = n.g.Gate(b.down+".act", n.linear(b.gateUp, x), n.c.Activation.function())
	} else {
		x = n.activate(b.down+".act", n.linear(b.up, x))
	}
	return n.linear(b.down, x)
}
