package token

import "math/bits"

func pairKey(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

// pairTable maps pairs of ids to the rank of their merge: open addressing, at most half full, eight bytes a slot, because
// encoding text that is not in the cache is little else than such look-ups, which miss a core's caches when there are many
// merges.
type pairTable struct {
	slots []uint64 // 20 bits of the left id, 20 of the right one, 24 of the rank; freePair when there is none
	shift int
	made  []int32         // the id that the merge of a rank makes; nil when it is the rank
	bytes *[1 << 16]int32 // ranks of pairs of bytes, the left one above: what every merging begins with
}

const (
	freePair = 1<<64 - 1
	rankBits = 24
	noRank   = 1<<rankBits - 1
	_        = uint64(1<<20 - MaxVocabSize) // ids have 20 bits
)

func newPairTable(n int) pairTable {
	width := max(bits.Len(uint(2*n)), 1)
	t := pairTable{slots: make([]uint64, 1<<width), shift: 64 - width, bytes: new([1 << 16]int32)}
	for i := range t.slots {
		t.slots[i] = freePair
	}
	for i := range t.bytes {
		t.bytes[i] = noRank
	}
	return t
}

func pairBits(a, b int32) uint64 { return uint64(uint32(a))<<20 | uint64(uint32(b)) }

func (t *pairTable) at(pair uint64) int { return int(pair * 0x9E3779B97F4A7C15 >> t.shift) }

// add returns false when the pair is there already. rank is less than noRank.
func (t *pairTable) add(a, b, rank int32) bool {
	pair := pairBits(a, b)
	for i := t.at(pair); ; i++ {
		switch slot := &t.slots[i&(len(t.slots)-1)]; {
		case *slot == freePair:
			*slot = pair<<rankBits | uint64(rank)
			return true
		case *slot>>rankBits == pair:
			return false
		}
	}
}

// find gives the rank of a pair; noRank when it is not merged.
func (t *pairTable) find(a, b int32) int32 {
	pair := pairBits(a, b)
	for i := t.at(pair); ; i++ {
		if slot := t.slots[i&(len(t.slots)-1)]; slot == freePair || slot>>rankBits == pair {
			return int32(slot & noRank)
		}
	}
}

// into is the id that the merge of a rank makes.
func (t *pairTable) into(rank int32) int32 {
	if t.made == nil {
		return rank
	}
	return t.made[rank]
}
