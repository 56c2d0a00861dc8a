package cost

import (
	"errors"
	"fmt"
)

// Shape is an architecture as far as arithmetic asks: a transformer's dimensions. What is zero and can be told from the rest is
// (see Filled): KVHeads, HeadDim, Hidden, PositionRows.
type Shape struct {
	Name   string `json:"name,omitempty"`
	Kind   Kind   `json:"kind,omitempty"` // "": decoder
	Vocab  int    `json:"vocab"`
	DModel int    `json:"d_model"` // width of the residual stream
	NLayer int    `json:"n_layer"` // blocks; of an encoder-decoder those of the decoder
	// EncoderLayers are an encoder-decoder's other blocks; NLayer when zero.
	EncoderLayers int  `json:"encoder_layers,omitempty"`
	NHead         int  `json:"n_head"`
	KVHeads       int  `json:"kv_heads,omitempty"` // NHead when zero; fewer share keys and values (grouped queries)
	HeadDim       int  `json:"head_dim,omitempty"` // DModel / NHead when zero
	Hidden        int  `json:"hidden,omitempty"`   // of the feed-forward part; 4·DModel when zero
	Gated         bool `json:"gated,omitempty"`    // SwiGLU, GeGLU: three matrices, not two
	Tied          bool `json:"tied,omitempty"`     // the output head is the token table
	// NoHead: no output head at all, as an encoder has whose head is thrown away.
	NoHead    bool     `json:"no_head,omitempty"`
	Positions Position `json:"positions,omitempty"` // "": learned
	Context   int      `json:"context"`             // most tokens of a sequence
	// PositionRows of the learned table, when not Context (BART keeps two more; T5 has 32 buckets).
	PositionRows int  `json:"position_rows,omitempty"`
	Segments     int  `json:"segments,omitempty"` // rows of BERT's table of sentence A and B
	Norm         Norm `json:"norm,omitempty"`     // "": layernorm
	Bias         bool `json:"bias,omitempty"`     // in every linear layer, and in layer norms
	QKVBias      bool `json:"qkv_bias,omitempty"` // only in queries, keys and values, as Qwen 2 has
	// EmbeddingNorm follows the embeddings; NoFinalNorm leaves out the one before the head. Post-norm models have the first, not the second.
	EmbeddingNorm bool `json:"embedding_norm,omitempty"`
	NoFinalNorm   bool `json:"no_final_norm,omitempty"`
	// Transform is a dense layer and a norm before the head, and a bias behind it, as BERT has for masked tokens.
	Transform bool `json:"transform,omitempty"`
}

// Kind says which way attention looks.
type Kind string

// The kinds of transformer.
const (
	Decoder        Kind = "decoder"
	Encoder        Kind = "encoder"
	EncoderDecoder Kind = "encoder-decoder"
)

// Position says how a model knows the order of tokens. Learned tables, T5's buckets and Transformer-XL's projections have parameters.
type Position string

// The kinds of positions.
const (
	Learned    Position = "learned"
	Sinusoidal Position = "sinusoidal"
	Rotary     Position = "rope"
	ALiBi      Position = "alibi"
	Relative   Position = "relative"       // T5's: PositionRows buckets × heads, once a stack
	Recurrent  Position = "transformer-xl" // a projection of distances in every layer (Dai et al. 2019), as Gopher and Chinchilla have
	NoPosition Position = "none"
)

// Norm is a kind of normalisation.
type Norm string

// The kinds of normalisation.
const (
	LayerNorm Norm = "layernorm"
	RMSNorm   Norm = "rmsnorm"
)

// ErrBadShape is returned for dimensions that no model can have.
var ErrBadShape = errors.New("bad shape")

// Limits keep every product of dimensions in range of an int64. They are far above any model.
const (
	maxVocab   = 1 << 24
	maxWidth   = 1 << 20
	maxHidden  = 1 << 22
	maxLayers  = 1 << 14
	maxContext = 1 << 24
)

