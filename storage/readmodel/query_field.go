package readmodel

import (
	"cmp"
	"fmt"
	"math"

	"millrace/event"
	"millrace/storage/readmodel/where"
)

// getter reads a field of a run.
type getter struct {
	// one is the value; of a field with several, the first.
	one func(*runState) value
	// each calls fn with the values of a field that can have several until fn says true, and tells whether it did; nil for other fields.
	each  func(st *runState, fn func(value) bool) bool
	price int // what reading costs, about, beside other fields
	quick quick
}

func single(one func(*runState) value) getter { return getter{one: one, price: 1} }

// several makes a getter of a field with several values.
func several(each func(st *runState, fn func(value) bool) bool) getter {
	return getter{each: each, price: 5, one: func(st *runState) (first value) {
		each(st, func(v value) bool { first = v; return true })
		return first
	}}
}

// getter finds the reader of a field. elements asks for the elements of what is a list, where it is one.
func (q *question) getter(f where.Field, elements bool) (getter, error) {
	g, err := q.reader(f, elements)
	q.heads = q.heads || !g.quick.dense
	return g, err
}

func (q *question) reader(f where.Field, elements bool) (getter, error) {
	switch f.Name {
	case where.Tag, where.Config, where.Metric:
		if f.Key == "" {
			return getter{}, fmt.Errorf("%s of which name: %w", f.Name, ErrBadQuery)
		}
	}
	switch f.Name {
	case where.ID:
		return words(func(_ int, st *runState) string { return string(st.id) }), nil
	case where.RunName:
		q.ahead = append(q.ahead, func(st *runState) int { return firstByte(st.name) })
		return words(func(_ int, st *runState) string { return st.name }), nil
	case where.Kind:
		return dense(words(q.m.kindAt)), nil
	case where.Status:
		return dense(words(q.m.statusAt)), nil
	case where.Experiment:
		g := several(func(st *runState, fn func(value) bool) bool {
			return st.experiment != "" && (fn(aWord(q.m.experiments[st.experiment].Name)) || fn(aWord(string(st.experiment))))
		})
		g.one = func(st *runState) value {
			return aWord(cmp.Or(q.m.experiments[st.experiment].Name, string(st.experiment)))
		}
		return g, nil
	case where.Note:
		return words(func(_ int, st *runState) string { return st.note }), nil
	case where.By:
		return words(func(_ int, st *runState) string { return st.by }), nil
	case where.Worker:
		return several(func(st *runState, fn func(value) bool) bool {
			for _, w := range st.workers {
				if fn(aWord(w)) {
					return true
				}
			}
			return false
		}), nil
	case where.Label:
		return several(func(st *runState, fn func(value) bool) bool {
			for _, l := range st.labels {
				if fn(value{kind: wordValue, word: l, element: true}) {
					return true
				}
			}
			return false
		}), nil
	case where.Tag:
		g, err := q.columnOf(columnKey{of: columnTag, path: f.Key})
		if err != nil {
			return getter{}, err
		}
		short := g.one
		g.one = func(st *runState) value {
			x := short(st)
			if x.kind == longValue {
				return st.tagValue(f.Key)
			}
			return x
		}
		return g, nil
	case where.Config:
		return q.config(f.Key, elements)
	case where.Metric:
		return q.metric(f)
	case where.Input:
		return several(func(st *runState, fn func(value) bool) bool {
			for _, in := range st.inputs {
				if (f.Key == "" || in.Role == f.Key) && (fn(aWord(string(in.Digest))) || fn(aWord(in.Name))) {
					return true
				}
			}
			return false
		}), nil
	case where.SpecDigest:
		return words(func(_ int, st *runState) string { return string(st.spec) }), nil
	case where.Parent:
		return words(func(_ int, st *runState) string { return string(st.parent) }), nil
	case where.Archived:
		g := dense(truths(func(row int, _ *runState) bool { return q.m.hot[row].archived }))
		g.quick.sift = q.m.siftArchived
		return g, nil
	case where.Starred:
		return dense(truths(func(row int, _ *runState) bool { return q.m.hot[row].starred })), nil
	case where.Created:
		return dense(moments(func(row int, _ *runState) int64 { return q.m.hot[row].created })), nil
	case where.Started:
		return moments(func(_ int, st *runState) int64 { return st.started }), nil
	case where.Ended:
		return moments(func(_ int, st *runState) int64 { return st.ended }), nil
	case where.Updated:
		return moments(func(_ int, st *runState) int64 { return st.lastSign() }), nil
	case where.Duration:
		return numbers(func(_ int, st *runState) (float64, bool) { return st.seconds() }), nil
	case where.Steps:
		return numbers(func(_ int, st *runState) (float64, bool) { return float64(st.steps), st.steps != noSteps }), nil
	case where.Dollars:
		return q.columnOf(columnKey{of: columnCost})
	case where.DeviceSeconds:
		return q.sum(func(s *spending) float64 { return s.Seconds }), nil
	case where.Tokens:
		return q.sum(func(s *spending) float64 { return float64(s.Tokens) }), nil
	case where.FLOPs:
		return q.sum(func(s *spending) float64 { return s.FLOPs }), nil
	case where.Joules:
		return q.sum(func(s *spending) float64 { return s.Joules }), nil
	}
	return getter{}, fmt.Errorf("there is no field %q: %w", f.Name, ErrBadQuery)
}

