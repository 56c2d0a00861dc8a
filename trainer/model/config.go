package model

import "fmt"

// Config is an architecture as data: a family, its dimensions, and the choices in which it differs from its family. Where a
// comment says that 0 (or "") is the family's, Resolve writes down which that is; see docs/models.md for a table. It is
// comparable: resolved configs that are equal are the same network, with the same names in its files.
type Config struct {
	Arch      Arch `json:"arch"`       // the family: how files name parameters, and what is chosen where nothing is said
	NLayer    int  `json:"n_layer"`    // blocks; of an encoder-decoder those of the decoder
	NHead     int  `json:"n_head"`     // attention heads of a block
	DModel    int  `json:"d_model"`    // width of the residual stream
	Context   int  `json:"context"`    // most tokens of a sequence; of an encoder-decoder those of its input, and of its output
	VocabSize int  `json:"vocab_size"` // tokens known
	Bias      bool `json:"bias"`       // biases in linear layers and layer norms, as GPT-2 and BERT have; RMS norms have none

	NKVHead  int `json:"n_kv_head,omitempty"` // heads of keys and values, each read by n_head/n_kv_head queries; 0: n_head. 1 is multi-query attention
	HeadDim  int `json:"head_dim,omitempty"`  // width of a head; 0: d_model/n_head
	DFF      int `json:"d_ff,omitempty"`      // width inside the feed-forward part; 0: see feedForward
	NEncoder int `json:"n_encoder,omitempty"` // blocks of an encoder-decoder's encoder; 0: n_layer
	NSegment int `json:"n_segment,omitempty"` // rows of the table of segments (sentence A, B); 0: bert 2, others none

	MaskToken        int         `json:"mask_token,omitempty"`        // what stands for a masked token in an encoder's input; 0: the last of the vocabulary
	Position         Position    `json:"position,omitempty"`          // how the order of tokens is told; "": the family's
	RopeTheta        float64     `json:"rope_theta,omitempty"`        // base of RoPE's wavelengths; 0: 10,000
	RopeScaling      RopeScaling `json:"rope_scaling,omitzero"`       // how RoPE is stretched beyond the context that was trained
	RelativeBuckets  int         `json:"relative_buckets,omitempty"`  // distances told apart by relative positions; 0: 32
	RelativeDistance int         `json:"relative_distance,omitempty"` // from here on distances share one bucket; 0: 128

	Norm         Norm       `json:"norm,omitempty"`          // "": the family's
	NormPlace    Place      `json:"norm_place,omitempty"`    // "": the family's
	NormEps      float64    `json:"norm_eps,omitempty"`      // 0: the family's
	Activation   Activation `json:"activation,omitempty"`    // of the feed-forward part; "": the family's
	AttnBias     bool       `json:"attn_bias,omitempty"`     // biases in the four projections of attention, where Bias gives none
	QKVBias      bool       `json:"qkv_bias,omitempty"`      // biases in queries, keys and values only, as Qwen 2 has
	QKNorm       bool       `json:"qk_norm,omitempty"`       // an RMS norm over each query's and key's head, as Qwen 3 has
	Tie          Choice     `json:"tie,omitzero"`            // whether the output head is the token table; zero: the family's
	Dropout      float64    `json:"dropout,omitempty"`       // share of numbers dropped in training: of the embedding and of what each part adds
	LogitSoftcap float64    `json:"logit_softcap,omitempty"` // logits are cap·tanh(logits/cap), as in Gemma 2; 0: no cap

	NLabel int     `json:"n_label,omitempty"` // classes of a classifier, whose head stands in the place of that over the tokens; 0: it is none
	Pool   Pooling `json:"pool,omitempty"`    // of a classifier: what of the text its head sees; "": "last"
}

// Pooling says which of a sequence's positions a classifier looks at.
type Pooling string

// The poolings.
const (
	LastToken Pooling = "last" // as transformers' classifiers of decoders do
	MeanToken Pooling = "mean"
)

// Default is a model that a laptop trains in minutes. Its VocabSize is 0: the tokenizer decides.
func Default() Config { return small(GPT2) }

// small is Default's size in another family.
func small(a Arch) Config {
	return Config{Arch: a, NLayer: 4, NHead: 4, DModel: 128, Context: 128, Bias: a == GPT2 || a == BERT}
}

// Resolve writes down what was left to the family and checks the result. The first mistake is named by its key. Resolving
// twice changes nothing.
func (c Config) Resolve() (Config, error) {
	c = c.filled()
	return c, c.check()
}

