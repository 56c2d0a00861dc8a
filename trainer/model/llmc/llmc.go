package llmc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"millrace/trainer/model/stored"
)

// ErrFormat is wrapped by every error about the bytes of a file.
var ErrFormat = errors.New("not a model of llm.c that can be read")

const (
	modelMagic     = 20240326
	tokenizerMagic = 20240328
	headerBytes    = 1024
	padTo          = 128
)

// Limits of what is read, far above what llm.c trains.
const (
	maxLayers  = 1 << 10
	maxWidth   = 1 << 16
	maxContext = 1 << 20
	maxVocab   = 1 << 22
)

// Shape is what a header says of a GPT-2.
type Shape struct {
	Context, VocabSize, NLayer, NHead, DModel int
}

// tensors of one model: those before the layers, those of each layer, those after.
type part struct {
	name   string // Hugging Face's; of a layer after "transformer.h.<l>."
	shape  func(s Shape, vocab int) []int
	turned bool // a matrix that Hugging Face has the other way around; shape is llm.c's
}

func vector(times int) func(Shape, int) []int {
	return func(s Shape, _ int) []int { return []int{times * s.DModel} }
}

func matrix(out, in int) func(Shape, int) []int {
	return func(s Shape, _ int) []int { return []int{out * s.DModel, in * s.DModel} }
}

var (
	before = []part{
		{"transformer.wte.weight", func(s Shape, vocab int) []int { return []int{vocab, s.DModel} }, false},
		{"transformer.wpe.weight", func(s Shape, _ int) []int { return []int{s.Context, s.DModel} }, false},
	}
	layer = []part{
		{"ln_1.weight", vector(1), false}, {"ln_1.bias", vector(1), false},
		{"attn.c_attn.weight", matrix(3, 1), true}, {"attn.c_attn.bias", vector(3), false},
		{"attn.c_proj.weight", matrix(1, 1), true}, {"attn.c_proj.bias", vector(1), false},
		{"ln_2.weight", vector(1), false}, {"ln_2.bias", vector(1), false},
		{"mlp.c_fc.weight", matrix(4, 1), true}, {"mlp.c_fc.bias", vector(4), false},
		{"mlp.c_proj.weight", matrix(1, 4), true}, {"mlp.c_proj.bias", vector(1), false},
	}
	after = []part{{"transformer.ln_f.weight", vector(1), false}, {"transformer.ln_f.bias", vector(1), false}}
)

// place is a tensor of the file, in its order.
type place struct {
	part
	name  string // whole
	shape []int  // llm.c's
}

func (s Shape) places(vocab int) []place {
	var all []place
	add := func(p part, name string) { all = append(all, place{p, name, p.shape(s, vocab)}) }
	for _, p := range before {
		add(p, p.name)
	}
	for _, p := range layer {
		for l := range s.NLayer {
			add(p, fmt.Sprintf("transformer.h.%d.%s", l, p.name))
		}
	}
	for _, p := range after {
		add(p, p.name)
	}
	return all
}

func (s Shape) check() error {
	for _, f := range []struct {
		what       string
		value, max int
	}{
		{"longest sequence", s.Context, maxContext}, {"vocabulary", s.VocabSize, maxVocab}, {"layers", s.NLayer, maxLayers},
		{"heads", s.NHead, maxWidth}, {"channels", s.DModel, maxWidth},
	} {
		if f.value < 1 || f.value > f.max {
			return fmt.Errorf("%s: %d is not between 1 and %d", f.what, f.value, f.max)
		}
	}
	if s.DModel%s.NHead != 0 {
		return fmt.Errorf("heads: %d do not divide %d channels", s.NHead, s.DModel)
	}
	return nil
}

// Is tells whether a file begins like a model of llm.c.
func Is(begin []byte) bool {
	return len(begin) >= 4 && binary.LittleEndian.Uint32(begin) == modelMagic
}

