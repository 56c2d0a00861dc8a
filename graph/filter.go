package graph

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/storage/readmodel/where"
)

// picked translates a filter and a condition in the language, both of which must hold. Archived runs are left out unless one of them speaks of
// them.
func (r *resolver) picked(f *gen.RunFilter, text *string) (where.Expr, error) {
	e, err := where.Parse(deref(text), r.Now())
	if err != nil {
		return nil, badText("where", err)
	}
	if f == nil {
		f = &gen.RunFilter{}
	}
	filter, err := r.condition(f, maxFilters)
	if err != nil {
		return nil, err
	}
	all := where.And{filter, e}
	if !where.Mentions(all, where.Archived) {
		all = append(where.And{is(where.Archived, where.Value{Kind: where.Bool})}, all...)
	}
	return all, nil
}

// maxFilters is how deep filters may lie within filters.
const maxFilters = 16

// badText shows where a text of the language is wrong.
func badText(what string, err error) error {
	var at *where.SyntaxError
	if !errors.As(err, &at) {
		return err
	}
	return question{code: codeBadInput, message: what + ": " + at.Error(), more: map[string]any{
		"argument": what, "offset": at.Offset, "line": at.Line, "column": at.Column, "hint": at.Hint,
	}}
}

// condition translates a filter into the read model's language.
func (r *resolver) condition(f *gen.RunFilter, depth int) (where.Expr, error) {
	if depth == 0 {
		return nil, badInput("filters are nested deeper than %d", maxFilters)
	}
	all := where.And{}
	add := func(e ...where.Expr) { all = append(all, e...) }
	if f.Archived != nil {
		add(is(where.Archived, where.Value{Kind: where.Bool, Bool: *f.Archived}))
	}
	if f.Starred != nil {
		add(is(where.Starred, where.Value{Kind: where.Bool, Bool: *f.Starred}))
	}
	for name, by := range map[where.Name]*gen.StringFilter{where.RunName: f.Name, where.Note: f.Note, where.By: f.By, where.Worker: f.Worker} {
		if by != nil {
			add(text(where.Field{Name: name}, *by)...)
		}
	}
	for name, by := range map[where.Name]*gen.TimeFilter{where.Started: f.Started, where.Ended: f.Ended, where.Updated: f.Updated} {
		if by != nil {
			add(times(name, by.After, by.Before)...)
		}
	}
	for name, by := range map[where.Name]*gen.NumberFilter{
		where.Duration: f.Duration, where.Dollars: f.Cost, where.DeviceSeconds: f.DeviceSeconds, where.Joules: f.Joules,
		where.Tokens: f.Tokens, where.FLOPs: f.Flops, where.Steps: f.Steps,
	} {
		if by != nil {
			add(numbers(where.Field{Name: name}, *by)...)
		}
	}
	add(times(where.Created, f.CreatedAfter, f.CreatedBefore)...)
	if f.Parent != nil {
		add(is(where.Parent, wordOf(*f.Parent)))
	}
	for i := range f.And {
		e, err := r.condition(&f.And[i], depth-1)
		if err != nil {
			return nil, err
		}
		add(e)
	}
	if f.Or != nil {
		any := where.Or{}
		for i := range f.Or {
			e, err := r.condition(&f.Or[i], depth-1)
			if err != nil {
				return nil, err
			}
			any = append(any, e)
		}
		add(any)
	}
	if f.Not != nil {
		e, err := r.condition(f.Not, depth-1)
		if err != nil {
			return nil, err
		}
		add(where.Not{Of: e})
	}
	if f.Ids != nil {
		add(oneOf(where.Field{Name: where.ID}, f.Ids))
	}
	if len(f.Kind) > 0 {
		add(oneOf(where.Field{Name: where.Kind}, f.Kind))
	}
	if len(f.Status) > 0 {
		add(oneOf(where.Field{Name: where.Status}, f.Status))
	}
	if f.Experiment != nil {
		id, err := r.experimentID(*f.Experiment)
		if err != nil {
			return nil, err
		}
		add(within(id))
	}
	if d := deref(f.SpecDigest); d != "" {
		add(is(where.SpecDigest, wordOf(d)))
	}
	for _, t := range f.Tags {
		tag := where.Field{Name: where.Tag, Key: t.Key}
		add(where.Compare{Field: tag, Op: where.Exists})
		if t.Value != nil {
			add(text(tag, *t.Value)...)
		}
	}
	for _, l := range f.Labels {
		add(where.Compare{Field: where.Field{Name: where.Label}, Op: where.Contains, Values: []where.Value{wordOf(l)}})
	}
	if words := deref(f.Text); words != "" {
		add(where.Words{Text: words})
	}
	for _, c := range f.Config {
		e, err := config(c)
		if err != nil {
			return nil, err
		}
		add(e...)
	}
	for _, m := range f.Metrics {
		e, err := metric(m)
		if err != nil {
			return nil, err
		}
		add(e...)
	}
	if f.Dataset != nil {
		d, err := r.dataset(*f.Dataset)
		if err != nil {
			return nil, err
		}
		digest := event.Digest(*f.Dataset) // of any input; a name that no dataset has is no run's input
		if d != nil {
			digest = d.ID()
		}
		add(is(where.Input, wordOf(digest)))
	}
	return all, nil
}

