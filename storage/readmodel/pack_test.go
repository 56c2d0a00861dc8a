package readmodel_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"millrace/storage/readmodel"
)

// TestColumnComesBack packs numbers of every kind: extremes, lines, noise, outliers.
func TestColumnComesBack(t *testing.T) {
	number := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3), rapid.SampledFrom([]int64{-1 << 63, 1<<63 - 1, 0}))
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 128).Draw(rt, "n")
		xs := make([]int64, n)
		at, step := number.Draw(rt, "at"), number.Draw(rt, "step")
		for i := range xs {
			at += step
			xs[i] = at + rapid.Int64Range(0, 1<<rapid.IntRange(0, 62).Draw(rt, "noise")).Draw(rt, "add")
			if rapid.IntRange(0, 20).Draw(rt, "is odd") == 0 {
				xs[i] = number.Draw(rt, "odd")
			}
		}
		before, by := number.Draw(rt, "before"), number.Draw(rt, "by")
		raw := readmodel.EncodeColumn(xs, before, by)
		if got, rest, ok := readmodel.DecodeColumn(append(raw, "rest"...), n, before, by); !ok || string(rest) != "rest" || !slices.Equal(got, xs) {
			rt.Fatalf("%v came back as %v, then %q, %v", xs, got, rest, ok)
		}
		if got, rest, ok := readmodel.DecodeColumn(raw, n, before, by); !ok || len(rest) != 0 || !slices.Equal(got, xs) {
			rt.Fatalf("%v at the end of all came back as %v, then %q, %v", xs, got, rest, ok)
		}
	})
}

func FuzzDecodeColumn(f *testing.F) {
	f.Add(readmodel.EncodeColumn([]int64{1, 2, 3, 1000, 5}, 0, 0), 5)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		n = 1 + int(uint(n)%128)
		xs, _, ok := readmodel.DecodeColumn(b, n, 3, 4)
		if !ok {
			return
		}
		if again, _, ok := readmodel.DecodeColumn(readmodel.EncodeColumn(xs, 3, 4), n, 3, 4); !ok || !slices.Equal(again, xs) {
			t.Fatalf("%v then %v", xs, again)
		}
	})
}

func FuzzPack(f *testing.F) {
	f.Add(readmodel.AppendEntry(readmodel.AppendEntry(nil, 0, []byte("ab")), 9, []byte("c")), false)
	f.Fuzz(func(t *testing.T, b []byte, byContent bool) {
		for range len(b) + 1 {
			chunk, rest, ok := readmodel.CutEntry(b, byContent)
			if !ok {
				return
			}
			if len(chunk)+len(rest) >= len(b) {
				t.Fatalf("%d bytes became %d and %d", len(b), len(chunk), len(rest))
			}
			b = rest
		}
		t.Fatal("no end")
	})
}
