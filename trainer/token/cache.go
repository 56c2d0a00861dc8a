package token

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// Bounds of wordCache's entries: pieces that fit two machine words with their length, and few ids.
const (
	maxWordBytes = 15
	maxWordIDs   = 7
	wordSets     = 1 << 14 // 1.5 MiB: a core's second-level cache holds it
)

// wordKey is a piece of at most 15 bytes, padded with zeros, its length in the last byte.
type wordKey struct{ low, high uint64 }

func wordKeyOf(s string, n int) wordKey {
	if len(s) < 16 {
		var b [16]byte
		copy(b[:], s[:n])
		return wordKey{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:]) | uint64(n)<<56}
	}
	low, high := load8(s), load8(s[8:])
	if n < 8 {
		return wordKey{low & (1<<(8*n) - 1), uint64(n) << 56}
	}
	return wordKey{low, high&(1<<(8*(n-8))-1) | uint64(n)<<56}
}

// load8 is the first eight bytes of s, little-endian; the compiler makes one load of it.
func load8(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// wordCache holds the ids of short pieces in sets of two. A new piece takes the place of the older one of its set.
type wordCache struct{ sets *[wordSets]wordSet }

// wordSet is where a piece may lie.
type wordSet [2]wordSlot

// wordSlot is free when key.high is 0.
type wordSlot struct {
	key wordKey
	ids [maxWordIDs]int32
	n   int32 // tooMany when the ids are in the longCache
}

const tooMany = -1

func newWordCache() wordCache { return wordCache{new([wordSets]wordSet)} }

func (c wordCache) set(key wordKey) *wordSet {
	high, low := bits.Mul64(key.low^0x9E3779B97F4A7C15, key.high^0xD6E8FEB86659FD93)
	return &c.sets[(high^low)%wordSets]
}

// find returns the slot of key; nil when it has none.
func (s *wordSet) find(key wordKey) *wordSlot {
	if s[0].key == key {
		return &s[0]
	}
	if s[1].key == key {
		return &s[1]
	}
	return nil
}

func (s *wordSet) put(key wordKey, ids []int32) {
	s[1] = s[0]
	slot := &s[0]
	slot.key, slot.n = key, tooMany
	if len(ids) <= maxWordIDs {
		slot.n = int32(copy(slot.ids[:], ids))
	}
}

// Bounds of longCache: about 15 MB when full, after which it starts again empty.
const (
	maxCached      = 1 << 16
	maxCachedBytes = 64 // longer pieces are rare and seldom repeat
)

// longCache holds the ids of pieces that wordCache does not hold, or no longer.
type longCache struct {
	spans map[string]span
	arena []int32
}

// span is a piece's ids in the arena.
type span struct{ start, end uint32 }

func newLongCache() longCache { return longCache{spans: make(map[string]span)} }

func (c *longCache) find(piece string) ([]int32, bool) {
	if len(piece) > maxCachedBytes {
		return nil, false
	}
	s, ok := c.spans[piece]
	return c.arena[s.start:s.end], ok
}

func (c *longCache) put(piece string, ids []int32) {
	if len(piece) > maxCachedBytes {
		return
	}
	if len(c.spans) >= maxCached {
		clear(c.spans)
		c.arena = c.arena[:0]
	}
	start := len(c.arena)
	c.arena = append(c.arena, ids...)
	c.spans[strings.Clone(piece)] = span{uint32(start), uint32(len(c.arena))}
}
