package data_test

import (
	"slices"
	"testing"

	"millrace/trainer/data"
	"pgregory.net/rapid"
)

// A window's targets are -1 exactly where the mask says so, whatever the shards.
func TestTargetsThatDoNotCountAreLeftOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all data.IDs
		var want []bool
		var shards []data.Tokens
		anyMask := false
		for i := range rapid.IntRange(1, 4).Draw(t, "shards") {
			n := rapid.IntRange(0, 40).Draw(t, "tokens")
			ids := make(data.IDs, n)
			for j := range ids {
				ids[j] = int32(100*i + j)
			}
			all = append(all, ids...)
			if rapid.Bool().Draw(t, "masked") {
				anyMask = true
				mask := make([]byte, (n+7)/8)
				for j := range n {
					on := rapid.Bool().Draw(t, "counts")
					want = append(want, on)
					if on {
						mask[j/8] |= 1 << (j % 8)
					}
				}
				m, err := data.WithMask(ids, mask)
				if err != nil {
					t.Fatal(err)
				}
				shards = append(shards, m)
				continue
			}
			shards = append(shards, ids)
			want = append(want, slices.Repeat([]bool{true}, n)...)
		}
		const length = 5
		tokens := data.Concat(shards...)
		if _, ok := tokens.(data.Masked); ok != anyMask {
			t.Fatalf("masked: %v", ok)
		}
		s, err := data.NewSampler(tokens, length, data.Sequential, 1)
		if err != nil {
			if len(all) > length {
				t.Fatal(err)
			}
			return
		}
		if s.Masked() != anyMask {
			t.Fatal(s.Masked())
		}
		ids, targets := make([]int32, length), make([]int32, length)
		for w := range s.Windows() {
			if err := s.Sample(ids, targets, w); err != nil {
				t.Fatal(err)
			}
			counted := int64(0)
			for i := range ids {
				at := w*length + int64(i)
				expect := int32(-1)
				if want[at+1] {
					expect = all[at+1]
					counted++
				}
				if ids[i] != all[at] || targets[i] != expect {
					t.Fatalf("at %d: %d then %d, want %d then %d", at, ids[i], targets[i], all[at], expect)
				}
			}
			if got, err := s.Counted(w); err != nil || got != counted {
				t.Fatalf("%d count, want %d: %v", got, counted, err)
			}
		}
	})
}

func TestMaskOfAnotherSizeIsRefused(t *testing.T) {
	if _, err := data.WithMask(make(data.IDs, 9), []byte{1}); err == nil {
		t.Fatal("8 bits for 9 tokens")
	}
	m, err := data.WithMask(make(data.IDs, 9), []byte{1, 0})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Counts(make([]bool, 2), 8); err == nil {
		t.Fatal("read beyond the end")
	}
}
