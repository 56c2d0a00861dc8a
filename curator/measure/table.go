package measure

import (
	"encoding/binary"
	"math/bits"
)

// table counts 64-bit keys, by open addressing.
type table struct {
	slots []slot
	shift int
}

type slot struct {
	key   uint64
	count uint32
}

// reset empties the table and makes it large enough for n different keys.
func (t *table) reset(n int) {
	size := 1 << max(4, bits.Len(uint(2*n)))
	if cap(t.slots) < size {
		t.slots = make([]slot, size)
	} else {
		t.slots = t.slots[:size]
		clear(t.slots)
	}
	t.shift = 64 - bits.TrailingZeros(uint(size))
}

func (t *table) find(key uint64) *slot {
	mask := uint64(len(t.slots) - 1)
	for at := key * 0xd6e8feb86659fd93 >> t.shift; ; at = (at + 1) & mask {
		if s := &t.slots[at]; s.count == 0 || s.key == key {
			return s
		}
	}
}

// add counts a key, and gives the count.
func (t *table) add(key uint64) uint32 {
	s := t.find(key)
	s.key = key
	s.count++
	return s.count
}

// hash of a string, the same everywhere and always. It is no defence against somebody who looks for collisions; all they
// would gain is a document that is taken for repetitive.
func hash(s string) uint64 {
	h := uint64(len(s)) * hashLength
	for len(s) > 16 {
		h = mix(h^load(s), load(s[8:])^hashHigh)
		s = s[16:]
	}
	low, high := halves(s)
	return mix(mix(low^h, high^hashHigh), hashLast)
}

// hashWord is hash of text[start:end], and has the high bit of a byte that is not ASCII, if there is one, among others. It
// reads a short word as a piece of its text, which is why it is faster.
func hashWord(text string, start, end int) (h, bits uint64) {
	n := end - start
	if n > 16 || start+16 > len(text) {
		for i := start; i < end; i++ {
			bits |= uint64(text[i])
		}
		return hash(text[start:end]), bits
	}
	mask := &masks[n]
	low, high := load(text[start:])&mask[0], load(text[start+8:])&mask[1]
	return mix(mix(low^uint64(n)*hashLength, high^hashHigh), hashLast), low | high
}

const (
	hashLength = 0x9e3779b97f4a7c15
	hashHigh   = 0xe7037ed1a0b428db
	hashLast   = 0x589965cc75374cc3
)

// masks keep the first n bytes of sixteen.
var masks = func() (m [17][2]uint64) {
	for n := range m {
		m[n] = [2]uint64{1<<(8*min(n, 8)) - 1, 1<<(8*max(n-8, 0)) - 1}
	}
	return m
}()

// halves are the up to sixteen bytes of s, padded with zeros.
func halves(s string) (low, high uint64) {
	var b [16]byte
	copy(b[:], s)
	return binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func load(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
