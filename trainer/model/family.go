package model

// Arch is a family of architectures: the names of parameters in files, and the choices where a Config makes none.
type Arch string

// The families.
const (
	GPT2  Arch = "gpt2"  // decoder: learned positions, layer norms before, GELU (tanh), tied head, biases (Radford et al. 2019)
	Llama Arch = "llama" // decoder: RoPE, RMS norms before, SwiGLU, a head of its own, no biases (Touvron et al. 2023)
	BERT  Arch = "bert"  // encoder: learned positions, layer norms after, GELU (exact), tied head behind a dense layer (Devlin et al. 2019)
	T5    Arch = "t5"    // encoder-decoder: relative buckets, RMS norms before, ReLU, tied head, scores not scaled (Raffel et al. 2020)
)

// Kind says which way attention looks, and so what a model is for.
type Kind string

// The kinds of model.
const (
	Decoder        Kind = "decoder"         // each token sees those before it: it continues texts
	Encoder        Kind = "encoder"         // each token sees all: it fills in masked tokens
	EncoderDecoder Kind = "encoder-decoder" // an encoder reads one text, a decoder that sees it writes another
)

// Kind is the family's kind.
func (a Arch) Kind() Kind {
	switch a {
	case BERT:
		return Encoder
	case T5:
		return EncoderDecoder
	}
	return Decoder
}

// family is what a family chooses.
type family struct {
	position   Position
	norm       Norm
	place      Place
	eps        float64
	activation Activation
	tie        Choice
	segments   int
}

func (a Arch) known() bool { return a == GPT2 || a == Llama || a == BERT || a == T5 }

func (a Arch) family() family {
	switch a {
	case GPT2:
		return family{Learned, LayerNorm, Pre, 1e-5, GELU, Yes, 0}
	case Llama:
		return family{Rope, RMSNorm, Pre, 1e-5, SwiGLU, No, 0}
	case BERT:
		return family{Learned, LayerNorm, Post, 1e-12, GELUExact, Yes, 2}
	case T5:
		return family{Relative, RMSNorm, Pre, 1e-6, ReLU, Yes, 0}
	}
	return family{}
}

// Position is how a model knows the order of tokens.
type Position string

// The kinds of positions.
const (
	Learned    Position = "learned"    // a table, added to the embedding
	Sinusoidal Position = "sinusoidal" // the table of sines of Vaswani et al. 2017, added to the embedding
	Rope       Position = "rope"       // queries and keys are turned by their position (Su et al. 2021)
	ALiBi      Position = "alibi"      // scores fall with distance, at a slope of each head's (Press et al. 2022)
	Relative   Position = "relative"   // scores have a learned addend by head and bucket of distances (Raffel et al. 2020)
	NoPosition Position = "none"       // a decoder still tells order from what it cannot see (Haviv et al. 2022)
)

func (p Position) known() bool {
	switch p {
	case Learned, Sinusoidal, Rope, ALiBi, Relative, NoPosition:
		return true
	}
	return false
}

// Norm is a kind of normalisation.
type Norm string

// The kinds of normalisation.
const (
	LayerNorm Norm = "layernorm" // (x-mean)/√(variance+eps)·gain + bias (Ba et al. 2016)
	RMSNorm   Norm = "rmsnorm"   // x/√(mean square+eps)·gain (Zhang & Sennrich 2019)
)

func (n Norm) known() bool { return n == LayerNorm || n == RMSNorm }

// Place is where the norms of a block stand.
type Place string

// The places of norms. f is attention or the feed-forward part.
const (
	Pre  Place = "pre"  // x + f(norm(x)), and a norm before the head
	Post Place = "post" // norm(x + f(x)), and a norm after the embedding
	Both Place = "both" // x + norm(f(norm(x))), and a norm before the head, as in Gemma 2
)

func (p Place) known() bool { return p == Pre || p == Post || p == Both }

// Activation is the non-linear function of the feed-forward part.
type Activation string

// The activations.
const (
	GELU      Activation = "gelu"       // by tanh (Hendrycks & Gimpel 2016)
	GELUExact Activation = "gelu_exact" // by the error function
	ReLU      Activation = "relu"
	SiLU      Activation = "silu"   // x·sigmoid(x), Swish
	ReLU2     Activation = "relu2"  // ReLU squared (So et al. 2021)
	SwiGLU    Activation = "swiglu" // silu(gate)·up (Shazeer 2020): three matrices for two
	GeGLU     Activation = "geglu"  // gelu(gate)·up, by tanh, as T5 v1.1 has
)

func (a Activation) known() bool {
	switch a {
	case GELU, GELUExact, ReLU, SiLU, ReLU2, SwiGLU, GeGLU:
		return true
	}
	return false
}

// Gated tells whether the feed-forward part has a gate beside what it gates.
func (a Activation) Gated() bool { return a == SwiGLU || a == GeGLU }
