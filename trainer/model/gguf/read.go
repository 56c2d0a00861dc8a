package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"millrace/trainer/model/stored"
)

// Open reads everything before the data of a file that can be read at any place. Errors about the content wrap ErrFormat.
func Open(r io.ReaderAt, size int64) (File, error) {
	d := &decoder{left: min(size, maxHeader)}
	d.r = bufio.NewReaderSize(io.NewSectionReader(r, 0, d.left), 1<<16)
	f, err := d.file()
	if err != nil {
		return File{}, err
	}
	align := int64(alignment)
	if v := f.Value(alignmentKey); v != nil {
		n, ok := f.Int(alignmentKey)
		if !ok || n < 8 || n > 1<<20 || n&(n-1) != 0 {
			return File{}, broken("%s %v is not a power of two from 8 on", alignmentKey, v)
		}
		align = n
	}
	at, end := padded(d.read, align), d.read
	begin := at
	for i, t := range f.Tensors {
		if begin+d.offsets[i] != at {
			return File{}, broken("%q begins at %d of the data, not at %d where the one before it ends", t.Name, d.offsets[i], at-begin)
		}
		if t.Size() > size-at {
			return File{}, broken("%q ends at %d, the file at %d", t.Name, at+t.Size(), size)
		}
		f.Tensors[i] = stored.In(r, at, t.Name, t.DType, t.Shape...)
		end = at + t.Size()
		at = padded(end, align)
	}
	if size > max(at, padded(end, align)) {
		return File{}, broken("it has %d bytes, its header describes %d", size, at)
	}
	return f, nil
}

// decoder reads a header. The first error stays.
type decoder struct {
	r       *bufio.Reader
	read    int64 // bytes so far
	left    int64 // bytes that there are, or may be
	offsets []int64
}

