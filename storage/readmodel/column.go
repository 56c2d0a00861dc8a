package readmodel

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"millrace/event"
	"millrace/storage/readmodel/where"
)

// value is what a run has at a field.
type value struct {
	kind   valueKind
	number float64 // of a number; 1 and 0 of a boolean
	at     int64   // of a moment, in µs
	word   string
	// element tells that it is one of a list, in which parts of words are not looked for.
	element bool
}

type valueKind uint8

// The kinds of values, in the order in which they are sorted.
const (
	noValue     valueKind = iota
	numberValue           // NaN too
	boolValue
	wordValue
	timeValue
	otherValue // there, but nothing that compares: null, a list, a tree of values
	longValue  // in a column only: a word that is to be read from the file
)

func aNumber(v float64) value { return value{kind: numberValue, number: v} }

func aWord(s string) value {
	if s == "" {
		return value{}
	}
	return value{kind: wordValue, word: s}
}

func aBool(b bool) value {
	if b {
		return value{kind: boolValue, number: 1}
	}
	return value{kind: boolValue}
}

func aMoment(us int64) value {
	if us == noTime {
		return value{}
	}
	return value{kind: timeValue, at: us}
}

// valueOf is the value of a leaf of a configuration.
func valueOf(raw []byte) value {
	if len(raw) == 0 {
		return value{kind: otherValue}
	}
	switch raw[0] {
	case '"':
		return value{kind: wordValue, word: unquote(raw)}
	case 't', 'f':
		return aBool(raw[0] == 't')
	case 'n', '[', '{':
		return value{kind: otherValue}
	}
	if n, err := strconv.ParseFloat(string(raw), 64); err == nil {
		return aNumber(n)
	}
	return value{kind: otherValue}
}

// column is one field of every run, by row. It is made when it is first asked for, from one pass over the file, and kept current by the fold.
type column struct {
	key     columnKey
	kinds   []valueKind
	numbers []float64 // of a word its place in words
	words   []string
	places  map[string]int
	lists   map[int][]value // of columnUnder
	some    bool            // whether any was ever an otherValue
	// stale are the runs whose value is to be read again before the next look.
	stale map[*runState]struct{}
	used  uint64
	until time.Time // of columnCost: storage is reckoned up to then
}

type columnKey struct {
	of   columnOf
	path string // of a configuration; key of a metric or tag
	stat where.Stat
}

type columnOf uint8

const (
	columnConfig columnOf = iota
	columnUnder           // the scalars below a path
	columnMetric
	columnCost
	columnTag
)

// maxColumns is how many columns are kept, about 1 MB each of 100,000 runs; maxColumnWord the longest word in one.
const (
	maxColumns    = 48
	maxColumnWord = 256
)

// columnCache are the columns that were asked for lately.
type columnCache struct {
	mu    sync.Mutex // of readers among themselves; the fold has the model's lock for itself
	byKey map[columnKey]*column
	clock uint64
}

func (c *column) at(row int) value {
	if row >= len(c.kinds) {
		return value{}
	}
	switch k := c.kinds[row]; k {
	case wordValue:
		return value{kind: wordValue, word: c.words[int(c.numbers[row])]}
	case numberValue, boolValue:
		return value{kind: k, number: c.numbers[row]}
	default:
		return value{kind: k}
	}
}

func (c *column) set(row int, v value) {
	if row >= len(c.kinds) {
		if v.kind == noValue {
			return
		}
		c.kinds = append(c.kinds, make([]valueKind, row+1-len(c.kinds))...)
		c.numbers = append(c.numbers, make([]float64, row+1-len(c.numbers))...)
	}
	if v.kind == wordValue {
		if len(v.word) > maxColumnWord {
			v.kind = longValue
		} else {
			place, known := c.places[v.word]
			if !known {
				if c.places == nil {
					c.places = map[string]int{}
				}
				place = len(c.words)
				w := strings.Clone(v.word)
				c.words = append(c.words, w)
				c.places[w] = place
			}
			v.number = float64(place)
		}
	}
	c.some = c.some || v.kind == otherValue
	c.kinds[row], c.numbers[row] = v.kind, v.number
}

// column returns a column, current. The model's lock must be held for reading at least; the column is good while it is.
func (m *Model) column(ctx context.Context, v view, key columnKey) (*column, error) {
	cs := &m.columns
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.clock++
	if c := cs.byKey[key]; c != nil && len(c.stale) <= len(m.rows)/4+16 {
		c.used = cs.clock
		return c, m.refresh(v, c)
	}
	delete(cs.byKey, key)
	c := &column{key: key, used: cs.clock, stale: map[*runState]struct{}{}}
	if err := m.fill(ctx, v, c); err != nil {
		return nil, err
	}
	if len(cs.byKey) >= maxColumns {
		oldest := c
		for _, other := range cs.byKey {
			if other.used < oldest.used {
				oldest = other
			}
		}
		delete(cs.byKey, oldest.key)
	}
	if cs.byKey == nil {
		cs.byKey = map[columnKey]*column{}
	}
	cs.byKey[key] = c
	return c, nil
}

