package stored_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"testing"

	"millrace/trainer/model/stored"
	"pgregory.net/rapid"
)

// Every binary16 and bfloat16 becomes a number and the same bits again (a NaN stays one).
func TestSixteenBitsGoAndComeBack(t *testing.T) {
	raw := make([]byte, 2<<16)
	for i := range 1 << 16 {
		binary.LittleEndian.PutUint16(raw[2*i:], uint16(i))
	}
	numbers := make([]float32, 1<<16)
	for _, d := range []stored.DType{stored.F16, stored.BF16} {
		d.Decode(numbers, raw)
		for i, x := range numbers {
			b, err := d.Encode(nil, []float32{x})
			if err != nil {
				t.Fatal(err)
			}
			got := binary.LittleEndian.Uint16(b)
			if x != x {
				d.Decode(numbers[:1], b)
				if numbers[0] == numbers[0] {
					t.Errorf("%s %#04x: a NaN became %g", d, i, numbers[0])
				}
				continue
			}
			if got != uint16(i) {
				t.Fatalf("%s %#04x is %g, which is %#04x", d, i, x, got)
			}
		}
	}
}

// What is written is the nearest number of the format, and of two as near the even one.
func TestRoundingIsToTheNearestEven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom([]stored.DType{stored.F16, stored.BF16}).Draw(t, "format")
		x := math.Float32frombits(rapid.Uint32().Draw(t, "bits"))
		if rapid.Bool().Draw(t, "small") {
			x = float32(rapid.Float64Range(-70000, 70000).Draw(t, "x"))
		}
		b, err := d.Encode(nil, []float32{x})
		if x != x || errors.Is(err, stored.ErrRange) {
			return
		}
		bits := binary.LittleEndian.Uint16(b)
		distance := func(bits uint16) float64 {
			var y [1]float32
			binary.LittleEndian.PutUint16(b, bits)
			d.Decode(y[:], b)
			return math.Abs(float64(y[0]) - float64(x))
		}
		here := distance(bits)
		if math.IsInf(float64(x), 0) {
			return
		}
		for _, next := range []uint16{bits - 1, bits + 1} {
			if (next^bits)&0x8000 != 0 {
				continue
			}
			there := distance(next)
			if there < here || there == here && bits&1 == 1 {
				t.Fatalf("%s: %g became %#04x, %g away; %#04x is %g away", d, x, bits, here, next, there)
			}
		}
	})
}

func TestTooGreatIsRefused(t *testing.T) {
	for _, c := range []struct {
		d stored.DType
		x float32
	}{{stored.F16, 65520}, {stored.F16, -1e9}, {stored.BF16, math.MaxFloat32}, {stored.Q8_0, float32(math.Inf(1))}, {stored.Q8_0, float32(math.NaN())}, {stored.Q8_0, 1e38}} {
		x := make([]float32, 32)
		x[3] = c.x
		if _, err := c.d.Encode(nil, x); !errors.Is(err, stored.ErrRange) {
			t.Errorf("%s of %g: %v", c.d, c.x, err)
		}
	}
}

// The blocks are those of the gguf package of Python: testdata/q8_0.py wrote them.
func TestQ8MatchesThePeer(t *testing.T) {
	raw, err := os.ReadFile("testdata/q8_0.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden []struct {
		Bits   []uint32 `json:"bits"`
		Blocks []byte   `json:"blocks"`
	}
	if err := json.Unmarshal(raw, &golden); err != nil || len(golden) < 5 {
		t.Fatalf("%d rows: %v", len(golden), err)
	}
	for i, row := range golden {
		x := make([]float32, len(row.Bits))
		for j, b := range row.Bits {
			x[j] = math.Float32frombits(b)
		}
		got, err := stored.Q8_0.Encode(nil, x)
		if err != nil || !bytes.Equal(got, row.Blocks) {
			t.Errorf("row %d: %x, want %x: %v", i, got, row.Blocks, err)
		}
		// What was rounded once is not rounded again.
		stored.Q8_0.Decode(x, got)
		again, err := stored.Q8_0.Encode(nil, x)
		if err != nil {
			t.Fatal(err)
		}
		y := make([]float32, len(x))
		if stored.Q8_0.Decode(y, again); !slices.Equal(x, y) {
			t.Errorf("row %d: %v, a second time %v", i, x, y)
		}
	}
}

// inPieces writes in pieces of any length, as readers of files do.
type inPieces struct {
	w io.Writer
	n int
}

func (p inPieces) Write(b []byte) (int, error) {
	for part := range slices.Chunk(b, p.n) {
		if _, err := p.w.Write(part); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func TestConversionInPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.IntRange(1, 5).Draw(t, "rows")
		data := make([]float32, rows*64)
		for i := range data {
			data[i] = float32(rapid.IntRange(-500, 500).Draw(t, "x")) / 8 // exact in F16 and BF16... where below 256/8
			if data[i] >= 32 || data[i] <= -32 {
				data[i] = float32(int(data[i]))
			}
		}
		x := stored.Of(data, "x", rows, 64)
		whole := x.Write
		n := rapid.IntRange(1, 200).Draw(t, "piece")
		x.Write = func(w io.Writer) error { return whole(inPieces{w, n}) }
		for _, d := range []stored.DType{stored.F16, stored.BF16, stored.Q8_0} {
			y, err := x.As(d)
			if err != nil {
				t.Fatal(err)
			}
			got, err := y.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			want, err := d.Encode(nil, data)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s in pieces of %d: %x, want %x: %v", d, n, got, want, err)
			}
			if d == stored.Q8_0 {
				continue
			}
			back, err := y.Floats()
			if err != nil || !slices.Equal(back, data) {
				t.Fatalf("%s and back: %v, want %v: %v", d, back, data, err)
			}
		}
	})
}

func TestShapes(t *testing.T) {
	x := stored.Of([]float32{1, 2, 3, 4, 5, 6}, "x", 2, 3)
	turned, err := x.Transpose()
	if err != nil || !slices.Equal(turned.Shape, []int{3, 2}) {
		t.Fatal(turned.Shape, err)
	}
	if got, err := turned.Floats(); err != nil || !slices.Equal(got, []float32{1, 4, 2, 5, 3, 6}) {
		t.Errorf("%v %v", got, err)
	}
	rows, err := x.Rows(3, func(i int) int { return (i + 1) % 2 })
	if err != nil {
		t.Fatal(err)
	}
	if got, err := rows.Floats(); err != nil || !slices.Equal(got, []float32{4, 5, 6, 1, 2, 3, 4, 5, 6}) {
		t.Errorf("%v %v", got, err)
	}
	both, err := stored.Join("both", x, stored.Zeros(stored.F32, "z", 1, 3))
	if err != nil || !slices.Equal(both.Shape, []int{3, 3}) {
		t.Fatal(both.Shape, err)
	}
	if got, err := both.Floats(); err != nil || !slices.Equal(got, []float32{1, 2, 3, 4, 5, 6, 0, 0, 0}) {
		t.Errorf("%v %v", got, err)
	}
	if _, err := stored.Join("bad", x, stored.Zeros(stored.F16, "z", 1, 3)); err == nil {
		t.Error("formats were mixed")
	}
	if _, err := stored.Join("bad", x, stored.Zeros(stored.F32, "z", 1, 4)); err == nil {
		t.Error("widths were mixed")
	}
	if _, err := x.As(stored.Q8_0); err == nil {
		t.Error("rows of 3 became blocks of 32")
	}
	short := stored.In(bytes.NewReader(make([]byte, 10)), 0, "short", stored.F32, 4)
	if _, err := short.Bytes(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}
