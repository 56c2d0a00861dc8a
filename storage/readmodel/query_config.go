package readmodel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"millrace/event"
)

// flatConfig is a run's configuration by dotted path, in the order of paths, each leaf as compact JSON; empty objects and lists
// are leaves.
type flatConfig []leaf

type leaf struct {
	path  string
	value json.RawMessage
}

// at returns the leaf at a path.
func (c flatConfig) at(path string) (json.RawMessage, bool) {
	i, ok := slices.BinarySearchFunc(c, path, func(l leaf, path string) int { return strings.Compare(l.path, path) })
	if !ok {
		return nil, false
	}
	return c[i].value, true
}

// under returns the leaves below a path.
func (c flatConfig) under(path string) flatConfig {
	prefix := path + "."
	i, _ := slices.BinarySearchFunc(c, prefix, func(l leaf, path string) int { return strings.Compare(l.path, path) })
	j := i
	for j < len(c) && strings.HasPrefix(c[j].path, prefix) {
		j++
	}
	return c[i:j]
}

// flatten appends a JSON value's leaves, those of lists included, under dotted paths.
func flatten(to flatConfig, path string, raw json.RawMessage) flatConfig {
	if !json.Valid(raw) {
		return to
	}
	compact := bytes.NewBuffer(make([]byte, 0, len(raw)))
	if json.Compact(compact, raw) != nil {
		return to
	}
	to, _ = leaves(to, path, compact.Bytes())
	return to
}

// leaves walks one value at the beginning of b, which is valid compact JSON, and returns what follows it.
func leaves(to flatConfig, path string, b []byte) (flatConfig, []byte) {
	isList := b[0] == '['
	if !isList && b[0] != '{' || b[1] == ']' || b[1] == '}' {
		n := valueLen(b)
		if path != "" {
			to = append(to, leaf{path, json.RawMessage(b[:n:n])})
		}
		return to, b[n:]
	}
	if path != "" {
		path += "."
	}
	for i := 0; b[0] != ']' && b[0] != '}'; i++ {
		b = b[1:] // the bracket, or a comma
		name := ""
		if isList {
			name = strconv.Itoa(i)
		} else {
			n := valueLen(b)
			name = unquote(b[:n])
			b = b[n+1:] // and the colon
		}
		to, b = leaves(to, path+name, b)
	}
	return to, b[1:]
}

// valueLen is the length of the scalar, or empty list or object, at the beginning of valid compact JSON.
func valueLen(b []byte) int {
	switch b[0] {
	case '[', '{':
		return 2
	case '"':
		for i := 1; ; i++ {
			switch b[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
	}
	if i := bytes.IndexAny(b, ",]}"); i >= 0 {
		return i
	}
	return len(b)
}

func unquote(b []byte) string {
	if !bytes.ContainsRune(b, '\\') && utf8.Valid(b) {
		return string(b[1 : len(b)-1])
	}
	var s string
	if json.Unmarshal(b, &s) != nil {
		return string(b)
	}
	return s
}

// Config returns a run's configuration as nested JSON: the spec's, with the params that were logged laid over it at their paths. Errors:
// ErrNotFound, ErrBroken.
func (m *Model) Config(id event.RunID) (json.RawMessage, error) {
	var out json.RawMessage
	err := m.ofRun(id, func(v view, st *runState) error {
		full, err := m.record(v, st)
		if err != nil {
			return fmt.Errorf("readmodel: %w: %w", err, ErrBroken)
		}
		params, err := v.params(string(id))
		if err != nil {
			return err
		}
		out, err = nested(full.Spec.Config, params)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// nested lays params over a configuration at their paths.
func nested(config json.RawMessage, params map[string]storedParam) (json.RawMessage, error) {
	if len(params) == 0 && len(config) > 0 {
		return config, nil
	}
	dec := json.NewDecoder(bytes.NewReader(config))
	dec.UseNumber()
	tree := map[string]any{}
	if len(config) > 0 && dec.Decode(&tree) != nil {
		tree = map[string]any{"": config} // not an object: kept, under no name
	}
	if tree == nil {
		tree = map[string]any{}
	}
	for _, path := range slices.Sorted(maps.Keys(params)) {
		at, names := tree, strings.Split(path, ".")
		for _, n := range names[:len(names)-1] {
			next, ok := at[n].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[n] = next
			}
			at = next
		}
		at[names[len(names)-1]] = params[path].Value
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // a '<' stays what it was
	err := enc.Encode(tree)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}
