package readmodel

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"millrace/event"
)

// RunFilter picks runs; the zero value picks all that are not archived. All conditions must hold.
type RunFilter struct {
	IDs        []event.RunID
	Kinds      []event.RunKind
	Statuses   []event.RunStatus
	Experiment *event.ExperimentID // "" picks those of none
	// Tags must all be there with these values; the value "*" stands for any. Labels must all be there.
	Tags   map[string]string
	Labels []string
	// Text is words, each of which must be in the run's name, note, id, tags, labels or the name of its experiment; case does not matter.
	Text       string
	SpecDigest event.Digest
	Input      event.Digest // a dataset, checkpoint, … that it reads
	BranchOf   event.RunID
	Worker     event.WorkerID // of any attempt
	Archived   Archived
	// CreatedAfter and CreatedBefore bound the time of creation: after ≤ created < before.
	CreatedAfter, CreatedBefore time.Time
	Config                      []ConfigFilter
	Metrics                     []MetricFilter
}

// Op compares a stored value with a given one.
type Op string

// The comparisons. Less and the like hold between numbers, or between strings; Contains looks into strings and lists.
const (
	Equal    Op = "=="
	NotEqual Op = "!="
	Less     Op = "<"
	AtMost   Op = "<="
	Greater  Op = ">"
	AtLeast  Op = ">="
	Contains Op = "contains"
	Exists   Op = "exists"
)

// Stat is which number of a series is meant.
type Stat string

// The numbers of a series.
const (
	StatLast  Stat = "last" // also ""
	StatFirst Stat = "first"
	StatMin   Stat = "min"
	StatMax   Stat = "max"
)

// ConfigFilter compares the value at a dotted path of the configuration, logged params included. A path that is not there matches only NotEqual.
type ConfigFilter struct {
	Path  string
	Op    Op
	Value json.RawMessage
}

// MetricFilter compares one number of a metric. A run without the metric does not match; NaN matches only NotEqual, and Equal to NaN.
type MetricFilter struct {
	Key     string
	Context *string // nil: any
	Stat    Stat
	Op      Op
	Value   float64
}

// matching lists the runs that a filter picks, in no order. The lock must be held.
func (m *Model) matching(ctx context.Context, v view, f RunFilter) ([]*runState, error) {
	for _, c := range f.Config {
		if err := c.check(); err != nil {
			return nil, err
		}
	}
	metrics := make([]map[event.RunID]float64, len(f.Metrics))
	for i, mf := range f.Metrics {
		if err := mf.check(); err != nil {
			return nil, err
		}
		var err error
		if metrics[i], err = m.metric(v, mf.Key, mf.Context, mf.Stat); err != nil {
			return nil, err
		}
	}
	words := strings.Fields(strings.ToLower(f.Text))
	var out []*runState
	keep := func(st *runState) {
		if f.quick(st.Run) && m.hasWords(st.Run, words) && f.configHolds(st) && f.metricsHold(st.ID, metrics) {
			out = append(out, st)
		}
	}
	if len(f.IDs) > 0 {
		ids := slices.Clone(f.IDs)
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			if st := m.runs[id]; st != nil {
				keep(st)
			}
		}
		return out, ctx.Err()
	}
	seen := 0
	for _, st := range m.runs {
		if seen++; seen%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		keep(st)
	}
	return out, ctx.Err()
}

// quick checks what needs no more than the run itself.
func (f *RunFilter) quick(r *Run) bool {
	if !f.Archived.shows(r.Archived) ||
		len(f.Kinds) > 0 && !slices.Contains(f.Kinds, r.Kind) ||
		len(f.Statuses) > 0 && !slices.Contains(f.Statuses, r.Status) ||
		f.Experiment != nil && r.Experiment != *f.Experiment ||
		f.SpecDigest != "" && r.SpecDigest != f.SpecDigest ||
		f.BranchOf != "" && (r.Branch == nil || r.Branch.From != f.BranchOf) ||
		!f.CreatedAfter.IsZero() && r.CreatedAt.Before(f.CreatedAfter) ||
		!f.CreatedBefore.IsZero() && !r.CreatedAt.Before(f.CreatedBefore) {
		return false
	}
	for k, want := range f.Tags {
		if is, ok := r.Tags[k]; !ok || want != "*" && is != want {
			return false
		}
	}
	for _, l := range f.Labels {
		if !slices.Contains(r.Labels, l) {
			return false
		}
	}
	if f.Input != "" && !slices.ContainsFunc(r.Spec.Inputs, func(in event.Input) bool { return in.Digest == f.Input }) {
		return false
	}
	return f.Worker == "" || slices.ContainsFunc(r.Attempts, func(a Attempt) bool { return a.Worker == f.Worker })
}

