package model

import (
	"fmt"

	"millrace/trainer/engine"
)

// computed refuses what the engine's graph has no operations for yet. It is here for as long as they are being built.
func (c Config) computed() error {
	if c.Norm == RMSNorm || c.Position == Rope || c.Position == Relative || c.QKNorm || c.Activation.Gated() || c.Dropout > 0 || c.LogitSoftcap > 0 || c.Arch == T5 {
		return fmt.Errorf("model: this version describes %s models and such choices, but does not compute them yet", c.Arch)
	}
	return nil
}

func (n *net) rmsNorm(string, *engine.Tensor, *engine.Parameter, float32) *engine.Tensor { return nil }
func (n *net) drop(string, *engine.Tensor, float32, *uint64) *engine.Tensor              { return nil }
func (n *net) headNorm(string, *engine.Tensor, *engine.Parameter, *engine.Parameter, float32, engine.Heads) *engine.Tensor {
	return nil
}
func (n *net) rotate(string, *engine.Tensor, *rotary, int, engine.Heads) *engine.Tensor { return nil }
func (n *net) attend(name string, h, _ *engine.Tensor, a engine.AttentionOptions) *engine.Tensor {
	return n.g.Attention(name, h, a)
}
func (n *net) relativeBias(string, *engine.Parameter, int, bool) *engine.Tensor { return nil }
func (n *net) crossAttend(string, *engine.Tensor, *engine.Tensor, engine.AttentionOptions) *engine.Tensor {
	return nil
}
func (n *net) gate(string, *engine.Tensor, engine.Activation) *engine.Tensor { return nil }
func (n *net) scale(string, *engine.Tensor, float32) *engine.Tensor          { return nil }
func (n *net) softCap(string, *engine.Tensor, float32) *engine.Tensor        { return nil }
