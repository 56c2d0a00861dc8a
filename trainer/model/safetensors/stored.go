package safetensors

import (
	"fmt"
	"io"

	"millrace/trainer/model/stored"
)

// Open reads the header of a file that can be read at any place: its tensors, in the order of their bytes, and its __metadata__. Errors about
// the content wrap ErrFormat.
func Open(r io.ReaderAt, size int64) ([]stored.Tensor, map[string]string, error) {
	f, err := NewReader(io.NewSectionReader(r, 0, size))
	if err != nil {
		return nil, nil, err
	}
	end := f.header
	tensors := make([]stored.Tensor, len(f.Entries))
	for i, e := range f.Entries {
		tensors[i] = stored.In(r, f.header+e.begin, e.Name, stored.DType(e.DType), e.Shape...)
		end = max(end, f.header+e.begin+tensors[i].Size())
	}
	if end != size {
		return nil, nil, broken("it has %d bytes, its header describes %d", size, end)
	}
	return tensors, f.Metadata, nil
}

// Write writes tensors as they are stored, in their order, and returns the file's length.
func Write(w io.Writer, metadata map[string]string, tensors []stored.Tensor) (int64, error) {
	h, err := header(metadata, tensors)
	if err != nil {
		return 0, err
	}
	c := counted{w: w}
	if _, err := c.Write(h); err != nil {
		return c.n, err
	}
	for _, t := range tensors {
		before := c.n
		if err := t.Write(&c); err != nil {
			return c.n, fmt.Errorf("safetensors: %s: %w", t.Name, err)
		}
		if c.n-before != t.Size() {
			return c.n, fmt.Errorf("safetensors: %s has %d bytes, not the %d of %v %s", t.Name, c.n-before, t.Size(), t.Shape, t.DType)
		}
	}
	return c.n, nil
}

// counted counts what is written.
type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Header is the beginning of the file that Write writes: all but the tensors' bytes.
func Header(metadata map[string]string, tensors []stored.Tensor) ([]byte, error) {
	return header(metadata, tensors)
}
