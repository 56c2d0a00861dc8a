package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// Kind is what a record says.
type Kind byte

// The kinds of record.
const (
	Name   Kind = 'K' // uvarint id, string key, string context: what the points of this batch call id
	Points Kind = 'P' // uvarint n, n points
	Entry  Kind = 'E' // one entry of the log door, as JSON
	Cut    Kind = 'C' // uvarint: the number of the batch that ends here
)

// A record is a mark, its kind, the length of its body, a CRC-32C over kind, length and body, and the body.
const (
	mark   = 0xB5
	header = 10
	// MaxRecord bounds a record's body in bytes, for writers and readers alike.
	MaxRecord = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Record is one record of a segment.
type Record struct {
	Kind Kind
	Body []byte // a part of what was read
	At   int    // where it begins
	End  int    // where the next one begins
}

// appendHeader leaves room for a record's header; endRecord fills it in.
func appendHeader(dst []byte, k Kind) []byte {
	return append(dst, mark, byte(k), 0, 0, 0, 0, 0, 0, 0, 0)
}

// endRecord writes length and checksum of the record that begins at a place and ends with dst.
func endRecord(dst []byte, at int) []byte {
	r := dst[at:]
	binary.LittleEndian.PutUint32(r[2:], uint32(len(r)-header))
	binary.LittleEndian.PutUint32(r[6:], checksum(r))
	return dst
}

// checksum is over everything of a whole record but itself.
func checksum(r []byte) uint32 {
	return crc32.Update(crc32.Checksum(r[1:6], castagnoli), castagnoli, r[header:])
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// recordAt reads the record that begins at a place; ok is false when none does.
func recordAt(b []byte, at int) (Record, bool) {
	if len(b)-at < header || b[at] != mark {
		return Record{}, false
	}
	n := binary.LittleEndian.Uint32(b[at+2:])
	if n > MaxRecord || int(n) > len(b)-at-header {
		return Record{}, false
	}
	r := b[at : at+header+int(n)]
	if binary.LittleEndian.Uint32(r[6:]) != checksum(r) {
		return Record{}, false
	}
	return Record{Kind: Kind(r[1]), Body: r[header:], At: at, End: at + len(r)}, true
}

// Gap is a part of a segment in which no record could be read.
type Gap struct{ At, Bytes int }

// Scan calls fn with every record of b, in order. Where none begins it looks for the next that is whole, and tells of the gap when it has
// found one; tail is how many bytes at the end are part of no record: a write that was cut short.
func Scan(b []byte, fn func(Record)) (gaps []Gap, tail int) {
	lost := -1
	for at := 0; at < len(b); {
		r, ok := recordAt(b, at)
		if !ok {
			if lost < 0 {
				lost = at
			}
			at++
			continue
		}
		if lost >= 0 {
			gaps = append(gaps, Gap{lost, at - lost})
			lost = -1
		}
		fn(r)
		at = r.End
	}
	if lost >= 0 {
		tail = len(b) - lost
	}
	return gaps, tail
}
