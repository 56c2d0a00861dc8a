package readmodel

import (
	"cmp"

	"millrace/event"
	"millrace/storage/readmodel/where"
)

// Values of any kind take some 50 ns a run to make, hand on and compare, which of 100,000 runs is 5 ms for each condition. So fields that
// lists are asked for most have a second reader, of what they are; what it cannot tell goes the general way.
type quick struct {
	truth  func(*runState) bool
	word   func(*runState) string // "" also where there is none
	number func(*runState) (float64, bool)
	moment func(*runState) int64 // noTime where there is none
}

// test is the comparison of a quick field with what is given; nil where it must go the general way.
func (r quick) test(op where.Op, with []value) func(*runState) bool {
	if len(with) == 0 {
		return nil
	}
	x := with[0]
	switch {
	case r.truth != nil && op == where.Equal && x.kind == boolValue:
		want := x.number == 1
		return func(st *runState) bool { return r.truth(st) == want }
	case r.word != nil && (op == where.Equal || op == where.In && len(with) == 1) && x.kind == wordValue && x.word != "":
		return func(st *runState) bool { return r.word(st) == x.word }
	case r.number != nil && x.kind == numberValue:
		return compareQuick(op, x.number, r.number)
	case r.moment != nil && x.kind == timeValue:
		return compareQuick(op, x.at, func(st *runState) (int64, bool) { at := r.moment(st); return at, at != noTime })
	}
	return nil
}

func compareQuick[T float64 | int64](op where.Op, x T, of func(*runState) (T, bool)) func(*runState) bool {
	switch op {
	case where.Less:
		return func(st *runState) bool { v, ok := of(st); return ok && v < x }
	case where.AtMost:
		return func(st *runState) bool { v, ok := of(st); return ok && v <= x }
	case where.Greater:
		return func(st *runState) bool { v, ok := of(st); return ok && v > x }
	case where.AtLeast:
		return func(st *runState) bool { v, ok := of(st); return ok && v >= x }
	}
	return nil
}

// behind tells, of an order by a quick field, whether a run certainly comes after a place.
func (r quick) behind(st *runState, desc bool, place value) bool {
	var c int
	switch {
	case r.number != nil && place.kind == numberValue:
		v, ok := r.number(st)
		if !ok || v != v {
			return false
		}
		c = cmp.Compare(v, place.number)
	case r.moment != nil && place.kind == timeValue:
		at := r.moment(st)
		if at == noTime {
			return false
		}
		c = cmp.Compare(at, place.at)
	case r.word != nil && place.kind == wordValue:
		w := r.word(st)
		if w == "" {
			return false
		}
		c = compareFolded(w[:min(len(w), maxSortWord)], place.word)
	}
	if desc {
		return c < 0
	}
	return c > 0
}

func truths(of func(*runState) bool) getter {
	return getter{one: func(st *runState) value { return aBool(of(st)) }, quick: quick{truth: of}, price: 1}
}

func words(of func(*runState) string) getter {
	return getter{one: func(st *runState) value { return aWord(of(st)) }, quick: quick{word: of}, price: 1}
}

func numbers(of func(*runState) (float64, bool)) getter {
	return getter{one: func(st *runState) value {
		if v, ok := of(st); ok {
			return aNumber(v)
		}
		return value{}
	}, quick: quick{number: of}, price: 1}
}

func moments(of func(*runState) int64) getter {
	return getter{one: func(st *runState) value { return aMoment(of(st)) }, quick: quick{moment: of}, price: 1}
}

// number is the number at a row, and whether there is one.
func (c *column) number(row int) (float64, bool) {
	if row >= len(c.kinds) || c.kinds[row] != numberValue {
		return 0, false
	}
	return c.numbers[row], true
}

func kindOf(st *runState) string   { return string(cmp.Or(st.kind, event.External)) } // a run that nobody requested is somebody else's
func statusOf(st *runState) string { return string(cmp.Or(st.status, event.Pending)) }
