package model

import (
	"fmt"
	"math"
)

// RopeScaling says how RoPE is stretched, so that a model sees more than the context it was trained with. The zero value stretches
// nothing. The formulas are those of transformers' modeling_rope_utils, so that its configs mean the same here.
type RopeScaling struct {
	Type   string  `json:"type"`   // "linear", "dynamic", "llama3" or "yarn"
	Factor float64 `json:"factor"` // how many times longer the context is to be
	// OriginalContext is the context that was trained (dynamic, llama3, yarn).
	OriginalContext int `json:"original_context,omitempty"`
	// Wavelengths longer than original_context/low_freq_factor are stretched, shorter than original_context/high_freq_factor are
	// not, between them some (llama3; 0: 1 and 4).
	LowFreqFactor  float64 `json:"low_freq_factor,omitempty"`
	HighFreqFactor float64 `json:"high_freq_factor,omitempty"`
	// Pairs that turn more than beta_fast times in the original context are not stretched, fewer than beta_slow times are (yarn; 0: 32 and 1).
	BetaFast float64 `json:"beta_fast,omitempty"`
	BetaSlow float64 `json:"beta_slow,omitempty"`
	// AttentionFactor multiplies sines and cosines (yarn; 0: 0.1·ln(factor) + 1).
	AttentionFactor float64 `json:"attention_factor,omitempty"`
}

// The kinds of scaling.
const (
	linearScaling  = "linear"  // positions divided by the factor (Chen et al. 2023)
	dynamicScaling = "dynamic" // a larger base, growing with the sequence once it is longer than trained (NTK-aware, 2023)
	llama3Scaling  = "llama3"  // long wavelengths divided by the factor (Llama 3.1)
	yarnScaling    = "yarn"    // slow pairs divided by the factor, scores a little larger (Peng et al. 2023)
)

func (s RopeScaling) filled() RopeScaling {
	switch s.Type {
	case llama3Scaling:
		choose(&s.LowFreqFactor, 1)
		choose(&s.HighFreqFactor, 4)
	case yarnScaling:
		choose(&s.BetaFast, 32)
		choose(&s.BetaSlow, 1)
		if s.Factor > 0 {
			choose(&s.AttentionFactor, 0.1*math.Log(max(s.Factor, 1))+1)
		}
	}
	return s
}

// check names the first key of a filled scaling that is wrong.
func (s RopeScaling) check(c Config) error {
	if s == (RopeScaling{}) {
		return nil
	}
	const key = "model.rope_scaling"
	trained, low, beta := false, false, false
	switch s.Type {
	case linearScaling:
	case dynamicScaling:
		trained = true
		if c.HeadDim < 4 {
			return fmt.Errorf("model.head_dim: %d is below 4, too narrow for %s.type dynamic", c.HeadDim, key)
		}
	case llama3Scaling:
		trained, low = true, true
	case yarnScaling:
		trained, beta = true, true
	default:
		return fmt.Errorf(`%s.type: %q is not known; use "linear", "dynamic", "llama3" or "yarn"`, key, s.Type)
	}
	switch {
	case !(s.Factor >= 1 && s.Factor <= 1e6):
		return fmt.Errorf("%s.factor: %g is not between 1 and 1,000,000", key, s.Factor)
	case trained && (s.OriginalContext < 1 || s.OriginalContext > maxContext):
		return fmt.Errorf("%s.original_context: %d is not between 1 and %d; set it to the context that was trained", key, s.OriginalContext, maxContext)
	case !trained && s.OriginalContext != 0:
		return fmt.Errorf("%s.original_context: %d, which %s scaling does not need; leave it out", key, s.OriginalContext, s.Type)
	case low && !(s.LowFreqFactor > 0 && s.HighFreqFactor > s.LowFreqFactor && s.HighFreqFactor <= 1e6):
		return fmt.Errorf("%s: low_freq_factor %g and high_freq_factor %g are not positive and in that order; use 1 and 4", key, s.LowFreqFactor, s.HighFreqFactor)
	case beta && !(s.BetaSlow > 0 && s.BetaFast > s.BetaSlow && s.BetaFast <= 1e6):
		return fmt.Errorf("%s: beta_slow %g and beta_fast %g are not positive and in that order; use 1 and 32", key, s.BetaSlow, s.BetaFast)
	case beta && !(s.AttentionFactor > 0 && s.AttentionFactor <= 1e3):
		return fmt.Errorf("%s.attention_factor: %g is not between 0 and 1000", key, s.AttentionFactor)
	case !low && (s.LowFreqFactor != 0 || s.HighFreqFactor != 0):
		return fmt.Errorf("%s: low_freq_factor and high_freq_factor are for type llama3, not %s", key, s.Type)
	case !beta && (s.BetaFast != 0 || s.BetaSlow != 0 || s.AttentionFactor != 0):
		return fmt.Errorf("%s: beta_fast, beta_slow and attention_factor are for type yarn, not %s", key, s.Type)
	}
	return nil
}

