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

func (a sortKey) compare(b sortKey, desc bool) int {
	if a.Missing != b.Missing {
		if a.Missing {
			return 1
		}
		return -1
	}
	c := cmp.Or(cmp.Compare(a.Number, b.Number), strings.Compare(a.Word, b.Word), cmp.Compare(a.Created, b.Created), cmp.Compare(a.Seq, b.Seq))
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
	var all []ordered
	err := m.read(func(v view) error {
		runs, err := m.matching(ctx, v, f)
		if err != nil {
			return err
		}
		all, err = m.sorted(v, runs, o)
		return err
	})
	if err != nil {
		return RunPage{}, err
	}
	page := RunPage{Total: len(all)}
	start := 0
	if from != nil {
		start, _ = slices.BinarySearchFunc(all, *from, func(x ordered, k sortKey) int {
			if x.key.compare(k, o.Desc) <= 0 {
				return -1
			}
			return 1
		})
	}
	end := min(start+first, len(all))
	page.HasNext = end < len(all)
	page.Runs, page.Cursors = make([]Run, 0, end-start), make([]string, 0, end-start)
	for _, x := range all[start:end] {
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

// sorted puts runs into an order. The lock must be held.
func (m *Model) sorted(v view, runs []*runState, o Order) ([]ordered, error) {
	value, err := m.valueOf(v, o)
	if err != nil {
		return nil, err
	}
	out := make([]ordered, len(runs))
	for i, st := range runs {
		k := value(st)
		if math.IsNaN(k.Number) { // JSON and order know none
			k = sortKey{Missing: true}
		}
		k.Number = min(max(k.Number, -math.MaxFloat64), math.MaxFloat64)
		k.Created, k.Seq = st.CreatedAt.UnixMicro(), st.Seq
		out[i] = ordered{st.Run, k}
	}
	slices.SortFunc(out, func(a, b ordered) int { return a.key.compare(b.key, o.Desc) })
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
			raw, ok := st.config()[o.Key]
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
	all, err := m.lastValues(v, key)
	if err != nil {
		return nil, err
	}
	best := map[event.RunID]SeriesInfo{}
	for _, s := range all {
		if context != nil && s.Context != *context {
			continue
		}
		old, had := best[s.Run]
		if !had || stat.better(s, old) {
			best[s.Run] = s
		}
	}
	out := make(map[event.RunID]float64, len(best))
	for run, s := range best {
		out[run] = stat.of(s)
	}
	return out, nil
}

func (s Stat) of(i SeriesInfo) float64 {
	switch s {
	case StatFirst:
		return i.First
	case StatMin:
		return i.Min
	case StatMax:
		return i.Max
	}
	return i.Last
}

// better tells which of two series of a run answers.
func (s Stat) better(a, b SeriesInfo) bool {
	switch s {
	case StatFirst:
		return a.FirstStep < b.FirstStep || a.FirstStep == b.FirstStep && a.FirstTime < b.FirstTime
	case StatMin:
		return a.Min < b.Min || math.IsNaN(b.Min)
	case StatMax:
		return a.Max > b.Max || math.IsNaN(b.Max)
	}
	return a.LastStep > b.LastStep || a.LastStep == b.LastStep && a.LastTime > b.LastTime
}
