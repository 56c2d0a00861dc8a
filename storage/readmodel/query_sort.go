package readmodel

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"slices"

	"millrace/event"
	"millrace/storage/readmodel/where"
)

// maxSorts bounds the keys of an order, maxSortWord the letters of a word that count in one.
const (
	maxSorts    = 8
	maxSortWord = 256
)

// place is a run's place in an order: the values of its keys, and its creation, which decides between equals.
type place struct {
	st      *runState // nil of a cursor
	keys    []value
	created int64
	seq     uint64
	id      event.RunID
}

// sorting is an order of runs. Numbers come before truths, words and moments; words go by their small letters; runs that have no such
// value (or NaN) come last, up or down; equals go by their creation, in the direction of the first key.
type sorting struct {
	keys []func(*runState) value
	desc []bool
	lead quick // of the first key
	last bool  // the newest first, of equals
	sum  uint32
}

func (q *question) sorting(sorts []where.Sort) (sorting, error) {
	var s sorting
	if len(sorts) > maxSorts {
		return s, fmt.Errorf("order by %d keys, want at most %d: %w", len(sorts), maxSorts, ErrBadQuery)
	}
	sum := fnv.New32a()
	for i, by := range sorts {
		g, err := q.getter(by.Field, false)
		if err != nil {
			return s, err
		}
		s.keys, s.desc = append(s.keys, g.one), append(s.desc, by.Desc)
		fmt.Fprintf(sum, "%+v\n", by)
		if i == 0 {
			s.last, s.lead = by.Desc, g.quick
		}
	}
	if len(sorts) == 1 && sorts[0].Field.Name == where.Created {
		s.keys, s.desc = nil, nil // by creation it is anyway
	}
	s.sum = sum.Sum32()
	return s, nil
}

// key is a run's value as it counts in the order.
func (s *sorting) key(i int, st *runState) value {
	v := s.keys[i](st)
	switch {
	case v.kind == numberValue && math.IsNaN(v.number), v.kind == otherValue:
		return value{}
	case v.kind == wordValue && len(v.word) > maxSortWord:
		v.word = v.word[:maxSortWord]
	}
	return v
}

func (s *sorting) place(st *runState) place {
	p := place{st: st, created: st.created, seq: st.seq, id: st.id}
	if len(s.keys) > 0 {
		p.keys = make([]value, len(s.keys))
	}
	for i := range s.keys {
		p.keys[i] = s.key(i, st)
	}
	return p
}

// compareValues compares two values as they count in an order; none is not among them.
func compareValues(a, b value) int {
	if a.kind != b.kind {
		return cmp.Compare(a.kind, b.kind)
	}
	switch a.kind {
	case numberValue, boolValue:
		return cmp.Compare(a.number, b.number)
	case timeValue:
		return cmp.Compare(a.at, b.at)
	}
	return compareFolded(a.word, b.word)
}

// compareFolded compares words by their letters, A as a.
func compareFolded(a, b string) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}

func (s *sorting) compareKey(i int, a, b value) int {
	if (a.kind == noValue) != (b.kind == noValue) {
		if a.kind == noValue {
			return 1
		}
		return -1
	}
	c := compareValues(a, b)
	if s.desc[i] {
		return -c
	}
	return c
}

// compareCreation is byCreation, in the direction of the order.
func (s *sorting) compareCreation(created int64, seq uint64, id event.RunID, b *place) int {
	c := cmp.Or(cmp.Compare(created, b.created), cmp.Compare(seq, b.seq), cmp.Compare(id, b.id))
	if s.last {
		return -c
	}
	return c
}

func (s *sorting) compare(a, b *place) int {
	for i := range a.keys {
		if c := s.compareKey(i, a.keys[i], b.keys[i]); c != 0 {
			return c
		}
	}
	return s.compareCreation(a.created, a.seq, a.id, b)
}

// against compares a run with a place, reading no more of its keys than it must.
func (s *sorting) against(st *runState, b *place) int {
	for i := range s.keys {
		if c := s.compareKey(i, s.key(i, st), b.keys[i]); c != 0 {
			return c
		}
	}
	return s.compareCreation(st.created, st.seq, st.id, b)
}

