package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"

	"millrace/curator"
	"millrace/event"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// values are what one of several things has, by field or path; nil where there is no such thing.
type values map[string]json.RawMessage

// differing lists in the order of their names the fields that not all have alike. A thing that is not there differs from none that is.
func differing(all []values) []readmodel.Difference {
	names := map[string]bool{}
	for _, v := range all {
		for n := range v {
			names[n] = true
		}
	}
	var out []readmodel.Difference
	for _, n := range slices.Sorted(maps.Keys(names)) {
		d, same := readmodel.Difference{Path: n, Values: make([]json.RawMessage, len(all))}, true
		for i, v := range all {
			d.Values[i] = v[n]
			same = same && bytes.Equal(d.Values[0], d.Values[i])
		}
		if !same {
			out = append(out, d)
		}
	}
	return out
}

func quoted(s string) json.RawMessage {
	raw, err := json.Marshal(s)
	if err != nil { // strings always can be written
		return json.RawMessage(`""`)
	}
	return raw
}

func whole(n int64) json.RawMessage { return strconv.AppendInt(nil, n, 10) }

// datasetsOf are what the runs read as dataset, nil for those that read none or one that nobody knows.
func (r *resolver) datasetsOf(c *view.Comparison) ([]*view.Dataset, error) {
	runs, err := c.Runs()
	if err != nil {
		return nil, err
	}
	out := make([]*view.Dataset, len(runs))
	for i, run := range runs {
		digest := run.Run.Spec.Input("dataset")
		if !digest.Valid() {
			continue
		}
		if out[i], err = r.dataset(string(digest)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *resolver) compareDatasets(c *view.Comparison) (*view.DatasetComparison, error) {
	if err := atMost(c, maxDiffered, "datasets"); err != nil {
		return nil, err
	}
	list, err := r.datasetsOf(c)
	if err != nil {
		return nil, err
	}
	all := make([]values, len(list))
	for i, d := range list {
		if d == nil {
			continue
		}
		all[i] = values{
			"digest": quoted(string(d.ID())), "name": quoted(d.Name), "recipe": quoted(string(d.Recipe)), "source": quoted(string(d.Source)),
			"bytes": whole(d.Bytes),
		}
		for _, s := range d.Splits {
			all[i]["splits."+s.Name+".tokens"] = whole(s.Tokens)
			all[i]["splits."+s.Name+".documents"] = whole(s.Documents)
			all[i]["splits."+s.Name+".bytes"] = whole(s.Bytes)
		}
	}
	return &view.DatasetComparison{Of: list, Fields: fields("", differing(all))}, nil
}

// compareTokenizers tells of the tokenizers that the runs name, or else those of their datasets.
func (r *resolver) compareTokenizers(c *view.Comparison) ([]view.FieldDifference, error) {
	if err := atMost(c, maxDiffered, "tokenizers"); err != nil {
		return nil, err
	}
	list, err := r.datasetsOf(c)
	if err != nil {
		return nil, err
	}
	runs, err := c.Runs()
	if err != nil {
		return nil, err
	}
	all := make([]values, len(list))
	for i, d := range list {
		own := runs[i].Run.Spec.Input("tokenizer")
		switch {
		case own != "":
			all[i] = values{"digest": quoted(string(own))}
		case d != nil:
			all[i] = values{"digest": quoted(string(d.Tokenizer)), "vocabSize": whole(int64(d.VocabSize))}
		}
	}
	return fields("", differing(all)), nil
}

// manifests opens each dataset's manifest once; nil where storage does not have it.
func (r *resolver) manifests(ctx context.Context, c *view.DatasetComparison) ([]*curator.Manifest, error) {
	if len(c.Of) > maxDetailed {
		return nil, badInput("recipes of %d runs, at most %d are compared", len(c.Of), maxDetailed)
	}
	known := map[event.Digest]*curator.Manifest{}
	out := make([]*curator.Manifest, len(c.Of))
	for i, d := range c.Of {
		if d == nil {
			continue
		}
		m, seen := known[d.ID()]
		if !seen {
			set, err := r.curated(ctx, d)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, stored(err)
			}
			if err == nil {
				m = &set.Manifest
			}
			known[d.ID()] = m
		}
		out[i] = m
	}
	return out, nil
}

func (r *resolver) compareRecipes(ctx context.Context, c *view.DatasetComparison) ([]view.ConfigDifference, error) {
	list, err := r.manifests(ctx, c)
	if err != nil {
		return nil, err
	}
	all := make([]values, len(list))
	for i, m := range list {
		if m == nil {
			continue
		}
		dec := json.NewDecoder(bytes.NewReader(m.Recipe.JSON()))
		dec.UseNumber()
		var tree any
		if err := dec.Decode(&tree); err != nil {
			return nil, fmt.Errorf("the recipe of dataset %s: %w", c.Of[i].ID(), err)
		}
		all[i] = values{}
		flatten(all[i], "", tree)
	}
	out := []view.ConfigDifference{}
	for _, d := range differing(all) {
		out = append(out, view.ConfigDifference{Path: d.Path, Values: d.Values})
	}
	return out, nil
}

// flatten notes the leaves of a decoded JSON value by dotted path; empty objects and lists are leaves.
func flatten(to values, path string, v any) {
	under := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			flatten(to, under(name), inner)
		}
		if len(v) > 0 {
			return
		}
	case []any:
		for i, inner := range v {
			flatten(to, under(strconv.Itoa(i)), inner)
		}
		if len(v) > 0 {
			return
		}
	}
	if raw, err := json.Marshal(v); err == nil && path != "" {
		to[path] = raw
	}
}

func (r *resolver) compareSources(ctx context.Context, c *view.DatasetComparison) ([]view.FieldDifference, error) {
	list, err := r.manifests(ctx, c)
	if err != nil {
		return nil, err
	}
	all := make([]values, len(list))
	for i, m := range list {
		if m == nil {
			continue
		}
		all[i] = values{}
		for _, s := range m.Sources {
			all[i][s.Name] = whole(s.KeptDocuments)
		}
	}
	return fields("", differing(all)), nil
}
