package engine

import (
	"errors"
	"fmt"

	"gorgonia.org/tensor"
)

// sums is the tensor engine behind the only operation Gorgonia adds by itself: where an activation is read twice (a residual
// stream), the gradients of its readers are summed. The sum runs on Kernels, into a buffer of its own for each pair.
//
// Offers to reuse another tensor's memory are declined: the tape machine passes whatever its register held before, which may
// be a weight.
type sums struct {
	k    Kernels
	into map[[2]*tensor.Dense]*tensor.Dense
}

var (
	_ tensor.Engine = (*sums)(nil)
	_ tensor.Adder  = (*sums)(nil)

	errNotOurs = errors.New("engine: Gorgonia asked for memory; every buffer is ours")
)

func (s *sums) Add(a, b tensor.Tensor, _ ...tensor.FuncOpt) (tensor.Tensor, error) {
	x, ok := a.(*tensor.Dense)
	y, ok2 := b.(*tensor.Dense)
	if !ok || !ok2 || x.Size() != y.Size() {
		return nil, fmt.Errorf("engine: cannot add gradients %T %v and %T %v", a, a.Shape(), b, b.Shape())
	}
	z := s.into[[2]*tensor.Dense{x, y}]
	if z == nil {
		z = dense(s.k.Alloc(x.Size()), x.Shape()[0], x.Shape()[1])
		s.into[[2]*tensor.Dense{x, y}] = z
	}
	s.k.Add(z.Float32s(), x.Float32s(), y.Float32s())
	return z, nil
}

func (s *sums) AddScalar(a tensor.Tensor, _ any, _ bool, _ ...tensor.FuncOpt) (tensor.Tensor, error) {
	return nil, fmt.Errorf("engine: cannot add a number to gradients of shape %v", a.Shape())
}

// The rest satisfies tensor.Engine. Go can read our memory as far as Gorgonia is concerned, which never looks.
func (s *sums) AllocAccessible() bool                             { return true }
func (s *sums) Alloc(int64) (tensor.Memory, error)                { return nil, errNotOurs }
func (s *sums) Free(tensor.Memory, int64) error                   { return errNotOurs }
func (s *sums) Memset(tensor.Memory, any) error                   { return errNotOurs }
func (s *sums) Memclr(tensor.Memory)                              {}
func (s *sums) Memcpy(_, _ tensor.Memory) error                   { return errNotOurs }
func (s *sums) Accessible(m tensor.Memory) (tensor.Memory, error) { return m, nil }
func (s *sums) WorksWith(order tensor.DataOrder) bool             { return order.IsRowMajor() }
