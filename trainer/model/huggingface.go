package model

import (
	"encoding/json"
	"fmt"
)

// huggingFace is the config.json of a GPT-2 as transformers writes it. Bias is ours: transformers has no GPT-2 without.
type huggingFace struct {
	Architectures      []string `json:"architectures"`
	ModelType          string   `json:"model_type"`
	VocabSize          int      `json:"vocab_size"`
	NPositions         int      `json:"n_positions"`
	NEmbd              int      `json:"n_embd"`
	NLayer             int      `json:"n_layer"`
	NHead              int      `json:"n_head"`
	NInner             *int     `json:"n_inner"`
	ActivationFunction string   `json:"activation_function"`
	LayerNormEpsilon   float64  `json:"layer_norm_epsilon"`
	TieWordEmbeddings  *bool    `json:"tie_word_embeddings"`
	TorchDtype         string   `json:"torch_dtype"`
	Bias               *bool    `json:"bias,omitempty"`
	ScaleByLayer       bool     `json:"scale_attn_by_inverse_layer_idx,omitempty"`
}

// HuggingFace is the config.json that goes with the model's file.
func (c Config) HuggingFace() []byte {
	tied := true
	h := huggingFace{
		Architectures: []string{"GPT2LMHeadModel"}, ModelType: "gpt2", VocabSize: c.VocabSize, NPositions: c.Context,
		NEmbd: c.DModel, NLayer: c.NLayer, NHead: c.NHead, ActivationFunction: "gelu_new", LayerNormEpsilon: 1e-5,
		TieWordEmbeddings: &tied, TorchDtype: "float32",
	}
	if !c.Bias {
		h.Bias = &c.Bias
	}
	b, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		panic(err) // a struct of numbers and strings always marshals
	}
	return append(b, '\n')
}

// ParseHuggingFace reads a config.json, ours or that of a stock GPT-2. Unknown keys are allowed, as transformers writes many;
// values that would make another network are refused by name.
func ParseHuggingFace(b []byte) (Config, error) {
	h := huggingFace{ActivationFunction: "gelu_new", LayerNormEpsilon: 1e-5}
	if err := json.Unmarshal(b, &h); err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	refuse := func(key string, value any, want string) (Config, error) {
		return Config{}, fmt.Errorf("config.json: %s %v is not supported; only %s is", key, value, want)
	}
	switch {
	case h.ModelType != "gpt2":
		return refuse("model_type", h.ModelType, "gpt2")
	case h.ActivationFunction != "gelu_new" && h.ActivationFunction != "gelu_pytorch_tanh":
		return refuse("activation_function", h.ActivationFunction, "gelu_new")
	case h.LayerNormEpsilon != 1e-5:
		return refuse("layer_norm_epsilon", h.LayerNormEpsilon, "1e-5")
	case h.TieWordEmbeddings != nil && !*h.TieWordEmbeddings:
		return refuse("tie_word_embeddings", false, "true")
	case h.ScaleByLayer:
		return refuse("scale_attn_by_inverse_layer_idx", true, "false")
	case h.NInner != nil && *h.NInner != 4*h.NEmbd:
		return refuse("n_inner", *h.NInner, "four times n_embd")
	}
	c := Config{
		Arch: "gpt2", NLayer: h.NLayer, NHead: h.NHead, DModel: h.NEmbd, Context: h.NPositions,
		VocabSize: h.VocabSize, Bias: h.Bias == nil || *h.Bias,
	}
	c, err := c.Resolve()
	if err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	return c, nil
}