// Validate names the first key that is wrong.
func (c Config) Validate() error { return c.filled().check() }

// filled is the config with the family's choices, unchecked.
func (c Config) filled() Config {
	f := c.Arch.family()
	choose(&c.NKVHead, c.NHead)
	if c.NHead > 0 && c.DModel%c.NHead == 0 {
		choose(&c.HeadDim, c.DModel/c.NHead)
	}
	if c.Arch.Kind() == EncoderDecoder {
		choose(&c.NEncoder, c.NLayer)
	}
	if c.Arch.Kind() == Encoder && c.VocabSize > 0 {
		choose(&c.MaskToken, c.VocabSize-1)
	}
	choose(&c.NSegment, f.segments)
	choose(&c.Position, f.position)
	switch c.Position {
	case Rope:
		choose(&c.RopeTheta, 10_000)
		c.RopeScaling = c.RopeScaling.filled()
	case Relative:
		choose(&c.RelativeBuckets, 32)
		choose(&c.RelativeDistance, 128)
	}
	choose(&c.Norm, f.norm)
	choose(&c.NormPlace, f.place)
	choose(&c.NormEps, f.eps)
	choose(&c.Activation, f.activation)
	choose(&c.Tie, f.tie)
	if c.NLabel > 0 {
		choose(&c.Pool, LastToken)
	}
	choose(&c.DFF, feedForward(c.DModel, c.Activation.Gated()))
	if c.Bias {
		c.AttnBias = false // said already
	}
	if c.Bias || c.AttnBias {
		c.QKVBias = false
	}
	return c
}

