package readmodel_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
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
			"0204" + "02" + "d00f" + "0000000000001640" + // version, points, the first
				"010302" + "8001" + // steps: differences of 3 bits, less 1: 0 0 6
				"0109e807" + "f4e90300" + // times: differences of 9 bits, less 500: 500 500 0
				"3101" + "01010000000000f87f" + "000ff1ff01" + "046002300000" + // values: shift, a NaN beside, 15 bits less the least
				"2b24fe02"},
		{"empty chunk", readmodel.EncodeChunk(nil, nil, nil), "02003c4724d6"},
		{"chunk of float32s", readmodel.EncodeChunk([]int64{0, 0}, []int64{-1, -1}, []float64{float64(float32(0.1)), float64(float32(0.2))}),
			"0202" + "00" + "01" + "000000a09999b93f" + "000000" + "000001" + "1d00" + "01008080800843f76017"},
		{"block", readmodel.GoldenBlock(),
			"0100000001000000" + // buckets 0 and 32
				"00010201" + "000000" + "00010401" + "0011c03e" + "000030e003" + // counts 2 1, NaNs 0 0, offsets 3 2, times 4000 131000
				"3200" + "000e8140" + "00000208" + // least -2 7: the bits above the lowest 50
				"3200" + "0004fc3f" + "90" + // greatest 1.5 7
				"3200" + "000e8140" + "00000208" + // last -2 7
				"43015e5d"},
		{"summary", readmodel.GoldenSummary(),
			"0000000000000007" + "06" + "00" + "0100" + "0000000000000040" + "12d08c01" + "000000000000d03f" +
				"12d08c01" + "000000000000d03f" + "0100" + "0000000000000040" + "00" + "0000" + "00" + "00" + "12a55570"},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s is\n%s, want\n%s", c.name, got, c.want)
		}
	}
}

func TestChunkComesBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 400).Draw(rt, "n")
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

// curve is n points of what training logs: a step every 20 ms with jitter, and now and then a pause.
func curve(n int, stride int64, value func(i int, rng *rand.Rand) float64) (steps, times []int64, values []float64) {
	rng := rand.New(rand.NewPCG(1, 1))
	at := int64(1790000000000000)
	for i := range n {
		at += 20_000 + rng.Int64N(500)
		if i%500 == 499 {
			at += 2_000_000
		}
		steps, times, values = append(steps, int64(i)*stride), append(times, at), append(values, value(i, rng))
	}
	return steps, times, values
}

var curves = []struct {
	name   string
	stride int64
	most   float64 // bytes a point
	value  func(i int, rng *rand.Rand) float64
}{
	{"float32 noise around a loss", 1, 4.6, func(i int, rng *rand.Rand) float64 { return float64(float32(3 + rng.NormFloat64()/10)) }},
	{"float32 loss that falls", 10, 4.6, func(i int, rng *rand.Rand) float64 {
		return float64(float32(2 + 8/math.Sqrt(float64(i+1)) + rng.NormFloat64()/50))
	}},
	{"float32 norm with spikes", 1, 4.9, func(i int, rng *rand.Rand) float64 { return float64(float32(math.Exp(rng.NormFloat64()))) }},
	{"constant", 1, 1.5, func(int, *rand.Rand) float64 { return 0.1 }},
	{"tokens", 1, 1.5, func(i int, _ *rand.Rand) float64 { return float64(i) * 524288 }},
	{"cosine learning rate", 1, 5.5, func(i int, _ *rand.Rand) float64 { return 3e-4 * (1 + math.Cos(float64(i)/1e4)) / 2 }},
	{"float64 noise", 1, 9.4, func(_ int, rng *rand.Rand) float64 { return rng.NormFloat64() }},
	{"float32 with Go's NaNs", 1, 4.8, func(i int, rng *rand.Rand) float64 {
		if i%100 == 7 {
			return math.NaN()
		}
		return float64(float32(3 + rng.NormFloat64()/10))
	}},
	{"all NaN", 1, 1.5, func(int, *rand.Rand) float64 { return math.NaN() }},
}

func TestChunkIsSmall(t *testing.T) {
	for _, c := range curves {
		steps, times, values := curve(1024, c.stride, c.value)
		n := float64(len(readmodel.EncodeChunk(steps, times, values))) / 1024
		t.Logf("%s: %.2f bytes a point", c.name, n)
		if n > c.most {
			t.Errorf("%s: %.2f bytes a point, want at most %.1f", c.name, n, c.most)
		}
	}
}

func BenchmarkChunk(b *testing.B) {
	steps, times, values := curve(1024, 1, curves[0].value)
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			readmodel.EncodeChunk(steps, times, values)
		}
		b.ReportMetric(float64(b.N)*1024/b.Elapsed().Seconds(), "points/s")
	})
	raw := readmodel.EncodeChunk(steps, times, values)
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, _, _, err := readmodel.DecodeChunk(raw); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)*1024/b.Elapsed().Seconds(), "points/s")
	})
}

func FuzzDecodeChunk(f *testing.F) {
	f.Add(readmodel.EncodeChunk([]int64{1, 2, 3}, []int64{10, 20, 40}, []float64{1, 2, math.NaN()}))
	f.Add([]byte{1, 0, 63, 0, 0, 0, 0})
	s, u, v := curve(300, 1, curves[7].value)
	f.Add(readmodel.EncodeChunk(s, u, v)[1:])
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
	f.Add(uint8(2), int64(0), readmodel.GoldenBlock()[:len(readmodel.GoldenBlock())-4])
	f.Fuzz(func(t *testing.T, level uint8, index int64, b []byte) {
		again, err := readmodel.RecodeBlock(level%58, index, readmodel.Checked(b))
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
	f.Add(readmodel.GoldenSummary()[:len(readmodel.GoldenSummary())-4])
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := readmodel.RecodeSummary(readmodel.Checked(b))
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
