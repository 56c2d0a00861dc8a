package readmodel

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"millrace/event"
	"millrace/storage/readmodel/where"
)

// Bounds of grouping: fields grouped by, fields summed up, groups in a page, groups in all.
const (
	maxGroupedBy = 4
	maxSpreads   = 16
	maxGroups    = 1000
	maxAllGroups = 100_000
)

// Group is the runs that have the same values at the fields grouped by.
type Group struct {
	// Keys are those values; nil where the runs have none.
	Keys     []*where.Value
	Count    int
	ByStatus map[event.RunStatus]int
	Spreads  []Spread // of the fields asked for
	Dollars  float64  // by the book as it is now
	First    event.RunID
}

// Spread is how a number is spread over the runs of a group, such as seeds of one configuration. Runs without the number, and NaNs, are left
// out; without any left all but the counts are NaN.
type Spread struct {
	Count, NaNs    int
	Mean, Min, Max float64
	Stddev         float64 // of a sample (n-1), NaN for fewer than two
}

// GroupPage is a page of groups.
type GroupPage struct {
	Groups  []Group
	Cursors []string // of each group, to go on after
	Total   int      // of all pages
	HasNext bool
}

// GroupRuns groups the runs for which a condition holds by the values of fields, and sums up each group. A run with several labels is in the
// group of each; experiments are grouped by id, inputs and workers by the first of a run, times by the day (UTC). Groups come in the order of their
// values, what has none last. first ≤ 0 means 100; at most 1,000. Errors: ErrBadQuery, also for more than 100,000 groups; the context's.
func (m *Model) GroupRuns(ctx context.Context, e where.Expr, by, of []where.Field, after string, first int) (GroupPage, error) {
	if first <= 0 {
		first = 100
	}
	first = min(first, maxGroups)
	if len(by) == 0 || len(by) > maxGroupedBy || len(of) > maxSpreads {
		return GroupPage{}, fmt.Errorf("group by %d fields and sum up %d, want 1 to %d and at most %d: %w", len(by), len(of), maxGroupedBy, maxSpreads, ErrBadQuery)
	}
	var page GroupPage
	err := m.read(func(v view) (err error) {
		g := grouping{q: m.question(ctx, v), by: by, groups: map[string]*gathered{}}
		if err := g.prepare(of); err != nil {
			return err
		}
		var from []value
		if after != "" {
			if from, err = g.parse(after); err != nil {
				return err
			}
		}
		err = g.q.matching(e, false, func(rows []int32) {
			for _, row := range rows {
				g.add(m.rows[row])
			}
		})
		if err == nil {
			err = g.failed
		}
		if err != nil {
			return err
		}
		all := make([]*gathered, 0, len(g.groups))
		for _, x := range g.groups {
			all = append(all, x)
		}
		slices.SortFunc(all, func(a, b *gathered) int { return compareKeys(a.keys, b.keys) })
		page.Total = len(all)
		if from != nil {
			i, found := slices.BinarySearchFunc(all, from, func(x *gathered, keys []value) int { return compareKeys(x.keys, keys) })
			if found {
				i++
			}
			all = all[i:]
		}
		if page.HasNext = len(all) > first; page.HasNext {
			all = all[:first]
		}
		for _, x := range all {
			page.Groups = append(page.Groups, x.group())
			page.Cursors = append(page.Cursors, base64.RawURLEncoding.EncodeToString(appendValues(nil, x.keys)))
		}
		return nil
	})
	return page, err
}

// grouping is groups in the making.
type grouping struct {
	q       *question
	by      []where.Field
	keys    []getter
	numbers []getter
	dollars getter
	groups  map[string]*gathered
	failed  error
}

// gathered is one group in the making.
type gathered struct {
	keys []value
	out  Group
	sums []running
}

// running is a mean and a variance in the making (Welford's).
type running struct {
	n, nans        int
	mean, squares  float64
	least, highest float64
}

func (r *running) add(x float64) {
	if math.IsNaN(x) {
		r.nans++
		return
	}
	if r.n++; r.n == 1 {
		r.least, r.highest = x, x
	}
	r.least, r.highest = min(r.least, x), max(r.highest, x)
	d := x - r.mean
	r.mean += d / float64(r.n)
	r.squares += d * (x - r.mean)
}

func (r *running) spread() Spread {
	nan := math.NaN()
	s := Spread{Count: r.n, NaNs: r.nans, Mean: nan, Min: nan, Max: nan, Stddev: nan}
	if r.n > 0 {
		s.Mean, s.Min, s.Max = r.mean, r.least, r.highest
	}
	if r.n > 1 {
		s.Stddev = math.Sqrt(r.squares / float64(r.n-1))
	}
	return s
}