// Filled returns the shape with every default written out, or says what is wrong with it. Errors: ErrBadShape.
func (s Shape) Filled() (Shape, error) {
	bad := func(format string, args ...any) (Shape, error) {
		return Shape{}, fmt.Errorf("cost: "+format+": %w", append(args, ErrBadShape)...)
	}
	s.Kind, s.Positions, s.Norm = or(s.Kind, Decoder), or(s.Positions, Learned), or(s.Norm, LayerNorm)
	switch s.Kind {
	case Decoder, Encoder, EncoderDecoder:
	default:
		return bad("kind %q is none of decoder, encoder, encoder-decoder", s.Kind)
	}
	switch s.Positions {
	case Learned, Sinusoidal, Rotary, ALiBi, Relative, Recurrent, NoPosition:
	default:
		return bad("positions %q are none of learned, sinusoidal, rope, alibi, relative, transformer-xl, none", s.Positions)
	}
	switch s.Norm {
	case LayerNorm, RMSNorm:
	default:
		return bad("norm %q is none of layernorm, rmsnorm", s.Norm)
	}
	for _, f := range []struct {
		name     string
		v, least int
		most     int
	}{
		{"vocab", s.Vocab, 1, maxVocab}, {"d_model", s.DModel, 1, maxWidth}, {"n_layer", s.NLayer, 1, maxLayers}, {"n_head", s.NHead, 1, maxWidth},
		{"context", s.Context, 1, maxContext}, {"kv_heads", s.KVHeads, 0, maxWidth}, {"head_dim", s.HeadDim, 0, maxWidth}, {"hidden", s.Hidden, 0, maxHidden},
		{"encoder_layers", s.EncoderLayers, 0, maxLayers}, {"position_rows", s.PositionRows, 0, maxContext}, {"segments", s.Segments, 0, maxVocab},
	} {
		if f.v < f.least || f.v > f.most {
			return bad("%s is %d, want %d to %d", f.name, f.v, f.least, f.most)
		}
	}
	s.KVHeads, s.Hidden = or(s.KVHeads, s.NHead), or(s.Hidden, 4*s.DModel)
	if s.NHead%s.KVHeads != 0 {
		return bad("kv_heads %d does not divide n_head %d", s.KVHeads, s.NHead)
	}
	if s.HeadDim == 0 {
		if s.DModel%s.NHead != 0 {
			return bad("n_head %d does not divide d_model %d; give head_dim", s.NHead, s.DModel)
		}
		s.HeadDim = s.DModel / s.NHead
	}
	if s.NHead*s.HeadDim > maxWidth {
		return bad("n_head × head_dim is %d, want at most %d", s.NHead*s.HeadDim, maxWidth)
	}
	switch {
	case s.Kind != EncoderDecoder:
		s.EncoderLayers = 0
	case s.EncoderLayers == 0:
		s.EncoderLayers = s.NLayer
	}
	if s.PositionRows == 0 {
		s.PositionRows = s.Context
		if s.Positions == Relative {
			s.PositionRows = 32
		}
	}
	return s, nil
}

// Count is a number of parameters by part. A head that is tied is counted as embedding.
type Count struct {
	Total     int64 `json:"total"`
	Embedding int64 `json:"embedding"` // of tokens and segments
	Position  int64 `json:"position"`
	Attention int64 `json:"attention"` // cross-attention included
	MLP       int64 `json:"mlp"`
	Norm      int64 `json:"norm"`
	Head      int64 `json:"head"`
}

// NonEmbedding is the N of Kaplan et al. 2020: without the tables of tokens and positions, and without an untied head.
func (c Count) NonEmbedding() int64 { return c.Total - c.Embedding - c.Position - c.Head }

// Multiplied is the N of 6N in PaLM's appendix B: every parameter that a token is multiplied by. A table of positions is only looked up, and so is
// a token table that is not the head too.
func (c Count) Multiplied() int64 {
	n := c.Total - c.Position
	if c.Head > 0 {
		n -= c.Embedding
	}
	return n
}

// Parameters counts exactly. The layout is that of the published checkpoints: an attention has queries (d × h·q), keys and values
// (d × kv·q) and an output (h·q × d); a feed-forward part two matrices (three if gated); every part is preceded or followed by a norm.
// Errors: ErrBadShape.
func (s Shape) Parameters() (Count, error) {
	s, err := s.Filled()
	if err != nil {
		return Count{}, err
	}
	return s.count(), nil
}

// count is Parameters of a filled shape.
func (s Shape) count() Count {
	var c Count
	d, stacks := int64(s.DModel), int64(1)
	if s.Kind == EncoderDecoder {
		stacks = 2
	}
	c.Embedding = d * int64(s.Vocab+s.Segments)
	switch s.Positions {
	case Learned:
		c.Position = stacks * d * int64(s.PositionRows)
	case Relative:
		c.Position = stacks * int64(s.NHead) * int64(s.PositionRows)
	}
	blocks := int64(s.NLayer + s.EncoderLayers)
	attentions := blocks
	if s.Kind == EncoderDecoder {
		attentions += int64(s.NLayer) // the decoder looks at the encoder, too
	}
	q, kv := int64(s.NHead*s.HeadDim), int64(s.KVHeads*s.HeadDim)
	attention := d*q + 2*d*kv + q*d
	if s.Bias || s.QKVBias {
		attention += q + 2*kv
	}
	if s.Bias {
		attention += d
	}
	if s.Positions == Recurrent {
		attention += d*q + 2*q
	}
	c.Attention = attentions * attention
	hidden, ups := int64(s.Hidden), int64(1)
	if s.Gated {
		ups = 2
	}
	mlp := (ups + 1) * d * hidden
	if s.Bias {
		mlp += ups*hidden + d
	}
	c.MLP = blocks * mlp
	norms := attentions + blocks
	if s.EmbeddingNorm {
		norms += stacks
	}
	if !s.NoFinalNorm {
		norms += stacks
	}
	c.Norm = norms * d
	if s.Norm == LayerNorm && s.Bias {
		c.Norm *= 2
	}
	if !s.Tied && !s.NoHead {
		c.Head = d * int64(s.Vocab)
	}
	if s.Transform { // counted as a feed-forward part, for a token is multiplied by it though the head is tied
		c.MLP += d * d
		c.Norm += d
		if s.Bias {
			c.MLP += d + int64(s.Vocab)
		}
		if s.Bias && s.Norm == LayerNorm {
			c.Norm += d
		}
	}
	c.Total = c.Embedding + c.Position + c.Attention + c.MLP + c.Norm + c.Head
	return c
}

// or is v, or otherwise when v is its type's zero.
func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