// take reads n bytes that the header says are there.
func (d *decoder) take(n int64) ([]byte, error) {
	if n < 0 || n > d.left {
		return nil, broken("%d bytes are wanted where %d are left of the header (or of the %d it may have)", n, d.left, int64(maxHeader))
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(d.r, b); err != nil {
		return nil, broken("the header breaks off: %w", err)
	}
	d.left -= n
	d.read += n
	return b, nil
}

func (d *decoder) uint32() (uint32, error) {
	b, err := d.take(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (d *decoder) uint64() (uint64, error) {
	b, err := d.take(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

func (d *decoder) text(most int64) (string, error) {
	n, err := d.uint64()
	if err != nil {
		return "", err
	}
	if n > uint64(most) {
		return "", broken("a text of %d bytes, where at most %d are taken", n, most)
	}
	b, err := d.take(int64(n))
	return string(b), err
}

func (d *decoder) file() (File, error) {
	var f File
	b, err := d.take(4)
	if err != nil {
		return f, err
	}
	if string(b) != magic {
		return f, broken("it begins with %q, not with %q", b, magic)
	}
	v, err := d.uint32()
	if err != nil {
		return f, err
	}
	if v != version && v != 2 {
		return f, broken("version %d; 2 and 3 are read", v)
	}
	tensors, err := d.uint64()
	if err != nil {
		return f, err
	}
	pairs, err := d.uint64()
	if err != nil {
		return f, err
	}
	if tensors > maxTensors || pairs > maxPairs {
		return f, broken("%d tensors and %d pairs, where at most %d and %d are taken", tensors, pairs, maxTensors, maxPairs)
	}
	seen := map[string]bool{}
	for range pairs {
		key, err := d.text(maxKey)
		if err != nil {
			return f, err
		}
		if key == "" || seen[key] {
			return f, broken("the key %.80q is empty or there twice", key)
		}
		seen[key] = true
		kind, err := d.uint32()
		if err != nil {
			return f, err
		}
		value, err := d.value(kind)
		if err != nil {
			return f, fmt.Errorf("%.80q: %w", key, err)
		}
		f.Pairs = append(f.Pairs, Pair{key, value})
	}
	clear(seen)
	for range tensors {
		t, err := d.tensor()
		if err != nil {
			return f, err
		}
		if seen[t.Name] {
			return f, broken("the tensor %q is there twice", t.Name)
		}
		seen[t.Name] = true
		f.Tensors = append(f.Tensors, t)
	}
	return f, nil
}

// tensor reads what the header says of one.
func (d *decoder) tensor() (stored.Tensor, error) {
	var t stored.Tensor
	name, err := d.text(maxKey)
	if err != nil {
		return t, err
	}
	dims, err := d.uint32()
	if err != nil {
		return t, err
	}
	if name == "" || dims < 1 || dims > maxDims {
		return t, broken("the tensor %.80q has %d dimensions, not 1 to %d", name, dims, maxDims)
	}
	shape, n := make([]int, dims), int64(1)
	for i := range shape {
		v, err := d.uint64()
		if err != nil {
			return t, err
		}
		if v < 1 || v > math.MaxInt64/64/uint64(n) {
			return t, broken("%.80q: impossible dimension %d", name, v)
		}
		n *= int64(v)
		shape[len(shape)-1-i] = int(v)
	}
	kind, err := d.uint32()
	if err != nil {
		return t, err
	}
	format, ok := formats[kind]
	if !ok {
		return t, broken("%.80q is %s; F32, F16, BF16 and Q8_0 are read", name, formatName(kind))
	}
	if block, _ := format.Block(); int64(shape[len(shape)-1])%block != 0 {
		return t, broken("%.80q is %v: rows of %s are whole blocks of %d", name, shape, format, block)
	}
	offset, err := d.uint64()
	if err != nil {
		return t, err
	}
	if offset > math.MaxInt64/4 {
		return t, broken("%.80q: impossible offset %d", name, offset)
	}
	d.offsets = append(d.offsets, int64(offset))
	return stored.Tensor{Name: name, DType: format, Shape: shape}, nil
}

// value reads a value of a type.
func (d *decoder) value(kind uint32) (any, error) {
	switch kind {
	case typeString:
		return d.text(maxHeader)
	case typeArray:
		return d.array()
	}
	w := widthOf(kind)
	if w == 0 {
		return nil, broken("a value of the unknown type %d", kind)
	}
	b, err := d.take(w)
	if err != nil {
		return nil, err
	}
	return plain(kind, b)
}

func widthOf(kind uint32) int64 {
	switch kind {
	case typeUint8, typeInt8, typeBool:
		return 1
	case typeUint16, typeInt16:
		return 2
	case typeUint32, typeInt32, typeFloat32:
		return 4
	case typeUint64, typeInt64, typeFloat64:
		return 8
	}
	return 0
}

// plain reads a value of a type that has a width.
func plain(kind uint32, b []byte) (any, error) {
	le := binary.LittleEndian
	switch kind {
	case typeUint8:
		return b[0], nil
	case typeInt8:
		return int8(b[0]), nil
	case typeBool:
		if b[0] > 1 {
			return nil, broken("a truth value of %d", b[0])
		}
		return b[0] == 1, nil
	case typeUint16:
		return le.Uint16(b), nil
	case typeInt16:
		return int16(le.Uint16(b)), nil
	case typeUint32:
		return le.Uint32(b), nil
	case typeInt32:
		return int32(le.Uint32(b)), nil
	case typeFloat32:
		return math.Float32frombits(le.Uint32(b)), nil
	case typeUint64:
		return le.Uint64(b), nil
	case typeInt64:
		return int64(le.Uint64(b)), nil
	}
	return math.Float64frombits(le.Uint64(b)), nil
}

// array reads an array's type, number and elements. What it claims is compared with what is there before memory is taken.
func (d *decoder) array() (any, error) {
	kind, err := d.uint32()
	if err != nil {
		return nil, err
	}
	n, err := d.uint64()
	if err != nil {
		return nil, err
	}
	if kind == typeString {
		if n > uint64(d.left)/8 {
			return nil, broken("an array of %d texts in %d bytes", n, d.left)
		}
		var all []string
		for range n {
			s, err := d.text(maxHeader)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
		return all, nil
	}
	w := widthOf(kind)
	if w == 0 {
		return nil, broken("an array of the type %d; arrays of numbers and of texts are read", kind)
	}
	if n > uint64(d.left/w) {
		return nil, broken("an array of %d elements in %d bytes", n, d.left)
	}
	b, err := d.take(int64(n) * w)
	if err != nil {
		return nil, err
	}
	switch kind {
	case typeUint8:
		return each[uint8](kind, b, w)
	case typeInt8:
		return each[int8](kind, b, w)
	case typeBool:
		return each[bool](kind, b, w)
	case typeUint16:
		return each[uint16](kind, b, w)
	case typeInt16:
		return each[int16](kind, b, w)
	case typeUint32:
		return each[uint32](kind, b, w)
	case typeInt32:
		return each[int32](kind, b, w)
	case typeFloat32:
		return each[float32](kind, b, w)
	case typeUint64:
		return each[uint64](kind, b, w)
	case typeInt64:
		return each[int64](kind, b, w)
	}
	return each[float64](kind, b, w)
}

func each[T any](kind uint32, b []byte, w int64) (any, error) {
	out := make([]T, int64(len(b))/w)
	for i := range out {
		v, err := plain(kind, b[int64(i)*w:])
		if err != nil {
			return nil, err
		}
		out[i] = v.(T)
	}
	return out, nil
}
