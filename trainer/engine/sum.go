package engine

import (
	"errors"
	"fmt"

	"gorgonia.org/tensor"
)

// sums is the tensor engine behind the only operation Gorgonia adds by itself: where an activation is read twice (a residual
// stream), the gradients of its readers are summed. It notes the sum as a step, with Kernels' Add, whose result may take the
// place of either gradient.
//
// Offers to reuse another tensor's memory are declined: the tape machine passes whatever its register held before, which may
// be a weight.
type sums struct{ graph *Graph }

var (
	_ tensor.Engine = (*sums)(nil)
	_ tensor.Adder  = (*sums)(nil)

	errNotOurs = errors.New("engine: Gorgonia asked for memory; every buffer is ours")
)

func (s *sums) Add(a, b tensor.Tensor, _ ...tensor.FuncOpt) (tensor.Tensor, error) {
	g := s.graph
	x, err := g.behind(a)
	if err != nil {
		return nil, fmt.Errorf("engine: sum of gradients: %w", err)
	}
	y, err := g.behind(b)
	if err != nil {
		return nil, fmt.Errorf("engine: sum of gradients: %w", err)
	}
	if x.size != y.size {
		return nil, fmt.Errorf("engine: cannot add gradients of %d and %d values", x.size, y.size)
	}
	z := g.buffer(x.size)
	g.steps = append(g.steps, step{
		name: "sum", reads: []*buffer{x, y}, writes: []*buffer{z}, over: [][2]*buffer{{z, x}, {z, y}},
		run: func() { g.k.Add(z.data(), x.data(), y.data()) },
	})
	return z.token, nil
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
