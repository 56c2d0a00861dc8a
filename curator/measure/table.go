package measure

import "math/bits"

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

func (t *table) find(key uint64) uint32 {
	mask := uint64(len(t.slots) - 1)
	for at := key * 0xd6e8feb86659fd93 >> t.shift; ; at = (at + 1) & mask {
		if s := &t.slots[at]; s.count == 0 || s.key == key {
			return uint32(at)
		}
	}
}

// slot counts a key, and says where it is.
func (t *table) slot(key uint64) (at, count uint32) {
	at = t.find(key)
	s := &t.slots[at]
	s.key = key
	s.count++
	return at, s.count
}

// add counts a key, and gives the count.
func (t *table) add(key uint64) uint32 {
	_, count := t.slot(key)
	return count
}

func (t *table) has(key uint64) bool { return t.slots[t.find(key)].count > 0 }

// hash of a string, the same everywhere and always. It is no defence against somebody who looks for collisions; all they
// would gain is a document that is taken for repetitive.
func hash(s string) uint64 {
	h := uint64(len(s)) * 0x9e3779b97f4a7c15
	for len(s) >= 8 {
		h = mix(h^load(s), 0xe7037ed1a0b428db)
		s = s[8:]
	}
	if len(s) > 0 {
		var tail uint64
		for i := range len(s) {
			tail |= uint64(s[i]) << (8 * i)
		}
		h = mix(h^tail, 0x8ebc6af09c88c6e3)
	}
	return mix(h^0xa0761d6478bd642f, 0x589965cc75374cc3)
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
