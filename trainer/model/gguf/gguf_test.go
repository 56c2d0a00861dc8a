package gguf_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"millrace/trainer/model/gguf"
	"millrace/trainer/model/stored"
	"pgregory.net/rapid"
)

func small(t interface{ Fatal(...any) }) gguf.File {
	row := make([]float32, 64)
	for i := range row {
		row[i] = float32(i-20) / 8
	}
	matrix := func(name string, d stored.DType) stored.Tensor {
		x, err := stored.Of(row, name, 2, 32).As(d)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	return gguf.File{
		Pairs: []gguf.Pair{
			{Key: "general.architecture", Value: "gpt2"}, {Key: "a.uint8", Value: uint8(200)}, {Key: "a.int8", Value: int8(-2)},
			{Key: "a.uint16", Value: uint16(60000)}, {Key: "a.int16", Value: int16(-3)}, {Key: "a.uint32", Value: uint32(7)}, {Key: "a.int32", Value: int32(-7)},
			{Key: "a.float32", Value: float32(1e-5)}, {Key: "a.bool", Value: true}, {Key: "a.uint64", Value: uint64(1) << 40}, {Key: "a.int64", Value: int64(-9)},
			{Key: "a.float64", Value: 0.5}, {Key: "a.texts", Value: []string{"Ġmill", "", "race"}}, {Key: "a.types", Value: []int32{1, 3, -1}},
			{Key: "a.floats", Value: []float32{1, 2}}, {Key: "a.none", Value: []string{}},
		},
		Tensors: []stored.Tensor{
			stored.Of([]float32{1, -2, 3}, "norm", 3), matrix("f16", stored.F16), matrix("bf16", stored.BF16), matrix("q8", stored.Q8_0), matrix("f32", stored.F32),
		},
	}
}

func written(t interface{ Fatal(...any) }, f gguf.File) []byte {
	var b bytes.Buffer
	n, err := f.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatal(n, b.Len(), err)
	}
	return b.Bytes()
}

// The file is pinned byte for byte; testdata/check.py reads it with the gguf package of Python. UPDATE_GOLDEN=1 rewrites it.
func TestGoldenBytes(t *testing.T) {
	got := written(t, small(t))
	const path = "testdata/golden.gguf"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("bytes changed:\n%s\nwant\n%s", hex.Dump(got), hex.Dump(want))
	}
}

// same compares what was read with what was written.
func same(t interface{ Fatalf(string, ...any) }, got, want gguf.File) {
	if len(got.Pairs) != len(want.Pairs) || len(got.Tensors) != len(want.Tensors) {
		t.Fatalf("%d pairs and %d tensors, want %d and %d", len(got.Pairs), len(got.Tensors), len(want.Pairs), len(want.Tensors))
	}
	for i, p := range want.Pairs {
		if r := reflect.ValueOf(p.Value); r.Kind() == reflect.Slice && r.Len() == 0 && reflect.ValueOf(got.Pairs[i].Value).Len() == 0 {
			continue
		}
		if !reflect.DeepEqual(got.Pairs[i], p) {
			t.Fatalf("%#v, want %#v", got.Pairs[i], p)
		}
	}
	for i, w := range want.Tensors {
		g := got.Tensors[i]
		a, err := g.Bytes()
		b, err2 := w.Bytes()
		if err := errors.Join(err, err2); err != nil || g.Name != w.Name || g.DType != w.DType || !slices.Equal(g.Shape, w.Shape) || !bytes.Equal(a, b) {
			t.Fatalf("%s %s %v, want %s %s %v: %v", g.Name, g.DType, g.Shape, w.Name, w.DType, w.Shape, err)
		}
	}
}

func TestGoldenIsRead(t *testing.T) {
	raw, err := os.ReadFile("testdata/golden.gguf")
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	same(t, f, small(t))
}

