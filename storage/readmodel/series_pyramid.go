package readmodel

import (
	"encoding/binary"
	"errors"
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
	bucketPoints = 16 // what a bucket of the base level should hold on average, when the first chunk is sealed
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

// appendBlock writes: bitmap of present buckets (8 bytes), then of each: uvarint count, uvarint NaNs, uvarint offset of the
// last point's step from the bucket's first, varint its time minus that of the bucket before, bits of least, highest and last value.
func appendBlock(dst []byte, id blockID, b *block) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, b.present)
	var before int64
	for m := b.present; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		k := &b.buckets[i]
		dst = binary.AppendUvarint(dst, uint64(k.count))
		dst = binary.AppendUvarint(dst, uint64(k.nans))
		dst = binary.AppendUvarint(dst, uint64(k.last.step)-uint64(bucketStart(id, i)))
		dst = binary.AppendVarint(dst, k.last.time-before)
		before = k.last.time
		for _, v := range [...]float64{k.least, k.highest, k.last.value} {
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
		}
	}
	return dst
}

func bucketStart(id blockID, place int) int64 {
	return (id.index<<blockBits | int64(place)) << id.level
}

// parseBlock reads what appendBlock wrote.
func parseBlock(id blockID, b []byte) (*block, error) {
	if len(b) < 8 {
		return nil, errBlock
	}
	out := &block{present: binary.LittleEndian.Uint64(b)}
	b = b[8:]
	var before int64
	for m := out.present; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		var u [3]uint64
		for j := range u {
			v, k := binary.Uvarint(b)
			if k <= 0 {
				return nil, errBlock
			}
			u[j], b = v, b[k:]
		}
		t, k := binary.Varint(b)
		if k <= 0 || len(b) < k+24 {
			return nil, errBlock
		}
		b = b[k:]
		before += t
		at := &out.buckets[i]
		at.count, at.nans = int64(u[0]), int64(u[1])
		at.last.step, at.last.time = int64(uint64(bucketStart(id, i))+u[2]), before
		at.least = math.Float64frombits(binary.LittleEndian.Uint64(b))
		at.highest = math.Float64frombits(binary.LittleEndian.Uint64(b[8:]))
		at.last.value = math.Float64frombits(binary.LittleEndian.Uint64(b[16:]))
		b = b[24:]
	}
	if len(b) != 0 {
		return nil, errBlock
	}
	return out, nil
}

// raise adds points, in the order of steps, to the pyramid of a series. It is called when a chunk is sealed, and for each
// point that comes into a sealed one.
func (s *series) raise(v view, c columns) error {
	if c.len() == 0 || s.name.byContent() {
		return nil
	}
	if s.levels == 0 {
		s.base = baseLevel(c)
		s.levels = 1
		s.topIndex, _ = blockOf(c.steps[0], s.base)
	}
	part := gather(c, s.base)
	if err := s.heighten(v, part[0].last.step, part[len(part)-1].last.step); err != nil {
		return err
	}
	for f := range s.levels {
		level := s.base + f*levelStride
		if f > 0 {
			part = coarser(part, level)
		}
		for _, k := range part {
			index, place := blockOf(k.last.step, level)
			b, err := s.block(v, blockID{level, index})
			if err != nil {
				return err
			}
			b.present |= 1 << place
			b.buckets[place].merge(k)
		}
	}
	return nil
}

// baseLevel is the finest level worth keeping, judged by a first chunk.
func baseLevel(c columns) uint8 {
	width := float64(uint64(c.steps[c.len()-1])-uint64(c.steps[0])) + 1
	level := math.Ceil(math.Log2(width / float64(c.len()) * bucketPoints))
	return uint8(min(level, maxLevel))
}

// heighten adds levels until one block at the top holds both steps and what was there.
func (s *series) heighten(v view, from, to int64) error {
	for {
		top := s.base + (s.levels-1)*levelStride
		low, _ := blockOf(from, top)
		high, _ := blockOf(to, top)
		if low == s.topIndex && high == s.topIndex || top+levelStride > maxLevel {
			return nil
		}
		up := top + levelStride
		old, err := s.block(v, blockID{top, s.topIndex})
		if err != nil {
			return err
		}
		above := s.topIndex >> levelStride
		b, err := s.block(v, blockID{up, above})
		if err != nil {
			return err
		}
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