// Open reads the header of a file that can be read at any place: what it is, and its tensors under Hugging Face's names and in their
// shapes, without the rows that pad the vocabulary. Errors about the content wrap ErrFormat.
func Open(r io.ReaderAt, size int64) (Shape, []stored.Tensor, error) {
	fail := func(format string, a ...any) (Shape, []stored.Tensor, error) {
		return Shape{}, nil, fmt.Errorf("llmc: %w: %w", ErrFormat, fmt.Errorf(format, a...))
	}
	var raw [headerBytes]byte
	if n, err := r.ReadAt(raw[:], 0); n < len(raw) {
		return fail("the header has %d of %d bytes: %w", n, len(raw), err)
	}
	var h [8]int
	for i := range h {
		h[i] = int(int32(binary.LittleEndian.Uint32(raw[4*i:])))
	}
	d := stored.F32
	switch {
	case h[0] != modelMagic:
		return fail("it begins with %d, not with %d", h[0], modelMagic)
	case h[1] == 5:
		d = stored.BF16
	case h[1] != 3:
		return fail("version %d; 3 (float32) and 5 (bfloat16) are read. Write it again with llm.c's train_gpt2.py", h[1])
	}
	s := Shape{Context: h[2], VocabSize: h[3], NLayer: h[4], NHead: h[5], DModel: h[6]}
	if err := s.check(); err != nil {
		return fail("%w", err)
	}
	if h[7] < s.VocabSize || h[7] > maxVocab {
		return fail("padded vocabulary: %d is not between %d and %d", h[7], s.VocabSize, maxVocab)
	}
	at := int64(headerBytes)
	var tensors []stored.Tensor
	for _, p := range s.places(h[7]) {
		t := stored.In(r, at, p.name, d, p.shape...)
		at += t.Size()
		if at > size {
			return fail("%s ends at %d, the file at %d", p.name, at, size)
		}
		var err error
		switch {
		case p.turned:
			t, err = t.Transpose()
		case p.name == before[0].name:
			t = stored.In(r, headerBytes, p.name, d, s.VocabSize, s.DModel)
		}
		if err != nil {
			return fail("%w", err)
		}
		tensors = append(tensors, t)
	}
	if at != size {
		return fail("it has %d bytes, its header describes %d", size, at)
	}
	return s, tensors, nil
}

// Write writes a model in a format, F32 (version 3) or BF16 (version 5), and returns the file's length. Tensors are found by Hugging Face's
// names, all of them and in their shapes.
func Write(w io.Writer, s Shape, d stored.DType, tensors []stored.Tensor) (int64, error) {
	if err := s.check(); err != nil {
		return 0, fmt.Errorf("llmc: %w", err)
	}
	version := 3
	switch d {
	case stored.F32:
	case stored.BF16:
		version = 5
	default:
		return 0, fmt.Errorf("llmc: %s: models of llm.c are F32 or BF16", d)
	}
	vocab := (s.VocabSize + padTo - 1) / padTo * padTo
	named := map[string]stored.Tensor{}
	for _, t := range tensors {
		named[t.Name] = t
	}
	var raw [headerBytes]byte
	for i, v := range []int{modelMagic, version, s.Context, s.VocabSize, s.NLayer, s.NHead, s.DModel, vocab} {
		binary.LittleEndian.PutUint32(raw[4*i:], uint32(v))
	}
	n, err := w.Write(raw[:])
	written := int64(n)
	if err != nil {
		return written, err
	}
	for _, p := range s.places(vocab) {
		t, ok := named[p.name]
		if !ok {
			return written, fmt.Errorf("llmc: the model has no %s", p.name)
		}
		if t, err = p.from(t, s); err == nil {
			t, err = t.As(d)
		}
		if err != nil {
			return written, fmt.Errorf("llmc: %w", err)
		}
		if err := t.Write(w); err != nil {
			return written, fmt.Errorf("llmc: %s: %w", p.name, err)
		}
		written += t.Size()
	}
	return written, nil
}

// from makes of Hugging Face's tensor the file's.
func (p place) from(t stored.Tensor, s Shape) (stored.Tensor, error) {
	want := p.shape
	var err error
	switch {
	case p.turned:
		t, err = t.Transpose()
	case p.name == before[0].name && p.shape[0] > s.VocabSize:
		t, err = stored.Join(p.name, t, stored.Zeros(t.DType, p.name, p.shape[0]-s.VocabSize, s.DModel))
	}
	if err != nil {
		return t, err
	}
	if len(t.Shape) != len(want) || t.Shape[0] != want[0] || t.Shape[len(want)-1] != want[len(want)-1] {
		return t, fmt.Errorf("%s is %v and should be %v", p.name, t.Shape, want)
	}
	return t, nil
}

// WriteTokenizer writes gpt2_tokenizer.bin: the bytes of every token, of special ones their names. A token of more than 255 bytes is cut
// there, as its length is one byte.
func WriteTokenizer(w io.Writer, tokens [][]byte, endOfText int) error {
	var raw [headerBytes]byte
	for i, v := range []int{tokenizerMagic, 2, len(tokens), endOfText} {
		binary.LittleEndian.PutUint32(raw[4*i:], uint32(v))
	}
	b := raw[:]
	for _, t := range tokens {
		t = t[:min(len(t), math.MaxUint8)]
		b = append(append(b, byte(len(t))), t...)
	}
	_, err := w.Write(b)
	return err
}
