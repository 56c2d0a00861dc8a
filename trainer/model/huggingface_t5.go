package model

import "strings"

// t5Form is the config.json of a T5ForConditionalGeneration. n_positions, the context, is only a hint there: relative positions have no
// end.
type t5Form struct {
	head
	VocabSize         int     `json:"vocab_size"`
	DModel            int     `json:"d_model"`
	DKV               int     `json:"d_kv"`
	DFF               int     `json:"d_ff"`
	NumLayers         int     `json:"num_layers"`
	NumDecoderLayers  *int    `json:"num_decoder_layers"`
	NumHeads          int     `json:"num_heads"`
	NumBuckets        int     `json:"relative_attention_num_buckets"`
	MaxDistance       int     `json:"relative_attention_max_distance"`
	LayerNormEpsilon  float64 `json:"layer_norm_epsilon"`
	FeedForwardProj   string  `json:"feed_forward_proj"`
	IsEncoderDecoder  bool    `json:"is_encoder_decoder"`
	NPositions        int     `json:"n_positions"`
	PadTokenID        int     `json:"pad_token_id"`
	EOSTokenID        int     `json:"eos_token_id"`
	StartTokenID      int     `json:"decoder_start_token_id"`
	TieWordEmbeddings *bool   `json:"tie_word_embeddings"`
	TorchDtype        string  `json:"torch_dtype"`
	ours
}

func (c Config) t5Form(own *Config) *t5Form {
	tied := c.Tie == Yes
	h := &t5Form{
		head:      head{[]string{"T5ForConditionalGeneration"}, "t5"},
		VocabSize: c.VocabSize, DModel: c.DModel, DKV: c.HeadDim, DFF: c.DFF, NumLayers: c.NEncoder, NumDecoderLayers: &c.NLayer, NumHeads: c.NHead,
		NumBuckets: c.RelativeBuckets, MaxDistance: c.RelativeDistance, LayerNormEpsilon: c.NormEps, FeedForwardProj: c.Activation.word(),
		IsEncoderDecoder: true, NPositions: c.Context, EOSTokenID: 1, TieWordEmbeddings: &tied, TorchDtype: "float32", ours: ours{own},
	}
	switch c.Activation {
	case GeGLU:
		h.FeedForwardProj = "gated-gelu"
	case SwiGLU:
		h.FeedForwardProj = "gated-silu"
	}
	return h
}

func (h *t5Form) config() (Config, error) {
	gate, gated := strings.CutPrefix(h.FeedForwardProj, "gated-")
	a, ok := words[gate]
	switch {
	case gated && (gate == "gelu" || a == GELU): // transformers means gelu_new by gated-gelu
		a = GeGLU
	case gated && a == SiLU:
		a = SwiGLU
	case gated || !ok:
		return refuse("feed_forward_proj", h.FeedForwardProj, knownActivations+", gated-gelu or gated-silu")
	}
	c := Config{
		Arch: T5, NLayer: h.NumLayers, NEncoder: h.NumLayers, NHead: h.NumHeads, DModel: h.DModel, HeadDim: h.DKV, DFF: h.DFF, Context: h.NPositions, VocabSize: h.VocabSize,
		RelativeBuckets: h.NumBuckets, RelativeDistance: h.MaxDistance, NormEps: h.LayerNormEpsilon, Activation: a, Tie: Yes,
	}
	if h.NumDecoderLayers != nil {
		c.NLayer = *h.NumDecoderLayers
	}
	if h.TieWordEmbeddings != nil && !*h.TieWordEmbeddings {
		c.Tie = No
	}
	return c, nil
}
