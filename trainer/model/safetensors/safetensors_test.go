package safetensors_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"millrace/trainer/model/safetensors"
	"pgregory.net/rapid"
)

func small() safetensors.File {
	return safetensors.File{
		Metadata: map[string]string{"format": "pt", "about": "golden"},
		Tensors: []safetensors.Tensor{
			{Name: "w", Shape: []int{2, 3}, Data: []float32{0, 1, -2.5, float32(math.Inf(1)), 1e-40, 3}},
			{Name: "scalar", Data: []float32{7}},
			{Name: "empty", Shape: []int{0, 4}, Data: []float32{}},
			{Name: "b", Shape: []int{1}, Data: []float32{-1}},
		},
	}
}

// The file is pinned byte for byte; checkpoint digests depend on it. UPDATE_GOLDEN=1 rewrites it.
func TestGoldenBytes(t *testing.T) {
	var b bytes.Buffer
	n, err := small().WriteTo(&b)
	if err != nil {
		t.Fatal(err)
	}
	if size, err := small().Size(); err != nil || size != n || n != int64(b.Len()) {
		t.Fatalf("Size %d (%v), WriteTo %d, %d bytes", size, err, n, b.Len())
	}
	const path = "testdata/golden.safetensors"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("bytes changed:\n%s\nwant\n%s", hex.Dump(b.Bytes()), hex.Dump(want))
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f safetensors.File
		names := rapid.SliceOfNDistinct(rapid.StringN(1, 8, 20), 0, 5, rapid.ID).Draw(t, "names")
		for _, name := range names {
			if name == "__metadata__" || strings.ContainsRune(name, '\uFFFD') {
				continue
			}
			shape := rapid.SliceOfN(rapid.IntRange(0, 40), 0, 3).Draw(t, "shape")
			n := 1
			for _, d := range shape {
				n *= d
			}
			data := make([]float32, n)
			for i := range data {
				data[i] = math.Float32frombits(uint32(i) * 2654435761)
			}
			f.Tensors = append(f.Tensors, safetensors.Tensor{Name: name, Shape: shape, Data: data})
		}
		var b bytes.Buffer
		if _, err := f.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		r, err := safetensors.NewReader(&b)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Entries) != len(f.Tensors) {
			t.Fatalf("%d tensors, want %d", len(r.Entries), len(f.Tensors))
		}
		want := map[string]safetensors.Tensor{}
		for _, x := range f.Tensors {
			want[x.Name] = x
		}
		for _, e := range r.Entries {
			got := make([]float32, e.Elements())
			if err := r.Next(got, nil); err != nil {
				t.Fatal(err)
			}
			for i, x := range want[e.Name].Data {
				if math.Float32bits(got[i]) != math.Float32bits(x) {
					t.Fatalf("%s[%d] = %g, want %g", e.Name, i, got[i], x)
				}
			}
		}
		if err := r.Next(nil, nil); err != io.EOF {
			t.Fatalf("at the end: %v", err)
		}
	})
}

func file(header, data string) string {
	n := len(header)
	return string([]byte{byte(n), byte(n >> 8), 0, 0, 0, 0, 0, 0}) + header + data
}

func TestHalfPrecision(t *testing.T) {
	f := file(`{"h":{"dtype":"F16","shape":[6],"data_offsets":[0,12]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[12,14]}}`,
		"\x00\x3c\x00\xc0\x01\x00\x00\x7c\xff\x7b\x00\x80"+"\x80\x3f")
	r, err := safetensors.NewReader(strings.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	h, b := make([]float32, 6), make([]float32, 1)
	if err := errors.Join(r.Next(h, nil), r.Next(b, nil)); err != nil {
		t.Fatal(err)
	}
	want := []float32{1, -2, 1.0 / (1 << 24), float32(math.Inf(1)), 65504, float32(math.Copysign(0, -1))}
	for i, w := range want {
		if math.Float32bits(h[i]) != math.Float32bits(w) {
			t.Errorf("F16 %d: %g, want %g", i, h[i], w)
		}
	}
	if b[0] != 1 {
		t.Errorf("BF16: %g", b[0])
	}
}

func TestBrokenFilesAreRefused(t *testing.T) {
	cases := map[string]string{
		"length of the header":  "\x01\x02",
		"over the limit":        "\xff\xff\xff\xff\xff\xff\xff\xff",
		"header ends after 2":   "\x09\x00\x00\x00\x00\x00\x00\x00{}",
		"not a JSON object":     file(`[1]`, ""),
		`"a" appears twice`:     file(`{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}`, "12345678"),
		"unknown dtype":         file(`{"a":{"dtype":"Q4","shape":[],"data_offsets":[0,4]}}`, "1234"),
		"impossible shape":      file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, "1234"),
		"does not fit offsets":  file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, "1234"),
		"begins at 4":           file(`{"a":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}`, "12345678"),
		"goes on after":         file(`{} {}`, ""),
		`"a" ends early`:        file(`{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, "12"),
		"after the last tensor": file(`{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, "12345"),
		"over the limit of 8":   file(`{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}`, "1234"),
	}
	for want, f := range cases {
		err := readAll(struct{ io.Reader }{strings.NewReader(f)}) // without Len
		if !errors.Is(err, safetensors.ErrFormat) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", f, err, want)
		}
	}
}

func TestLengthIsCheckedWhereItIsKnown(t *testing.T) {
	header := `{"a":{"dtype":"F32","shape":[1000000,1000000],"data_offsets":[0,4000000000000]}}`
	_, err := safetensors.NewReader(strings.NewReader(file(header, "1234")))
	if !errors.Is(err, safetensors.ErrFormat) || !strings.Contains(err.Error(), "4 bytes follow") {
		t.Errorf("got %v", err)
	}
}

// readAll reads every tensor of at most a million elements.
func readAll(in io.Reader) error {
	r, err := safetensors.NewReader(in)
	if err != nil {
		return err
	}
	for _, e := range r.Entries {
		var dst []float32
		if n := e.Elements(); n < 1<<20 && (e.DType == "F32" || e.DType == "F16" || e.DType == "BF16") {
			dst = make([]float32, n)
		}
		if err := r.Next(dst, nil); err != nil {
			return err
		}
	}
	if err := r.Next(nil, nil); err != io.EOF {
		return err
	}
	return nil
}

func FuzzReader(f *testing.F) {
	var b bytes.Buffer
	if _, err := small().WriteTo(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(file(`{"a":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}}`, "1234")))
	f.Add([]byte(file(`{"a":{"dtype":"F32","shape":[0,-1],"data_offsets":[0,0]}}`, "")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := readAll(bytes.NewReader(b)); err != nil && !errors.Is(err, safetensors.ErrFormat) {
			t.Fatalf("an error that does not wrap ErrFormat: %v", err)
		}
	})
}

func TestWriteRefuses(t *testing.T) {
	for want, f := range map[string]safetensors.File{
		"shape [2] has 2":   {Tensors: []safetensors.Tensor{{Name: "a", Shape: []int{2}, Data: make([]float32, 3)}}},
		`"a" is taken`:      {Tensors: []safetensors.Tensor{{Name: "a", Data: []float32{1}}, {Name: "a", Data: []float32{1}}}},
		`"__metadata__" is`: {Tensors: []safetensors.Tensor{{Name: "__metadata__", Data: []float32{1}}}},
	} {
		if _, err := f.WriteTo(io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
