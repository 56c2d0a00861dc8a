package readmodel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// The chunk format, version 2 (docs/formats/series.md draws it):
//
//	byte 2   uvarint n   first point (varint step, varint time in µs, 8 bytes value)   blocks   crc32c of all before, 4 bytes little-endian
//	block:  128 points, the last one fewer: column of steps, column of times, values
//	values: byte t; byte odd, then odd times (byte place, 8 bytes); column
//
// How a column of numbers is packed stands in series_pack.go. A value's number is its IEEE 754 bits without the lowest t, all of which are
// zero (29 and more of what was a float32), so ordered that the numbers sort as the values do. Odd are NaNs whose low bits are not zero.
// A block knows nothing of those behind it, so that a chunk that grows is packed on from where it was. Equal columns have equal bytes.
const chunkVersion = 2

const (
	blockPoints = 128
	// maxChunk bounds the points of a chunk that is read.
	maxChunk = 1 << 16
	// maxOdd is how many NaNs of a block may stand beside its column.
	maxOdd = 16
)

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
	return appendChunkAfter(dst, c, nil, 1)
}

// appendChunkAfter is appendChunk where the blocks of points 1 to next-1 are packed already.
func appendChunkAfter(dst []byte, c columns, packed []byte, next int) []byte {
	start := len(dst)
	dst = append(dst, chunkVersion)
	dst = binary.AppendUvarint(dst, uint64(c.len()))
	if c.len() > 0 {
		dst = binary.AppendVarint(dst, c.steps[0])
		dst = binary.AppendVarint(dst, c.times[0])
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(c.values[0]))
	}
	dst = append(dst, packed...)
	dst = appendBlocks(dst, c, next, c.len())
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// appendBlocks packs the points of a range, which begins where a block does.
func appendBlocks(dst []byte, c columns, from, to int) []byte {
	for ; from < to; from += blockPoints {
		end := min(from+blockPoints, to)
		dst = appendColumn(dst, c.steps[from:end], prior(c.steps, from))
		dst = appendColumn(dst, c.times[from:end], prior(c.times, from))
		dst = appendFloats(dst, c.values, from, end)
	}
	return dst
}

// prior is the number before another, which is not the first, and how it came out of the one before it.
func prior(xs []int64, i int) line {
	if i == 1 {
		return line{xs[0], 0}
	}
	return line{xs[i-1], xs[i-1] - xs[i-2]}
}

// rank is a float64 as an integer that sorts as it does, without its lowest bits: -0 comes right below 0, NaNs beyond the infinities.
func rank(v float64, shift uint) int64 {
	b := int64(math.Float64bits(v))
	sign := b >> 63
	return (b&math.MaxInt64 ^ sign) >> shift
}

// unrank is the way back.
func unrank(x int64, shift uint) float64 {
	sign := x >> 63
	return math.Float64frombits(uint64(x^sign)<<shift&math.MaxInt64 | uint64(sign)<<63)
}

// priorValue is prior for values.
func priorValue(values []float64, i int, shift uint) line {
	last := rank(values[i-1], shift)
	if i == 1 {
		return line{last, 0}
	}
	return line{last, last - rank(values[i-2], shift)}
}

// trailing is how many low bits of all values are zero (29 and more for what was a float32), with and without NaNs, and how many of
// those there are.
func trailing(values []float64) (all, but uint, nans int) {
	var seen, seenBut uint64
	for _, v := range values {
		b := math.Float64bits(v)
		seen |= b
		if v != v {
			nans++
			continue
		}
		seenBut |= b
	}
	return zeros(seen), zeros(seenBut), nans
}

func appendFloats(dst []byte, values []float64, from, end int) []byte {
	all, but, nans := trailing(values[from:end])
	odd := nans
	if nans > maxOdd || but <= all {
		odd, but = 0, all
	}
	dst = append(dst, byte(but), byte(odd))
	var xs [blockPoints]int64
	before := priorValue(values, from, but)
	last := before.at
	for i, v := range values[from:end] {
		if v != v && odd > 0 {
			dst = append(dst, byte(i))
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
		} else {
			last = rank(v, but)
		}
		xs[i] = last // at a NaN's place the one before it again
	}
	return appendColumn(dst, xs[:end-from], before)
}

