package event

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// RawJSON is a JSON value kept as it was written.
type RawJSON = json.RawMessage

// Number is a float64 whose NaN and infinities survive JSON, as the strings "NaN", "Infinity" and "-Infinity".
type Number float64

// MarshalJSON writes the shortest form that reads back to the same bits.
func (n Number) MarshalJSON() ([]byte, error) {
	f := float64(n)
	switch {
	case math.IsNaN(f):
		return []byte(`"NaN"`), nil
	case math.IsInf(f, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(f, -1):
		return []byte(`"-Infinity"`), nil
	}
	return json.Marshal(f)
}

// UnmarshalJSON reads a number or one of the three strings.
func (n *Number) UnmarshalJSON(b []byte) error {
	switch s := string(b); s {
	case "null":
	case `"NaN"`:
		*n = Number(math.NaN())
	case `"Infinity"`:
		*n = Number(math.Inf(1))
	case `"-Infinity"`:
		*n = Number(math.Inf(-1))
	default:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("event: %q is not a number", s)
		}
		*n = Number(f)
	}
	return nil
}
