package llmc_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"millrace/trainer/model/llmc"
	"millrace/trainer/model/stored"
)

// counted is the model that testdata/peer.py writes.
func counted() (llmc.Shape, []stored.Tensor) {
	s := llmc.Shape{Context: 3, VocabSize: 5, NLayer: 2, NHead: 2, DModel: 4}
	i := 0
	var all []stored.Tensor
	add := func(name string, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x := make([]float32, n)
		for j := range x {
			x[j] = float32((i+j)%251-125) / 64
		}
		i += n
		all = append(all, stored.Of(x, "transformer."+name, shape...))
	}
	add("wte.weight", 5, 4)
	add("wpe.weight", 3, 4)
	for l := range s.NLayer {
		h := fmt.Sprintf("h.%d.", l)
		add(h+"ln_1.weight", 4)
		add(h+"ln_1.bias", 4)
		add(h+"attn.c_attn.weight", 4, 12)
		add(h+"attn.c_attn.bias", 12)
		add(h+"attn.c_proj.weight", 4, 4)
		add(h+"attn.c_proj.bias", 4)
		add(h+"ln_2.weight", 4)
		add(h+"ln_2.bias", 4)
		add(h+"mlp.c_fc.weight", 4, 16)
		add(h+"mlp.c_fc.bias", 16)
		add(h+"mlp.c_proj.weight", 16, 4)
		add(h+"mlp.c_proj.bias", 4)
	}
	add("ln_f.weight", 4)
	add("ln_f.bias", 4)
	return s, all
}

func golden(t interface{ Fatal(...any) }, version int) []byte {
	raw, err := os.ReadFile(fmt.Sprintf("testdata/peer_v%d.bin", version))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// The files are those that llm.c's own script would write, byte for byte.
func TestBytesAreThePeers(t *testing.T) {
	s, tensors := counted()
	for version, d := range map[int]stored.DType{3: stored.F32, 5: stored.BF16} {
		var b bytes.Buffer
		n, err := llmc.Write(&b, s, d, tensors)
		if err != nil || n != int64(b.Len()) || !bytes.Equal(b.Bytes(), golden(t, version)) {
			t.Errorf("version %d: %d bytes, and not the peer's: %v", version, n, err)
		}
	}
}

func TestPeersFilesAreRead(t *testing.T) {
	wantShape, want := counted()
	for version, d := range map[int]stored.DType{3: stored.F32, 5: stored.BF16} {
		raw := golden(t, version)
		s, got, err := llmc.Open(bytes.NewReader(raw), int64(len(raw)))
		if err != nil || s != wantShape || len(got) != len(want) {
			t.Fatalf("%+v, %d tensors: %v", s, len(got), err)
		}
		named := map[string]stored.Tensor{}
		for _, x := range got {
			named[x.Name] = x
		}
		for _, w := range want {
			g := named[w.Name]
			a, err := g.Floats()
			b, err2 := w.Floats()
			if err := errors.Join(err, err2); err != nil || g.DType != d || !slices.Equal(g.Shape, w.Shape) || !slices.Equal(a, b) {
				t.Errorf("version %d: %s is %v %v: %v", version, w.Name, g.Shape, a, err)
			}
		}
	}
}

func TestBrokenFilesAreRefused(t *testing.T) {
	raw := golden(t, 3)
	set := func(at int, v int32) []byte {
		b := bytes.Clone(raw)
		binary.LittleEndian.PutUint32(b[4*at:], uint32(v))
		return b
	}
	for want, b := range map[string][]byte{
		"the header has 100 of":     raw[:100],
		"it begins with 7":          set(0, 7),
		"version 1;":                set(1, 1),
		"longest sequence: 0":       set(2, 0),
		"vocabulary: -1":            set(3, -1),
		"layers: 2147483647":        set(4, math.MaxInt32),
		"heads: 3 do not divide 4":  set(5, 3),
		"channels: 1000000":         set(6, 1000000),
		"padded vocabulary: 4 is":   set(7, 4),
		"the file at":               raw[:len(raw)-1],
		"its header describes":      append(bytes.Clone(raw), 0),
		"transformer.wpe.weight en": raw[:3080],
	} {
		if _, _, err := llmc.Open(bytes.NewReader(b), int64(len(b))); !errors.Is(err, llmc.ErrFormat) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	s, tensors := counted()
	if _, err := llmc.Write(&bytes.Buffer{}, s, stored.F16, tensors); err == nil || !strings.Contains(err.Error(), "F32 or BF16") {
		t.Errorf("%v", err)
	}
	if _, err := llmc.Write(&bytes.Buffer{}, s, stored.F32, tensors[1:]); err == nil || !strings.Contains(err.Error(), "no transformer.wte.weight") {
		t.Errorf("%v", err)
	}
	s.Context = 4
	if _, err := llmc.Write(&bytes.Buffer{}, s, stored.F32, tensors); err == nil || !strings.Contains(err.Error(), "should be [4 4]") {
		t.Errorf("%v", err)
	}
}

func TestTokenizerFile(t *testing.T) {
	var b bytes.Buffer
	if err := llmc.WriteTokenizer(&b, [][]byte{[]byte("a"), []byte("mill"), bytes.Repeat([]byte("x"), 300)}, 2); err != nil {
		t.Fatal(err)
	}
	raw := b.Bytes()
	if n := binary.LittleEndian.Uint32(raw[8:]); binary.LittleEndian.Uint32(raw) != 20240328 || binary.LittleEndian.Uint32(raw[4:]) != 2 || n != 3 || raw[12] != 2 {
		t.Errorf("header %v", raw[:16])
	}
	if rest := raw[1024:]; !bytes.HasPrefix(rest, []byte("\x01a\x04mill\xffxxx")) || len(rest) != 2+5+256 {
		t.Errorf("%d bytes: %q", len(rest), rest[:10])
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(golden(f, 3))
	f.Add(golden(f, 5))
	f.Add(golden(f, 3)[:1024])
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, tensors, err := llmc.Open(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			if !errors.Is(err, llmc.ErrFormat) {
				t.Fatalf("an error that does not wrap ErrFormat: %v", err)
			}
			return
		}
		for _, x := range tensors {
			if b, err := x.Bytes(); err != nil || int64(len(b)) != x.Size() {
				t.Fatalf("%s: %d bytes: %v", x.Name, len(b), err)
			}
		}
	})
}
