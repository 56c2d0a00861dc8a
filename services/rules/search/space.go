package search

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// Range is what a setting may be: one of Values, or a number from Min to Max.
type Range struct {
	Values []json.RawMessage `json:"values,omitempty"`
	Min    *float64          `json:"min,omitempty"`
	Max    *float64          `json:"max,omitempty"`
	Log    bool              `json:"log,omitempty"` // as likely between 1 and 10 as between 10 and 100
	Int    bool              `json:"int,omitempty"` // whole numbers, Max included
	// Count is into how many values a grid cuts a range of numbers.
	Count int `json:"count,omitempty"`
}

// Space is the ranges of settings by their path in the configuration, such as optimizer.lr.
type Space map[string]Range

// Bounds on spaces.
const (
	MaxSettings = 50
	MaxValues   = 1000
	maxPath     = 200
)

// paths are the settings, in an order that is always the same.
func (s Space) paths() []string {
	out := make([]string, 0, len(s))
	for p := range s {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// check refuses what cannot be drawn from; grid tells that ranges of numbers must be countable.
func (s Space) check(grid bool) error {
	if len(s) == 0 || len(s) > MaxSettings {
		return fmt.Errorf("search: a space of %d settings: want 1 to %d", len(s), MaxSettings)
	}
	for _, path := range s.paths() {
		if err := s[path].check(grid); err != nil {
			return fmt.Errorf("search: space %.200s: %w", path, err)
		}
		if path == "" || len(path) > maxPath || slices.Contains(strings.Split(path, "."), "") {
			return fmt.Errorf("search: space %.200q: want a path such as optimizer.lr", path)
		}
	}
	return nil
}

func (r Range) check(grid bool) error {
	if len(r.Values) > 0 {
		if r.Min != nil || r.Max != nil || r.Log || r.Int || r.Count != 0 {
			return errors.New("values, or a range of numbers, but not both")
		}
		if len(r.Values) > MaxValues {
			return fmt.Errorf("%d values: at most %d", len(r.Values), MaxValues)
		}
		for _, v := range r.Values {
			if !json.Valid(v) {
				return fmt.Errorf("a value is no JSON: %.40q", v)
			}
		}
		return nil
	}
	if r.Min == nil || r.Max == nil {
		return errors.New("want values, or min and max")
	}
	low, high := *r.Min, *r.Max
	switch {
	case !(low < high) || math.IsInf(low, 0) || math.IsInf(high, 0):
		return fmt.Errorf("from %v to %v: want min below max", low, high)
	case r.Log && low <= 0:
		return fmt.Errorf("log from %v: want a min above 0", low)
	case r.Int && (low != math.Trunc(low) || high != math.Trunc(high) || math.Abs(low) > 1<<53 || math.Abs(high) > 1<<53):
		return fmt.Errorf("int from %v to %v: want whole numbers", low, high)
	case r.Count < 0 || r.Count == 1 || r.Count > MaxValues:
		return fmt.Errorf("count %d: want 2 to %d", r.Count, MaxValues)
	case grid && r.Count == 0 && (!r.Int || high-low >= MaxValues):
		return errors.New("a grid wants values, or a count for a range of numbers")
	}
	return nil
}

// at is the value at a share of the range, 0 to 1, with six digits.
func (r Range) at(share float64) json.RawMessage {
	low, high := *r.Min, *r.Max
	v := low + share*(high-low)
	if r.Log {
		v = math.Exp(math.Log(low) + share*(math.Log(high)-math.Log(low)))
	}
	if r.Int {
		return json.RawMessage(strconv.FormatFloat(min(max(math.Round(v), low), high), 'f', -1, 64))
	}
	if v, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64); err == nil {
		return number(min(max(v, low), high))
	}
	return number(v)
}

func number(v float64) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null") // no range has infinite ends
	}
	return raw
}

// draw is a random value.
func (r Range) draw(random *rand.Rand) json.RawMessage {
	if len(r.Values) > 0 {
		return r.Values[random.IntN(len(r.Values))]
	}
	if r.Int && !r.Log { // each as likely as the others
		return number(*r.Min + float64(random.Int64N(int64(*r.Max-*r.Min)+1)))
	}
	return r.at(random.Float64())
}

// grid is the values that a grid has.
func (r Range) grid() []json.RawMessage {
	if len(r.Values) > 0 {
		return r.Values
	}
	n := r.Count
	if n == 0 {
		n = int(*r.Max-*r.Min) + 1
	}
	var out []json.RawMessage
	for i := range n {
		v := r.at(float64(i) / float64(max(n-1, 1)))
		if !slices.ContainsFunc(out, func(o json.RawMessage) bool { return bytes.Equal(o, v) }) {
			out = append(out, v)
		}
	}
	return out
}

// Apply sets settings in a configuration, which may be empty. Objects on the way are made; a path through anything else is an error.
func Apply(config json.RawMessage, settings map[string]json.RawMessage) (json.RawMessage, error) {
	root := map[string]any{}
	if len(config) > 0 {
		dec := json.NewDecoder(bytes.NewReader(config))
		dec.UseNumber()
		if err := dec.Decode(&root); err != nil {
			return nil, fmt.Errorf("search: the configuration is no JSON object: %w", err)
		}
		if root == nil {
			root = map[string]any{}
		}
	}
	for _, path := range sorted(settings) {
		at, keys := root, strings.Split(path, ".")
		for _, k := range keys[:len(keys)-1] {
			next, ok := at[k]
			if !ok || next == nil {
				next = map[string]any{}
				at[k] = next
			}
			if at, ok = next.(map[string]any); !ok {
				return nil, fmt.Errorf("search: space %s: %s is not an object in the configuration", path, k)
			}
		}
		at[keys[len(keys)-1]] = settings[path]
	}
	return json.Marshal(root)
}

func sorted(m map[string]json.RawMessage) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
