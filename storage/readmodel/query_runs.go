package readmodel

import (
	"cmp"
	"context"
	"math"
	"slices"

	"millrace/event"
	"millrace/storage/readmodel/where"
)

// maxPage bounds a page of runs.
const maxPage = 1000

// RunPage is a page of a list of runs.
type RunPage struct {
	Runs    []Run
	Cursors []string // of each run, to go on after
	Total   int      // of all pages
	HasNext bool
}

// Runs lists the runs for which a condition holds (nil: all, archived ones too), in an order (none: by creation, the oldest first). after is a
// cursor of an earlier page, "" for the first; it stays good when runs come and go, but not for another order. first ≤ 0 means 50; at
// most 1,000. A run whose record cannot be read says so in Damaged; the others are not touched by that. Errors: ErrBadQuery; the context's.
func (m *Model) Runs(ctx context.Context, e where.Expr, by []where.Sort, after string, first int) (RunPage, error) {
	if first <= 0 {
		first = 50
	}
	first = min(first, maxPage)
	var page RunPage
	err := m.read(func(v view) error {
		q := m.question(ctx, v)
		order, err := q.sorting(by)
		if err != nil {
			return err
		}
		shown := foremost{by: order, n: first + 1}
		if after != "" {
			if shown.after, err = order.parse(after); err != nil {
				return err
			}
		}
		if err := q.matching(e, order.last, func(rows []int32) { // of equals the first comes first
			page.Total += len(rows)
			shown.add(m.rows, rows)
		}); err != nil {
			return err
		}
		places := shown.sorted()
		if page.HasNext = len(places) > first; page.HasNext {
			places = places[:first]
		}
		page.Runs, page.Cursors = make([]Run, len(places)), make([]string, len(places))
		for i := range places {
			page.Runs[i], page.Cursors[i] = m.snapshot(v, places[i].st), order.cursor(&places[i])
		}
		return nil
	})
	if err != nil {
		return RunPage{}, err
	}
	return page, nil
}

// MatchingRuns lists the ids of the runs for which a condition holds, by creation. Errors: ErrBadQuery; the context's.
func (m *Model) MatchingRuns(ctx context.Context, e where.Expr) ([]event.RunID, error) {
	var out []event.RunID
	err := m.read(func(v view) error {
		return m.question(ctx, v).matching(e, false, func(rows []int32) {
			for _, row := range rows {
				out = append(out, m.rows[row].id)
			}
		})
	})
	return out, err
}

// CountRuns counts the runs for which a condition holds, by status. Errors: ErrBadQuery; the context's.
func (m *Model) CountRuns(ctx context.Context, e where.Expr) (map[event.RunStatus]int, error) {
	out := map[event.RunStatus]int{}
	err := m.read(func(v view) error {
		var coded [math.MaxUint8 + 1]int
		err := m.question(ctx, v).matching(e, false, func(rows []int32) {
			for _, row := range rows {
				if code := m.hot[row].status; code > 0 {
					coded[code]++
				} else {
					out[event.RunStatus(statusOf(m.rows[row]))]++
				}
			}
		})
		for i, word := range m.codes.words {
			if n := coded[i+1]; n > 0 {
				out[event.RunStatus(word)] += n
			}
		}
		return err
	})
	return out, err
}

// ChangedRuns lists the runs for which a condition holds and that a fact after a place in the log has changed, in the order of those changes;
// heartbeats, metrics, console lines and usage do not count. It looks at some 1,000 at most; upTo is the place up to which it has: read on from there until there
// are none. Only what happened since Open is known. Errors: ErrBadQuery; the context's.
func (m *Model) ChangedRuns(ctx context.Context, e where.Expr, since uint64) (runs []Run, upTo uint64, err error) {
	err = m.read(func(v view) error {
		upTo = m.appliedTo
		var changed []*runState
		for _, st := range m.order {
			if st.changed > since {
				changed = append(changed, st)
			}
		}
		if len(changed) == 0 {
			return nil
		}
		t, err := m.question(ctx, v).compile(e, 0)
		if err != nil {
			return err
		}
		slices.SortFunc(changed, func(a, b *runState) int { return cmp.Or(cmp.Compare(a.changed, b.changed), byCreation(a, b)) })
		for i, st := range changed {
			if i >= maxPage && st.changed > changed[i-1].changed {
				upTo = changed[i-1].changed
				break
			}
			if t.holds(st.row, st) {
				runs = append(runs, m.snapshot(v, st))
			}
		}
		return nil
	})
	return runs, upTo, err
}

// MetricOf is one number of a metric of each of some runs, in their order; has tells which have it. Errors: ErrBadQuery; the context's.
func (m *Model) MetricOf(ctx context.Context, ids []event.RunID, key string, stat where.Stat) (values []float64, has []bool, err error) {
	values, has = make([]float64, len(ids)), make([]bool, len(ids))
	err = m.read(func(v view) error {
		g, err := m.question(ctx, v).getter(where.Field{Name: where.Metric, Key: key, Stat: stat}, false)
		if err != nil {
			return err
		}
		for i, id := range ids {
			if st := m.runs[id]; st != nil {
				x := g.one(st)
				values[i], has[i] = x.number, x.kind == numberValue
			}
		}
		return nil
	})
	return values, has, err
}

// Unverified lists the runs that reproduce another one and have no verdict yet, by creation. Errors: the context's.
func (m *Model) Unverified(ctx context.Context) ([]event.RunID, error) {
	var out []event.RunID
	err := m.read(func(v view) error {
		for _, st := range m.order {
			if st.relation == event.Reproduction && !st.reproduced {
				out = append(out, st.id)
			}
		}
		return ctx.Err()
	})
	return out, err
}
