package curator

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
)

// keyError is what is wrong with one key of a recipe.
type keyError struct {
	path, problem, hint string
}

func (e *keyError) Error() string { return e.path + " " + e.problem }

// Hint is what may have been meant, "" when nothing is near.
func (e *keyError) Hint() string { return e.hint }

// maxKeyErrors bounds how many keys are complained about at once.
const maxKeyErrors = 10

// checkKeys compares what YAML or JSON said with the type that it is for: a key that is not known, letter by letter, and a value of
// another kind are errors that name the key by its path. Package json alone takes keys of any case, and says of a wrong one only
// its last part. A type that reads itself may take other values than its fields; of those only an object's keys are looked at.
func checkKeys(path string, tree any, t reflect.Type) error {
	var errs []error
	walkKeys(path, tree, t, func(e *keyError) { errs = append(errs, e) })
	if len(errs) > maxKeyErrors {
		errs = append(errs[:maxKeyErrors], fmt.Errorf("and %d more", len(errs)-maxKeyErrors))
	}
	return errors.Join(errs...)
}

var readsItself = reflect.TypeFor[json.Unmarshaler]()

func walkKeys(path string, v any, t reflect.Type, bad func(*keyError)) {
	for t.Kind() == reflect.Pointer {
		if v == nil {
			return
		}
		t = t.Elem()
	}
	object, isObject := v.(map[string]any)
	if path == "" && v != nil && !isObject {
		path = "it"
	}
	if v == nil || !isObject && reflect.PointerTo(t).Implements(readsItself) {
		return
	}
	wrong := func(want string) { bad(&keyError{path: path, problem: fmt.Sprintf("is %s: want %s", kindOf(v), want)}) }
	list, isList := v.([]any)
	switch t.Kind() {
	case reflect.Struct:
		if !isObject {
			wrong("keys")
			return
		}
		fields := keysOf(t)
		for _, key := range slices.Sorted(maps.Keys(object)) {
			at := strings.TrimPrefix(path+"."+key, ".")
			field, known := fields[key]
			if !known {
				bad(&keyError{at, "is not a known key", meant(key, fields)})
				continue
			}
			walkKeys(at, object[key], field, bad)
		}
	case reflect.Map:
		if !isObject {
			wrong("keys")
			return
		}
		for _, key := range slices.Sorted(maps.Keys(object)) {
			walkKeys(path+"."+key, object[key], t.Elem(), bad)
		}
	case reflect.Slice:
		if !isList {
			wrong("a list")
			return
		}
		for i, item := range list {
			walkKeys(fmt.Sprintf("%s[%d]", path, i), item, t.Elem(), bad)
		}
	case reflect.String:
		if _, ok := v.(string); !ok {
			wrong("text, in quotes")
		}
	case reflect.Bool:
		if _, ok := v.(bool); !ok {
			wrong("true or false")
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		if f, ok := v.(float64); kindOf(v) != "a number" || ok && f != math.Trunc(f) {
			wrong("a whole number")
		}
	case reflect.Float64:
		if kindOf(v) != "a number" {
			wrong("a number")
		}
	}
}

// keysOf are a struct's keys with their types.
func keysOf(t reflect.Type) map[string]reflect.Type {
	keys := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case name == "" && f.Anonymous && f.Type.Kind() == reflect.Struct:
			maps.Copy(keys, keysOf(f.Type))
		case name == "":
			keys[f.Name] = f.Type
		default:
			keys[name] = f.Type
		}
	}
	return keys
}

func kindOf(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("the text %.40q", v)
	case bool:
		return fmt.Sprint(v)
	case []any:
		return "a list"
	case map[string]any:
		return "keys"
	case int, int64, uint64, float64:
		return "a number"
	}
	return fmt.Sprintf("%v", v)
}

// meant is a hint at the known key that is nearest to one that is not.
func meant(key string, known map[string]reflect.Type) string {
	best, least := "", 1+len(key)/3
	for _, k := range slices.Sorted(maps.Keys(known)) {
		if d := distance(strings.ToLower(key), k); d <= least && (best == "" || d < least) {
			best, least = k, d
		}
	}
	if best == "" {
		return "known are " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
	}
	return "did you mean " + best + "?"
}

// distance is Levenshtein's, of short words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost = 1 + min(last, row[j], row[j+1])
			}
			last, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