// choose sets what was left out.
func choose[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// feedForward is the width inside a feed-forward part where none is given: 4·d, as in Vaswani et al. 2017. A gated one has three
// matrices for two, so it gets two thirds of that, rounded up to a multiple of 256 (Touvron et al. 2023), or of 16 in a model
// narrower than 512, which 256 would widen too much.
func feedForward(d int, gated bool) int {
	if !gated || d < 1 || d > maxWidth {
		return 4 * max(0, min(d, maxWidth))
	}
	step := 256
	if d < 512 {
		step = 16
	}
	w := (8*d + 2) / 3
	return (w + step - 1) / step * step
}

// Limits of what is built. They are far above what one machine trains and keep products of them in range.
const (
	maxLayers  = 1 << 10
	maxWidth   = 1 << 16
	maxHidden  = 1 << 18
	maxContext = 1 << 20
	maxVocab   = 1 << 22
	maxLabels  = 1 << 16
)

// check names the first key of a filled config that is wrong.
func (c Config) check() error {
	if !c.Arch.known() {
		return fmt.Errorf(`model.arch: %q is not known; use "gpt2", "llama", "bert" or "t5"`, string(c.Arch))
	}
	type bound struct {
		key                string
		value, least, most int
	}
	for _, f := range []bound{
		{"n_layer", c.NLayer, 1, maxLayers}, {"n_head", c.NHead, 1, maxWidth}, {"d_model", c.DModel, 1, maxWidth},
		{"context", c.Context, 1, maxContext}, {"vocab_size", c.VocabSize, 1, maxVocab}, {"n_kv_head", c.NKVHead, 1, maxWidth},
		{"head_dim", c.HeadDim, 0, maxWidth}, {"d_ff", c.DFF, 1, maxHidden}, {"n_segment", c.NSegment, 0, maxVocab}, {"n_encoder", c.NEncoder, 0, maxLayers}, {"n_label", c.NLabel, 0, maxLabels},
	} {
		if f.value < f.least || f.value > f.most {
			return fmt.Errorf("model.%s: %d is not between %d and %d", f.key, f.value, f.least, f.most)
		}
	}
	if c.HeadDim == 0 {
		return fmt.Errorf("model.n_head: %d does not divide model.d_model %d; choose another, or give model.head_dim", c.NHead, c.DModel)
	}
	if c.NHead%c.NKVHead != 0 {
		return fmt.Errorf("model.n_kv_head: %d does not divide model.n_head %d", c.NKVHead, c.NHead)
	}
	if c.NHead*c.HeadDim > maxWidth {
		return fmt.Errorf("model.head_dim: %d in %d heads is wider than %d", c.HeadDim, c.NHead, maxWidth)
	}
	if c.Arch.Kind() != EncoderDecoder && c.NEncoder != 0 {
		return fmt.Errorf(`model.n_encoder: %d, but only an encoder-decoder has encoder blocks; use model.arch "t5"`, c.NEncoder)
	}
	if c.MaskToken < 0 || c.MaskToken >= c.VocabSize || c.Arch.Kind() != Encoder && c.MaskToken != 0 {
		return fmt.Errorf("model.mask_token: %d is not a token below model.vocab_size %d of an encoder", c.MaskToken, c.VocabSize)
	}
	if err := c.checkChoices(); err != nil {
		return err
	}
	return c.checkPositions()
}

func (c Config) checkChoices() error {
	switch {
	case !c.Norm.known():
		return fmt.Errorf(`model.norm: %q is not known; use "layernorm" or "rmsnorm"`, string(c.Norm))
	case !c.NormPlace.known():
		return fmt.Errorf(`model.norm_place: %q is not known; use "pre", "post" or "both"`, string(c.NormPlace))
	case !(c.NormEps > 0 && c.NormEps < 1):
		return fmt.Errorf("model.norm_eps: %g is not between 0 and 1; use 1e-5", c.NormEps)
	case !c.Activation.known():
		return fmt.Errorf(`model.activation: %q is not known; use "gelu", "gelu_exact", "relu", "silu", "relu2", "swiglu" or "geglu"`, string(c.Activation))
	case c.Tie != Yes && c.Tie != No:
		return fmt.Errorf("model.tie: %d is neither true nor false", c.Tie)
	case !(c.Dropout >= 0 && c.Dropout < 1):
		return fmt.Errorf("model.dropout: %g is not a share from 0 to below 1", c.Dropout)
	case c.NLabel == 1:
		return fmt.Errorf("model.n_label: 1; a classifier tells 2 classes or more apart")
	case c.NLabel == 0 && c.Pool != "":
		return fmt.Errorf("model.pool is for a classifier; give model.n_label too")
	case c.NLabel > 0 && c.Pool != LastToken && c.Pool != MeanToken:
		return fmt.Errorf(`model.pool: %q is not known; use "last" or "mean"`, string(c.Pool))
	case c.NLabel > 0 && c.Arch.Kind() == EncoderDecoder:
		return fmt.Errorf("model.n_label: an encoder-decoder has no head for classes; use another model.arch")
	case !(c.LogitSoftcap >= 0 && c.LogitSoftcap <= 1e6):
		return fmt.Errorf("model.logit_softcap: %g is not between 0 (no cap) and 1,000,000; use 30", c.LogitSoftcap)
	}
	return nil
}

func (c Config) checkPositions() error {
	if !c.Position.known() {
		return fmt.Errorf(`model.position: %q is not known; use "learned", "sinusoidal", "rope", "alibi", "relative" or "none"`, string(c.Position))
	}
	if c.Position == Sinusoidal && c.DModel%2 != 0 {
		return fmt.Errorf("model.d_model: %d is odd; sinusoidal positions come in pairs of sine and cosine", c.DModel)
	}
	if c.Position != Relative && (c.RelativeBuckets != 0 || c.RelativeDistance != 0) {
		return fmt.Errorf(`model.relative_buckets and model.relative_distance are for model.position "relative", not %q`, string(c.Position))
	}
	if c.Position == Relative {
		if b := c.RelativeBuckets; b < 4 || b%2 != 0 || b > maxContext {
			return fmt.Errorf("model.relative_buckets: %d is not an even number between 4 and %d; use 32", b, maxContext)
		}
		if d := c.RelativeDistance; d <= c.RelativeBuckets || d > maxContext {
			return fmt.Errorf("model.relative_distance: %d is not above model.relative_buckets %d and at most %d; use 128", d, c.RelativeBuckets, maxContext)
		}
	}
	if c.Position != Rope {
		if c.RopeTheta != 0 || c.RopeScaling != (RopeScaling{}) {
			return fmt.Errorf(`model.rope_theta and model.rope_scaling are for model.position "rope", not %q`, string(c.Position))
		}
		return nil
	}
	if c.HeadDim%2 != 0 {
		return fmt.Errorf("model.head_dim: %d is odd; RoPE turns pairs of numbers", c.HeadDim)
	}
	if !(c.RopeTheta > 1 && c.RopeTheta <= 1e12) {
		return fmt.Errorf("model.rope_theta: %g is not between 1 and 1e12; use 10000", c.RopeTheta)
	}
	return c.RopeScaling.check(c)
}