func wordOf[T ~string](s T) where.Value   { return where.Value{Kind: where.Word, Word: string(s)} }
func numberOf(v event.Number) where.Value { return where.Value{Kind: where.Number, Number: float64(v)} }
func timeOf(at time.Time) where.Value     { return where.Value{Kind: where.Time, Time: at} }
func is(n where.Name, v where.Value) where.Expr {
	return where.Compare{Field: where.Field{Name: n}, Op: where.Equal, Values: []where.Value{v}}
}

// oneOf asks that a field is one of some words; of none nothing is.
func oneOf[T ~string](f where.Field, words []T) where.Expr {
	c := where.Compare{Field: f, Op: where.In}
	for _, w := range words {
		c.Values = append(c.Values, wordOf(w))
	}
	return c
}

// within asks for the runs of an experiment; "" for those of none. An experiment may bear another's id as its name, so both are asked.
func within(id event.ExperimentID) where.Expr {
	f := where.Field{Name: where.Experiment}
	if id == "" {
		return where.Not{Of: where.Compare{Field: f, Op: where.Exists}}
	}
	return is(where.Experiment, wordOf(id))
}

// text translates comparisons of a text; a field that a run does not have is the empty text.
func text(f where.Field, by gen.StringFilter) (out []where.Expr) {
	empty := where.Not{Of: where.Compare{Field: f, Op: where.Exists}}
	compare := func(op where.Op, s string) where.Expr {
		return where.Compare{Field: f, Op: op, Values: []where.Value{wordOf(s)}}
	}
	if by.Eq != nil {
		e := compare(where.Equal, *by.Eq)
		if *by.Eq == "" {
			e = where.Or{e, empty}
		}
		out = append(out, e)
	}
	if by.Ne != nil {
		e := compare(where.NotEqual, *by.Ne)
		if *by.Ne == "" {
			e = where.And{e, where.Not{Of: empty}}
		}
		out = append(out, e)
	}
	if by.In != nil {
		e := oneOf(f, by.In)
		if slices.Contains(by.In, "") {
			e = where.Or{e, empty}
		}
		out = append(out, e)
	}
	if by.Contains != nil && *by.Contains != "" {
		out = append(out, compare(where.Contains, *by.Contains))
	}
	return out
}

// times translates bounds of a time.
func times(n where.Name, after, before *time.Time) (out []where.Expr) {
	if after != nil {
		out = append(out, where.Compare{Field: where.Field{Name: n}, Op: where.AtLeast, Values: []where.Value{timeOf(*after)}})
	}
	if before != nil {
		out = append(out, where.Compare{Field: where.Field{Name: n}, Op: where.Less, Values: []where.Value{timeOf(*before)}})
	}
	return out
}

// numbers translates comparisons of a number.
func numbers(f where.Field, by gen.NumberFilter) (out []where.Expr) {
	for _, c := range []struct {
		op    where.Op
		value *event.Number
	}{{where.Equal, by.Eq}, {where.NotEqual, by.Ne}, {where.Less, by.Lt}, {where.AtMost, by.Lte}, {where.Greater, by.Gt}, {where.AtLeast, by.Gte}} {
		if c.value != nil {
			out = append(out, where.Compare{Field: f, Op: c.op, Values: []where.Value{numberOf(*c.value)}})
		}
	}
	return out
}

