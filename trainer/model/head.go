package model

import "millrace/trainer/engine"

// head describes the scores of every token.
func (n *net) head(x *engine.Tensor) *engine.Tensor {
	if n.n.headDense != "" {
		x = n.norm(n.n.headNorm, n.activate(n.n.headDense+".act", n.linear(n.n.headDense, x)))
	}
	if s := n.c.logitScale(); s != 1 {
		x = n.g.Scale("lm_head.scale", x, s)
	}
	table := n.n.tokens
	if n.c.Tie == No {
		table = n.n.head
	}
	x = n.g.Linear("lm_head", x, n.p(table), n.p(n.n.headBias), true)
	if n.c.LogitSoftcap > 0 {
		x = n.g.SoftCap("lm_head.cap", x, float32(n.c.LogitSoftcap))
	}
	return x
}
