package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Bounds of names within what is logged.
const (
	// MaxKey bounds a metric's key, a context and a parameter's path, in bytes.
	MaxKey = maxName
	// maxNested bounds how deep parameters are nested.
	maxNested = 32
)

// Flatten makes parameters with dotted paths of an object: {"optimizer":{"lr":0.1}} and {"optimizer.lr":0.1} are the same. Lists, and objects
// with nothing in them, are values. Errors: ErrMalformed, with the path at fault.
func Flatten(object RawJSON, origin string, once bool) ([]Param, error) {
	var out []Param
	err := flatten(object, "", 0, func(path string, value RawJSON) {
		out = append(out, Param{Path: path, Value: value, Origin: origin, WriteOnce: once})
	})
	return out, err
}

func flatten(object RawJSON, prefix string, depth int, add func(string, RawJSON)) error {
	if depth >= maxNested {
		return fmt.Errorf("%.80s…: nested more than %d deep: %w", prefix, maxNested, ErrMalformed)
	}
	dec := json.NewDecoder(bytes.NewReader(object))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return fmt.Errorf("an object is wanted, got %.40q: %w", object, ErrMalformed)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		path := prefix + key.(string) // the decoder takes no other keys
		if key == "" || len(path) > MaxKey {
			return fmt.Errorf("the path of a parameter has 1-%d bytes; got %d below %.80q: %w", MaxKey, len(path), prefix, ErrMalformed)
		}
		var value RawJSON
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("%.80s: %w: %w", path, ErrMalformed, err)
		}
		if value[0] == '{' && len(bytes.TrimSpace(value[1:])) > 1 {
			if err := flatten(value, path+".", depth+1, add); err != nil {
				return err
			}
			continue
		}
		add(path, value)
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// errNoContext says what a context is.
var errNoContext = errors.New("a context is a JSON object of at most 1024 bytes, like {\"subset\":\"val\"}")

// Context makes the canonical text of a dimension set, by which series are told apart; "" of nothing and of an empty object. Errors:
// ErrMalformed.
func Context(object RawJSON) (string, error) {
	if len(object) == 0 || string(object) == "null" {
		return "", nil
	}
	if len(object) > 4*MaxKey {
		return "", fmt.Errorf("%w: %w", errNoContext, ErrMalformed)
	}
	canonical, err := CanonicalJSON(object)
	if err != nil || canonical[0] != '{' || len(canonical) > MaxKey {
		return "", fmt.Errorf("%w: %w", errNoContext, ErrMalformed)
	}
	if string(canonical) == "{}" {
		return "", nil
	}
	return string(canonical), nil
}
