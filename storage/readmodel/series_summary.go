package readmodel

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"

	"millrace/event"
)

// name is what makes a series one: points of a run with equal names lie together. Identity is part of it, so that a client
// with MLflow's idea of a repeat does not disturb one with ours.
type name struct {
	run      event.RunID
	key      string
	context  string
	writer   event.WriterID
	identity byte // event.Identity, or sampled
}

// sampled marks series made from usage samples: their steps are µs since 1970, and a rewind leaves them alone.
const sampled byte = 2

func (n name) byContent() bool { return n.identity == byte(event.ByContent) }

// inRun is the rest of the series' key in tableSeries; inKey in tableLast.
func (n name) inRun() string { return parts(n.key, n.context, string(n.writer), n.identity) }
func (n name) inKey() string { return parts(string(n.run), n.context, string(n.writer), n.identity) }

func nameInRun(run event.RunID, rest []byte) (name, bool) {
	key, rest, ok1 := cutPart(rest)
	context, rest, ok2 := cutPart(rest)
	writer, rest, ok3 := cutPart(rest)
	if !ok1 || !ok2 || !ok3 || len(rest) != 1 {
		return name{}, false
	}
	return name{run, key, context, event.WriterID(writer), rest[0]}, true
}

func nameInKey(key string, rest []byte) (name, bool) {
	run, rest, ok1 := cutPart(rest)
	context, rest, ok2 := cutPart(rest)
	writer, rest, ok3 := cutPart(rest)
	if !ok1 || !ok2 || !ok3 || len(rest) != 1 {
		return name{}, false
	}
	return name{event.RunID(run), key, context, event.WriterID(writer), rest[0]}, true
}

// point is one measurement.
type point struct {
	step, time int64
	value      float64
}

// before tells whether p comes before q in a series' order: step, time, bits.
func (p point) before(q point) bool {
	if p.step != q.step {
		return p.step < q.step
	}
	if p.time != q.time {
		return p.time < q.time
	}
	return math.Float64bits(p.value) < math.Float64bits(q.value)
}

// summary is what a list needs of a series without reading it. It does not depend on the order in which points came, but
// for revision.
type summary struct {
	points, nans    int64
	first, last     point // in the series' order
	least, greatest point // by value, NaN left out; of equals the one of the least step
	revision        int64
	base, levels    uint8 // of the pyramid: the finest level, and how many there are; 0 levels: none yet
	topIndex        int64 // index of the coarsest level's only block
	damaged         bool  // a part of it could not be read: the pyramid is not to be used
}

// add counts one point in.
func (s *summary) add(p point) {
	if s.points == 0 {
		s.first, s.last = p, p
		s.least.value, s.greatest.value = math.NaN(), math.NaN()
	}
	s.points++
	if p.before(s.first) {
		s.first = p
	}
	if s.last.before(p) {
		s.last = p
	}
	if math.IsNaN(p.value) {
		s.nans++
		return
	}
	if math.IsNaN(s.least.value) || p.value < s.least.value || p.value == s.least.value && p.before(s.least) {
		s.least = p
	}
	if math.IsNaN(s.greatest.value) || p.value > s.greatest.value || p.value == s.greatest.value && p.before(s.greatest) {
		s.greatest = p
	}
}

var errSummary = errors.New("malformed series summary")

// appendSummary writes: series number (8 bytes), then varints and value bits in the order of the fields, then crc32c of all before, 4 bytes
// little-endian.
func appendSummary(dst []byte, number uint64, s summary) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint64(dst, number)
	dst = binary.AppendVarint(dst, s.points)
	dst = binary.AppendVarint(dst, s.nans)
	for _, p := range []point{s.first, s.last, s.least, s.greatest} {
		dst = binary.AppendVarint(dst, p.step)
		dst = binary.AppendVarint(dst, p.time)
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(p.value))
	}
	dst = binary.AppendVarint(dst, s.revision)
	dst = append(dst, s.base, s.levels)
	dst = binary.AppendVarint(dst, s.topIndex)
	mark := byte(0)
	if s.damaged {
		mark = 1
	}
	dst = append(dst, mark)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// parseSummary reads what appendSummary wrote.
func parseSummary(b []byte) (number uint64, s summary, err error) {
	b, ok := checked(b)
	if !ok || len(b) < 8 {
		return 0, summary{}, errSummary
	}
	number, b = binary.BigEndian.Uint64(b), b[8:]
	varint := func() int64 {
		v, k := binary.Varint(b)
		if k <= 0 {
			ok = false
			return 0
		}
		b = b[k:]
		return v
	}
	s.points, s.nans = varint(), varint()
	for _, p := range []*point{&s.first, &s.last, &s.least, &s.greatest} {
		p.step, p.time = varint(), varint()
		if len(b) < 8 {
			return 0, summary{}, errSummary
		}
		p.value, b = math.Float64frombits(binary.LittleEndian.Uint64(b)), b[8:]
	}
	s.revision = varint()
	if !ok || len(b) < 3 {
		return 0, summary{}, errSummary
	}
	s.base, s.levels, b = b[0], b[1], b[2:]
	s.topIndex = varint()
	if !ok || len(b) != 1 || b[0] > 1 || s.base > 63 || s.levels > 22 {
		return 0, summary{}, errSummary
	}
	s.damaged = b[0] == 1
	return number, s, nil
}
