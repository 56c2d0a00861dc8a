package dedup

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Hashes that need the last step of the reduction are too rare to be met by chance.
func TestReductionAtThePrime(t *testing.T) {
	const p = mersennePrime
	for _, h := range []uint64{0, 1, p - 1, p, p + 1, 2*p - 1, 2 * p, 3*p + 1, 7 * p, 8*p + 6, 1<<64 - 1} {
		require.Equal(t, h%p, leastOf([]uint64{h}, 1, 0, 1<<64-1), "%d", h)
		require.Zero(t, leastOf([]uint64{h, 7, p}, 1, 0, 5), "%d beside 2⁶¹-1 itself, which is 0", h)
	}
}

func TestLeastIsTheFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hashes := rapid.SliceOf(rapid.Uint64()).Draw(t, "hashes")
		a, b := rapid.Uint64().Draw(t, "a"), rapid.Uint64().Draw(t, "b")
		want := uint64(1<<64 - 1)
		for _, h := range hashes {
			want = min(want, (h*a+b)%mersennePrime)
		}
		require.Equal(t, want, leastOf(hashes, a, b, 1<<64-1))
	})
}
