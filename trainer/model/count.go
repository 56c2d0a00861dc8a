package model

// Count is a number of parameters by part. A tied head is the token table and counted there.
type Count struct {
	Total     int64 `json:"total"`
	Embedding int64 `json:"embedding"` // tables of tokens and segments
	Position  int64 `json:"position"`  // tables of positions, and of relative ones
	Attention int64 `json:"attention"`
	Cross     int64 `json:"cross,omitempty"` // attention of a decoder to an encoder
	MLP       int64 `json:"mlp"`
	Norm      int64 `json:"norm"`
	Head      int64 `json:"head,omitempty"` // an untied table; BERT's dense layer, norm and biases
}

// Parameters counts the model's parameters.
func (c Config) Parameters() Count {
	var n Count
	for _, s := range c.filled().specs() {
		size := s.size()
		n.Total += size
		switch s.part {
		case PartEmbedding:
			n.Embedding += size
		case PartPosition:
			n.Position += size
		case PartAttention:
			n.Attention += size
		case PartCross:
			n.Cross += size
		case PartMLP:
			n.MLP += size
		case PartNorm:
			n.Norm += size
		case PartHead:
			n.Head += size
		}
	}
	return n
}

// FLOPsPerToken is the arithmetic of training on one token in a sequence of t: 6N + 12·L·T·h, where N counts every parameter that a
// token is multiplied by (not the tables that are only looked up: positions, segments, and an untied token table), 6 = two for the
// forward and four for the backward pass, and 12·L·T·h is attention's scores and sums over heads h wide together, counted in full
// although the causal half of them is skipped (Chowdhery et al. 2022, appendix B; as in nanoGPT). Scoring without training takes a
// third. In an encoder-decoder a token passes its own stack, and the decoder's queries see the encoder's t tokens, too: the figure
// is the mean over t tokens in and t tokens out.
func (c Config) FLOPsPerToken(t int) float64 {
	c = c.filled()
	n := c.Parameters()
	table := int64(c.VocabSize) * int64(c.DModel)
	multiplied := n.Total - n.Position - n.Embedding + table // the tied head's table
	if c.Tie == No {
		multiplied -= table
	}
	scores := 12 * float64(t) * float64(c.NHead*c.HeadDim)
	if c.Arch.Kind() != EncoderDecoder {
		return 6*float64(multiplied) + float64(c.NLayer)*scores
	}
	return (6*float64(multiplied) + float64(c.NEncoder+2*c.NLayer)*scores) / 2
}
