package readmodel

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// flattened is a configuration with the params that were logged laid over it, as nested does, by dotted path.
func flattened(config json.RawMessage, params map[string]storedParam) (flatConfig, error) {
	if len(params) > 0 {
		var err error
		if config, err = nested(config, params); err != nil {
			return nil, err
		}
	}
	flat := flatten(nil, "", config)
	slices.SortStableFunc(flat, func(a, b leaf) int { return strings.Compare(a.path, b.path) })
	return flat, nil
}

var errFlat = errors.New("malformed configuration")

// appendFlat writes a flat configuration: of each leaf, in the order of paths, the length of its path (varint), the path, the length of its
// JSON (varint), the JSON.
func appendFlat(dst []byte, flat flatConfig) []byte {
	for _, l := range flat {
		dst = append(binary.AppendUvarint(dst, uint64(len(l.path))), l.path...)
		dst = append(binary.AppendUvarint(dst, uint64(len(l.value))), l.value...)
	}
	return dst
}

// eachLeaf calls fn with the leaves that appendFlat wrote, in order, until it returns false. The bytes are those of b.
func eachLeaf(b []byte, fn func(path, value []byte) bool) error {
	cut := func() ([]byte, bool) {
		n, k := binary.Uvarint(b)
		if k <= 0 || n > uint64(len(b)-k) {
			return nil, false
		}
		part := b[k : k+int(n)]
		b = b[k+int(n):]
		return part, true
	}
	for len(b) > 0 {
		path, ok1 := cut()
		value, ok2 := cut()
		if !ok1 || !ok2 {
			return errFlat
		}
		if !fn(path, value) {
			return nil
		}
	}
	return nil
}

func parseFlat(b []byte) (flatConfig, error) {
	var flat flatConfig
	err := eachLeaf(b, func(path, value []byte) bool {
		flat = append(flat, leaf{string(path), slices.Clone(value)})
		return true
	})
	return flat, err
}

// flat reads a run's flat configuration.
func (m *Model) flat(v view, st *runState) (flatConfig, error) {
	raw := v.get(tableConfig, "", parts(string(st.id)))
	if raw == nil {
		return nil, nil
	}
	b, err := unsealed(raw)
	if err != nil {
		return nil, err
	}
	return parseFlat(b)
}

// params reads what was logged beside a run's spec, by path.
func (v view) params(run string) (map[string]storedParam, error) {
	out := map[string]storedParam{}
	var err error
	v.scan(tableParam, run, span{}, func(_, value []byte) bool {
		var p storedParam
		if p, err = decode[storedParam](value); err != nil {
			return false
		}
		out[p.Path] = p
		return true
	})
	return out, err
}

// reconfigure notes a run's configuration anew after its spec or a param came.
func (f *fold) reconfigure(st *runState) error {
	full, err := f.record(f.v, st)
	if err != nil {
		return err
	}
	params, err := f.v.params(string(st.id))
	if err != nil {
		return err
	}
	flat, err := flattened(full.Spec.Config, params)
	if err != nil {
		return err
	}
	f.pending.put(tableConfig, "", parts(string(st.id)), sealed(appendFlat(nil, flat)))
	f.columns.reconfigured(st, flat)
	return nil
}