// frequencies are what each pair of a head turns by from one position to the next, in radians, in a sequence of n tokens, and
// what sines and cosines are multiplied by. Only dynamic scaling looks at n.
func (c Config) frequencies(n int) (f []float32, scale float64) {
	d, s := float64(c.HeadDim), c.RopeScaling
	base := c.RopeTheta
	if trained := float64(s.OriginalContext); s.Type == dynamicScaling && float64(n) > trained {
		base *= math.Pow(s.Factor*float64(n)/trained-(s.Factor-1), d/(d-2))
	}
	f = make([]float32, c.HeadDim/2)
	for i := range f {
		f[i] = float32(1 / math.Pow(base, 2*float64(i)/d))
	}
	switch s.Type {
	case linearScaling:
		for i := range f {
			f[i] /= float32(s.Factor)
		}
	case llama3Scaling:
		for i, x := range f {
			f[i] = s.llama3(float64(x))
		}
	case yarnScaling:
		low, high := s.transition(d, base)
		for i, x := range f {
			stretched := min(max((float64(i)-low)/(high-low), 0), 1)
			f[i] = float32(float64(x)/s.Factor*stretched + float64(x)*(1-stretched))
		}
		return f, s.AttentionFactor
	}
	return f, 1
}

// llama3 stretches one frequency.
func (s RopeScaling) llama3(f float64) float32 {
	trained := float64(s.OriginalContext)
	wave := 2 * math.Pi / f
	switch {
	case wave > trained/s.LowFreqFactor:
		return float32(f / s.Factor)
	case wave < trained/s.HighFreqFactor:
		return float32(f)
	}
	smooth := (trained/wave - s.LowFreqFactor) / (s.HighFreqFactor - s.LowFreqFactor)
	return float32((1-smooth)*f/s.Factor + smooth*f)
}

// transition is between which pairs YaRN goes over from not stretching to stretching.
func (s RopeScaling) transition(d, base float64) (low, high float64) {
	pair := func(turns float64) float64 {
		return d * math.Log(float64(s.OriginalContext)/(turns*2*math.Pi)) / (2 * math.Log(base))
	}
	low, high = max(math.Floor(pair(s.BetaFast)), 0), min(math.Ceil(pair(s.BetaSlow)), d-1)
	if low == high {
		high += 0.001
	}
	return low, high
}

// Rotary are the cosines and sines by which queries and keys are turned, [t, head_dim/2] each: row p belongs to position p of a
// sequence of n tokens in all (t ≤ n where more are to come; only dynamic scaling tells the difference). Only of RoPE models.
func (c Config) Rotary(t, n int) (cos, sin []float32) {
	f, scale := c.frequencies(n)
	cos, sin = make([]float32, t*len(f)), make([]float32, t*len(f))
	for p := range t {
		for i, x := range f {
			angle := float64(float32(p) * x)
			cos[p*len(f)+i] = float32(math.Cos(angle) * scale)
			sin[p*len(f)+i] = float32(math.Sin(angle) * scale)
		}
	}
	return cos, sin
}
