package optim

import (
	"strings"

	"millrace/trainer/engine"
)

// kind is how a parameter is to be treated.
type kind int

const (
	gain   kind = iota // gains, biases and anything else of one dimension
	linear             // matrices that multiply
	lookup             // matrices whose rows are looked up, and heads: token, position and type embeddings, relative biases, classifiers
)

// kindOf tells by shape and name. The names are those of Hugging Face's files, which this program's models have.
func kindOf(p *engine.Parameter) kind {
	if len(p.Shape) < 2 {
		return gain
	}
	for _, part := range []string{"wte", "wpe", "embed", "lm_head", "shared.", "relative_attention_bias", "cls.predictions.decoder", "score.", "classifier."} {
		if strings.Contains(p.Name, part) {
			return lookup
		}
	}
	return linear
}

// decayed tells whether weight decay applies to a parameter.
func (c Config) decayed(p *engine.Parameter) bool {
	switch c.Decay {
	case decayAll:
		return true
	case decayLinear:
		return kindOf(p) == linear
	}
	return kindOf(p) != gain
}