// A file of the gguf package of Python, written by testdata/peer.py.
func TestPeersFileIsRead(t *testing.T) {
	raw, err := os.ReadFile("testdata/peer.gguf")
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := f.Text("general.architecture"); !ok || s != "llama" {
		t.Errorf("%q", s)
	}
	if n, ok := f.Int("llama.block_count"); !ok || n != 3 {
		t.Errorf("%d", n)
	}
	if x, ok := f.Float("llama.rope.freq_base"); !ok || x != 500000 {
		t.Errorf("%g", x)
	}
	if v, ok := f.Value("tokenizer.ggml.tokens").([]string); !ok || !slices.Equal(v, []string{"a", "b", "Ġc"}) {
		t.Errorf("%v", f.Value("tokenizer.ggml.tokens"))
	}
	for i, want := range []struct {
		name  string
		d     stored.DType
		shape []int
	}{{"m", stored.F32, []int{3, 4}}, {"h", stored.F16, []int{2, 5}}, {"q", stored.Q8_0, []int{2, 64}}} {
		x := f.Tensors[i]
		if x.Name != want.name || x.DType != want.d || !slices.Equal(x.Shape, want.shape) {
			t.Fatalf("%s %s %v", x.Name, x.DType, x.Shape)
		}
		got, err := x.Floats()
		if err != nil {
			t.Fatal(err)
		}
		for j, v := range got {
			if math.Abs(float64(v)-float64(j)/4) > 0.1 || want.d != stored.Q8_0 && v != float32(j)/4 {
				t.Fatalf("%s[%d] = %g, want %g", x.Name, j, v, float32(j)/4)
			}
		}
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f gguf.File
		for i, key := range rapid.SliceOfNDistinct(rapid.StringN(1, 20, 60), 0, 6, rapid.ID).Draw(t, "keys") {
			if key == "general.alignment" {
				continue
			}
			var v any
			switch i % 4 {
			case 0:
				v = rapid.String().Draw(t, "text")
			case 1:
				v = rapid.SliceOf(rapid.String()).Draw(t, "texts")
			case 2:
				v = rapid.SliceOf(rapid.Int64()).Draw(t, "numbers")
			case 3:
				v = rapid.Uint32().Draw(t, "number")
			}
			f.Pairs = append(f.Pairs, gguf.Pair{Key: key, Value: v})
		}
		for _, name := range rapid.SliceOfNDistinct(rapid.StringN(1, 10, 60), 0, 4, rapid.ID).Draw(t, "names") {
			shape := rapid.SliceOfN(rapid.IntRange(1, 5), 1, 3).Draw(t, "shape")
			d := rapid.SampledFrom([]stored.DType{stored.F32, stored.F16, stored.BF16, stored.Q8_0}).Draw(t, "format")
			if d == stored.Q8_0 {
				shape = append(shape, 32)
			}
			x := stored.Tensor{Name: name, DType: d, Shape: shape}
			raw := make([]byte, x.Size())
			for i := range raw {
				raw[i] = byte(i * 7)
			}
			f.Tensors = append(f.Tensors, stored.In(bytes.NewReader(raw), 0, name, d, shape...))
		}
		raw := written(t, f)
		got, err := gguf.Open(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, f)
		if again := written(t, got); !bytes.Equal(again, raw) {
			t.Fatal("written again it is another file")
		}
	})
}

// A header by hand: numbers of 1, 4 and 8 bytes, and texts as they are.
func header(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b = append(b, p...)
		case byte:
			b = append(b, p)
		case int:
			b = binary.LittleEndian.AppendUint32(b, uint32(p))
		case uint64:
			b = binary.LittleEndian.AppendUint64(b, p)
		}
	}
	return b
}

func n(v uint64) uint64 { return v }

