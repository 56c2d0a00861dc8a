package readmodel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"millrace/event"
)

// flatConfig is a run's configuration by dotted path, each value as compact JSON; empty objects and lists stand for themselves.
type flatConfig map[string]json.RawMessage

// config is a run's flat configuration: the spec's with logged params over it. It is made once and kept until it changes.
func (st *runState) config() flatConfig {
	if c := st.flat.Load(); c != nil {
		return *c
	}
	flat := flatConfig{}
	flatten(flat, "", st.Spec.Config)
	for _, path := range slices.Sorted(maps.Keys(st.params)) {
		prefix := path + "."
		for old := range flat { // a value replaces the tree that stood there
			if old == path || strings.HasPrefix(old, prefix) {
				delete(flat, old)
			}
		}
		flatten(flat, path, st.params[path].Value)
	}
	st.flat.Store(&flat)
	return flat
}

// flatten adds a JSON value's leaves, lists included, under dotted paths.
func flatten(into flatConfig, path string, raw json.RawMessage) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return
	}
	var children map[string]json.RawMessage
	switch raw[0] {
	case '{':
		if json.Unmarshal(raw, &children) != nil {
			return
		}
	case '[':
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil {
			return
		}
		children = make(map[string]json.RawMessage, len(items))
		for i, item := range items {
			children[strconv.Itoa(i)] = item
		}
	}
	if len(children) == 0 {
		if path == "" {
			return
		}
		var out bytes.Buffer
		if json.Compact(&out, raw) == nil {
			into[path] = out.Bytes()
		}
		return
	}
	if path != "" {
		path += "."
	}
	for key, child := range children {
		flatten(into, path+key, child)
	}
}

// Config returns a run's configuration as nested JSON: the spec's, with the params that were logged laid over it at their paths.
func (m *Model) Config(id event.RunID) (json.RawMessage, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	st, err := m.known(id)
	if err != nil {
		return nil, err
	}
	if len(st.params) == 0 && len(st.Spec.Config) > 0 {
		return st.Spec.Config, nil
	}
	dec := json.NewDecoder(bytes.NewReader(st.Spec.Config))
	dec.UseNumber()
	tree := map[string]any{}
	if len(st.Spec.Config) > 0 && dec.Decode(&tree) != nil {
		tree = map[string]any{"": st.Spec.Config} // not an object: kept, under no name
	}
	if tree == nil {
		tree = map[string]any{}
	}
	for _, path := range slices.Sorted(maps.Keys(st.params)) {
		at, names := tree, strings.Split(path, ".")
		for _, n := range names[:len(names)-1] {
			next, ok := at[n].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[n] = next
			}
			at = next
		}
		at[names[len(names)-1]] = st.params[path].Value
	}
	out, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("readmodel: config of run %q: %w", id, err)
	}
	return out, nil
}
