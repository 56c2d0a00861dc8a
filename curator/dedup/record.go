package dedup

import (
	"bytes"
	"cmp"
	"encoding/binary"
)

// The records that are sorted. On disk, numbers are little-endian or unsigned LEB128.

// A mark says that a document has a band of MinHash values in common with others of the same key: 12 bytes.
type mark struct {
	key      uint64
	document uint32 // number, from 0 in corpus order
}

func (m mark) compare(o mark) int {
	if m.key != o.key {
		return cmp.Compare(m.key, o.key)
	}
	return cmp.Compare(m.document, o.document)
}
func (m mark) within(documents uint32) bool { return m.document < documents }
func (m mark) append(dst []byte, _ mark) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(dst, m.key), m.document)
}
func (mark) next(raw []byte) (mark, int) {
	if len(raw) < 12 {
		return mark{}, 0
	}
	return mark{binary.LittleEndian.Uint64(raw), binary.LittleEndian.Uint32(raw[8:])}, 12
}

// A textMark says that a document has a text of this key: 20 bytes.
type textMark struct {
	key      [16]byte
	document uint32
}

func (m textMark) compare(o textMark) int {
	if m.key != o.key {
		return bytes.Compare(m.key[:], o.key[:])
	}
	return cmp.Compare(m.document, o.document)
}
func (m textMark) within(documents uint32) bool { return m.document < documents }
func (m textMark) append(dst []byte, _ textMark) []byte {
	return binary.LittleEndian.AppendUint32(append(dst, m.key[:]...), m.document)
}
func (textMark) next(raw []byte) (textMark, int) {
	if len(raw) < 20 {
		return textMark{}, 0
	}
	return textMark{[16]byte(raw), binary.LittleEndian.Uint32(raw[16:])}, 20
}

// A link is two documents with a key in common, the other being the later: 8 bytes.
type link struct{ first, other uint32 }

func (l link) compare(o link) int {
	return cmp.Or(cmp.Compare(l.other, o.other), cmp.Compare(l.first, o.first))
}
func (l link) within(documents uint32) bool { return l.first < l.other && l.other < documents }
func (l link) append(dst []byte, _ link) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(dst, l.first), l.other)
}
func (link) next(raw []byte) (link, int) {
	if len(raw) < 8 {
		return link{}, 0
	}
	return link{binary.LittleEndian.Uint32(raw), binary.LittleEndian.Uint32(raw[4:])}, 8
}

// A place is a stretch of a document's text, in bytes. On disk: the document, less that of the place before, the start,
// likewise if the document is the same, the length; 3 to 15 bytes.
type place struct {
	document   uint32
	start, end uint32
}

func (p place) compare(o place) int {
	switch {
	case p.document != o.document:
		return cmp.Compare(p.document, o.document)
	case p.start != o.start:
		return cmp.Compare(p.start, o.start)
	}
	return cmp.Compare(p.end, o.end)
}
func (p place) within(documents uint32) bool { return p.document < documents && p.start < p.end }
func (p place) append(dst []byte, before place) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.document-before.document))
	if p.document == before.document {
		dst = binary.AppendUvarint(dst, uint64(p.start-before.start))
	} else {
		dst = binary.AppendUvarint(dst, uint64(p.start))
	}
	return binary.AppendUvarint(dst, uint64(p.end-p.start))
}
func (p place) next(raw []byte) (place, int) {
	var numbers [3]uint64
	size := 0
	for i := range numbers {
		n, more := binary.Uvarint(raw[size:])
		if more <= 0 || n > 1<<32-1 {
			return place{}, 0
		}
		numbers[i] = n
		size += more
	}
	if numbers[0] == 0 {
		numbers[1] += uint64(p.start)
	}
	document, start := uint64(p.document)+numbers[0], numbers[1]
	if max(document, start+numbers[2]) > 1<<32-1 {
		return place{}, 0
	}
	return place{uint32(document), uint32(start), uint32(start + numbers[2])}, size
}

// A pieceMark says that a document has a piece of this key at a place. On disk: the key, less that of the mark before, and
// the place, behind that of the mark before if the keys are equal; 13 to 16 bytes mostly, 4 to 25 at all.
type pieceMark struct {
	key uint64
	place
}

func (m pieceMark) compare(o pieceMark) int {
	if m.key != o.key {
		return cmp.Compare(m.key, o.key)
	}
	return m.place.compare(o.place)
}
func (m pieceMark) append(dst []byte, before pieceMark) []byte {
	dst = binary.AppendUvarint(dst, m.key-before.key)
	if m.key != before.key {
		before.place = place{}
	}
	return m.place.append(dst, before.place)
}
func (m pieceMark) next(raw []byte) (pieceMark, int) {
	more, n := binary.Uvarint(raw)
	if n <= 0 {
		return pieceMark{}, 0
	}
	if more > 0 {
		m.place = place{}
	}
	after, size := m.place.next(raw[n:])
	if size == 0 {
		return pieceMark{}, 0
	}
	return pieceMark{m.key + more, after}, n + size
}
