package model

// bertForm is the config.json of a BertForMaskedLM.
type bertForm struct {
	head
	VocabSize             int     `json:"vocab_size"`
	HiddenSize            int     `json:"hidden_size"`
	NumHiddenLayers       int     `json:"num_hidden_layers"`
	NumAttentionHeads     int     `json:"num_attention_heads"`
	IntermediateSize      int     `json:"intermediate_size"`
	HiddenAct             string  `json:"hidden_act"`
	MaxPositionEmbeddings int     `json:"max_position_embeddings"`
	TypeVocabSize         int     `json:"type_vocab_size"`
	LayerNormEps          float64 `json:"layer_norm_eps"`
	PositionType          string  `json:"position_embedding_type,omitempty"`
	IsDecoder             bool    `json:"is_decoder,omitempty"`
	TieWordEmbeddings     *bool   `json:"tie_word_embeddings"`
	TorchDtype            string  `json:"torch_dtype"`
	ours
}

func (c Config) bertForm(own *Config) *bertForm {
	tied := c.Tie == Yes
	return &bertForm{
		head:      head{[]string{"BertForMaskedLM"}, "bert"},
		VocabSize: c.VocabSize, HiddenSize: c.DModel, NumHiddenLayers: c.NLayer, NumAttentionHeads: c.NHead, IntermediateSize: c.DFF,
		HiddenAct: c.Activation.word(), MaxPositionEmbeddings: c.Context, TypeVocabSize: c.NSegment, LayerNormEps: c.NormEps,
		TieWordEmbeddings: &tied, TorchDtype: "float32", ours: ours{own},
	}
}

func (h *bertForm) config() (Config, error) {
	a, ok := words[h.HiddenAct]
	switch {
	case !ok:
		return refuse("hidden_act", h.HiddenAct, knownActivations)
	case h.PositionType != "" && h.PositionType != "absolute":
		return refuse("position_embedding_type", h.PositionType, "absolute")
	case h.IsDecoder:
		return refuse("is_decoder", true, "false")
	case h.TieWordEmbeddings != nil && !*h.TieWordEmbeddings:
		return refuse("tie_word_embeddings", false, "true") // transformers then takes the bias from elsewhere, too
	}
	return Config{
		Arch: BERT, NLayer: h.NumHiddenLayers, NHead: h.NumAttentionHeads, DModel: h.HiddenSize, Context: h.MaxPositionEmbeddings, VocabSize: h.VocabSize,
		DFF: h.IntermediateSize, NSegment: h.TypeVocabSize, NormEps: h.LayerNormEps, Activation: a, Bias: true, Tie: Yes,
	}, nil
}