// foremost keeps the first n of those that are added: a heap whose root is the last of them.
type foremost struct {
	by    sorting
	after *place // only what comes behind it counts
	n     int
	heap  []place
}

// add takes runs into account, by their rows. They come by creation, in the direction of the order.
func (f *foremost) add(runs []*runState, rows []int32) {
	if front := f.by.lead.front; front != nil && len(f.heap) == f.n && f.heap[0].keys[0].kind == numberValue {
		rows = front(rows, f.heap[0].keys[0].number, f.by.desc[0])
	}
	for _, row := range rows {
		if len(f.heap) == f.n {
			if len(f.by.keys) == 0 {
				return
			}
			if f.by.lead.behind(int(row), runs, f.by.desc[0], f.heap[0].keys[0]) {
				continue
			}
		}
		f.one(runs[row])
	}
}

func (f *foremost) one(st *runState) {
	if f.after != nil && f.by.against(st, f.after) <= 0 {
		return
	}
	if len(f.heap) == f.n {
		if f.by.against(st, &f.heap[0]) >= 0 {
			return
		}
		f.heap[0] = f.by.place(st)
		f.sink(0)
		return
	}
	f.heap = append(f.heap, f.by.place(st))
	for i := len(f.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if f.by.compare(&f.heap[i], &f.heap[up]) <= 0 {
			break
		}
		f.heap[i], f.heap[up] = f.heap[up], f.heap[i]
		i = up
	}
}

func (f *foremost) sink(i int) {
	for {
		last := i
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < len(f.heap) && f.by.compare(&f.heap[child], &f.heap[last]) > 0 {
				last = child
			}
		}
		if last == i {
			return
		}
		f.heap[i], f.heap[last] = f.heap[last], f.heap[i]
		i = last
	}
}

// sorted returns them in order.
func (f *foremost) sorted() []place {
	slices.SortFunc(f.heap, func(a, b place) int { return f.by.compare(&a, &b) })
	return f.heap
}

// cursor writes a place: 4 bytes that tell the order, each key's kind and value, the time of creation, the place in the log, the id.
func (s *sorting) cursor(p *place) string {
	b := binary.LittleEndian.AppendUint32(nil, s.sum)
	b = appendValues(b, p.keys)
	b = binary.AppendUvarint(binary.AppendVarint(b, p.created), p.seq)
	return base64.RawURLEncoding.EncodeToString(append(b, p.id...))
}

func appendValues(b []byte, values []value) []byte {
	for _, v := range values {
		b = append(b, byte(v.kind))
		switch v.kind {
		case numberValue, boolValue:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v.number))
		case timeValue:
			b = binary.AppendVarint(b, v.at)
		case wordValue:
			b = append(binary.AppendUvarint(b, uint64(len(v.word))), v.word...)
		}
	}
	return b
}

// cutValues reads n values that appendValues wrote.
func cutValues(d *headReader, n int) []value {
	out := make([]value, n)
	for i := range out {
		if d.b == "" {
			d.ok = false
			return nil
		}
		v := &out[i]
		v.kind = valueKind(d.b[0])
		d.b = d.b[1:]
		switch v.kind {
		case noValue:
		case numberValue, boolValue:
			v.number = d.float()
			d.ok = d.ok && !math.IsNaN(v.number)
		case timeValue:
			v.at = d.varint()
		case wordValue:
			v.word = d.str()
		default:
			d.ok = false
		}
	}
	return out
}

// parse reads a cursor of this order. Errors: ErrBadQuery.
func (s *sorting) parse(cursor string) (*place, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil && len(raw) > 4 && binary.LittleEndian.Uint32(raw) == s.sum {
		d := headReader{b: string(raw[4:]), ok: true}
		p := place{keys: cutValues(&d, len(s.keys))}
		p.created, p.seq = d.varint(), d.uvarint()
		if p.id = event.RunID(d.b); d.ok {
			return &p, nil
		}
	}
	return nil, fmt.Errorf("cursor %.40q was not made by this list in this order: %w", cursor, ErrBadQuery)
}
