package token

import (
	"slices"
	"sync"
)

// shortPiece is where scanning all pairs again for each merge stops being faster than a heap.
const shortPiece = 48

// Append appends the ids of text; it never fails. Pieces seen before come from a cache, so natural text runs at the
// speed of the scanner and one look-up a word. A piece of n bytes costs O(n log n) at most. Special tokens are not looked
// for: see AppendWithSpecial.
func (t *BPE) Append(dst []int32, text string) ([]int32, error) {
	if text == "" {
		return dst, nil
	}
	e := t.encoders.take()
	dst = slices.Grow(dst, len(text)/4+maxWordIDs+1)
	for len(text) > 0 {
		n := t.scan(text)
		if n > maxWordBytes {
			dst = e.longPiece(t, dst, text[:n])
			text = text[n:]
			continue
		}
		key := wordKeyOf(text, n)
		set := e.words.set(key)
		at := set.place(key)
		if set.keys[at] != key {
			dst = e.newWord(t, dst, text[:n], key, set)
			text = text[n:]
			continue
		}
		ids := &set.ids[at]
		count := int(ids[maxWordIDs])
		if count == 0 {
			dst = e.longPiece(t, dst, text[:n])
			text = text[n:]
			continue
		}
		// All four are written and some of them are counted, which needs no branch.
		end := len(dst)
		if cap(dst)-end < len(ids) {
			dst = slices.Grow(dst, len(ids)+len(text)/3)
		}
		*(*wordIDs)(dst[end : end+len(ids)]) = *ids
		dst = dst[:end+count]
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

	ids        []int32
	next, prev []int32
	heap       []candidate
}

func newEncoder() *encoder { return &encoder{words: newWordCache(), long: newLongCache()} }

// newWord appends the ids of a piece that is not in its set, and puts it there.
func (e *encoder) newWord(t *BPE, dst []int32, piece string, key wordKey, set *wordSet) []int32 {
	from := len(dst)
	if slot := t.words.slot(key); slot.key == key {
		dst = append(dst, slot.id)
	} else if dst = e.merge(t, dst, piece); len(dst)-from > maxWordIDs {
		e.long.put(piece, dst[from:])
	}
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

// mergeShort is the definition itself: find the lowest rank, leftmost first, merge, again. piece has at most shortPiece bytes.
func (e *encoder) mergeShort(t *BPE, dst []int32, piece string) []int32 {
	var ids [shortPiece]int32
	var ranks [shortPiece]uint32 // of each id with the next: the rank above its place, so that the lowest is the leftmost
	n := len(piece)
	last := n - 1
	for i := range last {
		ids[i] = t.byteIDs[piece[i]]
		ranks[i] = uint32(t.pairs.bytes[int(piece[i])<<8|int(piece[i+1])])<<placeBits | uint32(i)
	}
	ids[last] = t.byteIDs[piece[last]]
	for ; last > 0; last-- {
		low := ranks[0]
		for _, r := range ranks[1:last] {
			low = min(low, r)
		}
		rank := int32(low >> placeBits)
		if rank == noRank {
			break
		}
		at := int(low % (1 << placeBits))
		ids[at] = t.pairs.into(rank)
		for i := at + 1; i < last; i++ {
			ids[i] = ids[i+1]
			ranks[i] = ranks[i+1] - 1
		}
		if at+1 < last {
			ranks[at] = uint32(t.pairs.find(ids[at], ids[at+1]))<<placeBits | uint32(at)
		}
		if at > 0 {
			ranks[at-1] = uint32(t.pairs.find(ids[at-1], ids[at]))<<placeBits | uint32(at-1)
		}
	}
	return append(dst, ids[:last+1]...)
}

// placeBits are enough for a place below shortPiece, and with a rank they fit 32 bits.
const placeBits = 32 - rankBits

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
		if r := t.pairs.bytes[int(piece[i])<<8|int(piece[i+1])]; r != noRank {
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
		if t.pairs.find(ids[i], ids[j]) != c.rank {
			continue // one of its halves has become part of something else
		}
		ids[i], ids[j] = t.pairs.into(c.rank), -1
		next[i] = next[j]
		if k := next[i]; k >= 0 {
			prev[k] = i
			if r := t.pairs.find(ids[i], ids[k]); r != noRank {
				heap = pushHeap(heap, candidate{r, i})
			}
		}
		if k := prev[i]; k >= 0 {
			if r := t.pairs.find(ids[k], ids[i]); r != noRank {
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
