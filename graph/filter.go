package graph

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/storage/readmodel"
)

// selection is a RunFilter in the read model's words, and what those cannot say as a test of each run.
type selection struct {
	filter readmodel.RunFilter
	rest   []func(readmodel.Run) (bool, error)
}

// keeps runs the tests that the read model could not.
func (s selection) keeps(run readmodel.Run) (bool, error) {
	for _, test := range s.rest {
		if ok, err := test(run); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// selection translates a filter; nil is no filter.
func (r *resolver) selection(f *gen.RunFilter) (selection, error) {
	var s selection
	if f == nil {
		return s, nil
	}
	for _, id := range f.Ids {
		s.filter.IDs = append(s.filter.IDs, event.RunID(id))
	}
	if f.Ids != nil && len(f.Ids) == 0 {
		s.rest = append(s.rest, func(readmodel.Run) (bool, error) { return false, nil })
	}
	s.filter.Kinds, s.filter.Statuses = withBare(f.Kind), f.Status
	s.filter.Labels, s.filter.Text = f.Labels, deref(f.Text)
	s.filter.SpecDigest = event.Digest(deref(f.SpecDigest))
	if f.CreatedAfter != nil {
		s.filter.CreatedAfter = *f.CreatedAfter
	}
	if f.CreatedBefore != nil {
		s.filter.CreatedBefore = *f.CreatedBefore
	}
	if f.Archived != nil && *f.Archived {
		s.filter.Archived = readmodel.OnlyArchived
	}
	if f.Experiment != nil {
		id, err := r.experimentID(*f.Experiment)
		if err != nil {
			return s, err
		}
		s.filter.Experiment = &id
	}
	if f.Dataset != nil {
		d, err := r.dataset(*f.Dataset)
		if err != nil {
			return s, err
		}
		s.filter.Input = event.Digest(*f.Dataset) // of any input; a name that no dataset has is no run's input
		if d != nil {
			s.filter.Input = d.ID()
		}
	}
	if f.Name != nil {
		name := *f.Name
		s.rest = append(s.rest, func(run readmodel.Run) (bool, error) { return fits(name, run.Name), nil })
	}
	s.tags(f.Tags)
	if err := r.configs(&s, f.Config); err != nil {
		return s, err
	}
	for _, m := range f.Metrics {
		if err := s.metric(m); err != nil {
			return s, err
		}
	}
	return s, nil
}

// withBare adds the runs that nobody requested, which have no kind, to the external ones: that is what they are shown as.
func withBare(kinds []event.RunKind) []event.RunKind {
	if slices.Contains(kinds, event.External) {
		return append([]event.RunKind{""}, kinds...)
	}
	return kinds
}

// tags asks for runs that have each key, with a value that fits.
func (s *selection) tags(filters []gen.TagFilter) {
	for _, t := range filters {
		if s.filter.Tags == nil {
			s.filter.Tags = map[string]string{}
		}
		if _, asked := s.filter.Tags[t.Key]; !asked {
			s.filter.Tags[t.Key] = "*"
		}
		if t.Value == nil {
			continue
		}
		key, value := t.Key, *t.Value
		if value.Eq != nil && *value.Eq != "*" {
			s.filter.Tags[key] = *value.Eq
		}
		s.rest = append(s.rest, func(run readmodel.Run) (bool, error) { return fits(value, run.Tags[key]), nil })
	}
}

// configs asks for values of the configuration: numbers compare as numbers, anything else as text. A path alone asks that the run
// has it.
func (r *resolver) configs(s *selection, filters []gen.ConfigFilter) error {
	add := func(path string, op readmodel.Op, v any) {
		raw, err := json.Marshal(v)
		if err != nil { // strings and event.Numbers always can be written
			raw = json.RawMessage("null")
		}
		s.filter.Config = append(s.filter.Config, readmodel.ConfigFilter{Path: path, Op: op, Value: raw})
	}
	for _, c := range filters {
		if c.Path == "" {
			return badInput("a config filter needs a path, e.g. \"optimizer.lr\"")
		}
		if c.Number == nil && c.Text == nil {
			add(c.Path, readmodel.Exists, nil)
		}
		if c.Number != nil {
			for op, v := range comparisons(*c.Number) {
				add(c.Path, op, v)
			}
		}
		if t := c.Text; t != nil {
			if t.Eq != nil {
				add(c.Path, readmodel.Equal, *t.Eq)
			}
			if t.Ne != nil {
				add(c.Path, readmodel.NotEqual, *t.Ne)
			}
			if t.Contains != nil {
				add(c.Path, readmodel.Contains, *t.Contains)
			}
			if t.In != nil {
				path, in := c.Path, t.In
				s.rest = append(s.rest, func(run readmodel.Run) (bool, error) {
					v, err := r.configText(run.ID, path)
					return v != nil && slices.Contains(in, *v), err
				})
			}
		}
	}
	return nil
}

// configText is the value at a dotted path of a run's configuration as text, nil when it has none.
func (r *resolver) configText(id event.RunID, path string) (*string, error) {
	config, err := r.Model.Config(id)
	if err != nil {
		if errors.Is(err, readmodel.ErrNotFound) { // deleted meanwhile
			return nil, nil
		}
		return nil, err
	}
	for key := range strings.SplitSeq(path, ".") {
		var object map[string]json.RawMessage
		if json.Unmarshal(config, &object) != nil {
			return nil, nil
		}
		next, ok := object[key]
		if !ok {
			return nil, nil
		}
		config = next
	}
	var text string
	if json.Unmarshal(config, &text) != nil {
		text = string(config)
	}
	return &text, nil
}

// metric asks for a value of a run's metric.
func (s *selection) metric(m gen.MetricFilter) error {
	stat := readmodel.StatLast
	if m.Of != nil {
		stat = stats[*m.Of]
	}
	if m.Key == "" {
		return badInput("a metric filter needs a key, e.g. \"val/loss\"")
	}
	ops := comparisons(*m.Value)
	if len(ops) == 0 {
		return badInput("the filter of metric %q compares with nothing; give eq, ne, lt, lte, gt or gte", m.Key)
	}
	for op, v := range ops {
		s.filter.Metrics = append(s.filter.Metrics, readmodel.MetricFilter{Key: m.Key, Stat: stat, Op: op, Value: float64(v)})
	}
	return nil
}

var stats = map[gen.MetricSummary]readmodel.Stat{
	gen.MetricSummaryLast:  readmodel.StatLast,
	gen.MetricSummaryMin:   readmodel.StatMin,
	gen.MetricSummaryMax:   readmodel.StatMax,
	gen.MetricSummaryFirst: readmodel.StatFirst,
}

func comparisons(f gen.NumberFilter) map[readmodel.Op]event.Number {
	ops := map[readmodel.Op]event.Number{}
	for op, v := range map[readmodel.Op]*event.Number{
		readmodel.Equal: f.Eq, readmodel.NotEqual: f.Ne, readmodel.Less: f.Lt,
		readmodel.AtMost: f.Lte, readmodel.Greater: f.Gt, readmodel.AtLeast: f.Gte,
	} {
		if v != nil {
			ops[op] = *v
		}
	}
	return ops
}

// fits tells whether a text passes a filter; `contains` does not mind case.
func fits(f gen.StringFilter, s string) bool {
	return (f.Eq == nil || s == *f.Eq) && (f.Ne == nil || s != *f.Ne) && (f.In == nil || slices.Contains(f.In, s)) &&
		(f.Contains == nil || strings.Contains(strings.ToLower(s), strings.ToLower(*f.Contains)))
}

// order translates an order; nil is newest first.
func order(o *gen.RunOrder) (readmodel.Order, error) {
	if o == nil {
		return readmodel.Order{By: readmodel.OrderCreated, Desc: true}, nil
	}
	out := readmodel.Order{Desc: o.Direction == gen.DirectionDesc}
	switch o.Field {
	case gen.RunFieldCreated:
		out.By = readmodel.OrderCreated
	case gen.RunFieldName:
		out.By = readmodel.OrderName
	case gen.RunFieldStatus:
		out.By = readmodel.OrderStatus
	case gen.RunFieldDuration:
		out.By = readmodel.OrderDuration
	case gen.RunFieldCost:
		out.By = readmodel.OrderCost
	case gen.RunFieldConfig, gen.RunFieldMetric:
		out.By, out.Key = readmodel.OrderConfig, deref(o.Key)
		if o.Field == gen.RunFieldMetric {
			out.By, out.Stat = readmodel.OrderMetric, readmodel.StatLast
		}
		if out.Key == "" {
			return out, badInput("an order by %s needs a key", o.Field)
		}
	}
	return out, nil
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
