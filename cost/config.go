package cost

import "encoding/json"

// OfConfig is the shape of the model in a training's configuration as the trainer writes it: what it leaves out of a GPT-2 is GPT-2's, of
// other families nothing is left out. The vocabulary may be 0: it was left to the tokenizer. Gains of QK-norm, second norms and biases
// of attention alone are not counted; they are below a thousandth. False for what is no such configuration.
func OfConfig(raw []byte) (Shape, bool) {
	var c struct {
		Model struct {
			Arch       string `json:"arch"`
			NLayer     int    `json:"n_layer"`
			NEncoder   int    `json:"n_encoder"`
			NHead      int    `json:"n_head"`
			NKVHead    int    `json:"n_kv_head"`
			HeadDim    int    `json:"head_dim"`
			DModel     int    `json:"d_model"`
			DFF        int    `json:"d_ff"`
			Context    int    `json:"context"`
			VocabSize  int    `json:"vocab_size"`
			NSegment   int    `json:"n_segment"`
			Bias       bool   `json:"bias"`
			QKVBias    bool   `json:"qkv_bias"`
			AttnBias   bool   `json:"attn_bias"`
			Position   string `json:"position"`
			Buckets    int    `json:"relative_buckets"`
			Norm       string `json:"norm"`
			NormPlace  string `json:"norm_place"`
			Activation string `json:"activation"`
			Tie        *bool  `json:"tie"`
		} `json:"model"`
	}
	if json.Unmarshal(raw, &c) != nil {
		return Shape{}, false
	}
	m := c.Model
	s := Shape{
		Vocab: m.VocabSize, DModel: m.DModel, NLayer: m.NLayer, EncoderLayers: m.NEncoder, NHead: m.NHead, KVHeads: m.NKVHead, HeadDim: m.HeadDim, Hidden: m.DFF,
		Context: m.Context, Segments: m.NSegment, Bias: m.Bias, QKVBias: m.QKVBias || m.AttnBias, Positions: Position(m.Position), PositionRows: m.Buckets, Norm: Norm(m.Norm),
		Gated: m.Activation == "swiglu" || m.Activation == "geglu", Tied: m.Tie == nil || *m.Tie,
		EmbeddingNorm: m.NormPlace == "post", NoFinalNorm: m.NormPlace == "post",
	}
	switch m.Arch {
	case "gpt2", "llama":
	case "bert":
		s.Kind, s.Transform = Encoder, true
	case "t5":
		s.Kind = EncoderDecoder
	default:
		return Shape{}, false
	}
	return s, true
}
