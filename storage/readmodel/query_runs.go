package readmodel

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"millrace/event"
)

// What a list of runs can be ordered by.
const (
	OrderCreated  = "created" // also ""
	OrderUpdated  = "updated"
	OrderName     = "name"
	OrderStatus   = "status"
	OrderDuration = "duration" // from start to end, or to the newest sign of life
	OrderMetric   = "metric"   // by Key and Stat
	OrderConfig   = "config"   // by Key, a dotted path: numbers before words
	OrderCost     = "cost"     // dollars
)

// Order sorts a list of runs. Runs that have no such value come last, up or down; equals go by their creation, in the same direction.
type Order struct {
	By   string
	Key  string
	Stat Stat
	Desc bool
}

// maxPage bounds a page of runs.
const maxPage = 1000

// RunPage is a page of a list of runs.
type RunPage struct {
	Runs    []Run
	Cursors []string // of each run, to go on after
	Total   int      // of all pages
	HasNext bool
}

// sortKey is a run's value in an order. Missing ones come last.
type sortKey struct {
	Missing bool    `json:"m,omitempty"`
	Number  float64 `json:"n,omitempty"`
	Word    string  `json:"w,omitempty"`
	Created int64   `json:"c"` // µs
	Seq     uint64  `json:"s"`
}

func (a *sortKey) compare(b *sortKey, desc bool) int {
	if a.Missing != b.Missing {
		if a.Missing {
			return 1
		}
		return -1
	}
	c := 0
	switch {
	case a.Number != b.Number:
		c = cmp.Compare(a.Number, b.Number)
	case a.Word != b.Word:
		c = strings.Compare(a.Word, b.Word)
	case a.Created != b.Created:
		c = cmp.Compare(a.Created, b.Created)
	default:
		c = cmp.Compare(a.Seq, b.Seq)
	}
	if desc {
		return -c
	}
	return c
}

type ordered struct {
	run *Run
	key sortKey
}

func byCreation(a, b *Run) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Seq, b.Seq))
}

// Runs lists runs. after is a cursor of an earlier page, "" for the first; it stays good when runs come and go. first ≤ 0 means 50; at
// most 1,000. Errors: ErrBadQuery; the context's.
func (m *Model) Runs(ctx context.Context, f RunFilter, o Order, after string, first int) (RunPage, error) {
	if first <= 0 {
		first = 50
	}
	first = min(first, maxPage)
	var from *sortKey
	if after != "" {
		from = &sortKey{}
		raw, err := base64.RawURLEncoding.DecodeString(after)
		if err != nil || json.Unmarshal(raw, from) != nil {
			return RunPage{}, fmt.Errorf("cursor %q was not made by this list: %w", after, ErrBadQuery)
		}
	}
	var page RunPage
	var shown []*ordered
	err := m.read(func(v view) error {
		runs, err := m.matching(ctx, v, f)
		if err != nil {
			return err
		}
		page.Total = len(runs)
		shown, err = m.after(v, runs, o, from, first+1)
		return err
	})
	if err != nil {
		return RunPage{}, err
	}
	if page.HasNext = len(shown) > first; page.HasNext {
		shown = shown[:first]
	}
	page.Runs, page.Cursors = make([]Run, 0, len(shown)), make([]string, 0, len(shown))
	for _, x := range shown {
		page.Runs = append(page.Runs, *x.run)
		raw, err := json.Marshal(x.key)
		if err != nil {
			return RunPage{}, fmt.Errorf("readmodel: cursor: %w", err)
		}
		page.Cursors = append(page.Cursors, base64.RawURLEncoding.EncodeToString(raw))
	}
	return page, nil
}

// CountRuns counts the runs that match, by status.
func (m *Model) CountRuns(ctx context.Context, f RunFilter) (map[event.RunStatus]int, error) {
	out := map[event.RunStatus]int{}
	err := m.read(func(v view) error {
		runs, err := m.matching(ctx, v, f)
		for _, st := range runs {
			out[st.Status]++
		}
		return err
	})
	return out, err
}

