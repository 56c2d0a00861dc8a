package token

import "math/bits"

func pairKey(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

// pairTable maps pairs of ids to the rank of their merge and the id it makes: open addressing, at most half full. It takes
// half the time of a Go map, and encoding text that is not in the cache is little else than such look-ups.
type pairTable struct {
	slots []pairSlot
	shift int
}

// pairSlot is free when key is 0; otherwise key is a pairKey plus one.
type pairSlot struct {
	key      uint64
	rank, id int32
}

func newPairTable(n int) pairTable {
	width := max(bits.Len(uint(2*n)), 1)
	return pairTable{slots: make([]pairSlot, 1<<width), shift: 64 - width}
}

func (t *pairTable) at(key uint64) int { return int(key * 0x9E3779B97F4A7C15 >> t.shift) }

// add returns false when the pair is there already.
func (t *pairTable) add(pair uint64, rank, id int32) bool {
	for i := t.at(pair + 1); ; i++ {
		slot := &t.slots[i&(len(t.slots)-1)]
		switch slot.key {
		case 0:
			*slot = pairSlot{pair + 1, rank, id}
			return true
		case pair + 1:
			return false
		}
	}
}

// find gives the rank of a pair and what it becomes; noRank when it is not merged.
func (t *pairTable) find(a, b int32) (rank, id int32) {
	key := pairKey(a, b) + 1
	for i := t.at(key); ; i++ {
		slot := &t.slots[i&(len(t.slots)-1)]
		switch slot.key {
		case key:
			return slot.rank, slot.id
		case 0:
			return noRank, -1
		}
	}
}
