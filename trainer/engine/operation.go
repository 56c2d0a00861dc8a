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
// gorgonia.SDOp, both for a forward operation and for the backward ones that SymDiff derives from it.
type operation struct {
	graph      *Graph
	name       string
	rows, cols int
	inputs     []*Tensor    // activations read; gradients flow to each
	params     []*Parameter // weights read; nil entries are absent weights
	keeps      []int        // lengths of what run fills in kept and backward reads there

	// run computes y from in. backward overwrites dx, of every input, and adds to the parameters' gradients, given the gradient
	// dy of y. A nil backward passes dy on to every input, as addition does.
	run        func()
	backward   func(dx [][]float32, dy []float32)
	rowsOf     []int32 // of the first parameter, the only ones that run reads; nil: all
	overwrites bool    // backward sees to parameters whose gradients are forgotten; otherwise they are zero when it runs
	// What backward reads besides dy and kept.
	readsInputs, readsOutput bool
	// Memory that may be taken over from what nobody reads later: by y that of an input, by the first kept that of the first
	// input, by the first dx that of dy or of the first kept.
	overInputs, keptOverInput, gradOverGrad, gradOverKept bool

	// What run and backward work on, once the program has memory.
	in   [][]float32
	y    []float32
	kept [][]float32

	seq            int
	node           *gorgonia.Node
	types          []gorgonia.TensorType
	differentiable int // the first so many children
	out            *buffer
	keeping        []*buffer
	record         func(in []gorgonia.Value) error // what Do does in the one run that Gorgonia makes
}

var _ gorgonia.SDOp = (*operation)(nil)

func (op *operation) size() int { return op.rows * op.cols }

// Do notes that it is this operation's turn. Nothing is computed: see Program.
func (op *operation) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	if err := op.record(in); err != nil {
		return nil, fmt.Errorf("engine: %s: %w", op.name, err)
	}
	return op.out.token, nil
}

// forward notes a forward operation's turn.
func (op *operation) forward([]gorgonia.Value) error {
	run := func() {
		for i, p := range op.params {
			if i == 0 && op.rowsOf != nil {
				p.awaitRows(op.rowsOf)
			} else {
				p.Await()
			}
		}
		op.run()
	}
	s := step{name: op.name, run: run, bind: op.bind, writes: append([]*buffer{op.out}, op.keeping...)}
	for _, in := range op.inputs {
		s.reads = append(s.reads, in.op.out)
		if op.overInputs {
			s.over = append(s.over, [2]*buffer{op.out, in.op.out})
		}
	}
	if op.keptOverInput {
		s.over = append(s.over, [2]*buffer{op.keeping[0], op.inputs[0].op.out})
	}
	op.graph.steps = append(op.graph.steps, s)
	return nil
}

// SymDiff returns the node of each differentiable input's gradient, and nil for parameters. The first gradient's node stands
// for the whole backward operation; those of further inputs depend on it and do nothing of their own.
func (op *operation) SymDiff(inputs gorgonia.Nodes, output, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	grads := make(gorgonia.Nodes, len(inputs))
	if op.backward == nil {
		for i := range op.differentiable {
			grads[i] = grad
		}
		return grads, nil
	}
	g := op.graph
	outs := make([]*buffer, max(1, len(op.inputs)))
	back := &operation{graph: g, name: op.name + ".backward", rows: 2, cols: 2}
	outs[0] = g.buffer(0) // towards the leaf, where no gradient is needed
	for i, in := range op.inputs {
		outs[i] = g.buffer(in.op.size())
	}
	if len(op.inputs) > 0 {
		back.rows, back.cols = op.inputs[0].Rows, op.inputs[0].Cols
	}
	back.out = outs[0]
	back.record = func(in []gorgonia.Value) error { return op.recordBackward(outs, in[0]) }
	if err := g.add(back, append(gorgonia.Nodes{grad, output}, inputs...)); err != nil {
		return nil, err
	}
	grads[0] = back.node
	for i := 1; i < len(op.inputs); i++ {
		tap := &operation{
			graph: g, name: fmt.Sprintf("%s.%d", back.name, i), rows: op.inputs[i].Rows, cols: op.inputs[i].Cols,
			out: outs[i], record: func([]gorgonia.Value) error { return nil },
		}
		if err := g.add(tap, gorgonia.Nodes{back.node}); err != nil {
			return nil, err
		}
		grads[i] = tap.node
	}
	return grads, nil
}

// recordBackward notes a backward operation's turn, which makes outs of the gradient behind token.
func (op *operation) recordBackward(outs []*buffer, token gorgonia.Value) error {
	dy, err := op.graph.behind(token)
	if err != nil {
		return err
	}
	s := step{name: op.name + ".backward", reads: append([]*buffer{dy}, op.keeping...), writes: outs}
	for _, p := range op.params {
		s.lasting = s.lasting || p != nil && p.Grad != nil
	}
	if op.readsOutput {
		s.reads = append(s.reads, op.out)
	}
	if op.readsInputs {
		for _, in := range op.inputs {
			s.reads = append(s.reads, in.op.out)
		}
	}
	if op.gradOverGrad {
		s.over = append(s.over, [2]*buffer{outs[0], dy})
	}
	if op.gradOverKept {
		s.over = append(s.over, [2]*buffer{outs[0], op.keeping[0]})
	}
	dx := make([][]float32, len(outs))
	s.bind = func() {
		for i, b := range outs {
			dx[i] = b.data()
		}
	}
	s.run = func() {
		for _, p := range op.params {
			p.Await()
		}
		if !op.overwrites {
			for _, p := range op.params {
				p.Settle(op.graph.k)
			}
		}
		op.backward(dx, dy.data())
	}
	op.graph.steps = append(op.graph.steps, s)
	return nil
}

// bind gives the operation its memory.
func (op *operation) bind() {
	op.y, op.in, op.kept = op.out.data(), nil, nil
	for _, in := range op.inputs {
		op.in = append(op.in, in.op.out.data())
	}
	for _, b := range op.keeping {
		op.kept = append(op.kept, b.data())
	}
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

// ReturnsPtr, CallsExtern and OverwritesInput tell the compiler to leave our values alone: each result has a register of its
// own, nothing is allocated for it, nothing is flushed.
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
