package stored

import (
	"fmt"
	"io"
)

// Transpose is a matrix the other way around: element (i, j) becomes (j, i). Its bytes are all in memory while it is written.
func (t Tensor) Transpose() (Tensor, error) {
	block, width := t.DType.Block()
	if len(t.Shape) != 2 || block != 1 {
		return t, fmt.Errorf("stored: %s is %v %s: only a matrix of single numbers can be transposed", t.Name, t.Shape, t.DType)
	}
	from, rows, columns := t, t.Shape[0], t.Shape[1]
	t.Shape = []int{columns, rows}
	t.Write = func(w io.Writer) error {
		b, err := from.Bytes()
		if err != nil {
			return err
		}
		n := int(width)
		line := make([]byte, rows*n)
		for j := range columns {
			for i := range rows {
				copy(line[i*n:(i+1)*n], b[(i*columns+j)*n:])
			}
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
		return nil
	}
	return t, nil
}

// Rows is n rows of a matrix, or elements of a vector, row i of them being row of(i). Its bytes are all in memory while it is written.
func (t Tensor) Rows(n int, of func(i int) int) (Tensor, error) {
	if len(t.Shape) == 0 || t.Shape[0] == 0 {
		return t, fmt.Errorf("stored: %s is %v: it has no rows", t.Name, t.Shape)
	}
	from := t
	row := t.Size() / int64(t.Shape[0])
	if block, _ := t.DType.Block(); t.Elements()/int64(t.Shape[0])%block != 0 {
		return t, fmt.Errorf("stored: %s is %v %s: its rows are not whole blocks", t.Name, t.Shape, t.DType)
	}
	t.Shape = append([]int{n}, t.Shape[1:]...)
	t.Write = func(w io.Writer) error {
		b, err := from.Bytes()
		if err != nil {
			return err
		}
		for i := range n {
			at := int64(of(i)) * row
			if _, err := w.Write(b[at : at+row]); err != nil {
				return err
			}
		}
		return nil
	}
	return t, nil
}

// Join is tensors of one format and, but for the first dimension, one shape, one after the other.
func Join(name string, parts ...Tensor) (Tensor, error) {
	if len(parts) == 0 {
		return Tensor{}, fmt.Errorf("stored: %s has no parts", name)
	}
	first := parts[0]
	shape := append([]int{0}, first.Shape[min(1, len(first.Shape)):]...)
	for _, p := range parts {
		if len(p.Shape) != len(shape) || p.DType != first.DType || p.Elements()*int64(max(1, first.Shape[0])) != first.Elements()*int64(max(1, p.Shape[0])) {
			return first, fmt.Errorf("stored: %s: %s is %v %s and does not go with %v %s", name, p.Name, p.Shape, p.DType, first.Shape, first.DType)
		}
		shape[0] += p.Shape[0]
	}
	return Tensor{Name: name, DType: first.DType, Shape: shape, Write: func(w io.Writer) error {
		for _, p := range parts {
			if err := p.Write(w); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}
