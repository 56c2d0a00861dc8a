package readmodel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"go.etcd.io/bbolt"
)

// How chunks lie in the file: the last one of a series, which is written again with every commit, by itself in tableTail; those before it
// in packs of several in tableChunk, because bbolt's pages are of 4 KB and a value of 4.3 KB leaves much of its second page empty. A pack's
// key is the lower bound of its first chunk. In a pack each chunk has its lower bound before it (8 bytes, or 24 of a series by
// content), its length (uvarint) and the crc32c of those two; so has a tail. Which chunks share a pack depends on when commits came and means
// nothing.
const (
	packFull  = 16 << 10 // bytes at which a new chunk at the end begins a new pack
	packSplit = 48 << 10 // bytes at which a pack, into which late points came, is divided
)

// shelf is where chunks lie in the file.
type shelf struct{ chunks, tails *bbolt.Bucket }

func shelfOf(tx *bbolt.Tx) shelf {
	s := shelf{tx.Bucket([]byte(layout[tableChunk].name)), tx.Bucket([]byte(layout[tableTail].name))}
	s.chunks.FillPercent, s.tails.FillPercent = nearlyFull, nearlyFull
	return s
}

func (v view) shelf() shelf { return shelf{v.bucket(tableChunk), v.bucket(tableTail)} }

// boundSize is how many bytes a lower bound takes.
func (n name) boundSize() int {
	if n.byContent() {
		return 24
	}
	return 8
}

// cutEntry takes the first chunk of a pack.
func (n name) cutEntry(pack []byte) (lower bound, chunk, rest []byte, ok bool) {
	size := n.boundSize()
	if len(pack) < size {
		return bound{}, nil, nil, false
	}
	lower, ok = n.boundIn(pack[:size])
	length, k := binary.Uvarint(pack[size:])
	if !ok || k <= 0 || len(pack)-size-k < 4 || length > uint64(len(pack)-size-k-4) {
		return bound{}, nil, nil, false
	}
	if _, whole := checked(pack[:size+k+4]); !whole {
		return bound{}, nil, nil, false
	}
	pack = pack[size+k+4:]
	return lower, pack[:length], pack[length:], true
}

func (n name) appendEntry(dst []byte, lower bound, chunk []byte) []byte {
	start := len(dst)
	dst = append(dst, n.restOf(lower)...)
	dst = binary.AppendUvarint(dst, uint64(len(chunk)))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
	return append(dst, chunk...)
}

// stored walks the chunks of a series that lie in the file, in order.
type stored struct {
	name   name
	head   []byte // of the series' keys in tableChunk
	c      *bbolt.Cursor
	key    []byte // of the pack being read
	pack   []byte // what is left of it
	tail   []byte // the tail's value, nil when it was read or there is none
	tailAt bound
	err    error // of a pack that could not be read to its end
}

// stored begins at the chunk with the greatest lower bound that is not above from, or at the first.
func (s shelf) stored(n name, number uint64, from bound) *stored {
	w := &stored{name: n, head: appendPart(nil, parts(number))}
	if raw := s.tails.Get(append(appendPart(nil, string(n.run)), parts(number)...)); raw != nil {
		if lower, chunk, rest, ok := n.cutEntry(raw); ok && len(rest) == 0 {
			w.tailAt, w.tail = lower, chunk
			if !from.less(lower) {
				return w
			}
		} else {
			w.err = fmt.Errorf("%w: last one", errChunk)
		}
	}
	w.c = s.chunks.Cursor()
	want := append(w.head[:len(w.head):len(w.head)], n.restOf(from)...)
	k, raw := w.c.Seek(want)
	if !bytes.Equal(k, want) {
		if k == nil {
			k, raw = w.c.Last()
		} else {
			k, raw = w.c.Prev()
		}
		if !bytes.HasPrefix(k, w.head) {
			k, raw = w.c.Seek(w.head)
		}
	}
	w.take(k, raw)
	for len(w.pack) > 0 { // on to the last one that begins at or before from
		_, _, rest, ok := n.cutEntry(w.pack)
		if !ok || len(rest) == 0 {
			break
		}
		if next, _, _, ok := n.cutEntry(rest); !ok || from.less(next) {
			break
		}
		w.pack = rest
	}
	return w
}

func (w *stored) take(k, raw []byte) {
	w.key, w.pack = nil, nil
	if k != nil && bytes.HasPrefix(k, w.head) {
		w.key, w.pack = k, raw
	}
}

// next returns the next chunk as it lies there; false at the end. What could not be made out is left out and told by err.
func (w *stored) next() (bound, []byte, bool) {
	for w.key != nil {
		if len(w.pack) == 0 {
			w.take(w.c.Next())
			continue
		}
		lower, chunk, rest, ok := w.name.cutEntry(w.pack)
		if !ok {
			w.err, w.pack = fmt.Errorf("%w: lengths of a pack", errChunk), nil
			continue
		}
		w.pack = rest
		return lower, chunk, true
	}
	if w.tail != nil {
		chunk := w.tail
		w.tail = nil
		return w.tailAt, chunk, true
	}
	return bound{}, nil, false
}

// floor finds the chunk with the greatest lower bound that is not above at; nil when there is none.
func (s shelf) floor(n name, number uint64, at bound) (bound, []byte, error) {
	w := s.stored(n, number, at)
	lower, raw, ok := w.next()
	if !ok || at.less(lower) {
		return bound{}, nil, w.err
	}
	return lower, raw, w.err
}

// put stores a chunk that is not the last of its series, in place of the one with its lower bound.
func (s shelf) put(n name, number uint64, lower bound, chunk []byte) error {
	head := appendPart(nil, parts(number))
	want := append(head[:len(head):len(head)], n.restOf(lower)...)
	c := s.chunks.Cursor()
	key, pack := c.Seek(want)
	if !bytes.Equal(key, want) {
		if key == nil {
			key, pack = c.Last()
		} else {
			key, pack = c.Prev()
		}
		if !bytes.HasPrefix(key, head) {
			return s.chunks.Put(want, n.appendEntry(nil, lower, chunk))
		}
	}
	var out []byte // the pack with the chunk in it
	var cuts []int // where chunks begin in it
	done := false
	for rest := pack; len(rest) > 0; {
		at, old, after, ok := n.cutEntry(rest)
		if !ok {
			break // what is behind cannot be read by anyone
		}
		if !done && !at.less(lower) {
			cuts, done = append(cuts, len(out)), true
			out = n.appendEntry(out, lower, chunk)
		}
		if at != lower {
			cuts = append(cuts, len(out))
			out = n.appendEntry(out, at, old)
		}
		rest = after
	}
	if !done {
		if len(out) >= packFull {
			return s.chunks.Put(want, n.appendEntry(nil, lower, chunk))
		}
		cuts = append(cuts, len(out))
		out = n.appendEntry(out, lower, chunk)
	}
	key = bytes.Clone(key)
	if len(out) < packSplit || len(cuts) < 2 {
		return s.chunks.Put(key, out)
	}
	at := cuts[len(cuts)/2]
	second := append(head[:len(head):len(head)], out[at:at+n.boundSize()]...)
	if err := s.chunks.Put(key, out[:at:at]); err != nil {
		return err
	}
	return s.chunks.Put(second, out[at:])
}

// putTail stores the last chunk of a series.
func (s shelf) putTail(n name, number uint64, lower bound, chunk []byte) error {
	return s.tails.Put(append(appendPart(nil, string(n.run)), parts(number)...), n.appendEntry(nil, lower, chunk))
}