// config asks for values of the configuration: numbers compare as numbers, anything else as text, for which true, false and numbers are as they
// are written. A path alone asks that the run has it.
func config(c gen.ConfigFilter) ([]where.Expr, error) {
	if c.Path == "" {
		return nil, badInput("a config filter needs a path, e.g. \"optimizer.lr\"")
	}
	f := where.Field{Name: where.Config, Key: c.Path}
	var out []where.Expr
	if c.Number == nil && c.Text == nil {
		out = append(out, where.Compare{Field: f, Op: where.Exists})
	}
	if c.Number != nil {
		out = append(out, numbers(f, *c.Number)...)
	}
	if t := c.Text; t != nil {
		if t.Eq != nil {
			out = append(out, where.Compare{Field: f, Op: where.In, Values: written(*t.Eq)})
		}
		if t.Ne != nil {
			out = append(out, where.Compare{Field: f, Op: where.NotIn, Values: written(*t.Ne)})
		}
		if t.In != nil {
			in := where.Compare{Field: f, Op: where.In}
			for _, s := range t.In {
				in.Values = append(in.Values, written(s)...)
			}
			out = append(out, in)
		}
		if t.Contains != nil {
			out = append(out, where.Compare{Field: f, Op: where.Contains, Values: []where.Value{wordOf(*t.Contains)}})
		}
	}
	return out, nil
}

// written is what a text may stand for in a configuration.
func written(s string) []where.Value {
	out := []where.Value{wordOf(s)}
	if s == "true" || s == "false" {
		out = append(out, where.Value{Kind: where.Bool, Bool: s == "true"})
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		out = append(out, where.Value{Kind: where.Number, Number: n})
	}
	return out
}

// metric asks for a value of a run's metric; a run without it does not fit.
func metric(m gen.MetricFilter) ([]where.Expr, error) {
	if m.Key == "" {
		return nil, badInput("a metric filter needs a key, e.g. \"val/loss\"")
	}
	f := where.Field{Name: where.Metric, Key: m.Key, Stat: where.StatLast}
	if m.Of != nil {
		f.Stat = stats[*m.Of]
	}
	compared := numbers(f, *m.Value)
	if len(compared) == 0 {
		return nil, badInput("the filter of metric %q compares with nothing; give eq, ne, lt, lte, gt or gte", m.Key)
	}
	return append(compared, where.Compare{Field: f, Op: where.Exists}), nil
}

var stats = map[gen.MetricSummary]where.Stat{
	gen.MetricSummaryLast:  where.StatLast,
	gen.MetricSummaryMin:   where.StatMin,
	gen.MetricSummaryMax:   where.StatMax,
	gen.MetricSummaryFirst: where.StatFirst,
}

// input is anything that a run reads.
const input = where.Input

// newest is the order of lists that ask for none.
var newest = where.Sort{Field: where.Field{Name: where.Created}, Desc: true}

// order translates an order, in the language or as a list of keys; none is newest first.
func order(keys []gen.RunOrder, text *string) ([]where.Sort, error) {
	if t := deref(text); t != "" {
		by, err := where.ParseSort(t)
		if err != nil {
			return nil, badText("sort", err)
		}
		return by, nil
	}
	if len(keys) == 0 {
		return []where.Sort{newest}, nil
	}
	out := make([]where.Sort, len(keys))
	for i, o := range keys {
		by := where.Sort{Field: where.Field{Name: sorts[o.Field], Key: deref(o.Key)}, Desc: o.Direction == gen.DirectionDesc}
		switch o.Field {
		case gen.RunFieldConfig, gen.RunFieldMetric, gen.RunFieldTag:
			if by.Field.Key == "" {
				return nil, badInput("an order by %s needs a key", o.Field)
			}
		default:
			by.Field.Key = ""
		}
		if o.Field == gen.RunFieldMetric && o.Of != nil {
			by.Field.Stat = stats[*o.Of]
		}
		out[i] = by
	}
	if len(keys) == 1 && keys[0].Field == gen.RunFieldKind {
		out = append(out, newest)
	}
	return out, nil
}

var sorts = map[gen.RunField]where.Name{
	gen.RunFieldCreated:       where.Created,
	gen.RunFieldStarted:       where.Started,
	gen.RunFieldEnded:         where.Ended,
	gen.RunFieldUpdated:       where.Updated,
	gen.RunFieldName:          where.RunName,
	gen.RunFieldExperiment:    where.Experiment,
	gen.RunFieldTag:           where.Tag,
	gen.RunFieldBy:            where.By,
	gen.RunFieldStatus:        where.Status,
	gen.RunFieldKind:          where.Kind,
	gen.RunFieldDuration:      where.Duration,
	gen.RunFieldCost:          where.Dollars,
	gen.RunFieldSteps:         where.Steps,
	gen.RunFieldTokens:        where.Tokens,
	gen.RunFieldFlops:         where.FLOPs,
	gen.RunFieldDeviceSeconds: where.DeviceSeconds,
	gen.RunFieldJoules:        where.Joules,
	gen.RunFieldConfig:        where.Config,
	gen.RunFieldMetric:        where.Metric,
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
