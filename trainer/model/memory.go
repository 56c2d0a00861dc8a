package model

// Memory is bytes by what they are for.
type Memory struct {
	Weights     int64 `json:"weights"`
	Gradients   int64 `json:"gradients,omitempty"`
	Optimizer   int64 `json:"optimizer,omitempty"`   // AdamW's two moments
	Activations int64 `json:"activations,omitempty"` // what the backward pass reads, and what both passes are at work on
	Cache       int64 `json:"cache,omitempty"`       // keys and values of the tokens before
	Total       int64 `json:"total"`
}

func (m Memory) summed() Memory {
	m.Total = m.Weights + m.Gradients + m.Optimizer + m.Activations + m.Cache
	return m
}

// TrainingBytes is the total of TrainingMemory.
func (c Config) TrainingBytes(b, t int) float64 { return float64(c.TrainingMemory(b, t).Total) }

// TrainingMemory estimates the memory that training on b sequences of t tokens takes in float32 with AdamW, of an encoder-decoder
// with sources as long. Activations are those that the backward pass reads; see kept. The estimate is within a tenth of what the engine
// takes (see the test).
func (c Config) TrainingMemory(b, t int) Memory {
	c = c.filled()
	n := c.Parameters().Total
	return Memory{Weights: 4 * n, Gradients: 4 * n, Optimizer: 8 * n, Activations: 4 * int64(b) * int64(t) * int64(c.kept())}.summed()
}

// kept is how many numbers a token leaves for the backward pass, and at most is worked on beside them.
func (c Config) kept() int {
	d, q, row := c.DModel, c.NHead*c.HeadDim, (c.NHead+2*c.NKVHead)*c.HeadDim
	norm := d + 2 // its output, mean and deviation
	if c.NormPlace == Both {
		norm *= 2
	}
	attention := d + norm + row + q + c.NHead // the stream, its norm, queries to values, the output, sums of exponentials
	if c.QKNorm {
		attention += row
	}
	up := 2 * c.DFF // before the activation and after
	if c.Activation.Gated() {
		up += c.DFF
	}
	mlp := d + norm + up
	blocks := c.NLayer * (attention + mlp)
	if c.Arch.Kind() == EncoderDecoder {
		cross := d + norm + q + 2*c.NKVHead*c.HeadDim + q + c.NHead
		blocks += c.NLayer*cross + c.NEncoder*(attention+mlp)
	}
	top := 3*d + c.VocabSize
	if c.Arch.layout().headDense != "" {
		top += 3 * d
	}
	return blocks + top
}

// InferenceMemory is that of generating from so many sequences at once, t tokens long each, at bytes a number: weights, and the
// cache of keys and values, 2·n_layer·n_kv_head·head_dim numbers a token (Pope et al. 2022). An encoder has no cache; a decoder that
// looks at an encoder has another for what that made of t tokens.
func (c Config) InferenceMemory(sequences, t, bytes int) Memory {
	c = c.filled()
	caches := int64(2 * c.NLayer)
	switch c.Arch.Kind() {
	case Encoder:
		caches = 0
	case EncoderDecoder:
		caches *= 2
	}
	m := Memory{
		Weights: int64(bytes) * c.Parameters().Total,
		Cache:   int64(bytes) * caches * int64(c.NKVHead*c.HeadDim) * int64(sequences) * int64(t),
	}
	return m.summed()
}
