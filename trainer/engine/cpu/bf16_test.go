package cpu_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
)

// manners are ways to draw float32 that have shown, or might show, where two sums of products part.
var manners = []struct {
	name string
	draw func(r *rand.Rand) float32
}{
	{"normal", func(r *rand.Rand) float32 { return float32(r.NormFloat64()) }},
	{"anything", func(r *rand.Rand) float32 { return math.Float32frombits(r.Uint32()) }},
	{"finite and wide", func(r *rand.Rand) float32 {
		return float32(math.Ldexp(r.NormFloat64(), r.IntN(60)-30))
	}},
	{"products near the smallest", func(r *rand.Rand) float32 {
		return float32(math.Ldexp(r.NormFloat64(), -63-r.IntN(6)))
	}},
	{"around the smallest", func(r *rand.Rand) float32 {
		return float32(math.Ldexp(r.NormFloat64(), -126-r.IntN(10)+5))
	}},
	{"products near the largest", func(r *rand.Rand) float32 {
		return float32(math.Ldexp(r.NormFloat64(), 61+r.IntN(4)))
	}},
	{"few bits, so that ties are common", func(r *rand.Rand) float32 {
		return float32(math.Ldexp(float64(r.IntN(5)-2), r.IntN(26)-13))
	}},
	{"cancelling", func(r *rand.Rand) float32 {
		v := float32(math.Ldexp(1+float64(r.IntN(3))/128, 12*r.IntN(2)))
		if r.IntN(2) == 0 {
			v = -v
		}
		return v
	}},
	{"zeros and infinities", func(r *rand.Rand) float32 {
		return []float32{0, float32(math.Copysign(0, -1)), 1, -1, float32(math.Inf(1)), float32(math.Inf(-1)), 1e38, 1e-38}[r.IntN(8-2*r.IntN(2))]
	}},
}

func draw(r *rand.Rand, n int, from func(*rand.Rand) float32) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = from(r)
	}
	return s
}

// sameBits compares to the bit, but for what a NaN carries.
func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) && !(got[i] != got[i] && want[i] != want[i]) {
			t.Fatalf("%s[%d] is %g (%08x), plain Go says %g (%08x)", what, i,
				got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

func sameWords(t *testing.T, what string, got, want []uint32) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s[%d] is %08x, plain Go says %08x", what, i, got[i], want[i])
		}
	}
}

func TestBFloat16IsTheSameOnEveryLevel(t *testing.T) {
	plain, _ := cpu.BF16Of("go")
	for _, name := range []string{"amx", "avx512", "avx2"} {
		t.Run(name, func(t *testing.T) {
			onlyPlainInShort(t, name)
			level, found := cpu.BF16Of(name)
			if !found {
				t.Skipf("this processor has no %s", name)
			}
			for i, m := range manners {
				r := rand.New(rand.NewPCG(uint64(i), 3))
				for range 3 {
					checkPacking(t, m.name, level, plain, draw(r, 40*200, m.draw))
					checkTiles(t, m.name, level, plain, r, m.draw)
				}
			}
		})
	}
}

func checkPacking(t *testing.T, name string, level, plain cpu.BF16, src []float32) {
	t.Helper()
	got, want := make([]uint32, 6000), make([]uint32, 6000)
	level.Pairs(got, src[1:], 199, 17, 3, 600)
	plain.Pairs(want, src[1:], 199, 17, 3, 600)
	sameWords(t, name+": pairs", got, want)
	level.Rows(got, src[3:], 131, 16, 4, 80, 17)
	plain.Rows(want, src[3:], 131, 16, 4, 80, 17)
	sameWords(t, name+": rows", got, want)
	turned, turnedWant := make([]uint32, 3000), make([]uint32, 3000)
	level.Turn(turned, got, 33, 19, 3, 600, 700)
	plain.Turn(turnedWant, want, 33, 19, 3, 600, 700)
	sameWords(t, name+": turn", turned, turnedWant)
}

