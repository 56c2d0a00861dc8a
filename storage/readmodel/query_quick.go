package readmodel

import (
	"cmp"

	"millrace/storage/readmodel/where"
)

// Values of any kind take some 50 ns a run to make, hand on and compare, which of 100,000 runs is 5 ms for each condition. So fields that
// lists are asked for most have a second reader, of what they are; what it cannot tell goes the general way. Readers are given a run's row, too:
// those that are dense look at no more than that.
type quick struct {
	truth  func(row int, st *runState) bool
	word   func(row int, st *runState) string // "" also where there is none
	number func(row int, st *runState) (float64, bool)
	moment func(row int, st *runState) int64 // noTime where there is none
	equal  func(word string) holds           // whether the value is that word; nil where that is not to be told so
	// Of many rows, nil where there is no such: comparisons, and those that do not certainly come after a number in an order.
	sift  sifter
	front func(rows []int32, place float64, desc bool) []int32
	dense bool
}

// test is the comparison of a quick field with what is given; nil where it must go the general way.
func (r quick) test(op where.Op, with []value) holds {
	if len(with) == 0 {
		return nil
	}
	x := with[0]
	switch {
	case r.truth != nil && op == where.Equal && x.kind == boolValue:
		want := x.number == 1
		return func(row int, st *runState) bool { return r.truth(row, st) == want }
	case r.word != nil && (op == where.Equal || op == where.In && len(with) == 1) && x.kind == wordValue && x.word != "":
		return func(row int, st *runState) bool { return r.word(row, st) == x.word }
	case r.equal != nil && (op == where.Equal || op == where.In && len(with) == 1) && x.kind == wordValue:
		return r.equal(x.word)
	case r.number != nil && x.kind == numberValue:
		return compareQuick(op, x.number, r.number)
	case r.moment != nil && x.kind == timeValue:
		return compareQuick(op, x.at, func(row int, st *runState) (int64, bool) { at := r.moment(row, st); return at, at != noTime })
	}
	return nil
}

func compareQuick[T float64 | int64](op where.Op, x T, of func(int, *runState) (T, bool)) holds {
	switch op {
	case where.Less:
		return func(row int, st *runState) bool { v, ok := of(row, st); return ok && v < x }
	case where.AtMost:
		return func(row int, st *runState) bool { v, ok := of(row, st); return ok && v <= x }
	case where.Greater:
		return func(row int, st *runState) bool { v, ok := of(row, st); return ok && v > x }
	case where.AtLeast:
		return func(row int, st *runState) bool { v, ok := of(row, st); return ok && v >= x }
	}
	return nil
}

// behind tells, of an order by a quick field, whether a run certainly comes after a place.
func (r quick) behind(row int, runs []*runState, desc bool, place value) bool {
	var st *runState
	if !r.dense {
		st = runs[row]
	}
	var c int
	switch {
	case r.number != nil && place.kind == numberValue:
		v, ok := r.number(row, st)
		if !ok || v != v {
			return false
		}
		c = cmp.Compare(v, place.number)
	case r.moment != nil && place.kind == timeValue:
		at := r.moment(row, st)
		if at == noTime {
			return false
		}
		c = cmp.Compare(at, place.at)
	case r.word != nil && place.kind == wordValue:
		w := r.word(row, st)
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

func truths(of func(int, *runState) bool) getter {
	return getter{one: func(st *runState) value { return aBool(of(st.row, st)) }, quick: quick{truth: of}, price: 1}
}

func words(of func(int, *runState) string) getter {
	return getter{one: func(st *runState) value { return aWord(of(st.row, st)) }, quick: quick{word: of}, price: 1}
}

func numbers(of func(int, *runState) (float64, bool)) getter {
	return getter{one: func(st *runState) value {
		if v, ok := of(st.row, st); ok {
			return aNumber(v)
		}
		return value{}
	}, quick: quick{number: of}, price: 1}
}

func moments(of func(int, *runState) int64) getter {
	return getter{one: func(st *runState) value { return aMoment(of(st.row, st)) }, quick: quick{moment: of}, price: 1}
}

// dense says of a getter that it looks at a run's row only.
func dense(g getter) getter {
	g.quick.dense = true
	return g
}

// quick are the readers of a column.
func (c *column) quick() quick {
	return quick{number: c.number, equal: c.equal, sift: c.sift, front: c.front, dense: true}
}

// equal looks for a word by its place in the column's list of words.
func (c *column) equal(word string) holds {
	if len(word) > maxColumnWord {
		return nil
	}
	n, known := c.places[word]
	if !known {
		return func(int, *runState) bool { return false }
	}
	place := float64(n)
	return func(row int, _ *runState) bool {
		return row < len(c.kinds) && c.kinds[row] == wordValue && c.numbers[row] == place
	}
}

// number is the number at a row, and whether there is one.
func (c *column) number(row int, _ *runState) (float64, bool) {
	if row >= len(c.kinds) || c.kinds[row] != numberValue {
		return 0, false
	}
	return c.numbers[row], true
}
