package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"millrace/trainer/model/stored"
)

// Tensor is a named array of float32, row-major.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// File is a file to be written. It implements io.WriterTo.
type File struct {
	// Metadata is written as __metadata__. transformers refuses a file whose "format" is not "pt".
	Metadata map[string]string
	Tensors  []Tensor
	// Download copies tensor data to the host; nil where they are there already.
	Download func(dst, src []float32)
}

// chunk is how many elements are converted at a time.
const chunk = 1 << 15

// Size is the length of the file in bytes.
func (f File) Size() (int64, error) {
	h, err := f.Header()
	if err != nil {
		return 0, err
	}
	n := int64(len(h))
	for _, t := range f.Tensors {
		n += 4 * int64(len(t.Data))
	}
	return n, nil
}

// WriteTo writes the file and returns its length.
func (f File) WriteTo(w io.Writer) (int64, error) {
	h, err := f.Header()
	if err != nil {
		return 0, err
	}
	written := int64(0)
	write := func(b []byte) error {
		n, err := w.Write(b)
		written += int64(n)
		return err
	}
	if err := write(h); err != nil {
		return written, err
	}
	raw := make([]byte, 0, 4*chunk)
	host := make([]float32, chunk)
	for _, t := range f.Tensors {
		for at := 0; at < len(t.Data); at += chunk {
			part := t.Data[at:min(at+chunk, len(t.Data))]
			if f.Download != nil {
				f.Download(host[:len(part)], part)
				part = host[:len(part)]
			}
			raw = raw[:0]
			for _, x := range part {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
			}
			if err := write(raw); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// Header is what comes before the tensors' bytes.
func (f File) Header() ([]byte, error) {
	named := make([]stored.Tensor, len(f.Tensors))
	for i, t := range f.Tensors {
		named[i] = stored.Tensor{Name: t.Name, DType: stored.F32, Shape: t.Shape}
		if n := named[i].Elements(); n != int64(len(t.Data)) {
			return nil, fmt.Errorf("safetensors: %s: shape %v has %d elements, not %d", t.Name, t.Shape, n, len(t.Data))
		}
	}
	return header(f.Metadata, named)
}

// header describes tensors that follow each other.
func header(metadata map[string]string, tensors []stored.Tensor) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	b.WriteByte('{')
	field := func(name string, value any) error {
		if b.Len() > 9 {
			b.WriteByte(',')
		}
		for _, v := range []any{name, value} {
			j, err := json.Marshal(v)
			if err != nil {
				return err
			}
			b.Write(j)
			b.WriteByte(':')
		}
		b.Truncate(b.Len() - 1)
		return nil
	}
	if len(metadata) > 0 {
		if err := field(metadataKey, metadata); err != nil {
			return nil, err
		}
	}
	at := int64(0)
	seen := map[string]bool{metadataKey: true}
	for _, t := range tensors {
		if _, ok := width(string(t.DType)); !ok {
			return nil, fmt.Errorf("safetensors: %s is %s, which the format does not have", t.Name, t.DType)
		}
		if seen[t.Name] {
			return nil, fmt.Errorf("safetensors: %q is taken; name each tensor once", t.Name)
		}
		seen[t.Name] = true
		end := at + t.Size()
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		if err := field(t.Name, entry{DType: string(t.DType), Shape: shape, Offsets: [2]int64{at, end}}); err != nil {
			return nil, err
		}
		at = end
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	h := b.Bytes()
	if len(h)-8 > maxHeader {
		return nil, fmt.Errorf("safetensors: the header takes %d bytes, more than the format's %d", len(h)-8, maxHeader)
	}
	binary.LittleEndian.PutUint64(h, uint64(len(h)-8))
	return h, nil
}
