package readmodel

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"millrace/event"
	"millrace/storage/readmodel/where"
)

// Bounds of a question: nested conditions, conditions in all, columns (paths of the configuration, metrics) and words it may ask for.
const (
	maxDepth      = 64
	maxConditions = 2000
	maxAsked      = 32
	maxWords      = 64
)

// question is the evaluation of conditions and orders on runs, under one lock.
type question struct {
	m          *Model
	v          view
	ctx        context.Context
	conditions int
	asked      map[columnKey]bool
	heads      bool                  // whether heads are looked at
	ahead      []func(*runState) int // looks at what else tests will need
	touched    int                   // keeps the compiler from leaving those out
}

func (m *Model) question(ctx context.Context, v view) *question {
	return &question{m: m, v: v, ctx: ctx, asked: map[columnKey]bool{}}
}

// holds tells of a run, given its row too, whether it fits.
type holds func(row int, st *runState) bool

// test tells whether a run fits; price orders tests by what they cost, cheap ones first. sift is the same for many runs; without it each
// is asked.
type test struct {
	holds holds
	price int
	sift  sift
}

// compile makes a test of a condition; nil holds for every run.
func (q *question) compile(e where.Expr, depth int) (test, error) {
	if q.conditions++; depth > maxDepth || q.conditions > maxConditions {
		return test{}, fmt.Errorf("the condition is nested deeper than %d or has more than %d parts: %w", maxDepth, maxConditions, ErrBadQuery)
	}
	switch e := e.(type) {
	case nil:
		return test{func(int, *runState) bool { return true }, 0, func(rows []int32) []int32 { return rows }}, nil
	case where.And:
		all, price, err := q.parts(e, depth)
		return test{func(row int, st *runState) bool {
			for _, t := range all {
				if !t.holds(row, st) {
					return false
				}
			}
			return true
		}, price, q.siftAll(all)}, err
	case where.Or:
		all, price, err := q.parts(e, depth)
		return test{func(row int, st *runState) bool {
			for _, t := range all {
				if t.holds(row, st) {
					return true
				}
			}
			return false
		}, price, nil}, err
	case where.Not:
		of, err := q.compile(e.Of, depth+1)
		return test{func(row int, st *runState) bool { return !of.holds(row, st) }, of.price, nil}, err
	case where.Words:
		return q.words(e.Text)
	case where.Compare:
		return q.compare(e)
	}
	return test{}, fmt.Errorf("a condition of type %T: %w", e, ErrBadQuery)
}

// parts compiles the parts of And and Or and puts the cheap ones first.
func (q *question) parts(list []where.Expr, depth int) ([]test, int, error) {
	out := make([]test, 0, len(list))
	price := 0
	for _, e := range list {
		t, err := q.compile(e, depth+1)
		if err != nil {
			return nil, 0, err
		}
		out = append(out, t)
		price += t.price
	}
	slices.SortStableFunc(out, func(a, b test) int { return cmp.Compare(a.price, b.price) })
	return out, price, nil
}

// words looks for every word in what a run is called.
func (q *question) words(text string) (test, error) {
	words := strings.Fields(strings.ToLower(text))
	if len(words) > maxWords {
		return test{}, fmt.Errorf("%d words, want at most %d: %w", len(words), maxWords, ErrBadQuery)
	}
	parts := make([][]byte, len(words))
	for i, w := range words {
		parts[i] = []byte(w)
	}
	named := map[event.ExperimentID]uint64{} // the words in an experiment's name, a bit each
	for id, x := range q.m.experiments {
		name := strings.ToLower(x.Name)
		for i, w := range words {
			if strings.Contains(name, w) {
				named[id] |= 1 << i
			}
		}
	}
	q.heads = q.heads || len(named) > 0
	q.m.texts.see(q.m)
	return test{func(row int, st *runState) bool {
		in, text := uint64(0), q.m.texts.of(row)
		if len(named) > 0 {
			in = named[st.experiment]
		}
		for i, w := range parts {
			if in&(1<<i) == 0 && !bytes.Contains(text, w) {
				return false
			}
		}
		return true
	}, 20 + len(words), nil}, nil
}

