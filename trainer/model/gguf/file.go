package gguf

import (
	"errors"
	"fmt"

	"millrace/trainer/model/stored"
)

// ErrFormat is wrapped by every error about the bytes of a file.
var ErrFormat = errors.New("not a GGUF file that can be read")

const (
	magic     = "GGUF"
	version   = 3
	alignment = 32
	// alignmentKey says another alignment than 32.
	alignmentKey = "general.alignment"
)

// Limits of what is read; published models stay far below.
const (
	maxHeader  = 256 << 20 // bytes before the data
	maxPairs   = 1 << 16
	maxTensors = 1 << 20
	maxKey     = 1<<16 - 1 // the format's own
	maxDims    = 4         // ggml's
)

// Pair is a key and its value: uint8, int8, uint16, int16, uint32, int32, float32, bool, string, uint64, int64, float64, or a slice of
// one of those. There are no arrays of arrays: ggml reads none.
type Pair struct {
	Key   string
	Value any
}

// File is what a file says.
type File struct {
	// Pairs are in the file's order.
	Pairs []Pair
	// Tensors are in the file's order, their shapes as everywhere in this program: the fastest dimension last.
	Tensors []stored.Tensor
}

// Value is the value of a key, nil when there is none.
func (f File) Value(key string) any {
	for _, p := range f.Pairs {
		if p.Key == key {
			return p.Value
		}
	}
	return nil
}

// Text is the value of a key that is a text.
func (f File) Text(key string) (string, bool) {
	s, ok := f.Value(key).(string)
	return s, ok
}

// Int is the value of a key that is a whole number of whatever type.
func (f File) Int(key string) (int64, bool) {
	switch v := f.Value(key).(type) {
	case uint8:
		return int64(v), true
	case int8:
		return int64(v), true
	case uint16:
		return int64(v), true
	case int16:
		return int64(v), true
	case uint32:
		return int64(v), true
	case int32:
		return int64(v), true
	case uint64:
		return int64(v), v < 1<<63
	case int64:
		return v, true
	}
	return 0, false
}

// Float is the value of a key that is a number.
func (f File) Float(key string) (float64, bool) {
	switch v := f.Value(key).(type) {
	case float32:
		return float64(v), true
	case float64:
		return v, true
	}
	n, ok := f.Int(key)
	return float64(n), ok
}

// Types of values.
const (
	typeUint8 = iota
	typeInt8
	typeUint16
	typeInt16
	typeUint32
	typeInt32
	typeFloat32
	typeBool
	typeString
	typeArray
	typeUint64
	typeInt64
	typeFloat64
)

// formats are the tensor formats that are read and written, by ggml's numbers.
var formats = map[uint32]stored.DType{0: stored.F32, 1: stored.F16, 8: stored.Q8_0, 30: stored.BF16}

func numberOf(d stored.DType) (uint32, bool) {
	for n, f := range formats {
		if f == d {
			return n, true
		}
	}
	return 0, false
}

// formatName is what ggml calls a format that is not read here.
func formatName(n uint32) string {
	names := map[uint32]string{
		2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K",
		16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS",
		24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
	}
	if s, ok := names[n]; ok {
		return s
	}
	return fmt.Sprintf("of the unknown format %d", n)
}

func broken(format string, a ...any) error {
	return fmt.Errorf("gguf: %w: %w", ErrFormat, fmt.Errorf(format, a...))
}