// parseChunk reads what appendChunk wrote, or says what is wrong with it. It keeps nothing of b.
func parseChunk(b []byte) (columns, error) { return parseChunkInto(columns{}, b) }

// parseChunkInto is parseChunk into room, as far as there is.
func parseChunkInto(room columns, b []byte) (columns, error) {
	n, blocks, err := chunkPoints(b)
	if err != nil {
		return columns{}, err
	}
	if cap(room.steps) < n {
		room = columns{make([]int64, n), make([]int64, n), make([]float64, n)}
	}
	c := columns{room.steps[:n], room.times[:n], room.values[:n]}
	return c, fillChunk(blocks, c)
}

// chunkPoints checks a chunk's frame and returns how many points it has, and what lies behind that.
func chunkPoints(b []byte) (n int, blocks []byte, err error) {
	if len(b) < 6 || b[0] != chunkVersion {
		return 0, nil, fmt.Errorf("%w: %d bytes that do not begin with version %d", errChunk, len(b), chunkVersion)
	}
	body, ok := checked(b)
	if !ok {
		return 0, nil, fmt.Errorf("%w: wrong checksum", errChunk)
	}
	u, k := binary.Uvarint(body[1:])
	if k <= 0 || u > maxChunk {
		return 0, nil, fmt.Errorf("%w: %d points, at most %d", errChunk, u, maxChunk)
	}
	return int(u), body[1+k:], nil
}

// fillChunk reads what lies behind a chunk's frame into columns of as many points as it has.
func fillChunk(rest []byte, c columns) error {
	n := c.len()
	if n > 0 {
		var k1, k2 int
		c.steps[0], k1 = binary.Varint(rest)
		c.times[0], k2 = binary.Varint(rest[max(k1, 0):])
		if k1 <= 0 || k2 <= 0 || len(rest) < k1+k2+8 {
			return fmt.Errorf("%w: first point", errChunk)
		}
		rest = rest[k1+k2:]
		c.values[0], rest = math.Float64frombits(binary.LittleEndian.Uint64(rest)), rest[8:]
	}
	for from := 1; from < n; from += blockPoints {
		end := min(from+blockPoints, n)
		var ok bool
		if rest, ok = cutColumn(rest, c.steps[from:end], prior(c.steps, from)); !ok {
			return fmt.Errorf("%w: steps", errChunk)
		}
		if rest, ok = cutColumn(rest, c.times[from:end], prior(c.times, from)); !ok {
			return fmt.Errorf("%w: times", errChunk)
		}
		if rest, ok = cutFloats(rest, c.values, from, end); !ok {
			return fmt.Errorf("%w: values", errChunk)
		}
	}
	if len(rest) != 0 {
		return fmt.Errorf("%w: bytes behind the last point", errChunk)
	}
	return nil
}

func cutFloats(b []byte, values []float64, from, end int) ([]byte, bool) {
	if len(b) < 2 || b[0] > 63 || b[1] > maxOdd || len(b) < 2+9*int(b[1]) {
		return nil, false
	}
	shift, odd := uint(b[0]), b[2:2+9*int(b[1])]
	var room [blockPoints]int64
	xs := room[:end-from]
	b, ok := cutColumn(b[2+len(odd):], xs, priorValue(values, from, shift))
	if !ok {
		return nil, false
	}
	out := values[from:end]
	for i, x := range xs {
		out[i] = unrank(x, shift)
	}
	for ; len(odd) > 0; odd = odd[9:] {
		if int(odd[0]) >= len(out) {
			return nil, false
		}
		out[odd[0]] = math.Float64frombits(binary.LittleEndian.Uint64(odd[1:]))
	}
	return b, true
}
