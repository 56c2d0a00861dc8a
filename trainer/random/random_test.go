package random_test

import (
	"math"
	"testing"

	"millrace/trainer/random"
	"pgregory.net/rapid"
)

func TestPermuteIsAPermutation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 3000).Draw(t, "n")
		key := rapid.Uint64().Draw(t, "key")
		seen := make([]bool, n)
		for i := range n {
			j := random.Permute(key, i, n)
			if j >= n || seen[j] {
				t.Fatalf("%d of %d went to %d", i, n, j)
			}
			seen[j] = true
		}
	})
}

// A fixed point of the identity would be an order that is not shuffled at all.
func TestPermuteMovesMostThings(t *testing.T) {
	const n = 1000
	for key := range uint64(20) {
		fixed, rising := 0, 0
		for i := range uint64(n) {
			j := random.Permute(key, i, n)
			if j == i {
				fixed++
			}
			if i > 0 && j > random.Permute(key, i-1, n) {
				rising++
			}
		}
		if fixed > 12 || rising < 400 || rising > 600 {
			t.Errorf("key %d: %d fixed points, %d rises of %d", key, fixed, rising, n)
		}
	}
}

func TestNormalHasTheMomentsOfANormal(t *testing.T) {
	const n = 100_000
	var sum, squares, fourth float64
	for i := range uint64(n / 2) {
		a, b := random.Normal(7, i)
		sum += a + b
		squares += a*a + b*b
		fourth += a*a*a*a + b*b*b*b
	}
	if m := sum / n; math.Abs(m) > 0.02 {
		t.Errorf("mean %g", m)
	}
	if v := squares / n; math.Abs(v-1) > 0.02 {
		t.Errorf("variance %g", v)
	}
	if k := fourth / n; math.Abs(k-3) > 0.15 {
		t.Errorf("fourth moment %g", k)
	}
}

// Checkpoints and recorded runs depend on these numbers: changing them breaks every reproduction.
func TestNumbersAreForEver(t *testing.T) {
	if got := random.Mix(1, 2); got != 0x6871c08cbe75136c {
		t.Errorf("Mix(1,2) = %#x", got)
	}
	if got := random.Key(42, "data"); got != 0x764c7b9dffd4f261 {
		t.Errorf("Key = %#x", got)
	}
	if got := random.Below(3, 4, 1000); got != 869 {
		t.Errorf("Below = %d", got)
	}
	if got := random.Permute(5, 6, 1000); got != 721 {
		t.Errorf("Permute = %d", got)
	}
}

func TestCounterComparesAsFloat64Does(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, i := rapid.Uint64().Draw(t, "key"), rapid.Uint64().Draw(t, "i")
		p := rapid.OneOf(rapid.Float64Range(0, 0.999), rapid.Just(random.Float64(key, i))).Draw(t, "p")
		seed, first, least := random.Counter(key, p)
		z := seed ^ (first + i)
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		if got, want := (z^z>>31)>>11 >= least, random.Float64(key, i) >= p; got != want {
			t.Fatalf("key %x, counter %d, p %g: %v, want %v", key, i, p, got, want)
		}
	})
}
