package model

// gpt2Form is the config.json of a GPT2LMHeadModel. Bias is ours: transformers has no GPT-2 without, and reads absent ones as zero.
type gpt2Form struct {
	head
	VocabSize          int     `json:"vocab_size"`
	NPositions         int     `json:"n_positions"`
	NEmbd              int     `json:"n_embd"`
	NLayer             int     `json:"n_layer"`
	NHead              int     `json:"n_head"`
	NInner             *int    `json:"n_inner"`
	ActivationFunction string  `json:"activation_function"`
	LayerNormEpsilon   float64 `json:"layer_norm_epsilon"`
	TieWordEmbeddings  *bool   `json:"tie_word_embeddings"`
	TorchDtype         string  `json:"torch_dtype"`
	Bias               *bool   `json:"bias,omitempty"`
	ScaleByLayer       bool    `json:"scale_attn_by_inverse_layer_idx,omitempty"`
	ScaleWeights       *bool   `json:"scale_attn_weights,omitempty"`
	CrossAttention     bool    `json:"add_cross_attention,omitempty"`
	ours
}

func (c Config) gpt2Form(own *Config) *gpt2Form {
	tied := c.Tie == Yes
	h := &gpt2Form{
		head:      head{[]string{"GPT2LMHeadModel"}, "gpt2"},
		VocabSize: c.VocabSize, NPositions: c.Context, NEmbd: c.DModel, NLayer: c.NLayer, NHead: c.NHead,
		ActivationFunction: c.Activation.word(), LayerNormEpsilon: c.NormEps, TieWordEmbeddings: &tied, TorchDtype: "float32", ours: ours{own},
	}
	if c.DFF != 4*c.DModel {
		h.NInner = &c.DFF
	}
	if !c.Bias {
		h.Bias = &c.Bias
	}
	return h
}

func (h *gpt2Form) config() (Config, error) {
	a, ok := words[h.ActivationFunction]
	switch {
	case !ok:
		return refuse("activation_function", h.ActivationFunction, knownActivations)
	case h.ScaleByLayer:
		return refuse("scale_attn_by_inverse_layer_idx", true, "false")
	case h.ScaleWeights != nil && !*h.ScaleWeights:
		return refuse("scale_attn_weights", false, "true")
	case h.CrossAttention:
		return refuse("add_cross_attention", true, "false")
	}
	c := Config{
		Arch: GPT2, NLayer: h.NLayer, NHead: h.NHead, DModel: h.NEmbd, Context: h.NPositions, VocabSize: h.VocabSize,
		Bias: h.Bias == nil || *h.Bias, Activation: a, NormEps: h.LayerNormEpsilon, Tie: Yes,
	}
	if h.NInner != nil {
		c.DFF = *h.NInner
	}
	if h.TieWordEmbeddings != nil && !*h.TieWordEmbeddings {
		c.Tie = No
	}
	return c, nil
}
