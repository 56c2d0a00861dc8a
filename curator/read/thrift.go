package read

import "encoding/binary"

// maxThriftItems bounds the items of all lists of a Parquet footer: a column of a row group is one.
const maxThriftItems = 1 << 19

// thriftWalk passes over Thrift's compact protocol, in which Parquet's footer and page headers are written
// (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md). The library makes room for what a list
// is said to have before it looks, so somebody has to look before.
type thriftWalk struct {
	data  []byte
	items int
}

// thriftSize is how long the struct is that data begins with, or -1 when it is none, or says more than it has.
func thriftSize(data []byte) int {
	w := thriftWalk{data: data}
	if !w.structure(0) {
		return -1
	}
	return len(data) - len(w.data)
}

func (w *thriftWalk) skip(n uint64) bool {
	if n > uint64(len(w.data)) {
		return false
	}
	w.data = w.data[n:]
	return true
}

func (w *thriftWalk) byte() (byte, bool) {
	if len(w.data) == 0 {
		return 0, false
	}
	b := w.data[0]
	w.data = w.data[1:]
	return b, true
}

func (w *thriftWalk) varint() (uint64, bool) {
	v, n := binary.Uvarint(w.data)
	if n <= 0 {
		return 0, false
	}
	w.data = w.data[n:]
	return v, true
}

func (w *thriftWalk) structure(depth int) bool {
	for {
		head, ok := w.byte()
		if !ok || depth > 32 {
			return false
		}
		if head == 0 {
			return true
		}
		if head>>4 == 0 { // the field's number is not a small step from the last
			if _, ok := w.varint(); !ok {
				return false
			}
		}
		if kind := head & 15; kind > 2 && !w.value(kind, depth) { // 1 and 2 are true and false
			return false
		}
	}
}

func (w *thriftWalk) value(kind byte, depth int) bool {
	switch kind {
	case 1, 2, 3: // in lists, booleans take a byte
		return w.skip(1)
	case 4, 5, 6:
		_, ok := w.varint()
		return ok
	case 7:
		return w.skip(8)
	case 8:
		n, ok := w.varint()
		return ok && w.skip(n)
	case 9, 10:
		return w.list(depth)
	case 12:
		return w.structure(depth + 1)
	}
	return false // maps are not in Parquet
}

func (w *thriftWalk) list(depth int) bool {
	head, ok := w.byte()
	if !ok {
		return false
	}
	n := uint64(head >> 4)
	if n == 15 {
		if n, ok = w.varint(); !ok {
			return false
		}
	}
	if n > uint64(len(w.data)) || n > uint64(maxThriftItems-w.items) {
		return false
	}
	w.items += int(n)
	for range n {
		if !w.value(head&15, depth+1) {
			return false
		}
	}
	return true
}
