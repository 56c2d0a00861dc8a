package cost

// FLOPs is the arithmetic of one token, averaged over a sequence of some length. A multiply-add is two operations. The backward
// pass takes twice the forward pass: once for the gradient of its inputs, once for that of its weights.
type FLOPs struct {
	Forward  float64 `json:"forward"`
	Backward float64 `json:"backward"`
	// Attention is the part of Forward that grows with the length of the sequence: scores and weighted sums.
	Attention float64 `json:"attention"`
}

// Training is forward and backward; recomputation adds another forward pass (see Memory).
func (f FLOPs) Training() float64 { return f.Forward + f.Backward }

// Rule is Chowdhery et al. 2022 (PaLM), appendix B: training on a token takes 6N + 12·L·H·Q·T, which is what MFU is told by. N is
// every parameter that a token is multiplied by; T the length of a sequence. Attention is counted whole, although half of what a
// decoder computes is masked. In an encoder-decoder a token of T passes its own stack, which is about half of N: T/2 tokens in, T/2 out.
// Errors: ErrBadShape.
func (s Shape) Rule(t int) (FLOPs, error) {
	s, err := s.Filled()
	if err != nil {
		return FLOPs{}, err
	}
	n, l := float64(s.count().Multiplied()), float64(s.NLayer)
	if s.Kind == EncoderDecoder {
		return s.exact(t), nil // 6N would count each token in both stacks
	}
	attention := 4 * l * float64(s.NHead*s.HeadDim) * float64(t)
	return flops(2*n+attention, attention), nil
}

// Exact counts matrix products, one by one: projections, scores, weighted sums, feed-forward parts and the head. It leaves out
// norms, softmax and look-ups, which are below a percent. Errors: ErrBadShape.
func (s Shape) Exact(t int) (FLOPs, error) {
	s, err := s.Filled()
	if err != nil {
		return FLOPs{}, err
	}
	return s.exact(t), nil
}

func (s Shape) exact(t int) FLOPs {
	d, q, kv := float64(s.DModel), float64(s.NHead*s.HeadDim), float64(s.KVHeads*s.HeadDim)
	ups := 1.0
	if s.Gated {
		ups = 2
	}
	project := 2*d*q + 2*2*d*kv + 2*q*d
	feed := 2 * (ups + 1) * d * float64(s.Hidden)
	look := func(at float64) float64 { return 2 * 2 * q * at } // scores and sums over so many tokens
	head := 2 * d * float64(s.Vocab)
	if s.NoHead {
		head = 0
	}
	length := float64(t)
	if s.Kind != EncoderDecoder {
		l := float64(s.NLayer)
		return flops(l*(project+feed+look(length))+head, l*look(length))
	}
	half := length / 2 // of the tokens go in, the others come out
	in := float64(s.EncoderLayers) * (project + feed + look(half))
	out := float64(s.NLayer)*(2*project+feed+2*look(half)) + head
	attention := (float64(s.EncoderLayers)*look(half) + float64(s.NLayer)*2*look(half)) / 2
	return flops((in+out)/2, attention)
}

// Chinchilla is Hoffmann et al. 2022, appendix F, to the letter: embedding as a product with a one-hot row, softmax at three
// operations a score, all of it per token of a sequence of t. It is for comparing with their tables; they ignore gates and grouped keys.
// Errors: ErrBadShape.
func (s Shape) Chinchilla(t int) (FLOPs, error) {
	s, err := s.Filled()
	if err != nil {
		return FLOPs{}, err
	}
	d, q, v, length := float64(s.DModel), float64(s.NHead*s.HeadDim), float64(s.Vocab), float64(t)
	scores := 2*length*q + 3*float64(s.NHead)*length + 2*length*q
	layer := 2*3*d*q + scores + 2*q*d + 2*(d*float64(s.Hidden)+d*float64(s.Hidden))
	l := float64(s.NLayer)
	return flops(2*v*d+l*layer+2*d*v, l*scores), nil
}

func flops(forward, attention float64) FLOPs {
	return FLOPs{Forward: forward, Backward: 2 * forward, Attention: attention}
}