// sum adds up what a run has spent; what is negative is not known.
func (q *question) sum(of func(*spending) float64) getter {
	return numbers(func(_ int, st *runState) (total float64, known bool) {
		for i := range st.spent {
			if x := of(&st.spent[i]); x >= 0 {
				total += x
				known = true
			}
		}
		return total, known
	})
}

// ask counts a column that a question needs.
func (q *question) ask(key columnKey) error {
	q.asked[key] = true
	if len(q.asked) > maxAsked {
		return fmt.Errorf("more than %d different values of the configuration, metrics and tags: %w", maxAsked, ErrBadQuery)
	}
	return nil
}

func (q *question) columnOf(key columnKey) (getter, error) {
	if err := q.ask(key); err != nil {
		return getter{}, err
	}
	c, err := q.m.column(q.ctx, q.v, key)
	if err != nil {
		return getter{}, err
	}
	return getter{
		one: func(st *runState) value { return c.at(st.row) }, price: 3,
		quick: c.quick(),
	}, nil
}

// config reads the value at a path of the configuration. Where there is a list, its elements are the values when elements are asked for.
func (q *question) config(path string, elements bool) (getter, error) {
	key := columnKey{of: columnConfig, path: path}
	if err := q.ask(key); err != nil {
		return getter{}, err
	}
	c, err := q.m.column(q.ctx, q.v, key)
	if err != nil {
		return getter{}, err
	}
	g := getter{price: 3, quick: c.quick(), one: func(st *runState) value {
		x := c.at(st.row)
		if x.kind == longValue {
			return q.m.configOf(q.v, st, path)
		}
		return x
	}}
	if !elements || !c.some {
		return g, nil
	}
	under, err := q.m.column(q.ctx, q.v, columnKey{of: columnUnder, path: path})
	if err != nil {
		return getter{}, err
	}
	g.each = func(st *runState, fn func(value) bool) bool {
		if fn(g.one(st)) {
			return true
		}
		for _, x := range under.lists[st.row] {
			x.element = true
			if fn(x) {
				return true
			}
		}
		return false
	}
	return g, nil
}

// metric reads one number of a metric. Of several writers' series (and contexts) the last value is that of the greatest step, then time; the
// first is that of the least; min and max are over all. At a step it is the value of the newest point there.
func (q *question) metric(f where.Field) (getter, error) {
	stat := cmp.Or(f.Stat, where.StatLast)
	key := columnKey{columnMetric, clip(f.Key), stat}
	switch stat {
	case where.StatLast, where.StatFirst, where.StatMin, where.StatMax:
		return q.columnOf(key)
	case where.StatAt:
		key.stat = where.StatLast
		last, err := q.columnOf(key)
		if err != nil {
			return getter{}, err
		}
		known := map[*runState]value{}
		return getter{price: 1000, one: func(st *runState) value {
			if last.one(st).kind == noValue {
				return value{}
			}
			x, done := known[st]
			if !done {
				x = q.m.metricAt(q.v, st.id, key.path, f.Step)
				known[st] = x
			}
			return x
		}}, nil
	}
	return getter{}, fmt.Errorf("metric %q: %q, want last, first, min, max or at: %w", f.Key, f.Stat, ErrBadQuery)
}

// metricAt is a metric's value at a step, of several writers the one with the latest time.
func (m *Model) metricAt(v view, run event.RunID, key string, step int64) value {
	var best *point
	for _, n := range v.names(run) {
		if n.key != key {
			continue
		}
		src := m.sourceOf(v, n, false)
		if src.points == 0 || step < src.first.step || step > src.last.step {
			continue
		}
		c := src.raw(v.shelf(), step, step, 0)
		for i := range c.len() {
			if p := c.at(i); best == nil || best.before(p) {
				best = &p
			}
		}
	}
	if best == nil {
		return value{}
	}
	return aNumber(best.value)
}

func statOf(s where.Stat, i *summary) float64 {
	switch s {
	case where.StatFirst:
		return i.first.value
	case where.StatMin:
		return i.least.value
	case where.StatMax:
		return i.greatest.value
	}
	return i.last.value
}

// better tells which of two series of a run answers.
func better(s where.Stat, a, b *summary) bool {
	switch s {
	case where.StatFirst:
		return a.first.before(b.first)
	case where.StatMin:
		return a.least.value < b.least.value || math.IsNaN(b.least.value)
	case where.StatMax:
		return a.greatest.value > b.greatest.value || math.IsNaN(b.greatest.value)
	}
	return b.last.before(a.last)
}

func firstByte(s string) int {
	if s == "" {
		return 0
	}
	return int(s[0])
}
