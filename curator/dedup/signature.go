package dedup

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// The parameters of near-duplicate search, those of FineWeb. Two documents whose sets of shingles have the Jaccard
// similarity s share a band with probability 1-(1-s⁸)¹⁴: 0.92 at 0.8, 0.56 at 0.7.
const (
	ShingleWords = 5
	Bands        = 14
	BandHashes   = 8
	Hashes       = Bands * BandHashes
)

// Signature is the MinHash of a document: for each of 112 hash functions the least value over its shingles.
type Signature [Hashes]uint64

// mersennePrime is 2⁶¹-1.
const mersennePrime = 1<<61 - 1

// Signer computes signatures, the same bit for bit as datatrove's MinhashDedupSignature (64-bit xxhash, seed 1) for the
// same words. It keeps buffers between documents; one goroutine may use it at a time.
type Signer struct {
	a, b     [Hashes]uint64
	text     []byte
	starts   []int // of words in text
	shingles []uint64
}

// NewSigner makes a Signer.
func NewSigner() *Signer {
	s := &Signer{}
	random := newMersenneTwister(1)
	for i := range s.a {
		s.a[i] = random.between(1, mersennePrime)
	}
	for i := range s.b {
		s.b[i] = random.between(0, mersennePrime)
	}
	return s
}

// shinglesAtOnce is how many shingles all hash functions see before the next are made: they stay in the first cache.
const shinglesAtOnce = 2048

// maxKeptBytes is the largest buffer that is kept for the next document.
const maxKeptBytes = 16 << 20

// Sign computes the signature of text. A text of fewer than ShingleWords words, as Simplify divides them, has none: then
// it returns false.
func (s *Signer) Sign(sig *Signature, text string) bool {
	if cap(s.text) > maxKeptBytes {
		s.text, s.starts = nil, nil
	}
	s.text = Simplify(s.text[:0], text)
	for i := range sig {
		sig[i] = 1<<64 - 1
	}
	s.shingles = s.shingles[:0]
	any := false
	for shingle := range Shingles(s.text, ShingleWords, &s.starts) {
		any = true
		s.shingles = append(s.shingles, xxhash.Sum64(shingle))
		if len(s.shingles) == shinglesAtOnce {
			s.least(sig)
			s.shingles = s.shingles[:0]
		}
	}
	s.least(sig)
	return any
}

// least lowers the signature to the least values of the shingles: (h·a+b mod 2⁶⁴) mod 2⁶¹-1. The overflow at 2⁶⁴ is
// datatrove's, and kept for the sake of equal results.
func (s *Signer) least(sig *Signature) {
	for i := range sig {
		sig[i] = leastOf(s.shingles, s.a[i], s.b[i], sig[i])
	}
}

// leastOf is the least of m and of what one hash function makes of the shingles. It is nearly all of the time a signature
// takes. To reduce modulo 2⁶¹-1 one adds the upper 3 bits to the lower 61, and takes 2⁶¹-1 off if it is reached, which
// happens to one hash in 2⁵⁸: so it is only noticed here, and then done again with care.
func leastOf(shingles []uint64, a, b, m uint64) uint64 {
	least, reached := m, uint64(0)
	for _, h := range shingles {
		v := h*a + b
		v = v&mersennePrime + v>>61
		reached |= v + 1
		least = min(least, v)
	}
	if reached>>61 == 0 {
		return least
	}
	for _, h := range shingles {
		m = min(m, (h*a+b)%mersennePrime)
	}
	return m
}

// BandKeys are the values that two documents must share one of to be near duplicates: a 64-bit hash of each band's hashes.
func (sig *Signature) BandKeys() (keys [Bands]uint64) {
	var buf [8 * BandHashes]byte
	for band := range keys {
		for i, h := range sig[band*BandHashes : (band+1)*BandHashes] {
			binary.LittleEndian.PutUint64(buf[8*i:], h)
		}
		keys[band] = xxhash.Sum64(buf[:])
	}
	return keys
}

// Sketch is a signature without all but the lowest byte of each hash: enough to estimate a similarity (Li and König,
// "b-Bit Minwise Hashing", 2010), in an eighth of the room.
type Sketch [Hashes]byte

// Sketch makes a signature's sketch.
func (sig *Signature) Sketch() (sk Sketch) {
	for i, h := range sig {
		sk[i] = byte(h)
	}
	return sk
}

// Similarity estimates the Jaccard similarity of the shingles of two documents: the share of equal hashes, less the 1/256 of
// the others that are equal by chance. Its standard error is √(s(1-s)/112), 0.04 at s = 0.8.
func (sk *Sketch) Similarity(other *Sketch) float64 {
	equal := 0
	for i, b := range sk {
		if b == other[i] {
			equal++
		}
	}
	const chance = 1.0 / 256
	return max(0, (float64(equal)/Hashes-chance)/(1-chance))
}
