package graph

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/where"
)

// groups answers a page of groups of runs.
func (r *resolver) groups(ctx context.Context, f *gen.RunFilter, text *string, by, numbers []string, first *int, after *string) (*view.RunGroupConnection, error) {
	if first != nil && *first < 0 {
		return nil, badInput("first is %d, want 0 or more", *first)
	}
	e, err := r.picked(f, text)
	if err != nil {
		return nil, err
	}
	keys, err := fieldsOf("by", by)
	if err != nil {
		return nil, err
	}
	of, err := fieldsOf("numbers", numbers)
	if err != nil {
		return nil, err
	}
	n := groupPage(first)
	got, err := r.Model.GroupRuns(ctx, e, keys, of, deref(after), max(n, 1))
	if err != nil {
		return nil, err
	}
	page := view.Page[view.RunGroup]{HasPrev: deref(after) != "", HasNext: got.HasNext || n < len(got.Groups), Count: func(context.Context) (int, error) { return got.Total, nil }}
	for i, g := range got.Groups[:min(n, len(got.Groups))] {
		shown, err := r.group(g, keys, by, numbers)
		if err != nil {
			return nil, err
		}
		page.Items, page.Cursors = append(page.Items, shown), append(page.Cursors, got.Cursors[i])
	}
	return &view.RunGroupConnection{Page: page}, nil
}

func fieldsOf(argument string, texts []string) ([]where.Field, error) {
	out := make([]where.Field, len(texts))
	for i, t := range texts {
		var err error
		if out[i], err = where.ParseField(t); err != nil {
			return nil, badText(argument, err)
		}
	}
	return out, nil
}

// statuses in the order in which a run goes through them.
var statuses = []event.RunStatus{event.Pending, event.Running, event.Finished, event.Failed, event.Stopped, event.Crashed, event.Paused}

// group shows one group.
func (r *resolver) group(g readmodel.Group, keys []where.Field, by, numbers []string) (view.RunGroup, error) {
	out := view.RunGroup{Count: g.Count, Dollars: g.Dollars}
	all := where.And{}
	for i, k := range g.Keys {
		all = append(all, inGroup(keys[i], k)...)
		shown, err := r.groupKey(keys[i], k)
		if err != nil {
			return out, err
		}
		shown.Field = by[i]
		out.Keys = append(out.Keys, shown)
	}
	out.Where = where.Print(all)
	for _, s := range statuses {
		if n := g.ByStatus[s]; n > 0 {
			out.Statuses = append(out.Statuses, view.StatusCount{Status: s, Count: n})
		}
	}
	for i, s := range g.Spreads {
		out.Numbers = append(out.Numbers, view.NumberSpread{
			Field: numbers[i], Count: s.Count, Nans: s.NaNs, Mean: known(s.Mean), Min: known(s.Min), Max: known(s.Max), Stddev: known(s.Stddev),
		})
	}
	return out, nil
}

func known(v float64) *event.Number {
	if math.IsNaN(v) {
		return nil
	}
	return ptr(event.Number(v))
}

func (r *resolver) groupKey(f where.Field, k *where.Value) (out view.RunGroupKey, err error) {
	if k == nil {
		return out, nil
	}
	var v any = k.Word
	out.Label = k.Word
	switch k.Kind {
	case where.Number:
		v = event.Number(k.Number)
	case where.Bool:
		v = k.Bool
	case where.Time:
		v = k.Time.Format(time.RFC3339)
		out.Label = k.Time.Format(time.DateOnly)
	}
	if out.Value, err = json.Marshal(v); err != nil {
		return out, err
	}
	switch {
	case f.Name == where.Experiment:
		x, err := r.experiment(k.Word)
		if err != nil {
			return out, err
		}
		if x != nil {
			out.Label = x.Name()
		}
	case out.Label == "":
		out.Label = string(out.Value)
	}
	return out, nil
}

// inGroup are the conditions that the runs of a group fit at one of its fields.
func inGroup(f where.Field, k *where.Value) []where.Expr {
	compare := func(op where.Op, v where.Value) where.Expr {
		return where.Compare{Field: f, Op: op, Values: []where.Value{v}}
	}
	switch {
	case k == nil:
		return []where.Expr{where.Not{Of: where.Compare{Field: f, Op: where.Exists}}}
	case f.Name == where.Label:
		return []where.Expr{compare(where.Contains, *k)}
	case k.Kind == where.Time:
		next := where.Value{Kind: where.Time, Time: k.Time.AddDate(0, 0, 1)}
		return []where.Expr{compare(where.AtLeast, *k), compare(where.Less, next)}
	}
	return []where.Expr{compare(where.Equal, *k)}
}
