package rules

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// plain turns a Go value into maps, lists, numbers and strings by the names of its JSON: integers stay integers, floats stay floats, NaN
// included. Raw JSON is read. Fields that JSON would leave out are there with their zero, so that an expression can ask for them.
func plain(v any) any {
	if v == nil {
		return nil
	}
	return plainOf(reflect.ValueOf(v))
}

var rawType = reflect.TypeFor[json.RawMessage]()

func plainOf(v reflect.Value) any {
	if v.Type() == rawType {
		return parsed(v.Bytes())
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return plainOf(v.Elem())
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return int64(v.Uint())
	case reflect.Float32, reflect.Float64:
		return v.Float()
	case reflect.String:
		return v.String()
	case reflect.Slice, reflect.Array:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = plainOf(v.Index(i))
		}
		return out
	case reflect.Map:
		out := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			out[it.Key().String()] = plainOf(it.Value())
		}
		return out
	case reflect.Struct:
		out := map[string]any{}
		for i := range v.NumField() {
			if name := jsonName(v.Type().Field(i)); name != "" {
				out[name] = plainOf(v.Field(i))
			}
		}
		return out
	}
	return nil
}

// jsonName is a field's name in JSON, "" when it has none.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" || !f.IsExported() {
		return ""
	}
	return name
}

// fieldsOf lists the names that plain gives a struct.
func fieldsOf(v any) []string {
	var out []string
	t := reflect.TypeOf(v)
	for i := range t.NumField() {
		if name := jsonName(t.Field(i)); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// parsed reads JSON; numbers without a point or an exponent are integers. What is no JSON is null.
func parsed(raw []byte) any {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	return counted(v)
}

func counted(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil && !strings.ContainsAny(v.String(), ".eE") {
			return n
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for k, x := range v {
			v[k] = counted(x)
		}
	case []any:
		for i, x := range v {
			v[i] = counted(x)
		}
	}
	return v
}

// lazy is a map for expressions whose values are found when they are asked for, and then kept. state is what its member functions work on.
type lazy struct {
	keys  func() []string
	find  func(key string) (any, bool)
	known map[string]ref.Val
	state *state
}

var _ traits.Mapper = (*lazy)(nil)

// Find looks a key up.
func (m *lazy) Find(key ref.Val) (ref.Val, bool) {
	k, ok := key.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(key), false
	}
	if v, ok := m.known[string(k)]; ok {
		return v, true
	}
	v, ok := m.find(string(k))
	if !ok {
		return nil, false
	}
	var val ref.Val
	if err, bad := v.(error); bad {
		val = types.WrapErr(err)
	} else {
		val = types.DefaultTypeAdapter.NativeToValue(v)
	}
	if m.known == nil {
		m.known = map[string]ref.Val{}
	}
	m.known[string(k)] = val
	return val, true
}

// Get looks a key up that should be there.
func (m *lazy) Get(key ref.Val) ref.Val {
	v, ok := m.Find(key)
	if !ok {
		return types.NewErr("there is no %v", key)
	}
	return v
}

// Contains tells whether a key is there.
func (m *lazy) Contains(key ref.Val) ref.Val {
	_, ok := m.Find(key)
	return types.Bool(ok)
}

// Size counts the keys.
func (m *lazy) Size() ref.Val { return types.Int(len(m.keys())) }

// Iterator goes through the keys.
func (m *lazy) Iterator() traits.Iterator {
	list := types.NewStringList(types.DefaultTypeAdapter, m.keys())
	return list.Iterator()
}

// ConvertToNative is not for Go's side.
func (m *lazy) ConvertToNative(t reflect.Type) (any, error) {
	return types.NewStringList(types.DefaultTypeAdapter, m.keys()).ConvertToNative(t)
}

// ConvertToType knows maps only.
func (m *lazy) ConvertToType(t ref.Type) ref.Val {
	if t == types.MapType {
		return m
	}
	return types.NewErr("a map cannot become %s", t.TypeName())
}

// Equal holds for the same map only.
func (m *lazy) Equal(other ref.Val) ref.Val { return types.Bool(ref.Val(m) == other) }

// Type is that of maps.
func (m *lazy) Type() ref.Type { return types.MapType }

// Value is the map itself.
func (m *lazy) Value() any { return m }
