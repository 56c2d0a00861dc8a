package classify

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
)

// Format is the version of a model's file.
const Format = "millrace.classifier/1"

// ErrModel is wrapped by every error about bytes that are no model.
var ErrModel = errors.New("no classifier")

// header is a file's first line.
type header struct {
	Format  string  `json:"format"`
	Words   string  `json:"words"`
	NGrams  int     `json:"ngrams"`
	Bits    int     `json:"bits"`
	Bias    float32 `json:"bias"`
	Weights int     `json:"weights"` // that are not 0
}

// The bounds of a model.
const (
	maxHeader = 4 << 10
	minBits   = 6
	maxBits   = 28
	maxNGrams = 5
)

// WriteTo writes the model's file (docs/formats/models.md): the same bytes for the same model.
func (m *Model) WriteTo(out io.Writer) (int64, error) {
	line, err := json.Marshal(header{Format, m.splitter, m.ngrams, m.bits, m.bias, m.Weights()})
	if err != nil {
		return 0, fmt.Errorf("classify: %w", err)
	}
	w := bufio.NewWriterSize(out, 1<<16)
	n, _ := w.Write(append(line, '\n')) // Flush has the error
	total := int64(n)
	var b []byte
	last := -1
	for at, weight := range m.weights {
		if weight == 0 {
			continue
		}
		b = binary.AppendUvarint(b[:0], uint64(at-last))
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(weight))
		last = at
		n, _ := w.Write(b)
		total += int64(n)
	}
	if err := w.Flush(); err != nil {
		return total, fmt.Errorf("classify: %w", err)
	}
	return total, nil
}

// IsModel tells whether data begins as a model's file does; 64 bytes are enough.
func IsModel(data []byte) bool {
	return bytes.HasPrefix(data, []byte(`{"format":"millrace.classifier`))
}

// Read reads a model. Its errors are those of r, and ErrModel, wrapped.
func Read(r io.Reader) (*Model, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	line, err := in.ReadSlice('\n')
	if err != nil || len(line) > maxHeader {
		return nil, fmt.Errorf("%w: no header: want a file of \"millrace classifier train\"", ErrModel)
	}
	var h header
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrModel, err)
	}
	switch {
	case h.Format != Format:
		return nil, fmt.Errorf("%w: format %.80q: this version reads %q", ErrModel, h.Format, Format)
	case h.Bits < minBits || h.Bits > maxBits || h.NGrams < 1 || h.NGrams > maxNGrams || h.Weights < 0 || h.Weights > 1<<h.Bits || !finite(h.Bias):
		return nil, fmt.Errorf("%w: %d weights of 2^%d for %d words, bias %v", ErrModel, h.Weights, h.Bits, h.NGrams, h.Bias)
	}
	m := &Model{splitter: h.Words, ngrams: h.NGrams, bits: h.Bits, bias: h.Bias}
	if err := m.init(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	m.weights = make([]float32, 1<<h.Bits)
	at := uint64(math.MaxUint64) // -1
	var raw [4]byte
	for i := range h.Weights {
		step, err := binary.ReadUvarint(in)
		if err == nil {
			_, err = io.ReadFull(in, raw[:])
		}
		if err != nil {
			return nil, fmt.Errorf("%w: weight %d of %d: %w", ErrModel, i, h.Weights, err)
		}
		at += step
		weight := math.Float32frombits(binary.LittleEndian.Uint32(raw[:]))
		if step == 0 || step > 1<<h.Bits || at >= 1<<h.Bits || !finite(weight) || weight == 0 {
			return nil, fmt.Errorf("%w: weight %d is %v, of feature %d", ErrModel, i, weight, at)
		}
		m.weights[at] = weight
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it goes on behind its end", ErrModel)
	}
	return m, nil
}

func finite(x float32) bool { return x-x == 0 && max(x, -x) < 1e6 }
