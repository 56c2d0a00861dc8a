package readmodel

import "millrace/storage/readmodel/where"

// A condition asked of run after run costs three calls and a wait for memory each, which of 100,000 runs is 2-5 ms. So it is asked of many rows at
// a time, part after part: what is left by the cheap parts is asked of the dear ones.

// sift leaves, of rows, those that fit, in their order and where they lie.
type sift func(rows []int32) []int32

// sifter makes a sift of a comparison, or of its denial; nil where there is none.
type sifter func(op where.Op, x value, deny bool) sift

// siftRows is how many rows are sifted at a time: they and what columns have of them stay in the processor's nearest memory.
var siftRows = 1024

// lookAhead is how many runs are fetched from memory at once: one after the other each would be waited for, which was most of the time of a list.
const lookAhead = 32

// sifting is a test of many rows.
func (q *question) sifting(t test) sift {
	if t.sift != nil {
		return t.sift
	}
	return func(rows []int32) []int32 {
		n := 0
		for from := 0; from < len(rows); from += lookAhead {
			some := rows[from:min(from+lookAhead, len(rows))]
			q.fetch(some)
			for _, row := range some {
				if t.holds(int(row), q.m.rows[row]) {
					rows[n] = row
					n++
				}
			}
		}
		return rows[:n]
	}
}

// siftAll leaves what all tests leave.
func (q *question) siftAll(all []test) sift {
	sifts := make([]sift, len(all))
	for i, t := range all {
		sifts[i] = q.sifting(t)
	}
	return func(rows []int32) []int32 {
		for _, s := range sifts {
			if rows = s(rows); len(rows) == 0 {
				break
			}
		}
		return rows
	}
}

// siftDense asks what looks at no more than a run's row.
func siftDense(fits holds, deny bool) sift {
	return func(rows []int32) []int32 {
		n := 0
		for _, row := range rows {
			if fits(int(row), nil) != deny {
				rows[n] = row
				n++
			}
		}
		return rows[:n]
	}
}

// siftArchived is the comparison that nearly every list makes.
func (m *Model) siftArchived(op where.Op, x value, deny bool) sift {
	if op != where.Equal || x.kind != boolValue {
		return nil
	}
	want := (x.number == 1) != deny
	return func(rows []int32) []int32 {
		n, hot := 0, m.hot
		for _, row := range rows {
			if hot[row].archived == want {
				rows[n] = row
				n++
			}
		}
		return rows[:n]
	}
}

// sift puts the numbers of a column below or above another.
func (c *column) sift(op where.Op, x value, deny bool) sift {
	if deny || x.kind != numberValue || op != where.Less && op != where.AtMost && op != where.Greater && op != where.AtLeast {
		return nil
	}
	below, equal, than := op == where.Less || op == where.AtMost, op == where.AtMost || op == where.AtLeast, x.number
	return func(rows []int32) []int32 {
		n, kinds := 0, c.kinds
		numbers := c.numbers[:len(kinds)]
		for _, row := range rows {
			if int(row) >= len(kinds) || kinds[row] != numberValue {
				continue
			}
			if v := numbers[row]; below && v < than || !below && v > than || equal && v == than {
				rows[n] = row
				n++
			}
		}
		return rows[:n]
	}
}

// front leaves the rows that do not certainly come after a number, up or down: what is no number is left, too.
func (c *column) front(rows []int32, place float64, desc bool) []int32 {
	n, kinds := 0, c.kinds
	numbers := c.numbers[:len(kinds)]
	for _, row := range rows {
		if int(row) < len(kinds) && kinds[row] == numberValue {
			if v := numbers[row]; desc && v < place || !desc && v > place {
				continue
			}
		}
		rows[n] = row
		n++
	}
	return rows[:n]
}

// matching calls fn with the rows of the runs that fit a condition, some at a time and for as long as the call takes, by creation, backward where asked.
func (q *question) matching(e where.Expr, backward bool, fn func(rows []int32)) error {
	t, err := q.compile(e, 0)
	if err != nil {
		return err
	}
	keep, rows := q.sifting(t), q.m.ranks
	if runs, all := q.m.among(e); !all {
		rows = make([]int32, len(runs))
		for i, st := range runs {
			rows[i] = int32(st.row)
		}
	}
	some := make([]int32, 0, siftRows)
	for i := 0; i < len(rows); i += siftRows {
		if q.ctx.Err() != nil {
			break
		}
		n := min(siftRows, len(rows)-i)
		some = some[:n]
		if backward {
			for j := range some {
				some[j] = rows[len(rows)-1-i-j]
			}
		} else {
			copy(some, rows[i:])
		}
		if left := keep(some); len(left) > 0 {
			q.fetch(left)
			fn(left)
		}
	}
	return q.ctx.Err()
}

// fetch looks at the parts of runs that tests will need.
func (q *question) fetch(rows []int32) {
	if !q.heads {
		return
	}
	for _, row := range rows {
		q.touched += q.m.rows[row].row
	}
	for _, look := range q.ahead {
		for _, row := range rows {
			q.touched += look(q.m.rows[row])
		}
	}
}