// compare makes a test of a comparison. What a run does not have fits no comparison but those that deny.
func (q *question) compare(c where.Compare) (test, error) {
	g, err := q.getter(c.Field, c.Op == where.Contains || c.Op == where.NotContains)
	if err != nil {
		return test{}, err
	}
	values := make([]value, len(c.Values))
	for i, x := range c.Values {
		values[i] = given(x)
		if c.Field.Name == where.Kind || c.Field.Name == where.Status {
			values[i].word = strings.ToLower(values[i].word)
		}
	}
	op, deny := c.Op, false
	switch op {
	case where.NotEqual:
		op, deny = where.Equal, true
	case where.NotIn:
		op, deny = where.In, true
	case where.NotContains:
		op, deny = where.Contains, true
	}
	if n := len(values); op == where.Exists && n != 0 || op != where.Exists && op != where.In && n != 1 {
		return test{}, fmt.Errorf("%s %s has %d values: %w", c.Field.Name, c.Op, n, ErrBadQuery)
	}
	fits, err := fitting(op, values)
	if err != nil {
		return test{}, err
	}
	t := test{holds: func(_ int, st *runState) bool { return fits(g.one(st)) }, price: g.price}
	if g.each != nil {
		t.holds = func(_ int, st *runState) bool { return g.each(st, fits) }
	} else if quick := g.quick.test(op, values); quick != nil {
		t.holds = quick
		if g.quick.sift != nil {
			t.sift = g.quick.sift(op, values[0], deny)
		}
		if t.sift == nil && g.quick.dense {
			t.sift = siftDense(quick, deny)
		}
	}
	if holds := t.holds; deny {
		t.holds = func(row int, st *runState) bool { return !holds(row, st) }
	}
	return t, nil
}

// given is a value that a question compares with.
func given(x where.Value) value {
	switch x.Kind {
	case where.Number:
		return aNumber(x.Number)
	case where.Bool:
		return aBool(x.Bool)
	case where.Time:
		return value{kind: timeValue, at: x.Time.UnixMicro()}
	}
	return value{kind: wordValue, word: x.Word}
}

// same tells whether two values are equal; NaN is equal to NaN.
func same(a, b value) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case numberValue, boolValue:
		return a.number == b.number || math.IsNaN(a.number) && math.IsNaN(b.number)
	case wordValue:
		return a.word == b.word
	case timeValue:
		return a.at == b.at
	}
	return false
}

// fitting makes the comparison of one value with those given.
func fitting(op where.Op, with []value) (func(value) bool, error) {
	switch op {
	case where.Exists:
		return func(v value) bool { return v.kind != noValue }, nil
	case where.Equal:
		return func(v value) bool { return same(v, with[0]) }, nil
	case where.In:
		words, rest := map[string]struct{}{}, []value(nil)
		for _, x := range with {
			if x.kind == wordValue {
				words[x.word] = struct{}{}
				continue
			}
			rest = append(rest, x)
		}
		return func(v value) bool {
			if v.kind == wordValue {
				_, ok := words[v.word]
				return ok
			}
			return slices.ContainsFunc(rest, func(x value) bool { return same(v, x) })
		}, nil
	case where.Contains:
		part := strings.ToLower(with[0].word)
		return func(v value) bool {
			if v.element {
				return same(v, with[0])
			}
			return v.kind == wordValue && with[0].kind == wordValue && strings.Contains(strings.ToLower(v.word), part)
		}, nil
	case where.Less, where.AtMost, where.Greater, where.AtLeast:
		b := with[0]
		return func(a value) bool {
			if a.kind != b.kind {
				return false
			}
			switch a.kind {
			case numberValue:
				return ordered(op, a.number, b.number)
			case wordValue:
				return ordered(op, a.word, b.word)
			case timeValue:
				return ordered(op, a.at, b.at)
			}
			return false
		}, nil
	}
	return nil, fmt.Errorf("operator %q, want =, !=, <, <=, >, >=, ~, !~, in, not in or exists: %w", op, ErrBadQuery)
}

func ordered[T float64 | string | int64](op where.Op, a, b T) bool {
	switch op {
	case where.Less:
		return a < b
	case where.AtMost:
		return a <= b
	case where.Greater:
		return a > b
	}
	return a >= b
}

// among lists the runs that a condition can hold for at all, where it names them; all is true where it does not.
func (m *Model) among(e where.Expr) (some []*runState, all bool) {
	switch e := e.(type) {
	case where.And:
		for _, part := range e {
			if some, all := m.among(part); !all {
				return some, false
			}
		}
	case where.Compare:
		if e.Field.Name != where.ID || e.Op != where.Equal && e.Op != where.In {
			return nil, true
		}
		for _, x := range e.Values {
			if st := m.runs[event.RunID(x.Word)]; st != nil && x.Kind == where.Word {
				some = append(some, st)
			}
		}
		slices.SortFunc(some, byCreation)
		return slices.Compact(some), false
	}
	return nil, true
}
