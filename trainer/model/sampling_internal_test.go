package model

import (
	_ "embed"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

//go:embed testdata/sampling/golden.json
var samplingGolden []byte

// left is what a sampler draws among, with probabilities.
func (d *Sampler) left(logits []float32) map[int32]float64 {
	logits = d.penalized(logits)
	top := float64(logits[likeliest(logits)])
	weight := func(id int32) float64 { return math.Exp((float64(logits[id]) - top) / d.s.Temperature) }
	out, total := map[int32]float64{}, 0.0
	for _, id := range d.candidates(logits, weight) {
		out[id] = weight(id)
		total += out[id]
	}
	for id := range out {
		out[id] /= total
	}
	return out
}

// The filters leave what those of transformers leave, with the same probabilities; testdata/sampling/golden.py asked them.
func TestFiltersAreThoseOfTransformers(t *testing.T) {
	var golden struct {
		Seen  []int32
		Cases []struct {
			Temperature       float64
			TopK              int                `json:"top_k"`
			TopP              float64            `json:"top_p"`
			MinP              float64            `json:"min_p"`
			RepetitionPenalty float64            `json:"repetition_penalty"`
			Left              map[string]float64 `json:"left"`
		}
	}
	if err := json.Unmarshal(samplingGolden, &golden); err != nil || len(golden.Cases) == 0 {
		t.Fatal(err)
	}
	logits := make([]float32, 40)
	for i := range logits {
		x := float64(i)
		logits[i] = float32(math.RoundToEven(6*math.Sin(x*x*0.37+x)*64) / 64)
	}
	before := slices.Clone(logits)
	for i, c := range golden.Cases {
		d := NewSampler(Sampling{Temperature: c.Temperature, TopK: c.TopK, TopP: c.TopP, MinP: c.MinP, RepetitionPenalty: c.RepetitionPenalty}, golden.Seen)
		got := d.left(logits)
		if len(got) != len(c.Left) {
			t.Errorf("case %d: %d tokens are left, want %d", i, len(got), len(c.Left))
		}
		for id, want := range c.Left {
			n, err := strconv.Atoi(id)
			if err != nil {
				t.Fatal(err)
			}
			if p := got[int32(n)]; math.Abs(p-want) > 1e-6 {
				t.Errorf("case %d: token %d has %g, want %g", i, n, p, want)
			}
		}
	}
	if !slices.Equal(logits, before) {
		t.Error("the logits were changed")
	}
}

// Frequency counts how often, presence whether; prompts do not count.
func TestPenaltiesOfWhatWasDrawn(t *testing.T) {
	d := NewSampler(Sampling{FrequencyPenalty: 0.5, PresencePenalty: 2}, []int32{0})
	logits := []float32{1, 5, 0.75}
	var drawn []int32
	for range 6 {
		drawn = append(drawn, d.Draw(logits))
	}
	// Token 1 falls to 2.5, 2, 1.5 and 1, where token 0 is the first of equals; that then falls to -1.5.
	if want := []int32{1, 1, 1, 1, 0, 1}; !slices.Equal(drawn, want) {
		t.Errorf("%v, want %v", drawn, want)
	}
}

// Whatever the logits and settings, a token of the vocabulary is drawn, the filters leave the likeliest, and never a token that is
// less likely than one that they took away.
func TestFiltersKeepTheLikeliest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Custom(func(t *rapid.T) float32 {
			if rapid.IntRange(0, 9).Draw(t, "odd") == 0 {
				return rapid.SampledFrom([]float32{float32(math.Inf(-1)), 0, -0, 1e30, -1e30}).Draw(t, "extreme")
			}
			return float32(rapid.IntRange(-40, 40).Draw(t, "x")) / 8
		})
		logits := rapid.SliceOfN(number, 1, 50).Draw(t, "logits")
		s := Sampling{
			Temperature: rapid.SampledFrom([]float64{0.01, 0.5, 1, 3, 1e4}).Draw(t, "temperature"), TopK: rapid.IntRange(0, 60).Draw(t, "k"),
			TopP: float64(rapid.IntRange(0, 20).Draw(t, "p")) / 20, MinP: float64(rapid.IntRange(0, 20).Draw(t, "m")) / 20,
		}
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		left := NewSampler(s, nil).left(logits)
		best := logits[likeliest(logits)]
		least, found := float32(math.Inf(1)), false
		for id := range left {
			least, found = min(least, logits[id]), found || logits[id] == best
		}
		if !found {
			t.Fatalf("%v left none of the likeliest", left)
		}
		for id, v := range logits {
			if _, ok := left[int32(id)]; !ok && v > least {
				t.Fatalf("token %d was left out, a less likely one was not", id)
			}
		}
		if id := NewSampler(s, nil).Draw(logits); id < 0 || int(id) >= len(logits) {
			t.Fatalf("token %d of %d was drawn", id, len(logits))
		}
	})
}
