package readmodel

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/bits"
)

// The pyramid of a series: for levels base, base+3, base+6, … it keeps, for every bucket of 2^level steps that holds a point
// of a sealed chunk, the number of points and NaNs, the least and the greatest value and the last point. Buckets are aligned to
// step 0, so that the order in which points come does not matter and buckets of several series can be laid side by side.
// Sixty-four neighbours lie in one block. A level gets one above it when it has a second block; the top level has one.
const (
	levelStride  = 3  // levels per floor: each bucket above holds 8 below
	blockBits    = 6  // 64 buckets a block
	maxLevel     = 57 // of a bucket; a block above would not fit an int64 of steps
	bucketPoints = 64 // what a bucket of the base level should hold on average, when the first chunk is sealed
)

// bucket stands for the points of some steps.
type bucket struct {
	count, nans    int64
	least, highest float64 // NaN when all are
	last           point   // in the series' order
}

func (b *bucket) add(p point) {
	b.merge(bucket{count: 1, nans: nanCount(p.value), least: p.value, highest: p.value, last: p})
}

func nanCount(v float64) int64 {
	if math.IsNaN(v) {
		return 1
	}
	return 0
}

// merge is commutative and associative, up to the sign of a zero.
func (b *bucket) merge(o bucket) {
	if o.count == 0 {
		return
	}
	if b.count == 0 {
		*b = o
		return
	}
	b.count += o.count
	b.nans += o.nans
	if math.IsNaN(b.least) || o.least < b.least {
		b.least = o.least
	}
	if math.IsNaN(b.highest) || o.highest > b.highest {
		b.highest = o.highest
	}
	if b.last.before(o.last) {
		b.last = o.last
	}
}

// block is 64 neighbouring buckets; only those with points are there.
type block struct {
	present uint64
	buckets [1 << blockBits]bucket
}

type blockID struct {
	level uint8
	index int64 // step >> (level + 6)
}

func (id blockID) rest() string { return parts(byte(id.level), id.index) }

// blockOf tells in which block of a level a step lies, and at which place.
func blockOf(step int64, level uint8) (index int64, place int) {
	i := step >> level
	return i >> blockBits, int(i & (1<<blockBits - 1))
}

var errBlock = errors.New("malformed block")

// appendBlock writes: bitmap of present buckets (8 bytes, little-endian), then a column for each of: count, NaNs, offset of the last point's
// step from the bucket's first, its time; then, as a chunk's values behind a 0, the least, the greatest and the last ones; then crc32c of all
// before, 4 bytes little-endian.
func appendBlock(dst []byte, id blockID, b *block) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, b.present)
	var ints [4][1 << blockBits]int64
	var values [3][1 + 1<<blockBits]float64
	n := 0
	for m := b.present; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		k := &b.buckets[i]
		ints[0][n], ints[1][n], ints[2][n], ints[3][n] = k.count, k.nans, k.last.step-bucketStart(id, i), k.last.time
		n++
		values[0][n], values[1][n], values[2][n] = k.least, k.highest, k.last.value
	}
	if n > 0 {
		for i := range ints {
			dst = appendColumn(dst, ints[i][:n], line{})
		}
		for i := range values {
			dst = appendFloats(dst, values[i][:], 1, 1+n)
		}
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func bucketStart(id blockID, place int) int64 {
	return (id.index<<blockBits | int64(place)) << id.level
}

// parseBlock reads what appendBlock wrote.
func parseBlock(id blockID, b []byte) (*block, error) {
	b, ok := checked(b)
	if !ok || len(b) < 8 {
		return nil, errBlock
	}
	out := &block{present: binary.LittleEndian.Uint64(b)}
	b = b[8:]
	n := bits.OnesCount64(out.present)
	var ints [4][1 << blockBits]int64
	var values [3][1 + 1<<blockBits]float64
	if n > 0 {
		for i := range ints {
			if b, ok = cutColumn(b, ints[i][:n], line{}); !ok {
				return nil, errBlock
			}
		}
		for i := range values {
			if b, ok = cutFloats(b, values[i][:], 1, 1+n); !ok {
				return nil, errBlock
			}
		}
	}
	if len(b) != 0 {
		return nil, errBlock
	}
	n = 0
	for m := out.present; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		k := &out.buckets[i]
		k.count, k.nans, k.last.step, k.last.time = ints[0][n], ints[1][n], ints[2][n]+bucketStart(id, i), ints[3][n]
		n++
		k.least, k.highest, k.last.value = values[0][n], values[1][n], values[2][n]
	}
	return out, nil
}

// checked takes the checksum off the end of a value; false when it is not right.
func checked(b []byte) ([]byte, bool) {
	if len(b) < 4 {
		return nil, false
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	return body, crc32.Checksum(body, castagnoli) == sum
}

// raise adds points, in the order of steps, to the pyramid of a series. It is called when a chunk is sealed, and for each
// point that comes into a sealed one.
func (s *series) raise(v view, c columns) {
	if c.len() == 0 || s.name.byContent() || s.damaged {
		return
	}
	if s.levels == 0 {
		s.base = baseLevel(c)
		s.levels = 1
		s.topIndex, _ = blockOf(c.steps[0], s.base)
	}
	part := gather(c, s.base)
	s.heighten(v, part[0].last.step, part[len(part)-1].last.step)
	for f := range s.levels {
		level := s.base + f*levelStride
		if f > 0 {
			part = coarser(part, level)
		}
		for _, k := range part {
			index, place := blockOf(k.last.step, level)
			b := s.block(v, blockID{level, index})
			b.present |= 1 << place
			b.buckets[place].merge(k)
		}
	}
}

// baseLevel is the finest level worth keeping, judged by a first chunk.
func baseLevel(c columns) uint8 {
	width := float64(uint64(c.steps[c.len()-1])-uint64(c.steps[0])) + 1
	level := math.Ceil(math.Log2(width / float64(c.len()) * bucketPoints))
	return uint8(min(level, maxLevel))
}

// heighten adds levels until one block at the top holds both steps and what was there.
func (s *series) heighten(v view, from, to int64) {
	for {
		top := s.base + (s.levels-1)*levelStride
		low, _ := blockOf(from, top)
		high, _ := blockOf(to, top)
		if low == s.topIndex && high == s.topIndex || top+levelStride > maxLevel {
			return
		}
		up := top + levelStride
		old := s.block(v, blockID{top, s.topIndex})
		above := s.topIndex >> levelStride
		b := s.block(v, blockID{up, above})
		for m := old.present; m != 0; m &= m - 1 {
			k := old.buckets[bits.TrailingZeros64(m)]
			_, place := blockOf(k.last.step, up)
			b.present |= 1 << place
			b.buckets[place].merge(k)
		}
		s.levels++
		s.topIndex = above
	}
}

// gather makes buckets of a level from points in the order of steps.
func gather(c columns, level uint8) []bucket {
	var out []bucket
	for i, step := range c.steps {
		if i == 0 || step>>level != c.steps[i-1]>>level {
			out = append(out, bucket{})
		}
		out[len(out)-1].add(point{step, c.times[i], c.values[i]})
	}
	return out
}

// coarser merges buckets, in order, into those of a higher level. The buckets given stay as they are.
func coarser(in []bucket, level uint8) []bucket {
	out := make([]bucket, 0, len(in)/2+1)
	for _, k := range in {
		if n := len(out); n > 0 && out[n-1].last.step>>level == k.last.step>>level {
			out[n-1].merge(k)
			continue
		}
		out = append(out, k)
	}
	return out
}