// after picks the first so many runs, in an order, that come after a place in it. All are looked at, but only those picked are sorted.
// The lock must be held.
func (m *Model) after(v view, runs []*runState, o Order, from *sortKey, first int) ([]*ordered, error) {
	value, err := m.valueOf(v, o)
	if err != nil {
		return nil, err
	}
	var out []*ordered
	for _, st := range runs {
		k := value(st)
		if math.IsNaN(k.Number) { // JSON and order know none
			k = sortKey{Missing: true}
		}
		k.Number = min(max(k.Number, -math.MaxFloat64), math.MaxFloat64)
		k.Created, k.Seq = st.CreatedAt.UnixMicro(), st.Seq
		if from != nil && k.compare(from, o.Desc) <= 0 {
			continue
		}
		x := (*ordered)(nil)
		if len(out) == first {
			if x = out[first-1]; k.compare(&x.key, o.Desc) >= 0 {
				continue
			}
			out = out[:first-1]
		} else {
			x = &ordered{}
		}
		i, _ := slices.BinarySearchFunc(out, &k, func(x *ordered, k *sortKey) int { return x.key.compare(k, o.Desc) })
		*x = ordered{st.Run, k}
		out = slices.Insert(out, i, x)
	}
	return out, nil
}

func (m *Model) valueOf(v view, o Order) (func(*runState) sortKey, error) {
	switch o.By {
	case "", OrderCreated:
		return func(*runState) sortKey { return sortKey{} }, nil
	case OrderUpdated:
		return func(st *runState) sortKey {
			return sortKey{Number: float64(later(st.UpdatedAt, st.HeartbeatAt).UnixMicro())}
		}, nil
	case OrderName:
		return func(st *runState) sortKey { return sortKey{Missing: st.Name == "", Word: strings.ToLower(st.Name)} }, nil
	case OrderStatus:
		return func(st *runState) sortKey { return sortKey{Word: string(st.Status)} }, nil
	case OrderDuration:
		return func(st *runState) sortKey {
			d, ok := duration(st.Run)
			return sortKey{Missing: !ok, Number: d.Seconds()}
		}, nil
	case OrderCost:
		return func(st *runState) sortKey {
			return sortKey{Missing: len(st.Spent) == 0, Number: m.book.Price(spent(nil, st.Run)).Dollars}
		}, nil
	case OrderConfig:
		return func(st *runState) sortKey {
			raw, ok := st.config().at(o.Key)
			if n, isNumber := number(raw); isNumber {
				return sortKey{Number: n}
			}
			return sortKey{Missing: !ok, Number: math.Inf(1), Word: string(raw)}
		}, nil
	case OrderMetric:
		values, err := m.metric(v, o.Key, nil, o.Stat)
		if err != nil {
			return nil, err
		}
		return func(st *runState) sortKey {
			x, ok := values[st.ID]
			return sortKey{Missing: !ok, Number: x}
		}, nil
	}
	return nil, fmt.Errorf("order by %q, want created, updated, name, status, duration, metric, config or cost: %w", o.By, ErrBadQuery)
}

func duration(r *Run) (time.Duration, bool) {
	if r.StartedAt.IsZero() {
		return 0, false
	}
	end := r.EndedAt
	if end.IsZero() {
		end = later(r.UpdatedAt, r.HeartbeatAt)
	}
	return end.Sub(r.StartedAt), true
}

// metric is one number of each run that has the metric. Of several writers' series (and contexts, unless one is asked for) the last value is that of
// the greatest step, then time; the first is that of the least; min and max are over all.
func (m *Model) metric(v view, key string, context *string, stat Stat) (map[event.RunID]float64, error) {
	switch stat {
	case "", StatLast, StatFirst, StatMin, StatMax:
	default:
		return nil, fmt.Errorf("metric %q: %q, want last, first, min or max: %w", key, stat, ErrBadQuery)
	}
	best := map[event.RunID]*summary{}
	err := m.eachLast(v, key, func(n name, sum *summary) {
		if sum.points > 0 && (context == nil || n.context == *context) && (best[n.run] == nil || stat.better(sum, best[n.run])) {
			best[n.run] = sum
		}
	})
	if err != nil {
		return nil, err
	}
	out := make(map[event.RunID]float64, len(best))
	for run, s := range best {
		out[run] = stat.of(s)
	}
	return out, nil
}

func (s Stat) of(i *summary) float64 {
	switch s {
	case StatFirst:
		return i.first.value
	case StatMin:
		return i.least.value
	case StatMax:
		return i.greatest.value
	}
	return i.last.value
}

// better tells which of two series of a run answers.
func (s Stat) better(a, b *summary) bool {
	switch s {
	case StatFirst:
		return a.first.before(b.first)
	case StatMin:
		return a.least.value < b.least.value || math.IsNaN(b.least.value)
	case StatMax:
		return a.greatest.value > b.greatest.value || math.IsNaN(b.greatest.value)
	}
	return b.last.before(a.last)
}
