package gguf

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"reflect"
)

// WriteTo writes the file, version 3, and returns its length. The same File gives the same bytes.
func (f File) WriteTo(w io.Writer) (int64, error) {
	h, err := f.header()
	if err != nil {
		return 0, err
	}
	at := int64(0)
	write := func(b []byte) error {
		n, err := w.Write(b)
		at += int64(n)
		return err
	}
	if err := write(h); err != nil {
		return at, err
	}
	for _, t := range f.Tensors {
		c := counted{w: w}
		err := t.Write(&c)
		at += c.n
		if err != nil {
			return at, fmt.Errorf("gguf: %s: %w", t.Name, err)
		}
		if c.n != t.Size() {
			return at, fmt.Errorf("gguf: %s has %d bytes, not the %d of %v %s", t.Name, c.n, t.Size(), t.Shape, t.DType)
		}
		if err := write(make([]byte, padded(c.n, alignment)-c.n)); err != nil {
			return at, err
		}
	}
	return at, nil
}

type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func padded(n, to int64) int64 { return (n + to - 1) / to * to }

// header is everything before the data.
func (f File) header() ([]byte, error) {
	le := binary.LittleEndian
	b := append([]byte(nil), magic...)
	b = le.AppendUint32(b, version)
	b = le.AppendUint64(b, uint64(len(f.Tensors)))
	b = le.AppendUint64(b, uint64(len(f.Pairs)))
	seen := map[string]bool{}
	for _, p := range f.Pairs {
		if p.Key == "" || len(p.Key) > maxKey || seen[p.Key] || p.Key == alignmentKey {
			return nil, fmt.Errorf("gguf: the key %.80q is empty, too long, taken, or %s", p.Key, alignmentKey)
		}
		seen[p.Key] = true
		var err error
		if b, err = appendValue(appendText(b, p.Key), p.Value); err != nil {
			return nil, fmt.Errorf("gguf: %s: %w", p.Key, err)
		}
	}
	clear(seen)
	at := int64(0)
	for _, t := range f.Tensors {
		n, ok := numberOf(t.DType)
		block, _ := t.DType.Block()
		switch {
		case !ok:
			return nil, fmt.Errorf("gguf: %s is %s; F32, F16, BF16 and Q8_0 can be written", t.Name, t.DType)
		case t.Name == "" || len(t.Name) > 63: // ggml's limit
			return nil, fmt.Errorf("gguf: the name %.80q of a tensor has not 1 to 63 bytes", t.Name)
		case seen[t.Name]:
			return nil, fmt.Errorf("gguf: %q is taken; name each tensor once", t.Name)
		case len(t.Shape) == 0 || len(t.Shape) > maxDims:
			return nil, fmt.Errorf("gguf: %s is %v; a tensor has 1 to %d dimensions", t.Name, t.Shape, maxDims)
		case int64(t.Shape[len(t.Shape)-1])%block != 0:
			return nil, fmt.Errorf("gguf: %s is %v; rows of %s are whole blocks of %d", t.Name, t.Shape, t.DType, block)
		}
		seen[t.Name] = true
		b = le.AppendUint32(appendText(b, t.Name), uint32(len(t.Shape)))
		for i := len(t.Shape) - 1; i >= 0; i-- {
			if t.Shape[i] < 1 {
				return nil, fmt.Errorf("gguf: %s is %v: no dimension may be 0", t.Name, t.Shape)
			}
			b = le.AppendUint64(b, uint64(t.Shape[i]))
		}
		b = le.AppendUint32(b, n)
		b = le.AppendUint64(b, uint64(at))
		at = padded(at+t.Size(), alignment)
	}
	return append(b, make([]byte, padded(int64(len(b)), alignment)-int64(len(b)))...), nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// appendValue appends the type and the value.
func appendValue(b []byte, v any) ([]byte, error) {
	le := binary.LittleEndian
	if r := reflect.ValueOf(v); r.IsValid() && r.Kind() == reflect.Slice {
		kind, ok := typeOf(reflect.Zero(r.Type().Elem()).Interface())
		if !ok {
			return nil, fmt.Errorf("an array of %s cannot be a value", r.Type().Elem())
		}
		b = le.AppendUint32(b, typeArray)
		b = le.AppendUint32(b, kind)
		b = le.AppendUint64(b, uint64(r.Len()))
		for i := range r.Len() {
			b = appendPlain(b, r.Index(i).Interface())
		}
		return b, nil
	}
	kind, ok := typeOf(v)
	if !ok {
		return nil, fmt.Errorf("a %T cannot be a value", v)
	}
	return appendPlain(le.AppendUint32(b, kind), v), nil
}

func typeOf(v any) (uint32, bool) {
	switch v.(type) {
	case uint8:
		return typeUint8, true
	case int8:
		return typeInt8, true
	case uint16:
		return typeUint16, true
	case int16:
		return typeInt16, true
	case uint32:
		return typeUint32, true
	case int32:
		return typeInt32, true
	case float32:
		return typeFloat32, true
	case bool:
		return typeBool, true
	case string:
		return typeString, true
	case uint64:
		return typeUint64, true
	case int64:
		return typeInt64, true
	case float64:
		return typeFloat64, true
	}
	return 0, false
}

// appendPlain appends a value that typeOf knows.
func appendPlain(b []byte, v any) []byte {
	le := binary.LittleEndian
	switch v := v.(type) {
	case uint8:
		return append(b, v)
	case int8:
		return append(b, byte(v))
	case uint16:
		return le.AppendUint16(b, v)
	case int16:
		return le.AppendUint16(b, uint16(v))
	case uint32:
		return le.AppendUint32(b, v)
	case int32:
		return le.AppendUint32(b, uint32(v))
	case float32:
		return le.AppendUint32(b, math.Float32bits(v))
	case bool:
		if v {
			return append(b, 1)
		}
		return append(b, 0)
	case string:
		return appendText(b, v)
	case uint64:
		return le.AppendUint64(b, v)
	case int64:
		return le.AppendUint64(b, uint64(v))
	case float64:
		return le.AppendUint64(b, math.Float64bits(v))
	}
	panic(fmt.Sprintf("gguf: a %T is no value", v)) // typeOf was asked before
}
