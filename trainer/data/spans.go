package data

import (
	"math"
	"slices"

	"millrace/trainer/random"
)

// Spans takes stretches of tokens out of a window for a model to write (Raffel et al. 2020, section 3.1.4). In the source each stretch is one
// sentinel; the target is each sentinel followed by what it stands for, and one more sentinel as the end. The first sentinel is the last token
// of the vocabulary, the next the one before it. All windows have one length and so have sources and targets: nothing is padded. The choice
// is a function of the seed and the sample's number.
type Spans struct {
	window, noise, spans int
	vocab                int32
	key                  uint64
}

// NewSpans takes the share rate of tokens out in stretches of mean length; the window is the longest whose source and target have at most t
// tokens.
func NewSpans(t int, rate, mean float64, vocab int32, seed uint64) Spans {
	s := spansOf(t, rate, mean)
	if s.Source() > t || s.Target() > t { // every token, or nearly, is a stretch
		for s.window > 2 && (s.Source() > t || s.Target() > t) {
			s = spansOf(s.window-1, rate, mean)
		}
	}
	for {
		longer := spansOf(s.window+1, rate, mean)
		if longer.Source() > t || longer.Target() > t {
			break
		}
		s = longer
	}
	s.vocab, s.key = vocab, random.Key(seed, "spans")
	return s
}

func spansOf(window int, rate, mean float64) Spans {
	noise := max(1, min(window-1, int(math.Round(rate*float64(window)))))
	spans := max(1, min(noise, window-noise, int(math.Round(float64(noise)/mean))))
	return Spans{window: window, noise: noise, spans: spans}
}

// Window is how many tokens of text a sample has, Source and Target what becomes of them.
func (s Spans) Window() int { return s.window }
func (s Spans) Source() int { return s.window - s.noise + s.spans }
func (s Spans) Target() int { return s.noise + s.spans + 1 }

// Sentinels is how many tokens at the end of the vocabulary are taken.
func (s Spans) Sentinels() int { return s.spans + 1 }

// Apply splits the window of the i-th sample into source and target.
func (s Spans) Apply(source, target, window []int32, i int64) {
	key := random.Mix(s.key, uint64(i))
	kept, taken := cut(random.Mix(key, 1), s.window-s.noise, s.spans), cut(random.Mix(key, 2), s.noise, s.spans)
	source, target = source[:0], target[:0]
	for n := range s.spans { // a window begins with what is kept
		sentinel := s.vocab - 1 - int32(n)
		source = append(append(source, window[:kept[n]]...), sentinel)
		window = window[kept[n]:]
		target = append(append(target, sentinel), window[:taken[n]]...)
		window = window[taken[n]:]
	}
	_ = append(target, s.vocab-1-int32(s.spans))
}

// cut divides n into k parts of at least one, every way alike.
func cut(key uint64, n, k int) []int {
	at := make([]int, 0, k+1)
	for j := range k - 1 {
		at = append(at, 1+int(random.Permute(key, uint64(j), uint64(n-1))))
	}
	at = append(at, 0, n)
	slices.Sort(at)
	for j := range k {
		at[j] = at[j+1] - at[j]
	}
	return at[:k]
}
