package readmodel_test

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/where"
)

// there is a value that is there but compares with nothing.
type there struct{}

// naive answers questions the slow way: from whole runs, their nested configurations and their points.
type naive struct {
	t *rapid.T
	*readmodel.Model
}

func (n naive) must(err error) {
	if err != nil {
		n.t.Fatal(err)
	}
}

// values are those of a field; elements are those of a list in the configuration.
func (n naive) values(r readmodel.Run, f where.Field) (values, elements []any) {
	words := func(list ...string) {
		for _, s := range list {
			if s != "" {
				values = append(values, s)
			}
		}
	}
	moment := func(at time.Time) {
		if !at.IsZero() {
			values = append(values, at.Truncate(time.Microsecond))
		}
	}
	updated := r.UpdatedAt
	if r.HeartbeatAt.After(updated) {
		updated = r.HeartbeatAt
	}
	switch f.Name {
	case where.ID:
		words(string(r.ID))
	case where.RunName:
		words(r.Name)
	case where.Kind:
		words(string(cmp.Or(r.Kind, event.External)))
	case where.Status:
		words(string(r.Status))
	case where.Experiment:
		if r.Experiment != "" {
			x, err := n.Model.Experiment(r.Experiment)
			n.must(err)
			words(x.Name, string(r.Experiment))
		}
	case where.Note:
		words(r.Note)
	case where.By:
		words(r.By)
	case where.Worker:
		for _, a := range r.Attempts {
			words(string(a.Worker))
		}
	case where.Label:
		for _, l := range r.Labels {
			elements = append(elements, l)
		}
	case where.Tag:
		if v, ok := r.Tags[f.Key]; ok {
			values = append(values, v)
		}
	case where.Input:
		for _, in := range r.Spec.Inputs {
			if f.Key == "" || f.Key == in.Role {
				words(string(in.Digest), in.Name)
			}
		}
	case where.SpecDigest:
		words(string(r.SpecDigest))
	case where.Parent:
		if r.Branch != nil {
			words(string(r.Branch.From))
		}
	case where.Archived:
		values = append(values, r.Archived)
	case where.Starred:
		values = append(values, r.Starred)
	case where.Created:
		moment(r.CreatedAt)
	case where.Started:
		moment(r.StartedAt)
	case where.Ended:
		moment(r.EndedAt)
	case where.Updated:
		moment(updated)
	case where.Duration:
		if !r.StartedAt.IsZero() {
			values = append(values, r.Worked(r.HeartbeatAt).Seconds())
		}
	case where.Dollars, where.DeviceSeconds, where.Joules, where.Tokens, where.FLOPs:
		bill, err := n.RunCost(r.ID, time.Time{})
		n.must(err)
		if x, known := map[where.Name]float64{
			where.Dollars: bill.Dollars, where.DeviceSeconds: bill.DeviceSeconds, where.Joules: bill.Joules, where.Tokens: float64(bill.Tokens), where.FLOPs: bill.FLOPs,
		}[f.Name], len(r.Spent) > 0 && (f.Name != where.Joules || bill.JoulesKnown); known {
			values = append(values, x)
		}
	case where.Steps:
		switch {
		case r.Steps > 0:
			values = append(values, float64(r.Steps))
		case r.Progress != nil && r.Progress.Unit == "steps":
			values = append(values, float64(r.Progress.Done))
		}
	case where.Metric:
		if x, ok := n.metric(r.ID, f); ok {
			values = append(values, x)
		}
	case where.Config:
		raw, err := n.Config(r.ID)
		n.must(err)
		var tree any
		n.must(json.Unmarshal(raw, &tree))
		for _, name := range strings.Split(f.Key, ".") {
			object, _ := tree.(map[string]any)
			var ok bool
			if tree, ok = object[name]; !ok {
				return nil, nil
			}
		}
		switch x := tree.(type) {
		case float64, string, bool:
			values = append(values, x)
		default:
			values = append(values, there{})
			elements = scalars(x)
		}
	}
	return values, elements
}

// scalars are all that lie in a tree.
func scalars(x any) (out []any) {
	switch x := x.(type) {
	case []any:
		for _, v := range x {
			out = append(out, scalars(v)...)
		}
	case map[string]any:
		for _, v := range x {
			out = append(out, scalars(v)...)
		}
	case float64, string, bool:
		out = append(out, x)
	}
	return out
}

// metric is read from the points: steps of a key are sorted by step, time and bits over all writers.
func (n naive) metric(run event.RunID, f where.Field) (float64, bool) {
	series, err := n.Series(run, readmodel.SeriesQuery{Keys: []string{f.Key}})
	n.must(err)
	type point struct {
		step, time int64
		value      float64
	}
	var all []point
	for _, s := range series {
		for i := range s.Steps {
			if f.Stat != where.StatAt || s.Steps[i] == f.Step {
				all = append(all, point{s.Steps[i], s.Times[i], s.Values[i]})
			}
		}
	}
	if len(all) == 0 {
		return 0, false
	}
	slices.SortFunc(all, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.time, b.time), cmp.Compare(math.Float64bits(a.value), math.Float64bits(b.value)))
	})
	least, greatest := math.NaN(), math.NaN()
	for _, p := range all {
		if math.IsNaN(least) || p.value < least {
			least = p.value
		}
		if math.IsNaN(greatest) || p.value > greatest {
			greatest = p.value
		}
	}
	switch f.Stat {
	case where.StatFirst:
		return all[0].value, true
	case where.StatMin:
		return least, true
	case where.StatMax:
		return greatest, true
	}
	return all[len(all)-1].value, true
}

