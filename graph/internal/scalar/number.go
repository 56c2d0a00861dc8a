package scalar

import (
	"encoding/json"
	"io"
	"math"
	"strconv"

	"github.com/99designs/gqlgen/graphql"

	"millrace/event"
)

// AppendNumber writes a float64 as JSON: its shortest form that reads back to the same bits, or one of the strings "NaN",
// "Infinity" and "-Infinity".
func AppendNumber(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, 64)
}

type number float64

func (n number) MarshalGQL(w io.Writer) {
	var b [32]byte
	w.Write(AppendNumber(b[:0], float64(n)))
}

// MarshalFloat writes a float64 as a Number.
func MarshalFloat(f float64) graphql.Marshaler { return number(f) }

// UnmarshalFloat reads a Number.
func UnmarshalFloat(v any) (float64, error) {
	switch v := v.(type) {
	case json.Number:
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil {
			return 0, bad("%s is not a 64-bit number", v)
		}
		return f, nil
	case float64:
		return v, nil
	case int64:
		return float64(v), nil
	case int:
		return float64(v), nil
	case string:
		switch v {
		case "NaN":
			return math.NaN(), nil
		case "Infinity":
			return math.Inf(1), nil
		case "-Infinity":
			return math.Inf(-1), nil
		}
	}
	return 0, bad(`%v is not a number, "NaN", "Infinity" or "-Infinity"`, v)
}

// MarshalNumber writes an event's number as a Number.
func MarshalNumber(n event.Number) graphql.Marshaler { return number(n) }

// UnmarshalNumber reads a Number.
func UnmarshalNumber(v any) (event.Number, error) {
	f, err := UnmarshalFloat(v)
	return event.Number(f), err
}

// Numbers is a list of Number that writes itself; nil is null.
type Numbers []float64

// MarshalGQL writes the list as JSON.
func (xs Numbers) MarshalGQL(w io.Writer) {
	writeList(w, len(xs), func(dst []byte, i int) []byte { return AppendNumber(dst, xs[i]) })
}

// UnmarshalGQL refuses: the list is an answer, never a question.
func (*Numbers) UnmarshalGQL(any) error { return errAnswer }

// Integers is a list of Int64 that writes itself; nil is null.
type Integers []int64

// MarshalGQL writes the list as JSON.
func (xs Integers) MarshalGQL(w io.Writer) {
	writeList(w, len(xs), func(dst []byte, i int) []byte { return strconv.AppendInt(dst, xs[i], 10) })
}

// UnmarshalGQL refuses: the list is an answer, never a question.
func (*Integers) UnmarshalGQL(any) error { return errAnswer }

// Seconds is a list of Number made of microseconds; nil is null.
type Seconds []int64

// MarshalGQL writes the list as JSON, in seconds with six places.
func (xs Seconds) MarshalGQL(w io.Writer) {
	writeList(w, len(xs), func(dst []byte, i int) []byte { return AppendNumber(dst, float64(xs[i])/1e6) })
}

// UnmarshalGQL refuses: the list is an answer, never a question.
func (*Seconds) UnmarshalGQL(any) error { return errAnswer }

// writeList writes n elements in pieces of a few kilobytes.
func writeList(w io.Writer, n int, appendTo func([]byte, int) []byte) {
	const piece = 8 << 10
	buf := make([]byte, 0, min(24*n+2, piece+32))
	buf = append(buf, '[')
	for i := range n {
		if i > 0 {
			buf = append(buf, ',')
		}
		if buf = appendTo(buf, i); len(buf) >= piece {
			w.Write(buf)
			buf = buf[:0]
		}
	}
	w.Write(append(buf, ']'))
}
