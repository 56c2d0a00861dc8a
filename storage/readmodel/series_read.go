package readmodel

import (
	"bytes"
	"cmp"
	"maps"
	"math"
	"math/bits"
	"slices"
	"sort"

	"go.etcd.io/bbolt"
)

// ceiling is above every bound.
var ceiling = bound{math.MaxInt64, math.MaxInt64, math.MaxUint64}

// source is a series as it was at one moment: what of it was in memory, over what is in the file at that time.
type source struct {
	name   name
	number uint64
	chunks map[bound]columns
	blocks map[blockID]*block
	fault  error // why a part of it could not be read
	summary
}

// sourceOf takes a series as it is. The lock must be held. Columns are not copied: the fold copies before it inserts.
func (m *Model) sourceOf(v view, n name, withBlocks bool) source {
	if s := m.series[n.run][n]; s != nil {
		src := source{name: n, number: s.number, summary: s.summary, chunks: make(map[bound]columns, 1+len(s.loaded))}
		for c := range s.chunks() {
			c.shared.Store(true)
			src.chunks[c.lower] = c.slice(0, c.len())
		}
		if withBlocks && len(s.blocks) > 0 {
			src.blocks = make(map[blockID]*block, len(s.blocks))
			for id, b := range s.blocks {
				clone := b.block
				src.blocks[id] = &clone
			}
		}
		return src
	}
	src := source{name: n}
	raw := v.get(tableLast, n.key, n.inKey())
	if number, sum, err := parseSummary(raw); err == nil {
		src.number, src.summary = number, sum
	} else { // there is no way to its points
		src.damaged, src.fault = true, err
	}
	return src
}

// spoil notes that a part of the series could not be read.
func (src *source) spoil(err error) {
	if src.fault == nil {
		src.fault = err
	}
}

// scan calls fn, in order, with the chunks that may hold points between two bounds, until it returns false. The columns are good during
// the call only. What cannot be read is left out and told by fault.
func (src *source) scan(s shelf, from, to bound, fn func(columns) bool) {
	over := slices.SortedFunc(maps.Keys(src.chunks), bound.compare)
	for len(over) > 1 && !from.less(over[1]) {
		over = over[1:] // a later chunk holds from
	}
	w := s.stored(src.name, src.number, from)
	var room columns // of the chunks from the file, one after the other
	lower, raw, ok := w.next()
	for ok && len(over) > 0 && lower.less(over[0]) && !from.less(over[0]) {
		lower, raw, ok = w.next() // one in memory begins between it and from
	}
	for {
		switch {
		case len(over) > 0 && (!ok || !lower.less(over[0])):
			if to.less(over[0]) {
				ok, over = false, nil
				continue
			}
			if ok && lower == over[0] {
				lower, raw, ok = w.next()
			}
			c := src.chunks[over[0]]
			over = over[1:]
			if !fn(c) {
				return
			}
		case !ok || to.less(lower):
			if w.err != nil {
				src.spoil(w.err)
			}
			return
		default:
			cols, err := parseChunkInto(room, raw)
			if err != nil {
				src.spoil(err)
			} else if !fn(cols) {
				return
			}
			if cap(cols.steps) > cap(room.steps) {
				room = cols
			}
			lower, raw, ok = w.next()
		}
	}
}

// between cuts columns to the steps from lo to hi.
func (c columns) between(lo, hi int64) columns {
	from := sort.Search(c.len(), func(i int) bool { return c.steps[i] >= lo })
	to := from + sort.Search(c.len()-from, func(i int) bool { return c.steps[from+i] > hi })
	return c.slice(from, to)
}

// raw reads the points of steps lo to hi, at most limit of them (0: all).
func (src *source) raw(b shelf, lo, hi int64, limit int) columns {
	var out columns
	if n := src.points; limit > 0 || lo > src.first.step || hi < src.last.step {
		n = 0
	} else {
		out = columns{make([]int64, 0, n), make([]int64, 0, n), make([]float64, 0, n)}
	}
	to := bound{hi, math.MaxInt64, math.MaxUint64}
	src.scan(b, bound{step: lo, time: math.MinInt64}, to, func(c columns) bool {
		c = c.between(lo, hi)
		out.steps = append(out.steps, c.steps...)
		out.times = append(out.times, c.times...)
		out.values = append(out.values, c.values...)
		return limit <= 0 || out.len() < limit
	})
	return out
}