func (g *grouping) prepare(of []where.Field) error {
	for _, f := range g.by {
		x, err := g.q.getter(f, false)
		if err != nil {
			return err
		}
		if f.Name == where.Experiment {
			x = single(func(st *runState) value { return aWord(string(st.experiment)) })
		}
		if f.Name != where.Label {
			x.each = nil
		}
		g.keys = append(g.keys, x)
	}
	for _, f := range of {
		x, err := g.q.getter(f, false)
		if err != nil {
			return err
		}
		g.numbers = append(g.numbers, x)
	}
	var err error
	g.dollars, err = g.q.getter(where.Field{Name: where.Dollars}, false)
	return err
}

// add puts a run into its group, or with several labels into each.
func (g *grouping) add(st *runState) { g.expand(st, make([]value, 0, len(g.keys))) }

func (g *grouping) expand(st *runState, keys []value) {
	i := len(keys)
	if i == len(g.keys) {
		g.put(st, keys)
		return
	}
	x := g.keys[i]
	if x.each == nil {
		g.expand(st, append(keys, groupKeyOf(x.one(st))))
		return
	}
	any := false
	x.each(st, func(v value) bool {
		any = true
		g.expand(st, append(keys, groupKeyOf(v)))
		return false
	})
	if !any {
		g.expand(st, append(keys, value{}))
	}
}

// groupKeyOf is a value as it makes groups: a moment by its day, and NaN, trees and lists as none.
func groupKeyOf(v value) value {
	const day = int64(24 * time.Hour / time.Microsecond)
	v.element = false
	switch {
	case v.kind == timeValue:
		v.at -= ((v.at % day) + day) % day
	case v.kind == numberValue && math.IsNaN(v.number), v.kind == otherValue:
		return value{}
	case v.kind == numberValue && v.number == 0:
		v.number = 0 // not -0
	case v.kind == wordValue && len(v.word) > maxSortWord:
		v.word = strings.ToValidUTF8(v.word[:maxSortWord], "")
	}
	return v
}

func (g *grouping) put(st *runState, keys []value) {
	id := string(appendValues(nil, keys))
	x := g.groups[id]
	if x == nil {
		if len(g.groups) >= maxAllGroups {
			g.failed = fmt.Errorf("more than %d groups: narrow the condition, or group by less: %w", maxAllGroups, ErrBadQuery)
			return
		}
		x = &gathered{keys: slices.Clone(keys), sums: make([]running, len(g.numbers)), out: Group{ByStatus: map[event.RunStatus]int{}, First: st.id}}
		g.groups[id] = x
	}
	x.out.Count++
	x.out.ByStatus[cmp.Or(st.status, event.Pending)]++
	x.out.Dollars += g.dollars.one(st).number
	for i, n := range g.numbers {
		if v := n.one(st); v.kind == numberValue {
			x.sums[i].add(v.number)
		}
	}
}

func (x *gathered) group() Group {
	out := x.out
	for i := range x.sums {
		out.Spreads = append(out.Spreads, x.sums[i].spread())
	}
	for _, k := range x.keys {
		var w *where.Value
		switch k.kind {
		case numberValue:
			w = &where.Value{Kind: where.Number, Number: k.number}
		case boolValue:
			w = &where.Value{Kind: where.Bool, Bool: k.number != 0}
		case wordValue:
			w = &where.Value{Kind: where.Word, Word: k.word}
		case timeValue:
			w = &where.Value{Kind: where.Time, Time: time.UnixMicro(k.at).UTC()}
		}
		out.Keys = append(out.Keys, w)
	}
	return out
}

// compareKeys orders groups by their values, what has none last; words that differ in case only go by their bytes.
func compareKeys(a, b []value) int {
	for i := range a {
		if (a[i].kind == noValue) != (b[i].kind == noValue) {
			if a[i].kind == noValue {
				return 1
			}
			return -1
		}
		if c := cmp.Or(compareValues(a[i], b[i]), strings.Compare(a[i].word, b[i].word)); c != 0 {
			return c
		}
	}
	return 0
}

func (g *grouping) parse(cursor string) ([]value, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		d := headReader{b: string(raw), ok: true}
		if keys := cutValues(&d, len(g.by)); d.ok && d.b == "" {
			return keys, nil
		}
	}
	return nil, fmt.Errorf("cursor %.40q was not made by this list of groups: %w", cursor, ErrBadQuery)
}
