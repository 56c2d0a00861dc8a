package readmodel

import (
	"cmp"
	"fmt"
	"math"
	"sort"
	"sync/atomic"
)

// sealAt is how many points close a chunk; a closed one that grows beyond splitAt, by points that come late, is split.
const (
	sealAt  = 896
	splitAt = 2 * sealAt
)

// bound orders points and names chunks: a chunk holds the points from its lower bound up to that of the next one.
// Series by step know no time and no bits in it.
type bound struct {
	step, time int64
	bits       uint64
}

// floor is the lower bound of a series' first chunk.
var floor = bound{math.MinInt64, math.MinInt64, 0}

func (b bound) less(o bound) bool { return b.compare(o) < 0 }

func (b bound) compare(o bound) int {
	if b.step != o.step {
		return cmp.Compare(b.step, o.step)
	}
	return cmp.Or(cmp.Compare(b.time, o.time), cmp.Compare(b.bits, o.bits))
}

func (n name) boundOf(p point) bound {
	if n.byContent() {
		return bound{p.step, p.time, math.Float64bits(p.value)}
	}
	return bound{step: p.step, time: math.MinInt64}
}

// restOf is a bound as the rest of a chunk's key.
func (n name) restOf(b bound) string {
	if n.byContent() {
		return parts(b.step, b.time, b.bits)
	}
	return parts(b.step)
}

func (n name) boundIn(rest []byte) (bound, bool) {
	step, rest, ok := cutInt(rest)
	if !n.byContent() {
		return bound{step: step, time: math.MinInt64}, ok && len(rest) == 0
	}
	time, rest, ok2 := cutInt(rest)
	bits, rest, ok3 := cutInt(rest)
	return bound{step, time, uint64(bits) ^ 1<<63}, ok && ok2 && ok3 && len(rest) == 0
}

// chunk is a loaded piece of a series, its points in the series' order.
type chunk struct {
	lower bound
	columns
	dirty bool
	// packed are the whole blocks of the points before next, as they lie in the file.
	packed []byte
	next   int
	// edits counts insertions before the end: what was packed before one is void.
	edits int
	// shared tells that a reader or a commit holds the columns: they are copied before an insertion.
	shared atomic.Bool
}

// series is a series in memory: its summary, its last chunk, and whatever else of it was touched since the last commit.
type series struct {
	name   name
	number uint64
	summary
	tail   *chunk           // nil while there is no point
	loaded map[bound]*chunk // the other chunks in memory
	blocks map[blockID]*loadedBlock
	dirty  bool
	// commits counts the commits that carry something of it to the file: until it is 0 again, it stays.
	commits int
	touched uint64 // sequence of the newest fact that did
	// spoiled is why a part of it could not be read, until the fold has told of it.
	spoiled error
}

// spoil marks the series: a part of it could not be read.
func (s *series) spoil(err error) {
	if !s.damaged {
		s.spoiled = err
	}
	s.damaged = true
	s.blocks = nil // nobody reads them any more
}

type loadedBlock struct {
	block
	dirty bool
}

// block returns a block of the pyramid to write into, making it when there is none.
func (s *series) block(v view, id blockID) *block {
	if b := s.blocks[id]; b != nil {
		b.dirty = true
		return &b.block
	}
	b := &loadedBlock{dirty: true}
	if raw := v.get(tableBlock, s.group(), id.rest()); raw != nil {
		old, err := parseBlock(id, raw)
		if err != nil {
			s.spoil(err)
			return &b.block
		}
		b.block = *old
	}
	if s.blocks == nil {
		s.blocks = map[blockID]*loadedBlock{}
	}
	s.blocks[id] = b
	return &b.block
}

// group is the series' group in tableChunk and tableBlock.
func (s *series) group() string { return parts(s.number) }

// chunkFor finds the chunk in whose bounds a point lies, loading it when it is not in memory. One that cannot be read is taken for empty,
// and the series marked as damaged.
func (s *series) chunkFor(v view, at bound) *chunk {
	if !at.less(s.tail.lower) {
		return s.tail
	}
	var best *chunk
	for _, c := range s.loaded {
		if !at.less(c.lower) && (best == nil || best.lower.less(c.lower)) {
			best = c
		}
	}
	lower, raw, err := v.shelf().floor(s.name, s.number, at)
	if best != nil && (raw == nil || !best.lower.less(lower)) {
		return best
	}
	var cols columns
	if raw == nil {
		lower = floor
		if err == nil {
			err = fmt.Errorf("%w: it is missing", errChunk)
		}
	} else {
		cols, err = parseChunk(raw)
	}
	if err != nil {
		s.spoil(err)
		cols = columns{}
	}
	return s.load(lower, cols)
}

func (s *series) load(lower bound, cols columns) *chunk {
	c := &chunk{lower: lower, columns: cols}
	if s.loaded == nil {
		s.loaded = map[bound]*chunk{}
	}
	s.loaded[lower] = c
	return c
}

// find returns where a point is or belongs, and whether it is there.
func (c *chunk) find(n name, p point) (int, bool) {
	if !n.byContent() {
		i := sort.Search(len(c.steps), func(i int) bool { return c.steps[i] >= p.step })
		return i, i < len(c.steps) && c.steps[i] == p.step
	}
	i := sort.Search(len(c.steps), func(i int) bool { return !c.at(i).before(p) })
	return i, i < len(c.steps) && !p.before(c.at(i))
}

func (c columns) at(i int) point { return point{c.steps[i], c.times[i], c.values[i]} }

// insert puts a point at place i. Columns that another holds are copied first.
func (c *chunk) insert(i int, p point) {
	if i < len(c.steps) {
		c.packed, c.next = nil, 0
		c.edits++
	}
	if i < len(c.steps) && c.shared.Load() {
		c.columns = columns{
			append(make([]int64, 0, len(c.steps)+16), c.steps...),
			append(make([]int64, 0, len(c.steps)+16), c.times...),
			append(make([]float64, 0, len(c.steps)+16), c.values...),
		}
		c.shared.Store(false)
	}
	c.steps = insertAt(c.steps, i, p.step)
	c.times = insertAt(c.times, i, p.time)
	c.values = insertAt(c.values, i, p.value)
	c.dirty = true
}

func insertAt[T any](xs []T, i int, x T) []T {
	if n := len(xs); n == cap(xs) && n < sealAt { // doubling all the way to a whole chunk copies least
		xs = append(make([]T, 0, min(max(16, 2*n), sealAt)), xs...)
	}
	xs = append(xs, x)
	copy(xs[i+1:], xs[i:])
	xs[i] = x
	return xs
}

// split halves a chunk that grew too big and returns the upper half.
func (s *series) split(c *chunk) *chunk {
	mid := len(c.steps) / 2
	upper := columns{
		append([]int64(nil), c.steps[mid:]...), append([]int64(nil), c.times[mid:]...), append([]float64(nil), c.values[mid:]...),
	}
	lower := s.name.boundOf(upper.at(0))
	c.columns = c.slice(0, mid)
	c.packed, c.next = nil, 0
	c.edits++
	c.dirty = true
	out := &chunk{lower: lower, columns: upper, dirty: true}
	if c == s.tail {
		s.keep(c)
		s.tail = out
	} else {
		s.keep(out)
	}
	return out
}

func (s *series) keep(c *chunk) {
	if s.loaded == nil {
		s.loaded = map[bound]*chunk{}
	}
	s.loaded[c.lower] = c
}