func checkTiles(t *testing.T, name string, level, plain cpu.BF16, r *rand.Rand, from func(*rand.Rand) float32) {
	t.Helper()
	const panels, depth, strip, row = 2, 3, 4, 41
	a, b := make([]uint32, panels*strip*512), make([]uint32, depth*512)
	plain.Rows(a, draw(r, 2*len(a), from), 32, len(a)/16, 1, 16, 0)
	plain.Rows(b, draw(r, 2*len(b), from), 32, len(b)/16, 1, 16, 0)
	c, bias := draw(r, panels*32*row, from), draw(r, 32, from)
	for start := range 3 {
		got, want := append([]float32{}, c...), append([]float32{}, c...)
		level.Tiles(got, row, a, b, bias, panels, depth, strip, start)
		plain.Tiles(want, row, a, b, bias, panels, depth, strip, start)
		sameBits(t, name+": tiles", got, want)
	}
}

// TestBFloat16JustBelowTheNormalNumbers takes a little from the least normal number: what rounds back to it stays, the rest is zero.
func TestBFloat16JustBelowTheNormalNumbers(t *testing.T) {
	for _, name := range []string{"go", "avx2", "avx512", "amx"} {
		t.Run(name, func(t *testing.T) {
			level, found := cpu.BF16Of(name)
			if !found {
				t.Skipf("this processor has no %s", name)
			}
			for exponent, want := range map[int]float64{-149: 0, -150: 0, -151: 0x1p-126, -152: 0x1p-126, -170: 0x1p-126} {
				a, b, c := make([]uint32, 512), make([]uint32, 512), make([]float32, 1024)
				at := func(x float64) uint32 { return math.Float32bits(float32(x)) >> 16 }
				a[0], b[0] = at(0x1p-63), at(0x1p-63)
				a[1], b[32] = at(-0x1p-76), at(math.Ldexp(1, exponent+76))
				level.Tiles(c, 32, a, b, nil, 1, 1, 1, 0)
				if float64(c[0]) != want {
					t.Errorf("2^-126 - 2^%d is %g, want %g", exponent, c[0], want)
				}
			}
		})
	}
}

// TestBFloat16ProductsAreTheSameOnEveryLevelAndForAnyThreads goes through the edges of panels, tiles and parts of k.
func TestBFloat16ProductsAreTheSameOnEveryLevelAndForAnyThreads(t *testing.T) {
	open := func(t *testing.T, level string, threads int) engine.Kernels {
		t.Setenv("MILLRACE_KERNELS", level)
		k, err := cpu.Open(threads)
		if err != nil {
			t.Skip(err)
		}
		half, err := k.With(engine.BF16)
		if err != nil {
			t.Fatal(err)
		}
		return half
	}
	shapes := [][3]int{{1, 1, 1}, {33, 65, 31}, {64, 32, 96}, {5, 1100, 40}, {70, 96, 129}}
	if !testing.Short() {
		shapes = append(shapes, [3]int{2100, 33, 35})
	}
	want := halves(t, open(t, "go", 1), shapes)
	for _, level := range []string{"go", "avx2", "avx512", "amx"} {
		t.Run(level, func(t *testing.T) {
			for _, threads := range []int{1, 3} {
				sameBits(t, "Linear", halves(t, open(t, level, threads), shapes), want)
			}
		})
	}
}

// halves is what products of these shapes answer, one after the other.
func halves(t *testing.T, k engine.Kernels, shapes [][3]int) (all []float32) {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 6))
	normal := func(n int) []float32 { return draw(r, n, manners[0].draw) }
	for _, s := range shapes {
		for _, transposed := range []bool{false, true} {
			m, kk, n := s[0], s[1], s[2]
			x, w, b, dy := normal(m*kk), normal(kk*n), normal(n), normal(m*n)
			y, dx, dw := make([]float32, m*n), make([]float32, m*kk), normal(kk*n)
			k.Linear(y, x, w, b, m, kk, n, transposed)
			k.LinearBackward(dx, dw, b, dy, x, w, m, kk, n, transposed)
			all = append(append(append(all, y...), dx...), dw...)
		}
	}
	return all
}