// reduce returns buckets, at most most of them, that together stand for every point of steps lo to hi. It reads a number of stored things
// that grows with most and not with the length of the series. Buckets are aligned to powers of two of steps; a series by content is cut
// into pieces of equal count instead, for which all of it is read; so is a damaged one. No buckets and true: the points are few, read them
// as they are.
func (src *source) reduce(tx *bbolt.Tx, lo, hi int64, most int) (out []bucket, few bool) {
	lo, hi = max(lo, src.first.step), min(hi, src.last.step)
	s := shelfOf(tx)
	if src.name.byContent() {
		return reduceByCount(src.raw(s, lo, hi, 0), most)
	}
	level := levelFor(lo, hi, most)
	if src.levels == 0 || level < src.base || src.damaged {
		// What is asked for is finer than the pyramid: there are not many points in it.
		return src.reduceRaw(s, lo, hi, level, most)
	}
	var all []bucket
	put := func(k bucket) { all = append(all, k) }
	points := func(lo, hi int64) {
		src.scan(s, bound{step: lo, time: math.MinInt64}, bound{hi, math.MaxInt64, math.MaxUint64}, func(c columns) bool {
			all = append(all, gather(c.between(lo, hi), level)...)
			return true
		})
	}
	// Whole buckets come from the pyramid; those that an end cuts, and those of the open chunk, from the points.
	low, high := lo>>level, hi>>level
	cutLow := lo > src.first.step && lo != low<<level
	cutHigh := hi < src.last.step && hi+1 != (high+1)<<level
	var err error
	if low == high && (cutLow || cutHigh) {
		points(lo, hi)
	} else {
		whole, end := lo, hi
		if cutLow {
			whole = (low + 1) << level
			points(lo, whole-1)
		}
		if cutHigh {
			end = high<<level - 1
		}
		if whole <= end {
			err = src.whole(tx, whole, end, level, put, points)
		}
		if cutHigh {
			points(end+1, hi)
		}
	}
	if err != nil {
		src.spoil(err)
		return src.reduceRaw(s, lo, hi, level, most)
	}
	total := int64(0)
	for i := range all {
		total += all[i].count
	}
	if total <= int64(most) {
		return nil, true
	}
	byStep := func(a, b bucket) int { return cmp.Compare(a.last.step, b.last.step) }
	if !slices.IsSortedFunc(all, byStep) { // it is, unless several blocks were in memory
		slices.SortFunc(all, byStep)
	}
	return atMost(coarser(all, level), most), false
}

// reduceRaw is reduce from the points.
func (src *source) reduceRaw(s shelf, lo, hi int64, level uint8, most int) ([]bucket, bool) {
	raw := src.raw(s, lo, hi, 0)
	if raw.len() <= most {
		return nil, true
	}
	return atMost(gather(raw, level), most), false
}

// levelFor is the finest level at which lo to hi are at most so many buckets.
func levelFor(lo, hi int64, most int) uint8 {
	for level := range uint8(64) {
		if n := uint64(hi>>level) - uint64(lo>>level); n < uint64(most) {
			return level
		}
	}
	return 63
}

// atMost merges the last buckets when there are too many: steps on both sides of 0 share no bucket however wide.
func atMost(in []bucket, most int) []bucket {
	for len(in) > most && len(in) > 1 {
		n := len(in)
		in[n-2].merge(in[n-1])
		in = in[:n-1]
	}
	return in
}

// openFrom is the first step of the open chunk, whose points are not in the pyramid; false when none is open.
func (src *source) openFrom(s shelf) (from int64, open bool) {
	n := 0
	src.scan(s, src.name.boundOf(src.last), ceiling, func(c columns) bool {
		if n = c.len(); n > 0 {
			from = c.steps[0]
		}
		return true
	})
	return from, n > 0 && n < sealAt
}

// whole calls put with the stored buckets of steps lo to hi, which are the ends of buckets of the level wanted, and points for what
// of them lies in the open chunk.
func (src *source) whole(tx *bbolt.Tx, lo, hi int64, want uint8, put func(bucket), points func(lo, hi int64)) error {
	level := src.base + min((want-src.base)/levelStride, src.levels-1)*levelStride
	from, _ := blockOf(lo, level)
	to, _ := blockOf(hi, level)
	take := func(b *block) {
		for m := b.present; m != 0; m &= m - 1 {
			if k := b.buckets[bits.TrailingZeros64(m)]; k.last.step >= lo && k.last.step <= hi {
				put(k)
			}
		}
	}
	head := append(appendPart(nil, parts(src.number)), level)
	c := tx.Bucket([]byte(layout[tableBlock].name)).Cursor()
	for k, raw := c.Seek(appendInt(head[:len(head):len(head)], from)); k != nil && bytes.HasPrefix(k, head); k, raw = c.Next() {
		index, rest, ok := cutInt(k[len(head):])
		if !ok || len(rest) != 0 {
			return errBlock
		}
		if index > to {
			break
		}
		id := blockID{level, index}
		if src.blocks[id] != nil {
			continue
		}
		b, err := parseBlock(id, raw)
		if err != nil {
			return err
		}
		take(b)
	}
	for id, b := range src.blocks {
		if id.level == level && id.index >= from && id.index <= to {
			take(b)
		}
	}
	if open, isOpen := src.openFrom(shelfOf(tx)); isOpen && open <= hi {
		points(max(open, lo), hi)
	}
	return nil
}

// reduceByCount cuts the points into pieces of equal count.
func reduceByCount(raw columns, most int) ([]bucket, bool) {
	if raw.len() <= most {
		return nil, true
	}
	out := make([]bucket, most)
	for i := range raw.len() {
		out[i*most/raw.len()].add(raw.at(i))
	}
	return out, false
}
