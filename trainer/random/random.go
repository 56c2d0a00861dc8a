// Package random is the seeded randomness of training: data order, initial weights, sampling.
//
// Its algorithms are written out here rather than taken from math/rand, so that a seed means the same numbers for as long as
// checkpoints live. Everything is a function of a key and a counter: there is no state to save, and resuming is exact.
package random

import (
	"math"
	"math/bits"
)

// Mix hashes two words into one (two rounds of SplitMix64's finaliser; Steele, Lea & Flood 2014).
func Mix(a, b uint64) uint64 { return finish(finish(a+golden) ^ (b + golden)) }

const golden = 0x9e3779b97f4a7c15

func finish(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Key derives the key of a named use from a seed, so that uses do not share numbers.
func Key(seed uint64, use string) uint64 {
	k := Mix(seed, uint64(len(use)))
	for i := 0; i < len(use); i++ {
		k = Mix(k, uint64(use[i]))
	}
	return k
}

// Below returns a number in [0, n) for position i of the stream of key. n must be positive. The bias is below n/2^64.
func Below(key, i, n uint64) uint64 {
	hi, _ := bits.Mul64(Mix(key, i), n)
	return hi
}

// Float64 returns a number in [0, 1) for position i of the stream of key.
func Float64(key, i uint64) float64 { return float64(Mix(key, i)>>11) / (1 << 53) }

// Normal returns standard normal numbers number 2i and 2i+1 of the stream of key (Box & Muller 1958).
func Normal(key, i uint64) (float64, float64) {
	u := (float64(Mix(key, 2*i)>>11) + 1) / (1 << 53) // (0, 1]
	r := math.Sqrt(-2 * math.Log(u))
	sin, cos := math.Sincos(2 * math.Pi * Float64(key, 2*i+1))
	return r * cos, r * sin
}

// Permute returns where the permutation of [0, n) named by key takes i: a balanced Feistel network of four rounds over the next
// even power of two, walked until the result is below n (Black & Rogaway 2002). It needs no memory, however large n.
func Permute(key, i, n uint64) uint64 {
	half := uint(bits.Len64(n-1)+1) / 2
	if half == 0 {
		return 0
	}
	mask := uint64(1)<<half - 1
	for {
		l, r := i>>half, i&mask
		for round := range uint64(4) {
			l, r = r, l^Mix(key+round, r)&mask
		}
		if i = l<<half | r; i < n {
			return i
		}
	}
}

// Counter is what vector code needs to compare Float64(key, i) with p in [0, 1) for many i: Float64 is at least p exactly where
// finish(seed ^ (first+i)) >> 11 is at least least, finish being SplitMix64's finaliser that Mix names.
func Counter(key uint64, p float64) (seed, first, least uint64) {
	return finish(key + golden), golden, uint64(math.Ceil(p * (1 << 53)))
}
