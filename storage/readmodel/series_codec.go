package readmodel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"
)

// The chunk format, version 1. n points as three columns, each coded against the point before:
//
//	byte 1   uvarint n   steps   times   values   crc32c of all before, 4 bytes little-endian
//	steps, times: the change of the difference to the value before (both begin at 0), as zigzag varints;
//	              a run of k zeros is the byte 0x00 and uvarint k
//	values: byte t, then the exclusive or of the IEEE 754 bits with those before (0 at first), shifted right by t, as uvarints;
//	        t is how many low bits are zero in all of them (29 and more for what was a float32);
//	        a run of k zeros is the byte 0x00 and uvarint k
//
// No varint of anything but zero begins with the byte 0x00, which is why it can stand for a run. Equal columns have equal bytes.
const chunkVersion = 1

// maxChunk bounds the points of a chunk that is read.
const maxChunk = 1 << 16

var errChunk = errors.New("malformed chunk")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// columns are points side by side: steps, times in µs since 1970, values. Elements are never changed in place once another
// may hold the slices; appending is harmless to those who do.
type columns struct {
	steps, times []int64
	values       []float64
}

func (c columns) len() int { return len(c.steps) }

func (c columns) slice(from, to int) columns {
	return columns{c.steps[from:to:to], c.times[from:to:to], c.values[from:to:to]}
}

// appendChunk writes columns in the chunk format.
func appendChunk(dst []byte, c columns) []byte {
	start := len(dst)
	dst = append(dst, chunkVersion)
	dst = binary.AppendUvarint(dst, uint64(c.len()))
	dst = appendInts(dst, c.steps)
	dst = appendInts(dst, c.times)
	dst = appendFloats(dst, c.values)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func appendInts(dst []byte, xs []int64) []byte {
	var last, delta int64
	zeros := uint64(0)
	for _, x := range xs {
		d := x - last // wraps, and back again when read
		change := d - delta
		last, delta = x, d
		if change == 0 {
			zeros++
			continue
		}
		dst = appendZeros(dst, &zeros)
		dst = binary.AppendVarint(dst, change)
	}
	return appendZeros(dst, &zeros)
}

func appendFloats(dst []byte, xs []float64) []byte {
	var last, seen uint64
	for _, x := range xs {
		b := math.Float64bits(x)
		seen |= b ^ last
		last = b
	}
	shift := min(bits.TrailingZeros64(seen), 63)
	dst = append(dst, byte(shift))
	last = 0
	zeros := uint64(0)
	for _, x := range xs {
		b := math.Float64bits(x)
		d := (b ^ last) >> shift
		last = b
		if d == 0 {
			zeros++
			continue
		}
		dst = appendZeros(dst, &zeros)
		dst = binary.AppendUvarint(dst, d)
	}
	return appendZeros(dst, &zeros)
}

// appendZeros writes a run of zeros, if there is one.
func appendZeros(dst []byte, zeros *uint64) []byte {
	if *zeros == 0 {
		return dst
	}
	dst = binary.AppendUvarint(append(dst, 0), *zeros)
	*zeros = 0
	return dst
}

// parseChunk reads what appendChunk wrote, or says what is wrong with it. It keeps nothing of b.
func parseChunk(b []byte) (columns, error) {
	if len(b) < 6 || b[0] != chunkVersion {
		return columns{}, fmt.Errorf("%w: %d bytes that do not begin with version %d", errChunk, len(b), chunkVersion)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return columns{}, fmt.Errorf("%w: wrong checksum", errChunk)
	}
	n, k := binary.Uvarint(body[1:])
	if k <= 0 || n > maxChunk {
		return columns{}, fmt.Errorf("%w: %d points, at most %d", errChunk, n, maxChunk)
	}
	body = body[1+k:]
	c := columns{make([]int64, n), make([]int64, n), make([]float64, n)}
	var ok bool
	if body, ok = cutInts(body, c.steps); !ok {
		return columns{}, fmt.Errorf("%w: steps", errChunk)
	}
	if body, ok = cutInts(body, c.times); !ok {
		return columns{}, fmt.Errorf("%w: times", errChunk)
	}
	if body, ok = cutFloats(body, c.values); !ok || len(body) != 0 {
		return columns{}, fmt.Errorf("%w: values", errChunk)
	}
	return c, nil
}

func cutInts(b []byte, xs []int64) ([]byte, bool) {
	var last, delta int64
	for i := 0; i < len(xs); {
		if len(b) > 0 && b[0] == 0 {
			zeros, k := binary.Uvarint(b[1:])
			if k <= 0 || zeros == 0 || zeros > uint64(len(xs)-i) {
				return nil, false
			}
			b = b[1+k:]
			for range zeros {
				last += delta
				xs[i] = last
				i++
			}
			continue
		}
		change, k := binary.Varint(b)
		if k <= 0 {
			return nil, false
		}
		b = b[k:]
		delta += change
		last += delta
		xs[i] = last
		i++
	}
	return b, true
}

func cutFloats(b []byte, xs []float64) ([]byte, bool) {
	if len(b) == 0 || b[0] > 63 {
		return nil, false
	}
	shift := b[0]
	b = b[1:]
	var last uint64
	for i := 0; i < len(xs); {
		if len(b) > 0 && b[0] == 0 {
			zeros, k := binary.Uvarint(b[1:])
			if k <= 0 || zeros == 0 || zeros > uint64(len(xs)-i) {
				return nil, false
			}
			b = b[1+k:]
			v := math.Float64frombits(last)
			for range zeros {
				xs[i] = v
				i++
			}
			continue
		}
		d, k := binary.Uvarint(b)
		if k <= 0 {
			return nil, false
		}
		b = b[k:]
		last ^= d << shift
		xs[i] = math.Float64frombits(last)
		i++
	}
	return b, true
}