// fill makes a column of all runs.
func (m *Model) fill(ctx context.Context, v view, c *column) error {
	c.kinds, c.numbers = make([]valueKind, len(m.rows)), make([]float64, len(m.rows))
	switch c.key.of {
	case columnConfig, columnUnder:
		n := 0
		path, below := []byte(c.key.path), []byte(c.key.path+".")
		v.scan(tableConfig, "", span{}, func(rest, raw []byte) bool {
			if n++; n%1024 == 0 && ctx.Err() != nil {
				return false
			}
			b, err := unsealed(raw)
			st := m.stateOf(rest)
			if err != nil || st == nil {
				return true // damaged: as if it had none
			}
			c.setLeaf(st.row, path, below, func(fn func(path, value []byte) bool) { _ = eachLeaf(b, fn) })
			return true
		})
	case columnMetric:
		best := make(map[*runState]*summary, 64)
		err := m.eachLast(v, c.key.path, func(n name, sum *summary) {
			st := m.runs[n.run]
			if st == nil || sum.points == 0 {
				return
			}
			if was := best[st]; was == nil || better(c.key.stat, sum, was) {
				best[st] = sum
			}
		})
		if err != nil {
			return err
		}
		for st, sum := range best {
			c.set(st.row, aNumber(statOf(c.key.stat, sum)))
		}
	case columnCost:
		for _, st := range m.order {
			c.until = later(c.until, time.UnixMicro(st.lastSign()))
		}
		for _, st := range m.order {
			c.set(st.row, m.dollars(st, c.until))
		}
	case columnTag:
		for _, st := range m.order {
			c.set(st.row, st.tagValue(c.key.path))
		}
	}
	return ctx.Err()
}

// setLeaf sets what is at a path, or below it, of leaves that come in the order of their paths.
func (c *column) setLeaf(row int, path, below []byte, leaves func(fn func(path, value []byte) bool)) {
	var v value
	var list []value
	leaves(func(p, raw []byte) bool {
		switch {
		case c.key.of == columnConfig && bytes.Equal(p, path):
			v = valueOf(raw)
			return false
		case bytes.HasPrefix(p, below):
			v.kind = otherValue
			if c.key.of == columnConfig {
				return false
			}
			if x := valueOf(raw); x.kind != otherValue {
				x.word = strings.Clone(x.word)
				list = append(list, x)
			}
		default:
			return bytes.Compare(p, below) < 0
		}
		return true
	})
	c.set(row, v)
	if c.key.of != columnUnder {
		return
	}
	delete(c.lists, row)
	if len(list) > 0 {
		if c.lists == nil {
			c.lists = map[int][]value{}
		}
		c.lists[row] = list
	}
}

// refresh reads again what has changed.
func (m *Model) refresh(v view, c *column) error {
	for st := range c.stale {
		var is value
		if c.key.of == columnCost {
			is = m.dollars(st, c.until)
		} else {
			var err error
			if is, err = m.metricOf(v, st.id, c.key.path, c.key.stat); err != nil {
				return err
			}
		}
		c.set(st.row, is)
		delete(c.stale, st)
	}
	return nil
}

// metricOf is one number of a run's metric.
func (m *Model) metricOf(v view, run event.RunID, key string, stat where.Stat) (value, error) {
	var best *summary
	consider := func(sum *summary) {
		if sum.points > 0 && (best == nil || better(stat, sum, best)) {
			best = sum
		}
	}
	for n, s := range m.series[run] {
		if n.key == clip(key) {
			consider(&s.summary)
		}
	}
	v.scan(tableLast, key, span{prefix: parts(string(run))}, func(rest, raw []byte) bool {
		n, ok := nameInKey(key, rest)
		if !ok || m.series[n.run][n] != nil {
			return true
		}
		_, sum, bad := parseSummary(raw)
		if bad != nil {
			m.log.Error("a stored last value is damaged and left out", "run", run, "key", key, "err", bad)
			return true
		}
		consider(&sum)
		return true
	})
	if best == nil {
		return value{}, nil
	}
	return aNumber(statOf(stat, best)), nil
}

// clear takes a run out of all columns.
func (cs *columnCache) clear(st *runState) {
	for _, c := range cs.byKey {
		c.set(st.row, value{})
		delete(c.stale, st)
		delete(c.lists, st.row)
	}
}

// reconfigured sets a run's new configuration.
func (cs *columnCache) reconfigured(st *runState, flat flatConfig) {
	for key, c := range cs.byKey {
		if key.of == columnConfig || key.of == columnUnder {
			c.setLeaf(st.row, []byte(key.path), []byte(key.path+"."), func(fn func(path, value []byte) bool) {
				for _, l := range flat {
					if !fn([]byte(l.path), l.value) {
						return
					}
				}
			})
		}
	}
}

// tagged sets what a run's tags are now.
func (cs *columnCache) tagged(st *runState) {
	for key, c := range cs.byKey {
		if key.of == columnTag {
			c.set(st.row, st.tagValue(key.path))
		}
	}
}

// measured tells that a series of a run has changed.
func (m *Model) measured(run event.RunID, key string) {
	if len(m.columns.byKey) == 0 {
		return
	}
	for _, stat := range []where.Stat{where.StatLast, where.StatFirst, where.StatMin, where.StatMax} {
		if c := m.columns.byKey[columnKey{columnMetric, key, stat}]; c != nil {
			if st := m.runs[run]; st != nil {
				c.stale[st] = struct{}{}
			}
		}
	}
}

// storageLag is how old the storage in a column of dollars may be by the log's time: what is kept costs a little more every second.
const storageLag = time.Hour

// paid tells that a run has spent something at a time.
func (cs *columnCache) paid(st *runState, at time.Time) {
	c := cs.byKey[columnKey{of: columnCost}]
	switch {
	case c == nil:
	case at.Sub(c.until) > storageLag:
		cs.repriced()
	default:
		c.stale[st] = struct{}{}
	}
}

// repriced tells that the price book has changed.
func (cs *columnCache) repriced() {
	delete(cs.byKey, columnKey{of: columnCost})
}

// configOf reads one value of a run's configuration.
func (m *Model) configOf(v view, st *runState, path string) value {
	flat, err := m.flat(v, st)
	if err != nil {
		return value{}
	}
	if raw, ok := flat.at(path); ok {
		return valueOf(raw)
	}
	if len(flat.under(path)) > 0 {
		return value{kind: otherValue}
	}
	return value{}
}
