package scalar

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// ErrValue is what every error about a given value is: the asker can mend it.
var ErrValue = errors.New("bad value")

type valueError string

func (e valueError) Error() string      { return string(e) }
func (valueError) Is(target error) bool { return target == ErrValue }

// bad is an error whose text names the value and nothing else.
func bad(format string, args ...any) error { return valueError(fmt.Sprintf(format, args...)) }

var errAnswer = bad("this list can be read, not given")

// raw is JSON text as it is to be written.
type raw []byte

func (r raw) MarshalGQL(w io.Writer) { w.Write(r) }

// MarshalJSON writes a JSON value as it is; nil is null.
func MarshalJSON(v json.RawMessage) graphql.Marshaler {
	if len(v) == 0 {
		return graphql.Null
	}
	return raw(v)
}

// UnmarshalJSON keeps any value as JSON text; numbers of variables stay as they were written.
func UnmarshalJSON(v any) (json.RawMessage, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, bad("not a JSON value: %v", err)
	}
	return b, nil
}

type integer int64

func (n integer) MarshalGQL(w io.Writer) {
	var b [20]byte
	w.Write(strconv.AppendInt(b[:0], int64(n), 10))
}

// MarshalInt64 writes an integer as a JSON number.
func MarshalInt64(n int64) graphql.Marshaler { return integer(n) }

// UnmarshalInt64 reads an integer, or its digits as a string for clients whose numbers are doubles.
func UnmarshalInt64(v any) (int64, error) {
	switch v := v.(type) {
	case int64:
		return v, nil
	case int:
		return int64(v), nil
	case json.Number, string:
		n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
		if err != nil {
			return 0, bad("%v is not a 64-bit integer", v)
		}
		return n, nil
	}
	return 0, bad("%v is not a 64-bit integer", v)
}

// MarshalTime writes an instant in UTC as RFC 3339 with the fractions it has.
func MarshalTime(t time.Time) graphql.Marshaler {
	var b [40]byte
	return raw(append(t.UTC().AppendFormat(append(b[:0], '"'), time.RFC3339Nano), '"'))
}

// UnmarshalTime reads an RFC 3339 instant.
func UnmarshalTime(v any) (time.Time, error) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, bad("%v is not an instant; write it as \"2026-11-21T09:30:00Z\"", v)
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, bad("%q is not an instant; write it as \"2026-11-21T09:30:00Z\"", s)
	}
	return t.UTC(), nil
}

// Base64 is bytes that are written as standard base 64 with padding.
type Base64 []byte

// Float64s packs float64s, 8 bytes each, little-endian.
func Float64s(xs []float64) Base64 {
	b := make(Base64, 0, 8*len(xs))
	for _, x := range xs {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	return b
}

// Int64s packs int64s, 8 bytes each, little-endian, two's complement.
func Int64s(xs []int64) Base64 {
	b := make(Base64, 0, 8*len(xs))
	for _, x := range xs {
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	}
	return b
}

// MarshalGQL writes the text.
func (b Base64) MarshalGQL(w io.Writer) {
	const whole = 3 << 10 // a multiple of three needs no padding
	buf := make([]byte, 0, base64.StdEncoding.EncodedLen(min(len(b), whole))+2)
	buf = append(buf, '"')
	for rest := []byte(b); ; {
		n := min(len(rest), whole)
		buf = base64.StdEncoding.AppendEncode(buf, rest[:n])
		if rest = rest[n:]; len(rest) == 0 {
			break
		}
		w.Write(buf)
		buf = buf[:0]
	}
	w.Write(append(buf, '"'))
}

// UnmarshalGQL reads the text.
func (b *Base64) UnmarshalGQL(v any) error {
	s, ok := v.(string)
	if !ok {
		return bad("%v is not base 64 text", v)
	}
	out, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return bad("not base 64: %v", err)
	}
	*b = out
	return nil
}
