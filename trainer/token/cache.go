package token

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// maxWordBytes is the longest piece that fits two machine words with its length.
const maxWordBytes = 15

// wordKey is a piece of at most 15 bytes, padded with zeros, its length in the last byte; so none is zero.
type wordKey struct{ low, high uint64 }

// wordMasks keep the first n bytes of two words.
var wordMasks = func() (m [16]wordKey) {
	for n := range m {
		m[n] = wordKey{1<<(8*min(n, 8)) - 1, 1<<(8*max(n-8, 0)) - 1}
	}
	return m
}()

// wordKeyOf is the key of s[:n]; n is 1 to maxWordBytes.
func wordKeyOf(s string, n int) wordKey {
	if len(s) < 16 {
		var b [16]byte
		copy(b[:], s[:n])
		return wordKey{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:]) | uint64(n)<<56}
	}
	mask := &wordMasks[n&15]
	return wordKey{load8(s) & mask.low, load8(s[8:])&mask.high | uint64(n)<<56}
}

func (k wordKey) hash() uint64 {
	high, low := bits.Mul64(k.low^0x9E3779B97F4A7C15, k.high^0xD6E8FEB86659FD93)
	return high ^ low
}

// load8 is the first eight bytes of s, little-endian; the compiler makes one load of it.
func load8(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// wordTable maps the vocabulary's tokens of at most 15 bytes, those that encode to themselves, to their ids: open addressing,
// at most half full. It is why the first pass over a text is nearly as fast as the second.
type wordTable struct {
	slots []tokenSlot
	shift int
}

// tokenSlot is free when key.high is 0.
type tokenSlot struct {
	key wordKey
	id  int32
}

func newWordTable(n int) wordTable {
	width := max(bits.Len(uint(2*n)), 1)
	return wordTable{slots: make([]tokenSlot, 1<<width), shift: 64 - width}
}

// slot is where key is, or where it would be.
func (t *wordTable) slot(key wordKey) *tokenSlot {
	for i := key.hash() >> t.shift; ; i++ {
		if s := &t.slots[i&uint64(len(t.slots)-1)]; s.key == key || s.key.high == 0 {
			return s
		}
	}
}

// Bounds of wordCache.
const (
	wordSets   = 1 << 15 // 2 MiB
	maxWordIDs = 3
)

// wordCache holds the ids of short pieces in sets of two, a set a cache line. A new piece takes the place of the older one of
// its set.
type wordCache struct{ sets *[wordSets]wordSet }

// wordSet is where a piece may lie.
type wordSet struct {
	keys [2]wordKey
	ids  [2]wordIDs
}

// wordIDs are up to three ids and how many; 0 when there are more.
type wordIDs [maxWordIDs + 1]int32

func newWordCache() wordCache { return wordCache{new([wordSets]wordSet)} }

func (c wordCache) set(key wordKey) *wordSet { return &c.sets[key.hash()%wordSets] }

// place is 1 when the second place has key, otherwise 0, where it is if it is there: without a branch, as nobody can tell
// which of the two it will be.
func (s *wordSet) place(key wordKey) int {
	other := (s.keys[1].low ^ key.low) | (s.keys[1].high ^ key.high)
	at := 0
	if other == 0 {
		at = 1
	}
	return at
}

func (s *wordSet) put(key wordKey, ids []int32) {
	s.keys[1], s.ids[1] = s.keys[0], s.ids[0]
	s.keys[0], s.ids[0] = key, wordIDs{}
	if len(ids) <= maxWordIDs {
		s.ids[0][maxWordIDs] = int32(copy(s.ids[0][:maxWordIDs], ids))
	}
}

// Bounds of longCache: about 15 MB when full, after which it starts again empty.
const (
	maxCached      = 1 << 16
	maxCachedBytes = 64 // longer pieces are rare and seldom repeat
)

// longCache holds the ids of pieces that wordCache does not hold: long ones, and those of many ids.
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
