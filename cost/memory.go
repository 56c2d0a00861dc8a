package cost

import "fmt"

// Recompute says what a training step keeps of the forward pass for the backward pass.
type Recompute string

// The kinds of recomputation, by Korthikanti et al. 2022.
const (
	KeepAll   Recompute = "none"      // every activation
	Selective Recompute = "selective" // not the T × T scores, as with fused ("flash") attention
	Full      Recompute = "full"      // only each block's input; one more forward pass
)

// Precision says how a model's numbers are kept.
type Precision string

// The kinds of precision.
const (
	Float32 Precision = "fp32" // weights, gradients, moments
	Mixed   Precision = "bf16" // 16-bit weights and gradients, 32-bit master weights and moments
)

// Layout is how training is laid out in memory.
type Layout struct {
	Precision Precision // "": bf16
	Recompute Recompute // "": selective
	Batch     int       // sequences on a device at a time; 1 when zero
	Context   int       // tokens of a sequence; the shape's when zero
	// Shards is over how many devices ZeRO spreads the state, Stage which of it: 1 moments and master weights, 2 gradients too, 3 weights
	// too; 0 is none (Rajbhandari et al. 2020).
	Shards, Stage int
}

// Memory is bytes on one device.
type Memory struct {
	Weights     float64 `json:"weights"`
	Gradients   float64 `json:"gradients"`
	Moments     float64 `json:"moments"` // Adam's two, in 32 bits
	Master      float64 `json:"master"`  // weights in 32 bits beside those in 16
	Activations float64 `json:"activations"`
	Logits      float64 `json:"logits"` // of the head, in 32 bits
	Cache       float64 `json:"cache"`  // keys and values, when generating
	Total       float64 `json:"total"`
}

// TrainingMemory is what one device holds. State is 16 bytes a parameter with Adam, in either precision (Rajbhandari et al. 2020,
// section 3.1: 2 + 2 + 4 + 4 + 4; in 32 bits 4 + 4 + 4 + 4). Activations are Korthikanti et al. 2022, equations 1 and 2, for 16 bits:
// s·b·h·L·(34 + 5·a·s/h) bytes, 34·s·b·h·L without the scores, and 2·s·b·h·L with full recomputation, of which one block at a
// time is whole again. They count a feed-forward part of 4h with GELU and dropout; ours scales that share to the shape's own.
// Errors: ErrBadShape.
func (s Shape) TrainingMemory(l Layout) (Memory, error) {
	s, err := s.Filled()
	if err != nil {
		return Memory{}, err
	}
	precision, recompute := or(l.Precision, Mixed), or(l.Recompute, Selective)
	if precision != Mixed && precision != Float32 {
		return Memory{}, fmt.Errorf("cost: precision %q is none of fp32, bf16: %w", precision, ErrBadShape)
	}
	if l.Stage < 0 || l.Stage > 3 || l.Shards < 0 || l.Batch < 0 || l.Context < 0 {
		return Memory{}, fmt.Errorf("cost: ZeRO stage %d of %d shards, batch %d of %d: want stage 0 to 3 and nothing negative: %w", l.Stage, l.Shards, l.Batch, l.Context, ErrBadShape)
	}
	n, shards := float64(s.count().Total), float64(max(l.Shards, 1))
	split := func(stage int) float64 {
		if l.Stage >= stage {
			return shards
		}
		return 1
	}
	var m Memory
	m.Moments = 8 * n / split(1)
	if precision == Mixed {
		m.Weights, m.Gradients, m.Master = 2*n/split(3), 2*n/split(2), 4*n/split(1)
	} else {
		m.Weights, m.Gradients = 4*n/split(3), 4*n/split(2)
	}
	wide := 1.0 // Korthikanti's figures are for 16 bits
	if precision == Float32 {
		wide = 2
	}
	length, batch := float64(or(l.Context, s.Context)), float64(max(l.Batch, 1))
	h, a := float64(s.DModel), float64(s.NHead)
	ups := 1.0
	if s.Gated {
		ups = 2
	}
	// 11 of attention, 19 of the feed-forward part (2 its input, 16 two of 4h, 1 dropout), 4 of norms.
	feed := 3 + 4*float64(s.Hidden)/h*(1+ups)/2
	block := 11 + feed + 4
	scores := 5 * a * length / h
	layers, token := float64(s.NLayer+s.EncoderLayers), wide*length*batch*h
	switch recompute {
	case KeepAll:
		m.Activations = token * layers * (block + scores)
	case Selective:
		m.Activations = token * layers * block
	case Full:
		m.Activations = token * (2*layers + block)
	default:
		return Memory{}, fmt.Errorf("cost: recompute %q is none of none, selective, full: %w", recompute, ErrBadShape)
	}
	if !s.NoHead {
		m.Logits = 4 * length * batch * float64(s.Vocab)
	}
	m.Total = m.Weights + m.Gradients + m.Moments + m.Master + m.Activations + m.Logits
	return m, nil
}

// InferenceMemory is weights and the cache of keys and values: 2·L·kv·q·T numbers a sequence (Pope et al. 2022; grouped queries,
// Ainslie et al. 2023, shrink kv). bytes is of one number: 2 for 16 bits. Errors: ErrBadShape.
func (s Shape) InferenceMemory(sequences, t int, bytes float64) (Memory, error) {
	s, err := s.Filled()
	if err != nil {
		return Memory{}, err
	}
	if sequences < 0 || t < 0 || !(bytes > 0) {
		return Memory{}, fmt.Errorf("cost: %d sequences of %d tokens at %v bytes a number: %w", sequences, t, bytes, ErrBadShape)
	}
	caches := float64(s.NLayer)
	switch s.Kind {
	case Encoder:
		caches = 0
	case EncoderDecoder:
		caches *= 2 // its own tokens, and the encoder's
	}
	m := Memory{
		Weights: bytes * float64(s.count().Total),
		Cache:   bytes * 2 * caches * float64(s.KVHeads*s.HeadDim) * float64(t) * float64(sequences),
	}
	m.Total = m.Weights + m.Cache
	return m, nil
}
