package readmodel

import (
	"bytes"
	"cmp"
	"fmt"
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
	group  string
	chunks map[bound]columns
	blocks map[blockID]*block
	summary
}

// sourceOf takes a series as it is. The lock must be held. Columns are not copied: the fold copies before it inserts.
func (m *Model) sourceOf(v view, n name, withBlocks bool) (source, error) {
	if s := m.series[n.run][n]; s != nil {
		src := source{name: n, group: s.group(), summary: s.summary, chunks: make(map[bound]columns, 1+len(s.loaded))}
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
		return src, nil
	}
	raw := v.get(tableLast, n.key, n.inKey())
	if raw == nil {
		return source{}, m.unreadable(n, errSummary)
	}
	number, sum, err := parseSummary(raw)
	if err != nil {
		return source{}, m.unreadable(n, err)
	}
	return source{name: n, group: parts(number), summary: sum}, nil
}

func (m *Model) unreadable(n name, err error) error {
	return fmt.Errorf("readmodel: %s: series %q of run %s: %w: %w", m.path, n.key, n.run, err, ErrBroken)
}

// scan calls fn, in order, with the chunks that may hold points between two bounds, until it returns false.
func (src *source) scan(b *bbolt.Bucket, from, to bound, fn func(columns) bool) error {
	over := slices.SortedFunc(maps.Keys(src.chunks), func(a, b bound) int {
		switch {
		case a.less(b):
			return -1
		case b.less(a):
			return 1
		}
		return 0
	})
	start, raw := floorChunk(b, src.name, src.group, from)
	if raw == nil {
		start = floor
	}
	for len(over) > 1 && !from.less(over[1]) {
		over = over[1:] // a later chunk holds from
	}
	if len(over) > 0 && start.less(over[0]) && !from.less(over[0]) {
		start = over[0]
	}
	head := appendPart(nil, src.group)
	c := b.Cursor()
	k, raw := c.Seek(append(head[:len(head):len(head)], src.name.restOf(start)...))
	for {
		stored := ceiling
		if k != nil && bytes.HasPrefix(k, head) {
			var ok bool
			if stored, ok = src.name.boundIn(k[len(head):]); !ok {
				return errChunk
			}
		}
		switch {
		case len(over) > 0 && !stored.less(over[0]):
			if to.less(over[0]) {
				return nil
			}
			if !fn(src.chunks[over[0]]) {
				return nil
			}
			if stored == over[0] {
				k, raw = c.Next()
			}
			over = over[1:]
		case stored == ceiling || to.less(stored):
			return nil
		default:
			cols, err := parseChunk(raw)
			if err != nil {
				return err
			}
			if !fn(cols) {
				return nil
			}
			k, raw = c.Next()
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
func (src *source) raw(b *bbolt.Bucket, lo, hi int64, limit int) (columns, error) {
	var out columns
	if n := src.points; limit > 0 || lo > src.first.step || hi < src.last.step {
		n = 0
	} else {
		out = columns{make([]int64, 0, n), make([]int64, 0, n), make([]float64, 0, n)}
	}
	to := bound{hi, math.MaxInt64, math.MaxUint64}
	err := src.scan(b, bound{step: lo, time: math.MinInt64}, to, func(c columns) bool {
		c = c.between(lo, hi)
		out.steps = append(out.steps, c.steps...)
		out.times = append(out.times, c.times...)
		out.values = append(out.values, c.values...)
		return limit <= 0 || out.len() < limit
	})
	return out, err
}

// reduce returns buckets, at most most of them, that together stand for every point of steps lo to hi. It reads a number of stored things
// that grows with most and not with the length of the series. Buckets are aligned to powers of two of steps; a series by content is cut
// into pieces of equal count instead, for which all of it is read. No buckets and true: the points are few, read them as they are.
func (src *source) reduce(tx *bbolt.Tx, lo, hi int64, most int) (out []bucket, few bool, err error) {
	lo, hi = max(lo, src.first.step), min(hi, src.last.step)
	chunks := tx.Bucket([]byte(layout[tableChunk].name))
	if src.name.byContent() {
		return src.reduceByCount(chunks, lo, hi, most)
	}
	level := levelFor(lo, hi, most)
	if src.levels == 0 || level < src.base {
		// What is asked for is finer than the pyramid: there are not many points in it.
		raw, err := src.raw(chunks, lo, hi, 0)
		if err != nil || raw.len() <= most {
			return nil, err == nil, err
		}
		return atMost(gather(raw, level), most), false, nil
	}
	var all []bucket
	put := func(k bucket) { all = append(all, k) }
	points := func(lo, hi int64) error {
		return src.scan(chunks, bound{step: lo, time: math.MinInt64}, bound{hi, math.MaxInt64, math.MaxUint64}, func(c columns) bool {
			all = append(all, gather(c.between(lo, hi), level)...)
			return true
		})
	}
	// Whole buckets come from the pyramid; those that an end cuts, and those of the open chunk, from the points.
	low, high := lo>>level, hi>>level
	cutLow := lo > src.first.step && lo != low<<level
	cutHigh := hi < src.last.step && hi+1 != (high+1)<<level
	if low == high && (cutLow || cutHigh) {
		err = points(lo, hi)
	} else {
		whole, end := lo, hi
		if cutLow {
			whole = (low + 1) << level
			err = points(lo, whole-1)
		}
		if cutHigh {
			end = high<<level - 1
		}
		if whole <= end && err == nil {
			err = src.whole(tx, whole, end, level, put, points)
		}
		if cutHigh && err == nil {
			err = points(end+1, hi)
		}
	}
	if err != nil {
		return nil, false, err
	}
	total := int64(0)
	for i := range all {
		total += all[i].count
	}
	if total <= int64(most) {
		return nil, true, nil
	}
	byStep := func(a, b bucket) int { return cmp.Compare(a.last.step, b.last.step) }
	if !slices.IsSortedFunc(all, byStep) { // it is, unless several blocks were in memory
		slices.SortFunc(all, byStep)
	}
	return atMost(coarser(all, level), most), false, nil
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
func (src *source) openFrom(b *bbolt.Bucket) (int64, bool, error) {
	var tail columns
	if err := src.scan(b, src.name.boundOf(src.last), ceiling, func(c columns) bool { tail = c; return true }); err != nil {
		return 0, false, err
	}
	if n := tail.len(); n == 0 || n >= sealAt {
		return 0, false, nil
	}
	return tail.steps[0], true, nil
}

// whole calls put with the stored buckets of steps lo to hi, which are the ends of buckets of the level wanted, and points for what
// of them lies in the open chunk.
func (src *source) whole(tx *bbolt.Tx, lo, hi int64, want uint8, put func(bucket), points func(lo, hi int64) error) error {
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
	head := append(appendPart(nil, src.group), level)
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
	open, isOpen, err := src.openFrom(tx.Bucket([]byte(layout[tableChunk].name)))
	if err != nil || !isOpen || open > hi {
		return err
	}
	return points(max(open, lo), hi)
}

// reduceByCount cuts the points into pieces of equal count.
func (src *source) reduceByCount(b *bbolt.Bucket, lo, hi int64, most int) ([]bucket, bool, error) {
	raw, err := src.raw(b, lo, hi, 0)
	if err != nil || raw.len() <= most {
		return nil, err == nil, err
	}
	out := make([]bucket, most)
	for i := range raw.len() {
		out[i*most/raw.len()].add(raw.at(i))
	}
	return out, false, nil
}
