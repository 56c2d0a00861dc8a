package words

import "math/bits"

// Eight bytes are looked at in one machine word: a byte's high bit in a result says yes.
const (
	ones = 0x0101010101010101
	high = 0x80 * ones
)

// load is the first eight bytes of s, little-endian; the compiler makes one load of it.
func load(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// is tells the bytes of w that are c; none is taken for another.
func is(w uint64, c byte) uint64 {
	w ^= ones * uint64(c)
	return ^((w&^high + (high - ones)) | w) & high
}

// graphic is how many bytes s begins with that are ASCII and above the space.
func graphic(s string) int {
	n := 0
	for ; len(s)-n >= 8; n += 8 {
		w := load(s[n:])
		if other := ^(w&^high+(0x80-'!')*ones)&high | w&high; other != 0 {
			return n + bits.TrailingZeros64(other)/8
		}
	}
	for n < len(s) && s[n] > ' ' && s[n] < 0x80 {
		n++
	}
	return n
}

// unmarked is how many bytes s begins with that are ASCII and none of . ! and ?
func unmarked(s string) int {
	n := 0
	for ; len(s)-n >= 8; n += 8 {
		w := load(s[n:])
		if other := is(w, '.') | is(w, '!') | is(w, '?') | w&high; other != 0 {
			return n + bits.TrailingZeros64(other)/8
		}
	}
	for n < len(s) && s[n] < 0x80 && s[n] != '.' && s[n] != '!' && s[n] != '?' {
		n++
	}
	return n
}
