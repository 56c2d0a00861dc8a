package readmodel_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"millrace/storage/readmodel"
)

func sameBits(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

// TestGoldenBytes pins what lies in files: a change is a new version and a rebuild.
func TestGoldenBytes(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"chunk", readmodel.EncodeChunk(
			[]int64{1, 2, 3, 10}, []int64{1000, 2000, 3000, 3500}, []float64{5.5, 5.5, math.NaN(), math.Inf(-1)}),
			"0104" + // version, points
				"02" + "0002" + "0c" + // steps: +1, no change twice, +6
				"d00f" + "0002" + "e707" + // times: +1000, no change twice, -500
				"00" + "808080808080808b40" + "0001" + "81808080808080f73f" + "81808080808080848001" + // shift, 5.5, the same, NaN, -Inf
				"6e01cbeb"},
		{"empty chunk", readmodel.EncodeChunk(nil, nil, nil), "01003f9144d5ab"},
		{"chunk of float32s", readmodel.EncodeChunk([]int64{0, 0}, []int64{-1, -1}, []float64{float64(float32(0.1)), float64(float32(0.2))}),
			"0102" + "0002" + "0102" + "1d" + "cd99b3ee1f" + "8080801c" + "98003196"},
		{"block", readmodel.GoldenBlock(),
			"0100000001000000" + // buckets 0 and 32
				"02" + "00" + "03" + "c03e" + "00000000000000c0" + "000000000000f83f" + "00000000000000c0" +
				"01" + "00" + "02" + "b0c00f" + "0000000000001c40" + "0000000000001c40" + "0000000000001c40"},
		{"summary", readmodel.GoldenSummary(),
			"0000000000000007" + "06" + "00" + "0100" + "0000000000000040" + "12d08c01" + "000000000000d03f" +
				"12d08c01" + "000000000000d03f" + "0100" + "0000000000000040" + "00" + "0000" + "00"},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s is\n%s, want\n%s", c.name, got, c.want)
		}
	}
}

func TestChunkComesBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 200).Draw(rt, "n")
		ints := rapid.SliceOfN(rapid.OneOf(rapid.Int64(), rapid.Int64Range(0, 3)), n, n)
		steps, times := ints.Draw(rt, "steps"), ints.Draw(rt, "times")
		values := rapid.SliceOfN(valueGen, n, n).Draw(rt, "values")
		b := readmodel.EncodeChunk(steps, times, values)
		s, u, v, err := readmodel.DecodeChunk(b)
		if err != nil || !slices.Equal(s, steps) || !slices.Equal(u, times) || !sameBits(v, values) {
			rt.Fatalf("%v %v %v came back as %v %v %v, error %v", steps, times, values, s, u, v, err)
		}
		if n > 0 {
			b[rapid.IntRange(0, len(b)-1).Draw(rt, "at")] ^= byte(1 << rapid.IntRange(0, 7).Draw(rt, "bit"))
			if _, _, _, err := readmodel.DecodeChunk(b); !errors.Is(err, readmodel.ErrChunk) {
				rt.Fatalf("a flipped bit was read, error %v", err)
			}
		}
	})
}

func TestChunkIsSmall(t *testing.T) {
	steps, times, values := make([]int64, 1024), make([]int64, 1024), make([]float64, 1024)
	for i := range steps {
		steps[i], times[i] = int64(i)*10, int64(i)*200_000+int64(i*i%997)
		values[i] = float64(float32(3 + math.Sin(float64(i))))
	}
	if n := len(readmodel.EncodeChunk(steps, times, values)); n > 8*1024 {
		t.Errorf("%d bytes for 1,024 float32 points, want at most 8 each", n)
	}
	for i := range values {
		times[i], values[i] = int64(i)*1000, 0.5
	}
	if n := len(readmodel.EncodeChunk(steps, times, values)); n > 40 {
		t.Errorf("%d bytes for 1,024 equal values, want at most 40", n)
	}
}

func FuzzDecodeChunk(f *testing.F) {
	f.Add(readmodel.EncodeChunk([]int64{1, 2, 3}, []int64{10, 20, 40}, []float64{1, 2, math.NaN()}))
	f.Add([]byte{1, 0, 63, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		// The checksum would stop nearly everything: try what lies behind it too.
		for _, in := range [][]byte{b, readmodel.Sealed(b)} {
			steps, times, values, err := readmodel.DecodeChunk(in)
			if err != nil {
				if !errors.Is(err, readmodel.ErrChunk) {
					t.Fatal(err)
				}
				continue
			}
			s, u, v, err := readmodel.DecodeChunk(readmodel.EncodeChunk(steps, times, values))
			if err != nil || !slices.Equal(s, steps) || !slices.Equal(u, times) || !sameBits(v, values) {
				t.Fatalf("read %v %v %v, then %v %v %v, error %v", steps, times, values, s, u, v, err)
			}
		}
	})
}

func FuzzDecodeBlock(f *testing.F) {
	f.Add(uint8(2), int64(0), readmodel.GoldenBlock())
	f.Fuzz(func(t *testing.T, level uint8, index int64, b []byte) {
		again, err := readmodel.RecodeBlock(level%58, index, b)
		if err != nil {
			if !errors.Is(err, readmodel.ErrBlock) {
				t.Fatal(err)
			}
			return
		}
		third, err := readmodel.RecodeBlock(level%58, index, again)
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%x then %x, error %v", again, third, err)
		}
	})
}

func FuzzDecodeSummary(f *testing.F) {
	f.Add(readmodel.GoldenSummary())
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := readmodel.RecodeSummary(b)
		if err != nil {
			if !errors.Is(err, readmodel.ErrSummary) {
				t.Fatal(err)
			}
			return
		}
		third, err := readmodel.RecodeSummary(again)
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%x then %x, error %v", again, third, err)
		}
	})
}

// TestKeysSortAsTheirStrings: no string's key is the beginning of another's, and order is kept.
func TestKeysSortAsTheirStrings(t *testing.T) {
	str := rapid.StringOfN(rapid.SampledFrom([]rune{0, 1, 2, 'a', 'b', 0xFF}), 0, 6, -1)
	rapid.Check(t, func(rt *rapid.T) {
		a, b := str.Draw(rt, "a"), str.Draw(rt, "b")
		x, y := readmodel.AppendPart(a), readmodel.AppendPart(b)
		if got, want := bytes.Compare(x, y), bytes.Compare([]byte(a), []byte(b)); got != want {
			rt.Fatalf("%q and %q compare %d, their keys %d", a, b, want, got)
		}
		if a != b && bytes.HasPrefix(x, y) {
			rt.Fatalf("the key of %q begins with that of %q", a, b)
		}
		s, rest, ok := readmodel.CutPart(append(x, "rest"...))
		if !ok || s != a || string(rest) != "rest" {
			rt.Fatalf("%q came back as %q, %q, %v", a, s, rest, ok)
		}
	})
}

func FuzzCutPart(f *testing.F) {
	f.Add([]byte("a\x00\xffb\x00\x01rest"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, rest, ok := readmodel.CutPart(b)
		if ok && len(s) <= 1024 && !bytes.Equal(append(readmodel.AppendPart(s), rest...), b) {
			t.Fatalf("%q is %q and %q", b, s, rest)
		}
	})
}