func constantOf(v where.Value) any {
	switch v.Kind {
	case where.Number:
		return v.Number
	case where.Bool:
		return v.Bool
	case where.Time:
		return v.Time
	}
	return v.Word
}

func equalAny(a, b any) bool {
	x, ok := a.(float64)
	y, ok2 := b.(float64)
	if at, isTime := a.(time.Time); isTime {
		other, isTime := b.(time.Time)
		return isTime && at.Equal(other)
	}
	return a == b || ok && ok2 && math.IsNaN(x) && math.IsNaN(y)
}

func (n naive) holds(r readmodel.Run, e where.Expr) bool {
	switch e := e.(type) {
	case where.And:
		return !slices.ContainsFunc(e, func(x where.Expr) bool { return !n.holds(r, x) })
	case where.Or:
		return slices.ContainsFunc(e, func(x where.Expr) bool { return n.holds(r, x) })
	case where.Not:
		return !n.holds(r, e.Of)
	case where.Words:
		text := r.Name + "\n" + r.Note + "\n" + string(r.ID)
		for k, v := range r.Tags {
			text += "\n" + k + "=" + v
		}
		text += "\n" + strings.Join(r.Labels, "\n")
		if r.Experiment != "" {
			x, err := n.Model.Experiment(r.Experiment)
			n.must(err)
			text += "\n" + x.Name
		}
		return !slices.ContainsFunc(strings.Fields(strings.ToLower(e.Text)), func(w string) bool { return !strings.Contains(strings.ToLower(text), w) })
	}
	c := e.(where.Compare)
	switch c.Op {
	case where.NotEqual:
		return !n.holds(r, where.Compare{Field: c.Field, Op: where.Equal, Values: c.Values})
	case where.NotIn:
		return !n.holds(r, where.Compare{Field: c.Field, Op: where.In, Values: c.Values})
	case where.NotContains:
		return !n.holds(r, where.Compare{Field: c.Field, Op: where.Contains, Values: c.Values})
	}
	values, elements := n.values(r, c.Field)
	if c.Field.Name == where.Label && c.Op != where.Contains {
		values = elements
	}
	fits := func(v any) bool {
		if c.Op == where.Exists {
			return true
		}
		for _, given := range c.Values {
			if c.Field.Name == where.Kind || c.Field.Name == where.Status {
				given.Word = strings.ToLower(given.Word)
			}
			w := constantOf(given)
			order, comparable := 0, false
			switch x := v.(type) {
			case float64:
				if y, ok := w.(float64); ok && !math.IsNaN(x) && !math.IsNaN(y) {
					order, comparable = cmp.Compare(x, y), true
				}
			case string:
				if y, ok := w.(string); ok {
					order, comparable = strings.Compare(x, y), true
				}
			case time.Time:
				if y, ok := w.(time.Time); ok {
					order, comparable = x.Compare(y), true
				}
			}
			ok := false
			switch c.Op {
			case where.Equal, where.In:
				ok = equalAny(v, w)
			case where.Less:
				ok = comparable && order < 0
			case where.AtMost:
				ok = comparable && order <= 0
			case where.Greater:
				ok = comparable && order > 0
			case where.AtLeast:
				ok = comparable && order >= 0
			case where.Contains:
				x, isText := v.(string)
				y, isPart := w.(string)
				ok = isText && isPart && strings.Contains(strings.ToLower(x), strings.ToLower(y))
			}
			if ok {
				return true
			}
		}
		return false
	}
	if slices.ContainsFunc(values, fits) {
		return true
	}
	return c.Op == where.Contains && slices.ContainsFunc(elements, func(v any) bool { return equalAny(v, constantOf(c.Values[0])) })
}

// sortValue is a run's value in an order, nil for none.
func (n naive) sortValue(r readmodel.Run, f where.Field) any {
	values, elements := n.values(r, f)
	if f.Name == where.Label {
		values = elements
	}
	if len(values) == 0 {
		return nil
	}
	switch x := values[0].(type) {
	case there:
		return nil
	case float64:
		if math.IsNaN(x) {
			return nil
		}
	}
	return values[0]
}

func rank(v any) int {
	switch v.(type) {
	case float64:
		return 0
	case bool:
		return 1
	case string:
		return 2
	}
	return 3
}

func (n naive) compare(a, b readmodel.Run, by []where.Sort) int {
	for _, s := range by {
		x, y := n.sortValue(a, s.Field), n.sortValue(b, s.Field)
		if (x == nil) != (y == nil) {
			if x == nil {
				return 1
			}
			return -1
		}
		if x == nil {
			continue
		}
		c := cmp.Compare(rank(x), rank(y))
		if c == 0 {
			switch x := x.(type) {
			case float64:
				c = cmp.Compare(x, y.(float64))
			case bool:
				if x != y.(bool) {
					c = 1
					if !x {
						c = -1
					}
				}
			case string:
				c = strings.Compare(strings.ToLower(x), strings.ToLower(y.(string)))
			case time.Time:
				c = x.Compare(y.(time.Time))
			}
		}
		if s.Desc {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	c := cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Seq, b.Seq))
	if len(by) > 0 && by[0].Desc {
		c = -c
	}
	return c
}
