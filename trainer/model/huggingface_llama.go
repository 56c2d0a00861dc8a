package model

import "math"

// llamaForm is the config.json of a LlamaForCausalLM, and of its kin where they are the same network: Mistral as long as its
// window covers the context, Qwen 2 (biases in queries, keys and values), Qwen 3 (QK-norm).
type llamaForm struct {
	head
	VocabSize             int       `json:"vocab_size"`
	HiddenSize            int       `json:"hidden_size"`
	IntermediateSize      int       `json:"intermediate_size"`
	NumHiddenLayers       int       `json:"num_hidden_layers"`
	NumAttentionHeads     int       `json:"num_attention_heads"`
	NumKeyValueHeads      int       `json:"num_key_value_heads"`
	HeadDim               int       `json:"head_dim"`
	HiddenAct             string    `json:"hidden_act"`
	MaxPositionEmbeddings int       `json:"max_position_embeddings"`
	RMSNormEps            float64   `json:"rms_norm_eps"`
	RopeTheta             float64   `json:"rope_theta,omitempty"`
	RopeScaling           *ropeForm `json:"rope_scaling"`
	RopeParameters        *ropeForm `json:"rope_parameters,omitempty"` // both of the above, as transformers 5 writes it
	PartialRotaryFactor   *float64  `json:"partial_rotary_factor,omitempty"`
	AttentionBias         bool      `json:"attention_bias"`
	MLPBias               bool      `json:"mlp_bias"`
	SlidingWindow         *int      `json:"sliding_window,omitempty"`
	UseSlidingWindow      bool      `json:"use_sliding_window,omitempty"`
	TieWordEmbeddings     bool      `json:"tie_word_embeddings"`
	TorchDtype            string    `json:"torch_dtype"`
	ours
}

// ropeForm is rope_scaling. Its type was "type" before it was "rope_type".
type ropeForm struct {
	RopeType            string   `json:"rope_type,omitempty"`
	Type                string   `json:"type,omitempty"`
	RopeTheta           float64  `json:"rope_theta,omitempty"`
	Factor              float64  `json:"factor,omitempty"`
	OriginalContext     float64  `json:"original_max_position_embeddings,omitempty"` // some files write 4096.0
	LowFreqFactor       float64  `json:"low_freq_factor,omitempty"`
	HighFreqFactor      float64  `json:"high_freq_factor,omitempty"`
	BetaFast            float64  `json:"beta_fast,omitempty"`
	BetaSlow            float64  `json:"beta_slow,omitempty"`
	AttentionFactor     float64  `json:"attention_factor,omitempty"`
	MScale              float64  `json:"mscale,omitempty"`
	MScaleAllDim        float64  `json:"mscale_all_dim,omitempty"`
	Truncate            *bool    `json:"truncate,omitempty"`
	PartialRotaryFactor *float64 `json:"partial_rotary_factor,omitempty"`
}

// newLlamaForm has what transformers takes where a key is absent.
func newLlamaForm(modelType string) *llamaForm {
	h := &llamaForm{HiddenAct: "silu", MaxPositionEmbeddings: 2048, RMSNormEps: 1e-6}
	switch modelType {
	case "mistral":
		window := 4096
		h.MaxPositionEmbeddings, h.SlidingWindow, h.NumKeyValueHeads = 4096*32, &window, 8
	case "qwen2":
		h.MaxPositionEmbeddings = 32768
	case "qwen3":
		h.MaxPositionEmbeddings, h.HeadDim = 32768, 128
	}
	return h
}

func (c Config) llamaForm(own *Config) *llamaForm {
	h := &llamaForm{
		head:      head{[]string{"LlamaForCausalLM"}, "llama"},
		VocabSize: c.VocabSize, HiddenSize: c.DModel, IntermediateSize: c.DFF, NumHiddenLayers: c.NLayer, NumAttentionHeads: c.NHead,
		NumKeyValueHeads: c.NKVHead, HeadDim: c.HeadDim, HiddenAct: "silu", MaxPositionEmbeddings: c.Context, RMSNormEps: c.NormEps,
		RopeTheta: c.RopeTheta, AttentionBias: c.Bias || c.AttnBias, MLPBias: c.Bias, TieWordEmbeddings: c.Tie == Yes, TorchDtype: "float32", ours: ours{own},
	}
	switch {
	case c.QKNorm:
		h.head = head{[]string{"Qwen3ForCausalLM"}, "qwen3"}
	case c.QKVBias:
		h.head = head{[]string{"Qwen2ForCausalLM"}, "qwen2"}
	}
	if s := c.RopeScaling; s.Type != "" {
		h.RopeScaling = &ropeForm{
			RopeType: s.Type, Factor: s.Factor, LowFreqFactor: s.LowFreqFactor, HighFreqFactor: s.HighFreqFactor,
			BetaFast: s.BetaFast, BetaSlow: s.BetaSlow, AttentionFactor: s.AttentionFactor, OriginalContext: float64(s.OriginalContext),
		}
		if s.Type == dynamicScaling {
			h.MaxPositionEmbeddings, h.RopeScaling.OriginalContext = s.OriginalContext, 0
		}
	}
	return h
}

