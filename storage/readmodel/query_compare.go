package readmodel

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"millrace/event"
)

// maxCompared bounds how many runs are compared at once.
const maxCompared = 100

// Comparison is how runs differ. What is the same in all of them is left out.
type Comparison struct {
	Runs []Run
	// Config is by dotted path; Code and Environment by field (of the last attempt); Inputs by role, the values being digests.
	Config, Code, Environment, Inputs []Difference
}

// Difference is one thing that differs: Values[i] is that of Runs[i], nil where there is none.
type Difference struct {
	Path   string
	Values []json.RawMessage
}

// Compare lays 2 to 100 runs side by side. Errors: ErrNotFound, ErrBadQuery for too few or too many.
func (m *Model) Compare(ids []event.RunID) (Comparison, error) {
	if len(ids) < 2 || len(ids) > maxCompared {
		return Comparison{}, fmt.Errorf("compare %d runs, want 2 to %d: %w", len(ids), maxCompared, ErrBadQuery)
	}
	var c Comparison
	err := m.read(func(v view) (err error) {
		c, err = m.compare(v, ids)
		return err
	})
	return c, err
}

func (m *Model) compare(v view, ids []event.RunID) (Comparison, error) {
	var c Comparison
	var config, code, environment, inputs []flatConfig
	for _, id := range ids {
		known, err := m.known(id)
		if err != nil {
			return Comparison{}, err
		}
		flat, err := m.flat(v, known)
		if err != nil {
			m.log.Error("the configuration of a run cannot be read", "run", id, "err", err)
		}
		st := m.snapshot(v, known)
		c.Runs = append(c.Runs, st)
		config = append(config, flat)
		code = append(code, fields(struct {
			event.Code
			Engine string `json:"engine,omitempty"`
		}{st.Spec.Code, st.Spec.Engine}))
		environment = append(environment, fields(st.Environment()))
		var in flatConfig
		for _, x := range st.Spec.Inputs {
			in = append(in, leaf{x.Role, quoted(string(x.Digest))})
		}
		slices.SortFunc(in, func(a, b leaf) int { return cmp.Or(strings.Compare(a.path, b.path), bytes.Compare(a.value, b.value)) })
		inputs = append(inputs, numbered(in))
	}
	c.Config, c.Code, c.Environment, c.Inputs = differences(config), differences(code), differences(environment), differences(inputs)
	return c, nil
}

// numbered tells leaves of one path apart: dataset, dataset.2, ….
func numbered(sorted flatConfig) flatConfig {
	nth := 1
	for i := 1; i < len(sorted); i++ {
		if role := sorted[i-nth].path; sorted[i].path == role {
			nth++
			sorted[i].path = role + "." + strconv.Itoa(nth)
			continue
		}
		nth = 1
	}
	slices.SortStableFunc(sorted, func(a, b leaf) int { return strings.Compare(a.path, b.path) })
	return sorted
}

// fields flattens a struct by its JSON names.
func fields(v any) flatConfig {
	raw, err := json.Marshal(v)
	if err != nil || string(raw) == "null" {
		return nil
	}
	out := flatten(nil, "", raw)
	slices.SortFunc(out, func(a, b leaf) int { return strings.Compare(a.path, b.path) })
	return out
}

func quoted(s string) json.RawMessage {
	raw, err := json.Marshal(s)
	if err != nil {
		return json.RawMessage(`""`)
	}
	return raw
}

// differences lists the paths at which not all have the same value.
func differences(all []flatConfig) []Difference {
	paths := map[string]struct{}{}
	for _, flat := range all {
		for _, l := range flat {
			paths[l.path] = struct{}{}
		}
	}
	var out []Difference
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		d := Difference{Path: p, Values: make([]json.RawMessage, len(all))}
		same := true
		for i, flat := range all {
			d.Values[i], _ = flat.at(p)
			same = same && sameValue(d.Values[0], d.Values[i])
		}
		if !same {
			out = append(out, d)
		}
	}
	return out
}

// sameValue compares JSON leaves: numbers by value (1e-3 is 0.001), the rest by their bytes.
func sameValue(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return (a == nil) == (b == nil)
	}
	x, okX := jsonNumber(a)
	y, okY := jsonNumber(b)
	return okX && okY && x == y
}

func jsonNumber(raw json.RawMessage) (float64, bool) {
	if len(raw) == 0 || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	return f, err == nil
}
