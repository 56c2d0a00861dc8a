package model

import "fmt"

// Config is an architecture as data. The one architecture is "gpt2": a pre-norm decoder with learned positions, GELU (tanh)
// and an output head tied to the token embedding (Radford et al. 2019).
type Config struct {
	Arch      string `json:"arch"`       // "gpt2"
	NLayer    int    `json:"n_layer"`    // blocks
	NHead     int    `json:"n_head"`     // attention heads of a block
	DModel    int    `json:"d_model"`    // width of the residual stream
	Context   int    `json:"context"`    // most tokens of a sequence
	VocabSize int    `json:"vocab_size"` // tokens known
	Bias      bool   `json:"bias"`       // biases in linear layers and layer norms, as GPT-2 has; nanoGPT trains without
}

// Default is a model that a laptop trains in minutes. Its VocabSize is 0: the tokenizer decides.
func Default() Config {
	return Config{Arch: "gpt2", NLayer: 4, NHead: 4, DModel: 128, Context: 128, Bias: true}
}

// Limits of what is built. They are far above what one machine trains and keep products of them in range.
const (
	maxLayers  = 1 << 10
	maxWidth   = 1 << 16
	maxContext = 1 << 20
	maxVocab   = 1 << 22
)

// Validate names the first key that is wrong.
func (c Config) Validate() error {
	if c.Arch != "gpt2" {
		return fmt.Errorf(`model.arch: %q is not known; use "gpt2"`, c.Arch)
	}
	for _, f := range []struct {
		key        string
		value, max int
	}{
		{"n_layer", c.NLayer, maxLayers}, {"n_head", c.NHead, maxWidth}, {"d_model", c.DModel, maxWidth},
		{"context", c.Context, maxContext}, {"vocab_size", c.VocabSize, maxVocab},
	} {
		if f.value < 1 || f.value > f.max {
			return fmt.Errorf("model.%s: %d is not between 1 and %d", f.key, f.value, f.max)
		}
	}
	if c.DModel%c.NHead != 0 {
		return fmt.Errorf("model.n_head: %d does not divide model.d_model %d", c.NHead, c.DModel)
	}
	return nil
}

// Count is a number of parameters by part. The head is tied to the token embedding and counted there.
type Count struct {
	Total     int64 `json:"total"`
	Embedding int64 `json:"embedding"` // token table
	Position  int64 `json:"position"`  // position table
	Attention int64 `json:"attention"`
	MLP       int64 `json:"mlp"`
	Norm      int64 `json:"norm"`
}

// Parameters counts the model's parameters.
func (c Config) Parameters() Count {
	var n Count
	for _, s := range c.specs() {
		size := int64(1)
		for _, d := range s.shape {
			size *= int64(d)
		}
		n.Total += size
		switch s.part {
		case partEmbedding:
			n.Embedding += size
		case partPosition:
			n.Position += size
		case partAttention:
			n.Attention += size
		case partMLP:
			n.MLP += size
		case partNorm:
			n.Norm += size
		}
	}
	return n
}

// FLOPsPerToken is the arithmetic of training on one token in a sequence of t: 6N + 12·L·T·d, where N counts every parameter
// except the position table (a lookup), 6 = two for the forward and four for the backward pass, and 12·L·T·d is attention's
// scores and sums, counted in full although the causal half of them is skipped (Chowdhery et al. 2022, appendix B; as in
// nanoGPT). Scoring without training takes a third.
func (c Config) FLOPsPerToken(t int) float64 {
	n := c.Parameters()
	return 6*float64(n.Total-n.Position) + 12*float64(c.NLayer)*float64(t)*float64(c.DModel)
}

// TrainingBytes estimates the memory that training on b sequences of t tokens takes: parameters with gradients and two moments,
// and every activation with its gradient.
func (c Config) TrainingBytes(b, t int) float64 {
	perLayer := 36*float64(c.DModel) + float64(c.NHead)*float64(t)
	perToken := float64(c.NLayer)*perLayer + float64(c.VocabSize) + 6*float64(c.DModel)
	return 16*float64(c.Parameters().Total) + 4*float64(b)*float64(t)*perToken
}
