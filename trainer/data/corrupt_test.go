package data_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"millrace/trainer/data"
)

func numbers(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(100 + i)
	}
	return ids
}

func TestAClozeTakesOutWhatItSays(t *testing.T) {
	const length, mask, vocab = 200, 999, 1000
	c := data.NewCloze(length, 0.15, mask, vocab, 1)
	masked, other, same := 0, 0, 0
	seen := map[int]int{}
	for i := range int64(200) {
		ids, targets := numbers(length), make([]int32, length)
		c.Apply(ids, targets, i)
		taken := 0
		for p := range ids {
			was := int32(100 + p)
			switch {
			case targets[p] == -1 && ids[p] == was:
				continue
			case targets[p] != was:
				t.Fatalf("sample %d: at %d stood %d, %d is to be told and %d is shown", i, p, was, targets[p], ids[p])
			case ids[p] == mask:
				masked++
			case ids[p] == was:
				same++
			default:
				other++
			}
			seen[p]++
			taken++
		}
		if taken != 30 || c.Count() != 30 {
			t.Fatalf("sample %d: %d tokens are to be told, want 30", i, taken)
		}
		again, more := numbers(length), make([]int32, length)
		data.NewCloze(length, 0.15, mask, vocab, 1).Apply(again, more, i)
		if !slices.Equal(ids, again) || !slices.Equal(targets, more) {
			t.Fatalf("sample %d is another the second time", i)
		}
	}
	for what, share := range map[string][2]float64{"mask": {float64(masked), 0.8}, "other": {float64(other), 0.1}, "same": {float64(same), 0.1}} {
		if got := share[0] / 6000; math.Abs(got-share[1]) > 0.02 {
			t.Errorf("%s: %.3f of what is taken out, want %g", what, got, share[1])
		}
	}
	if len(seen) != length {
		t.Errorf("%d of %d places were ever taken", len(seen), length)
	}
}

// Source and target together are the window again, and have the lengths they say.
func TestSpansCanBePutBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.IntRange(3, 300).Draw(t, "context")
		const vocab = 5000
		s := data.NewSpans(length, rapid.Float64Range(0.01, 0.5).Draw(t, "rate"), rapid.Float64Range(1, 10).Draw(t, "mean"), vocab, rapid.Uint64().Draw(t, "seed"))
		if s.Source() > length || s.Target() > length || s.Window() < 2 {
			t.Fatalf("context %d: a window of %d becomes %d and %d", length, s.Window(), s.Source(), s.Target())
		}
		window := numbers(s.Window())
		source, target := make([]int32, s.Source()), make([]int32, s.Target())
		s.Apply(source, target, window, rapid.Int64Range(0, 1<<40).Draw(t, "sample"))
		var back []int32
		sentinel := int32(vocab - 1)
		at := 0
		for _, id := range source {
			if id != sentinel {
				back = append(back, id)
				continue
			}
			if target[at] != sentinel {
				t.Fatalf("%v and %v", source, target)
			}
			sentinel--
			for at++; target[at] != sentinel; at++ {
				back = append(back, target[at])
			}
		}
		if !slices.Equal(back, window) || at != len(target)-1 || int(vocab-sentinel) != s.Sentinels() {
			t.Fatalf("%v and %v are %v", source, target, back)
		}
	})
	// T5's own figures: 512 tokens of source come of a window of 568 by its code, which adds an end to each and no last sentinel.
	if s := data.NewSpans(511, 0.15, 3, 32128, 0); s.Window() != 568 || s.Source() != 511 || s.Target() != 114 {
		t.Errorf("%d → %d, %d", s.Window(), s.Source(), s.Target())
	}
}
