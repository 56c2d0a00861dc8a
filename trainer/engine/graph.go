package engine

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Graph is a network under construction: a list of operations in the order they were added, each reading earlier ones.
// Methods that add an operation never fail on the spot; the first mistake is kept and returned by Build.
type Graph struct {
	k      Kernels
	g      *gorgonia.ExprGraph
	train  bool
	salt   string
	err    error
	names  map[string]bool
	params map[*Parameter]*gorgonia.Node
	// leaf stands for everything the network is made from. It is the node Gorgonia differentiates with respect to; the
	// parameters themselves are not differentiable nodes, because backward operations add to their gradients directly.
	leaf   *gorgonia.Node
	tokens map[*tensor.Dense]*buffer
	steps  []step // in the order of Gorgonia's one run
	seq    int
}

// Tensor is the output of an operation: a matrix of Rows by Cols (a batch's rows side by side: row = sequence·T + position).
type Tensor struct {
	Rows, Cols int
	op         *operation
}

func newGraph(k Kernels, train bool, salt string) *Graph {
	g := &Graph{
		k: k, g: gorgonia.NewGraph(), train: train, salt: salt,
		names: map[string]bool{}, params: map[*Parameter]*gorgonia.Node{}, tokens: map[*tensor.Dense]*buffer{},
	}
	g.leaf = g.input("leaf", g.buffer(0).token, 2, 2)
	return g
}

// input adds a node that holds a value.
func (g *Graph) input(name string, value *tensor.Dense, rows, cols int) *gorgonia.Node {
	return gorgonia.NewTensor(g.g, gorgonia.Float32, 2,
		gorgonia.WithShape(rows, cols), gorgonia.WithName(g.salt+name), gorgonia.WithValue(value))
}

// dense shows a slice we own to Gorgonia.
func dense(data []float32, rows, cols int) *tensor.Dense {
	return tensor.New(tensor.WithShape(rows, cols), tensor.WithBacking(data))
}

func (g *Graph) fail(format string, a ...any) {
	if g.err == nil {
		g.err = fmt.Errorf("engine: "+format, a...)
	}
}

// parameter returns the node of p, adding it when first seen. Nil parameters have no node.
func (g *Graph) parameter(p *Parameter) *gorgonia.Node {
	if n := g.params[p]; n != nil {
		return n
	}
	rows, cols := p.matrix()
	if len(p.Value) != rows*cols || (p.Grad != nil && len(p.Grad) != len(p.Value)) {
		g.fail("parameter %s: shape %v does not match %d values and %d gradients", p.Name, p.Shape, len(p.Value), len(p.Grad))
		return nil
	}
	if !g.claim(p.Name) {
		return nil
	}
	n := g.input(p.Name, dense(p.Value, rows, cols), rows, cols)
	g.params[p] = n
	return n
}

// claim reserves a name: Gorgonia merges nodes it takes for equal, so every node has its own.
func (g *Graph) claim(name string) bool {
	if g.names[name] {
		g.fail("two nodes named %q; name each operation and parameter once", name)
		return false
	}
	g.names[name] = true
	return true
}

// apply adds an operation and returns its output.
func (g *Graph) apply(op *operation) *Tensor {
	out := &Tensor{Rows: op.rows, Cols: op.cols, op: op}
	if g.err != nil || !g.claim(op.name) {
		return out
	}
	op.graph = g
	var children gorgonia.Nodes
	if len(op.inputs) == 0 {
		children = append(children, g.leaf)
		op.differentiable = 1
	}
	for _, in := range op.inputs {
		if in.op.node == nil {
			g.fail("%s: an input was not made by this graph", op.name)
			return out
		}
		children = append(children, in.op.node)
		op.differentiable++
	}
	for _, p := range op.params {
		if p == nil {
			continue
		}
		n := g.parameter(p)
		if g.err != nil {
			return out
		}
		children = append(children, n)
	}
	if err := g.add(op, children); err != nil {
		g.err = err
		return out
	}
	op.record = op.forward
	op.out = g.buffer(op.size())
	for _, n := range op.keeps {
		op.keeping = append(op.keeping, g.buffer(n))
	}
	return out
}

// add makes op a node of the Gorgonia graph and numbers it.
func (g *Graph) add(op *operation, children gorgonia.Nodes) error {
	op.types = make([]gorgonia.TensorType, 0, len(children))
	for range children {
		op.types = append(op.types, matrixType)
	}
	g.seq++
	op.seq = g.seq
	n, err := gorgonia.ApplyOpWithName(op, g.salt+op.name, children...)
	if err != nil {
		return fmt.Errorf("engine: %s: %w", op.name, err)
	}
	if n.Op() != gorgonia.Op(op) {
		return fmt.Errorf("engine: %s: %w", op.name, errMerged)
	}
	op.node = n
	return nil
}
