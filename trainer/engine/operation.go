package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

var matrixType = gorgonia.TensorType{Dims: 2, Of: gorgonia.Float32}

// errMerged is what a 32-bit hash collision in Gorgonia looks like from here; Build tries again with other names.
var errMerged = errors.New("a node was merged with another of the same hash")

// operation is the one type of node: closures that call kernels on buffers which the operation owns. It implements
// gorgonia.SDOp, both for a forward operation and for the backward one that SymDiff derives from it.
type operation struct {
	graph      *Graph
	name       string
	rows, cols int
	inputs     []*Tensor    // activations read; gradients flow to each
	params     []*Parameter // weights read; nil entries are absent weights
	kept       []int        // lengths of buffers that run fills and backward reads

	// run computes y from the inputs. backward overwrites dx and adds to the parameters' gradients, given the gradient dy of
	// y. A nil backward passes dy on to every input, as addition does.
	run      func(y []float32, kept [][]float32)
	backward func(dx, dy []float32, kept [][]float32)
	// inPlace: the gradient of the only input may overwrite that input (which nobody else reads).
	inPlace bool

	seq            int
	node           *gorgonia.Node
	types          []gorgonia.TensorType
	differentiable int // the first so many children
	readers        []*operation
	out            []float32
	value          *tensor.Dense
	buffers        [][]float32
	dy             func(dy []float32) // set on backward operations instead of run
}

var _ gorgonia.SDOp = (*operation)(nil)

func (op *operation) size() int { return op.rows * op.cols }

// own gives the operation its output buffer.
func (op *operation) own(out []float32) {
	op.out = out
	op.value = dense(out, op.rows, op.cols)
}

// Do runs the operation. The order is checked because buffers of a forward program are shared on the strength of it, and
// because gradients of a weight that is used twice are added in it.
func (op *operation) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	if op.seq <= op.graph.last {
		return nil, fmt.Errorf("engine: %s ran out of order (%d after %d)", op.name, op.seq, op.graph.last)
	}
	op.graph.last = op.seq
	if op.dy == nil {
		op.run(op.out, op.buffers)
		return op.value, nil
	}
	dy, ok := in[0].(*tensor.Dense)
	if !ok {
		return nil, fmt.Errorf("engine: %s: its gradient is a %T", op.name, in[0])
	}
	op.dy(dy.Float32s())
	return op.value, nil
}

// SymDiff returns the node of each differentiable input's gradient, and nil for parameters.
func (op *operation) SymDiff(inputs gorgonia.Nodes, output, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	grads := make(gorgonia.Nodes, len(inputs))
	if op.backward == nil {
		for i := range op.differentiable {
			grads[i] = grad
		}
		return grads, nil
	}
	g := op.graph
	back := &operation{graph: g, name: op.name + ".backward", rows: 1, cols: 1}
	switch {
	case len(op.inputs) == 0: // towards the leaf, where no gradient is needed
		back.own(g.k.Alloc(1))
	case op.inPlace:
		back.rows, back.cols = op.inputs[0].Rows, op.inputs[0].Cols
		back.own(op.inputs[0].op.out)
	default:
		back.rows, back.cols = op.inputs[0].Rows, op.inputs[0].Cols
		back.own(g.k.Alloc(back.size()))
	}
	back.dy = func(dy []float32) { op.backward(back.out, dy, op.buffers) }
	children := append(gorgonia.Nodes{grad, output}, inputs...)
	if err := g.add(back, children); err != nil {
		return nil, err
	}
	g.backward = append(g.backward, back)
	grads[0] = back.node
	return grads, nil
}

// DiffWRT: activations (or the leaf) come first, parameters after them.
func (op *operation) DiffWRT(n int) []bool {
	d := make([]bool, n)
	for i := range min(n, op.differentiable) {
		d[i] = true
	}
	return d
}

func (op *operation) Arity() int { return len(op.types) }

func (op *operation) Type() hm.Type {
	ts := make([]hm.Type, 0, len(op.types)+1)
	for _, t := range op.types {
		ts = append(ts, t)
	}
	return hm.NewFnType(append(ts, matrixType)...)
}

func (op *operation) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return tensor.Shape{op.rows, op.cols}, nil
}

// ReturnsPtr, CallsExtern and OverwritesInput tell the compiler to leave our buffers alone: each result has a register of
// its own, nothing is allocated for it, nothing is flushed.
func (op *operation) ReturnsPtr() bool     { return true }
func (op *operation) CallsExtern() bool    { return false }
func (op *operation) OverwritesInput() int { return -1 }

// WriteHash and Hashcode make every operation different from every other of its graph: the number is its own.
func (op *operation) WriteHash(h hash.Hash) {
	_, _ = io.WriteString(h, op.graph.salt+op.name) // a hash never fails to write
	_ = binary.Write(h, binary.LittleEndian, int64(op.seq))
}
func (op *operation) Hashcode() uint32 { return uint32(op.seq) }
func (op *operation) String() string   { return op.name }
