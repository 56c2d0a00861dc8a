package scalar_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"millrace/event"
	"millrace/graph/internal/scalar"
)

type marshaler interface{ MarshalGQL(io.Writer) }

func text(m marshaler) []byte {
	var b bytes.Buffer
	m.MarshalGQL(&b)
	return b.Bytes()
}

func floats() *rapid.Generator[float64] {
	return rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 1e21, 1e-7, 5e-324, math.MaxFloat64}))
}

// Lists that write themselves say what their elements would say one by one, whatever their length.
func TestListsAreTheirElements(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(floats(), 0, 2000).Draw(t, "xs")
		var back []event.Number
		if err := json.Unmarshal(text(scalar.Numbers(xs)), &back); err != nil {
			t.Fatal(err)
		}
		if len(back) != len(xs) {
			t.Fatalf("%d of %d", len(back), len(xs))
		}
		for i, x := range xs {
			if math.Float64bits(float64(back[i])) != math.Float64bits(x) && !(math.IsNaN(x) && math.IsNaN(float64(back[i]))) {
				t.Fatalf("%v became %v", x, back[i])
			}
		}
		ns := rapid.SliceOfN(rapid.Int64(), 0, 2000).Draw(t, "ns")
		got, err := json.Marshal(ns)
		if err != nil {
			t.Fatal(err)
		}
		if want := text(scalar.Integers(ns)); !bytes.Equal(got, want) {
			t.Fatalf("%s, want %s", want, got)
		}
	})
}

func TestSeconds(t *testing.T) {
	if got := string(text(scalar.Seconds{1_795_251_600_500_000, -1, 0})); got != "[1795251600.5,-0.000001,0]" {
		t.Error(got)
	}
}

func TestPackedColumnsAreLittleEndianBase64(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(floats(), 0, 3000).Draw(t, "xs")
		var s string
		if err := json.Unmarshal(text(scalar.Float64s(xs)), &s); err != nil {
			t.Fatal(err)
		}
		raw, err := base64.StdEncoding.DecodeString(s)
		if err != nil || len(raw) != 8*len(xs) {
			t.Fatalf("%d bytes for %d numbers: %v", len(raw), len(xs), err)
		}
		for i, x := range xs {
			if binary.LittleEndian.Uint64(raw[8*i:]) != math.Float64bits(x) {
				t.Fatalf("number %d", i)
			}
		}
		var b scalar.Base64
		if err := b.UnmarshalGQL(s); err != nil || !bytes.Equal(b, raw) {
			t.Fatal(err)
		}
	})
	if got := string(text(scalar.Int64s([]int64{1, -1}))); got != `"AQAAAAAAAAD//////////w=="` {
		t.Error(got)
	}
}

func TestGivenValues(t *testing.T) {
	for _, c := range []struct {
		v    any
		want float64
	}{{json.Number("1e-3"), 0.001}, {int64(7), 7}, {7, 7}, {1.5, 1.5}, {"Infinity", math.Inf(1)}, {"-Infinity", math.Inf(-1)}} {
		if got, err := scalar.UnmarshalNumber(c.v); err != nil || float64(got) != c.want {
			t.Errorf("%v: %v, %v", c.v, got, err)
		}
	}
	if got, err := scalar.UnmarshalFloat("NaN"); err != nil || !math.IsNaN(got) {
		t.Error(got, err)
	}
	for _, v := range []any{json.Number("9223372036854775807"), "9223372036854775807", int64(math.MaxInt64), math.MaxInt64} {
		if got, err := scalar.UnmarshalInt64(v); err != nil || got != math.MaxInt64 {
			t.Errorf("%T: %v, %v", v, got, err)
		}
	}
	at, err := scalar.UnmarshalTime("2026-11-21T10:30:00.123+01:00")
	if err != nil || string(text(scalar.MarshalTime(at))) != `"2026-11-21T09:30:00.123Z"` || at.Location() != time.UTC {
		t.Error(at, err)
	}
	raw, err := scalar.UnmarshalJSON(map[string]any{"b": json.Number("1.50"), "a": nil})
	if err != nil || string(raw) != `{"a":null,"b":1.50}` {
		t.Errorf("%s %v", raw, err)
	}
	if got := string(text(scalar.MarshalJSON(nil))); got != "null" {
		t.Error(got)
	}
}

// FuzzValues gives every leaf any JSON value: it is taken, or refused as a value, never with a panic.
func FuzzValues(f *testing.F) {
	for _, s := range []string{`1`, `"NaN"`, `1e999`, `"2026-11-21T09:30:00Z"`, `[1]`, `{"a":1}`, `null`, `true`, `"AQ=="`, `9223372036854775808`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		var v any
		if dec.Decode(&v) != nil {
			return
		}
		_, numberErr := scalar.UnmarshalNumber(v)
		_, intErr := scalar.UnmarshalInt64(v)
		_, timeErr := scalar.UnmarshalTime(v)
		_, jsonErr := scalar.UnmarshalJSON(v)
		for _, err := range []error{numberErr, intErr, timeErr, jsonErr, new(scalar.Base64).UnmarshalGQL(v), new(scalar.Numbers).UnmarshalGQL(v), new(scalar.Integers).UnmarshalGQL(v), new(scalar.Seconds).UnmarshalGQL(v)} {
			if err != nil && !errors.Is(err, scalar.ErrValue) {
				t.Errorf("%s: %v", raw, err)
			}
		}
	})
}