func (m *Model) hasWords(r *Run, words []string) bool {
	if len(words) == 0 {
		return true
	}
	var b strings.Builder
	for _, s := range []string{r.Name, r.Note, string(r.ID), m.experiments[r.Experiment].Name} {
		b.WriteString(s)
		b.WriteByte('\n')
	}
	for k, v := range r.Tags {
		b.WriteString(k + "=" + v + "\n")
	}
	for _, l := range r.Labels {
		b.WriteString(l + "\n")
	}
	text := strings.ToLower(b.String())
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func (c ConfigFilter) check() error {
	switch c.Op {
	case Exists:
		return nil
	case Equal, NotEqual, Less, AtMost, Greater, AtLeast, Contains:
		if !json.Valid(c.Value) {
			return fmt.Errorf("config %q %s: %q is not JSON (strings need quotes): %w", c.Path, c.Op, c.Value, ErrBadQuery)
		}
		return nil
	}
	return fmt.Errorf("config %q: operator %q, want ==, !=, <, <=, >, >=, contains or exists: %w", c.Path, c.Op, ErrBadQuery)
}

func (f *RunFilter) configHolds(st *runState) bool {
	for _, c := range f.Config {
		if !c.holds(st.config()) {
			return false
		}
	}
	return true
}

func (c ConfigFilter) holds(flat flatConfig) bool {
	is, ok := flat.at(c.Path)
	if !ok {
		return c.inTree(flat)
	}
	if c.Op == Exists {
		return true
	}
	var want bytes.Buffer
	if json.Compact(&want, c.Value) != nil {
		return false
	}
	same := sameValue(is, want.Bytes())
	switch c.Op {
	case Equal:
		return same
	case NotEqual:
		return !same
	case Contains:
		a, okA := word(is)
		b, okB := word(want.Bytes())
		return okA && okB && strings.Contains(a, b)
	}
	if a, ok := number(is); ok {
		b, ok := number(want.Bytes())
		return ok && holds(c.Op, a, b)
	}
	a, okA := word(is)
	b, okB := word(want.Bytes())
	return okA && okB && holds(c.Op, a, b)
}

// inTree answers for a path that is no leaf: a list contains, an object exists.
func (c ConfigFilter) inTree(flat flatConfig) bool {
	for _, l := range flat.under(c.Path) {
		if c.Op == Exists || c.Op == Contains && sameValue(l.value, c.Value) {
			return true
		}
	}
	return c.Op == NotEqual
}

func word(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

func holds[T float64 | string](op Op, a, b T) bool {
	switch op {
	case Equal:
		return a == b
	case NotEqual:
		return a != b
	case Less:
		return a < b
	case AtMost:
		return a <= b
	case Greater:
		return a > b
	case AtLeast:
		return a >= b
	}
	return false
}

func (f MetricFilter) check() error {
	switch f.Op {
	case Exists, Equal, NotEqual, Less, AtMost, Greater, AtLeast:
		return nil
	}
	return fmt.Errorf("metric %q: operator %q, want ==, !=, <, <=, >, >= or exists: %w", f.Key, f.Op, ErrBadQuery)
}

func (f *RunFilter) metricsHold(id event.RunID, metrics []map[event.RunID]float64) bool {
	for i, mf := range f.Metrics {
		is, ok := metrics[i][id]
		if !ok {
			return false
		}
		if mf.Op == Exists || math.IsNaN(is) && math.IsNaN(mf.Value) && mf.Op == Equal {
			continue
		}
		if !holds(mf.Op, is, mf.Value) {
			return false
		}
	}
	return true
}