func (h *llamaForm) config() (Config, error) {
	switch {
	case h.HiddenAct != "silu" && h.HiddenAct != "swish":
		return refuse("hidden_act", h.HiddenAct, "silu")
	case h.ModelType == "mistral" && h.SlidingWindow != nil && *h.SlidingWindow < h.MaxPositionEmbeddings:
		return refuse("sliding_window", *h.SlidingWindow, "null, or one that max_position_embeddings fits into,")
	case h.UseSlidingWindow:
		return refuse("use_sliding_window", true, "false")
	case h.NumAttentionHeads > 0 && h.HiddenSize%h.NumAttentionHeads != 0:
		return refuse("num_attention_heads", h.NumAttentionHeads, "a divisor of hidden_size")
	}
	c := Config{
		Arch: Llama, NLayer: h.NumHiddenLayers, NHead: h.NumAttentionHeads, DModel: h.HiddenSize, Context: h.MaxPositionEmbeddings, VocabSize: h.VocabSize,
		NKVHead: h.NumKeyValueHeads, HeadDim: h.HeadDim, DFF: h.IntermediateSize, NormEps: h.RMSNormEps, Activation: SwiGLU, Tie: No, RopeTheta: h.RopeTheta,
	}
	if h.TieWordEmbeddings {
		c.Tie = Yes
	}
	switch h.ModelType {
	case "qwen2":
		c.QKVBias = true
	case "qwen3":
		c.QKNorm, c.AttnBias = true, h.AttentionBias
	case "llama":
		if h.MLPBias && !h.AttentionBias {
			return refuse("mlp_bias", true, "false, or true beside attention_bias,")
		}
		c.Bias, c.AttnBias = h.MLPBias, h.AttentionBias
	}
	return h.rope(c)
}

// rope reads how positions turn.
func (h *llamaForm) rope(c Config) (Config, error) {
	s := h.RopeScaling
	if s == nil {
		s = h.RopeParameters
	}
	for _, f := range []*float64{h.PartialRotaryFactor, s.partial()} {
		if f != nil && *f != 1 {
			return refuse("partial_rotary_factor", *f, "1")
		}
	}
	if s == nil {
		return c, nil
	}
	choose(&c.RopeTheta, s.RopeTheta)
	kind := s.RopeType
	choose(&kind, s.Type)
	if kind == "" || kind == "default" {
		return c, nil
	}
	if s.Truncate != nil && !*s.Truncate {
		return refuse("rope_scaling.truncate", false, "true")
	}
	original := s.OriginalContext
	choose(&original, float64(h.MaxPositionEmbeddings))
	if original != math.Trunc(original) || original < 1 || original > maxContext {
		return refuse("rope_scaling.original_max_position_embeddings", s.OriginalContext, "a whole number of tokens")
	}
	c.RopeScaling = RopeScaling{Type: kind, Factor: s.Factor}
	switch r := &c.RopeScaling; kind {
	case linearScaling:
	case dynamicScaling:
		r.OriginalContext, c.Context = h.MaxPositionEmbeddings, dynamicContext(h.MaxPositionEmbeddings, s.Factor)
	case llama3Scaling:
		r.OriginalContext, r.LowFreqFactor, r.HighFreqFactor = int(original), s.LowFreqFactor, s.HighFreqFactor
	case yarnScaling:
		r.OriginalContext, r.BetaFast, r.BetaSlow, r.AttentionFactor = int(original), s.BetaFast, s.BetaSlow, s.AttentionFactor
		if r.AttentionFactor == 0 && s.MScale != 0 && s.MScaleAllDim != 0 && s.Factor > 1 {
			r.AttentionFactor = (0.1*s.MScale*math.Log(s.Factor) + 1) / (0.1*s.MScaleAllDim*math.Log(s.Factor) + 1)
		}
	default:
		return refuse("rope_scaling.rope_type", kind, "linear, dynamic, llama3 or yarn")
	}
	return c, nil
}

func (s *ropeForm) partial() *float64 {
	if s == nil {
		return nil
	}
	return s.PartialRotaryFactor
}

// dynamicContext is how long a context dynamic scaling makes of what was trained, as far as this program allows.
func dynamicContext(trained int, factor float64) int {
	return int(min(max(float64(trained)*factor, float64(trained)), maxContext)) // NaN is not in JSON
}
