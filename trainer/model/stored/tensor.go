package stored

import (
	"bytes"
	"fmt"
	"io"
	"slices"
)

// Tensor is a named array that can write its bytes.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	// Write writes all bytes, Size of them, each time it is called.
	Write func(w io.Writer) error
}

// Elements is the product of the shape.
func (t Tensor) Elements() int64 {
	n := int64(1)
	for _, d := range t.Shape {
		n *= int64(d)
	}
	return n
}

// Size is how many bytes the tensor has.
func (t Tensor) Size() int64 {
	elements, size := t.DType.Block()
	if elements == 0 {
		return 0
	}
	return t.Elements() / elements * size
}

// In is a tensor whose bytes lie in r from an offset on.
func In(r io.ReaderAt, offset int64, name string, d DType, shape ...int) Tensor {
	t := Tensor{Name: name, DType: d, Shape: shape}
	t.Write = func(w io.Writer) error {
		n, err := io.Copy(w, io.NewSectionReader(r, offset, t.Size()))
		if err == nil && n != t.Size() {
			err = fmt.Errorf("stored: %s ends after %d of %d bytes: %w", name, n, t.Size(), io.ErrUnexpectedEOF)
		}
		return err
	}
	return t
}

// Of is a tensor of numbers in memory; they are not copied.
func Of(data []float32, name string, shape ...int) Tensor {
	t := Tensor{Name: name, DType: F32, Shape: shape}
	t.Write = func(w io.Writer) error {
		var raw []byte
		for part := range slices.Chunk(data, chunk) {
			raw, _ = F32.Encode(raw[:0], part)
			if _, err := w.Write(raw); err != nil {
				return err
			}
		}
		return nil
	}
	return t
}

// Zeros is a tensor of zeros.
func Zeros(d DType, name string, shape ...int) Tensor {
	t := Tensor{Name: name, DType: d, Shape: shape}
	t.Write = func(w io.Writer) error { _, err := io.CopyN(w, nothing{}, t.Size()); return err }
	return t
}

// nothing reads zeros, without end.
type nothing struct{}

func (nothing) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Bytes is all of a tensor in memory.
func (t Tensor) Bytes() ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(t.Size()))
	if err := t.Write(&b); err != nil {
		return nil, err
	}
	if int64(b.Len()) != t.Size() {
		return nil, fmt.Errorf("stored: %s has %d bytes, not the %d of %v %s", t.Name, b.Len(), t.Size(), t.Shape, t.DType)
	}
	return b.Bytes(), nil
}

// Floats is all of a tensor in memory, as numbers.
func (t Tensor) Floats() ([]float32, error) {
	u, err := t.As(F32)
	if err != nil {
		return nil, err
	}
	b, err := u.Bytes()
	if err != nil {
		return nil, err
	}
	out := make([]float32, u.Elements())
	F32.Decode(out, b)
	return out, nil
}

// Named is the same tensor under another name.
func (t Tensor) Named(name string) Tensor {
	t.Name = name
	return t
}

// chunk is how many elements are converted at a time: whole blocks of every format.
const chunk = 1 << 15

// As is the tensor in another format: rounded, or exactly where the other one holds all numbers of its own. Writing it fails with ErrRange where
// a number is too great.
func (t Tensor) As(d DType) (Tensor, error) {
	if t.DType == d {
		return t, nil
	}
	if !t.DType.Weights() || !d.Weights() {
		return t, fmt.Errorf("stored: %s is %s and cannot become %s: weights are F32, F16, BF16 or Q8_0", t.Name, t.DType, d)
	}
	if block, _ := d.Block(); block > 1 && (len(t.Shape) == 0 || int64(t.Shape[len(t.Shape)-1])%block != 0) {
		return t, fmt.Errorf("stored: %s is %v: rows of %s are whole blocks of %d", t.Name, t.Shape, d, block)
	}
	from := t
	t.DType = d
	t.Write = func(w io.Writer) error {
		c := converter{w: w, from: from.DType, to: d}
		if err := from.Write(&c); err != nil {
			return fmt.Errorf("stored: %s as %s: %w", t.Name, d, err)
		}
		if len(c.rest) > 0 {
			return fmt.Errorf("stored: %s as %s: %w", t.Name, d, io.ErrUnexpectedEOF)
		}
		return nil
	}
	return t, nil
}

// converter takes bytes of one format, in pieces of any length, and writes those of another.
type converter struct {
	w        io.Writer
	from, to DType
	rest     []byte // less than a block of both formats
	numbers  []float32
	out      []byte
}

func (c *converter) Write(p []byte) (int, error) {
	elements, size := c.from.Block()
	if to, _ := c.to.Block(); to > elements {
		elements, size = to, size*to/elements
	}
	taken := len(p)
	if len(c.rest) > 0 {
		n := min(len(p), int(size)-len(c.rest))
		c.rest, p = append(c.rest, p[:n]...), p[n:]
		if len(c.rest) < int(size) {
			return taken, nil
		}
		if err := c.convert(c.rest, int(elements)); err != nil {
			return 0, err
		}
		c.rest = c.rest[:0]
	}
	most := int(size) * (chunk / int(elements))
	for len(p) >= int(size) {
		n := min(most, len(p)/int(size)*int(size))
		if err := c.convert(p[:n], n/int(size)*int(elements)); err != nil {
			return 0, err
		}
		p = p[n:]
	}
	c.rest = append(c.rest, p...)
	return taken, nil
}

func (c *converter) convert(p []byte, n int) error {
	if cap(c.numbers) < n {
		c.numbers = make([]float32, n)
	}
	c.from.Decode(c.numbers[:n], p)
	var err error
	if c.out, err = c.to.Encode(c.out[:0], c.numbers[:n]); err != nil {
		return err
	}
	_, err = c.w.Write(c.out)
	return err
}