func TestBombsAreRefused(t *testing.T) {
	tensor := func(rest ...any) []byte {
		return header(append([]any{"GGUF", 3, n(1), n(0), n(1), "t"}, rest...)...)
	}
	pair := func(rest ...any) []byte {
		return header(append([]any{"GGUF", 3, n(0), n(1), n(1), "k"}, rest...)...)
	}
	for want, raw := range map[string][]byte{
		"it begins with":             header("GGUL", 3, n(0), n(0)),
		"version 1":                  header("GGUF", 1, n(0), n(0)),
		"version 50331648":           header("GGUF", 3<<24, n(0), n(0)), // big-endian
		"8 bytes are wanted":         header("GGUF", 3, n(0)),
		"tensors and 0 pairs":        header("GGUF", 3, n(1<<63), n(0)),
		"0 tensors and 1844674":      header("GGUF", 3, n(0), n(math.MaxUint64)),
		"a text of 1099511627776":    header("GGUF", 3, n(0), n(1), n(1<<40), "k"),
		"there twice":                header("GGUF", 3, n(0), n(2), n(1), "k", 0, byte(1), n(1), "k", 0, byte(1)),
		"unknown type 13":            pair(13, n(0)),
		"array of 4294967296 texts":  pair(9, 8, n(1<<32)),
		"array of 4611686018427":     pair(9, 10, n(1<<62)),
		"array of the type 9":        pair(9, 9, n(1), 9, n(1)),
		"a truth value of 2":         pair(7, byte(2)),
		"9223372036854775807 bytes":  pair(8, n(math.MaxInt64)),
		"5 dimensions":               tensor(5, n(1), n(1), n(1), n(1), n(1), 0, n(0)),
		"0 dimensions":               tensor(0, 0, n(0)),
		"impossible dimension 0":     tensor(1, n(0), 0, n(0)),
		"impossible dimension 42949": tensor(2, n(1<<32), n(1<<32), 0, n(0)),
		"Q4_K":                       tensor(1, n(256), 12, n(0)),
		"unknown format 99":          tensor(1, n(256), 99, n(0)),
		"whole blocks of 32":         tensor(1, n(33), 8, n(0)),
		"begins at 32 of the data":   tensor(1, n(1), 0, n(32)),
		"impossible offset":          tensor(1, n(1), 0, n(math.MaxUint64)),
		"ends at":                    tensor(1, n(1<<40), 0, n(0)),
		"the tensor \"t\" is there":  header("GGUF", 3, n(2), n(0), n(1), "t", 1, n(1), 0, n(0), n(1), "t", 1, n(1), 0, n(32)),
		"not a power of two":         header("GGUF", 3, n(0), n(1), n(17), "general.alignment", 4, 24),
		"its header describes 32":    append(header("GGUF", 3, n(0), n(0)), make([]byte, 32)...),
	} {
		_, err := gguf.Open(bytes.NewReader(raw), int64(len(raw)))
		if !errors.Is(err, gguf.ErrFormat) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	x := stored.Of([]float32{1, 2}, "x", 2)
	for want, f := range map[string]gguf.File{
		"is taken; name":     {Tensors: []stored.Tensor{x, x}},
		"is empty, too long": {Pairs: []gguf.Pair{{Key: "k", Value: true}, {Key: "k", Value: true}}},
		"cannot be a value":  {Pairs: []gguf.Pair{{Key: "k", Value: 1}}},
		"array of []string":  {Pairs: []gguf.Pair{{Key: "k", Value: [][]string{}}}},
		"not 1 to 63 bytes":  {Tensors: []stored.Tensor{x.Named(strings.Repeat("x", 64))}},
		"no dimension":       {Tensors: []stored.Tensor{stored.Zeros(stored.F32, "z", 2, 0)}},
		"has 1 to 4":         {Tensors: []stored.Tensor{stored.Zeros(stored.F32, "z")}},
		"is I64":             {Tensors: []stored.Tensor{stored.Zeros("I64", "z", 1)}},
		"has 8 bytes, not":   {Tensors: []stored.Tensor{{Name: "x", DType: stored.F32, Shape: []int{3}, Write: x.Write}}},
	} {
		if _, err := f.WriteTo(&bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(written(f, small(f)))
	f.Add(header("GGUF", 3, n(0), n(1), n(1), "k", 9, 8, n(2), n(1), "a", n(0)))
	f.Add(header("GGUF", 2, n(1), n(0), n(1), "t", 1, n(1), 0, n(0), n(0), n(0)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := gguf.Open(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			if !errors.Is(err, gguf.ErrFormat) {
				t.Fatalf("an error that does not wrap ErrFormat: %v", err)
			}
			return
		}
		for _, x := range got.Tensors {
			if b, err := x.Bytes(); err != nil || int64(len(b)) != x.Size() {
				t.Fatalf("%s: %d bytes: %v", x.Name, len(b), err)
			}
		}
	})
}
