package token

import (
	"math"
	"slices"
	"sync"
)

// shortPiece is where scanning all pairs again for each merge stops being faster than a heap.
const shortPiece = 48

// Append appends the ids of text; it never fails. Pieces seen before come from a cache, so natural text runs at the
// speed of the scanner and one look-up a word. A piece of n bytes costs O(n log n) at most. Special tokens are not looked
// for: see AppendWithSpecial.
func (t *BPE) Append(dst []int32, text string) ([]int32, error) {
	e := t.encoders.take()
	dst = slices.Grow(dst, len(text)/4)
	for len(text) > 0 {
		n := t.scan(text)
		dst = e.piece(t, dst, text, n)
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
	return newEncoder()
}

func (f *freeList) give(e *encoder) {
	f.mu.Lock()
	f.free = append(f.free, e)
	f.mu.Unlock()
}

// encoder is the scratch and the cache of one goroutine.
type encoder struct {
	words wordCache
	long  longCache

	symbols    []symbol
	ids        []int32
	next, prev []int32
	heap       []candidate
}

func newEncoder() *encoder { return &encoder{words: newWordCache(), long: newLongCache()} }

// piece appends the ids of text[:n].
func (e *encoder) piece(t *BPE, dst []int32, text string, n int) []int32 {
	if n == 1 {
		return append(dst, t.byteIDs[text[0]])
	}
	if n > maxWordBytes {
		return e.longPiece(t, dst, text[:n])
	}
	key := wordKeyOf(text, n)
	set := e.words.set(key)
	if slot := set.find(key); slot != nil {
		switch slot.n {
		case 1:
			return append(dst, slot.ids[0])
		case 2:
			return append(dst, slot.ids[0], slot.ids[1])
		case tooMany:
			return e.longPiece(t, dst, text[:n])
		}
		return append(dst, slot.ids[:slot.n]...)
	}
	from := len(dst)
	dst = e.longPiece(t, dst, text[:n])
	set.put(key, dst[from:])
	return dst
}

func (e *encoder) longPiece(t *BPE, dst []int32, piece string) []int32 {
	if ids, ok := e.long.find(piece); ok {
		return append(dst, ids...)
	}
	from := len(dst)
	dst = e.merge(t, dst, piece)
	e.long.put(piece, dst[from:])
	return dst
}

// merge appends the ids of a piece that no cache has.
func (e *encoder) merge(t *BPE, dst []int32, piece string) []int32 {
	if t.parts.whole {
		if id, ok := t.ids[piece]; ok {
			return append(dst, id)
		}
	}
	if len(piece) <= shortPiece {
		return e.mergeShort(t, dst, piece)
	}
	return e.mergeLong(t, dst, piece)
}

const noRank = math.MaxInt32

// symbol is a part of a piece: its id, the rank of the pair it makes with the next one, and what that pair becomes.
type symbol struct{ id, rank, into int32 }

// mergeShort is the definition itself: find the lowest rank, leftmost first, merge, again. It is the oracle of mergeLong.
func (e *encoder) mergeShort(t *BPE, dst []int32, piece string) []int32 {
	symbols := e.symbols[:0]
	for i := range len(piece) {
		symbols = append(symbols, symbol{id: t.byteIDs[piece[i]], rank: noRank})
	}
	for i := range len(symbols) - 1 {
		s := &symbols[i]
		s.rank, s.into = t.pairs.find(s.id, symbols[i+1].id)
	}
	for {
		at, low := 0, int32(noRank)
		for i := range symbols {
			if symbols[i].rank < low {
				at, low = i, symbols[i].rank
			}
		}
		if low == noRank {
			break
		}
		symbols[at].id = symbols[at].into
		symbols = append(symbols[:at+1], symbols[at+2:]...)
		for _, i := range [2]int{at - 1, at} {
			if i < 0 {
				continue
			}
			if s := &symbols[i]; i+1 < len(symbols) {
				s.rank, s.into = t.pairs.find(s.id, symbols[i+1].id)
			} else {
				s.rank = noRank
			}
		}
	}
	for _, s := range symbols {
		dst = append(dst, s.id)
	}
	e.symbols = symbols
	return dst
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
		if r, _ := t.pairs.find(ids[i], ids[i+1]); r != noRank {
			heap = pushHeap(heap, candidate{r, int32(i)})
		}
	}
	for len(heap) > 0 {
		var c candidate
		c, heap = popHeap(heap)
		i := c.at
		j := next[i]
		if ids[i] < 0 || j < 0 {
			continue // its left half has become part of something else, or its right half was the last
		}
		rank, into := t.pairs.find(ids[i], ids[j])
		if rank != c.rank {
			continue // one of its halves has become part of something else
		}
		ids[i], ids[j] = into, -1
		next[i] = next[j]
		if k := next[i]; k >= 0 {
			prev[k] = i
			if r, _ := t.pairs.find(ids[i], ids[k]); r != noRank {
				heap = pushHeap(heap, candidate{r, i})
			}
		}
		if k := prev[i]; k >= 0 {
			if r, _ := t.pairs.find(ids[k], ids[i]); r != noRank {
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
