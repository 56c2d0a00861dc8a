package token

import (
	"math"
	"strings"
	"sync"
)

// Bounds of an encoder's cache: about 30 MB when full of long pieces, after which it starts again empty.
const (
	maxCached      = 1 << 17
	maxCachedBytes = 64 // longer pieces are rare and seldom repeat
	// shortPiece is where scanning all pairs again for each merge stops being faster than a heap.
	shortPiece = 48
)

// Append appends the ids of text; it never fails. Pieces seen before come from a cache, so natural text runs at the
// speed of Split and one map look-up a word. A piece of n bytes costs O(n log n) at most.
func (t *BPE) Append(dst []int32, text string) ([]int32, error) {
	e := t.encoders.take()
	for len(text) > 0 {
		n := pieceLen(text)
		dst = e.piece(t, dst, text[:n])
		text = text[n:]
	}
	t.encoders.give(e)
	return dst, nil
}

// freeList keeps the encoders that are not in use, each with its warm cache; there are as many as were ever in use at
// once.
type freeList struct {
	mu   sync.Mutex
	free []*encoder
}

func (f *freeList) take() *encoder {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.free); n > 0 {
		e := f.free[n-1]
		f.free = f.free[:n-1]
		return e
	}
	return &encoder{cache: make(map[string]span)}
}

func (f *freeList) give(e *encoder) {
	f.mu.Lock()
	f.free = append(f.free, e)
	f.mu.Unlock()
}

// span is a piece's ids in encoder.arena.
type span struct{ start, end uint32 }

// encoder is the scratch and the cache of one goroutine.
type encoder struct {
	cache map[string]span
	arena []int32

	ids, ranks, next, prev []int32
	heap                   []candidate
}

func (e *encoder) piece(t *BPE, dst []int32, piece string) []int32 {
	if len(piece) == 1 {
		return append(dst, t.byteIDs[piece[0]])
	}
	if s, ok := e.cache[piece]; ok {
		return append(dst, e.arena[s.start:s.end]...)
	}
	from := len(dst)
	if len(piece) <= shortPiece {
		dst = e.mergeShort(t, dst, piece)
	} else {
		dst = e.mergeLong(t, dst, piece)
	}
	if len(piece) <= maxCachedBytes {
		if len(e.cache) >= maxCached {
			clear(e.cache)
			e.arena = e.arena[:0]
		}
		start := len(e.arena)
		e.arena = append(e.arena, dst[from:]...)
		e.cache[strings.Clone(piece)] = span{uint32(start), uint32(len(e.arena))}
	}
	return dst
}

const noRank = math.MaxInt32

func (t *BPE) rank(a, b int32) int32 {
	if r, ok := t.ranks[pairKey(a, b)]; ok {
		return r
	}
	return noRank
}

// mergeShort is the definition itself: find the lowest rank, leftmost first, merge, again. It is the oracle of mergeLong.
func (e *encoder) mergeShort(t *BPE, dst []int32, piece string) []int32 {
	ids, ranks := e.ids[:0], e.ranks[:0]
	for i := range len(piece) {
		ids = append(ids, t.byteIDs[piece[i]])
	}
	for i := range len(ids) - 1 {
		ranks = append(ranks, t.rank(ids[i], ids[i+1]))
	}
	for len(ranks) > 0 {
		at, low := 0, int32(noRank)
		for i, r := range ranks {
			if r < low {
				at, low = i, r
			}
		}
		if low == noRank {
			break
		}
		ids[at] = t.merged[low]
		ids = append(ids[:at+1], ids[at+2:]...)
		ranks = append(ranks[:at], ranks[at+1:]...)
		if at > 0 {
			ranks[at-1] = t.rank(ids[at-1], ids[at])
		}
		if at < len(ranks) {
			ranks[at] = t.rank(ids[at], ids[at+1])
		}
	}
	e.ids, e.ranks = ids, ranks
	return append(dst, ids...)
}

// candidate is a pair that may be merged: its rank, and the position of its left half.
type candidate struct{ rank, at int32 }

func (a candidate) before(b candidate) bool {
	return a.rank < b.rank || a.rank == b.rank && a.at < b.at
}

// mergeLong does the same in O(n log n): a linked list of symbols, and a heap of candidates that are checked when they
// come up.
func (e *encoder) mergeLong(t *BPE, dst []int32, piece string) []int32 {
	n := len(piece)
	ids, next, prev, heap := e.ids[:0], e.next[:0], e.prev[:0], e.heap[:0]
	for i := range n {
		ids = append(ids, t.byteIDs[piece[i]])
		next = append(next, int32(i+1))
		prev = append(prev, int32(i-1))
	}
	next[n-1] = -1
	for i := range n - 1 {
		if r := t.rank(ids[i], ids[i+1]); r != noRank {
			heap = pushHeap(heap, candidate{r, int32(i)})
		}
	}
	for len(heap) > 0 {
		var c candidate
		c, heap = popHeap(heap)
		i := c.at
		j := next[i]
		if ids[i] < 0 || j < 0 || t.rank(ids[i], ids[j]) != c.rank {
			continue // one of its halves has become part of something else
		}
		ids[i], ids[j] = t.merged[c.rank], -1
		next[i] = next[j]
		if k := next[i]; k >= 0 {
			prev[k] = i
			if r := t.rank(ids[i], ids[k]); r != noRank {
				heap = pushHeap(heap, candidate{r, i})
			}
		}
		if k := prev[i]; k >= 0 {
			if r := t.rank(ids[k], ids[i]); r != noRank {
				heap = pushHeap(heap, candidate{r, k})
			}
		}
	}
	for i := int32(0); i >= 0; i = next[i] {
		dst = append(dst, ids[i])
	}
	e.ids, e.next, e.prev, e.heap = ids, next, prev, heap
	return dst
}
