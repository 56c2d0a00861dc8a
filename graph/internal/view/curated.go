package view

import (
	"encoding/json"
	"maps"
	"slices"

	"millrace/curator"
	"millrace/event"
)

// DatasetReport is what a manifest says of documents.
type DatasetReport struct{ curator.Manifest }

// Recipe is the recipe with every default written out.
func (r DatasetReport) Recipe() json.RawMessage { return r.Manifest.Recipe.JSON() }

// Attributes tells whether there is a record of every document.
func (r DatasetReport) Attributes() bool { return len(r.Manifest.Attributes) > 0 }

// Why is what became of a document or a text.
type Why struct {
	Match     *curator.Match
	Decisions []Decision
}

// Decision is what became of one document.
type Decision struct{ curator.Explanation }

// Digest is of the text as it was read, nil when there was none.
func (d Decision) Digest() *event.Digest { return nonzero(d.Explanation.Digest) }

// Rule is what dropped it, nil when it was kept.
func (d Decision) Rule() *string { return nonzero(d.Explanation.Rule) }

// Value is what was measured, nil when it was kept.
func (d Decision) Value() *float64 { return d.whenDropped(d.Explanation.Value) }

// Threshold is what it was measured against, nil when it was kept.
func (d Decision) Threshold() *float64 { return d.whenDropped(d.Explanation.Threshold) }

func (d Decision) whenDropped(v float64) *float64 {
	if d.Kept {
		return nil
	}
	return &v
}

// Language is its code, nil when nobody looked at it.
func (d Decision) Language() *string { return nonzero(d.Explanation.Language) }

// RecipeDigest is of the recipe that decided.
func (d Decision) RecipeDigest() event.Digest { return d.Recipe }

// Measurement is one value by name.
type Measurement struct {
	Name  string
	Value int64
}

// Values are the measurements of those names that there are, or all, by name.
func (d Decision) Values(names []string) []Measurement {
	out := []Measurement{}
	for _, name := range slices.Sorted(maps.Keys(d.Explanation.Values)) {
		if names == nil || slices.Contains(names, name) {
			out = append(out, Measurement{name, d.Explanation.Values[name]})
		}
	}
	return out
}

func nonzero[T comparable](v T) *T {
	var none T
	if v == none {
		return nil
	}
	return &v
}
