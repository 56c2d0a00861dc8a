package engine

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Program is a compiled network for one shape of input. It is used by one goroutine at a time.
type Program struct {
	graph *Graph
	vm    gorgonia.VM
	out   *operation
	seed  []float32
}

// collisionTries bounds how often Build renames nodes whose 32-bit hashes collide: one network of 300 nodes in 100,000 needs a
// second try. Names are changed at the front, for two strings of one FNV hash keep it whatever follows them.
const collisionTries = 8

// Build compiles the network that describe adds to an empty graph and whose output it returns.
//
// With gradients, the output is usually a column of losses (CrossEntropy); Run then also adds to the gradient of every
// parameter. Without, activations share memory, and only the output survives a Run.
func Build(k Kernels, gradients bool, describe func(*Graph) *Tensor) (*Program, error) {
	for try := range collisionTries {
		salt := ""
		if try > 0 {
			salt = fmt.Sprintf("%d/", try)
		}
		p, err := build(newGraph(k, gradients, salt), describe)
		if errors.Is(err, errMerged) {
			continue
		}
		return p, err
	}
	return nil, fmt.Errorf("engine: %w, under %d different namings", errMerged, collisionTries)
}

func build(g *Graph, describe func(*Graph) *Tensor) (*Program, error) {
	out := describe(g)
	if g.err != nil {
		return nil, g.err
	}
	if out == nil || out.op.node == nil {
		return nil, errors.New("engine: the network has no output")
	}
	p := &Program{graph: g, out: out.op}
	if g.train {
		g.allocate()
		if err := p.differentiate(); err != nil {
			return nil, err
		}
	} else {
		g.share(out.op)
	}
	if err := g.distinct(); err != nil {
		return nil, err
	}
	p.vm = gorgonia.NewTapeMachine(g.g, gorgonia.WithEngine(&sums{k: g.k, into: map[[2]*tensor.Dense]*tensor.Dense{}}))
	return p, nil
}

// differentiate adds the backward operations. Backpropagate is used rather than Grad because Grad's constant one is a
// package variable of Gorgonia that would keep every graph ever built alive, and because its output must be a scalar.
func (p *Program) differentiate() error {
	g := p.graph
	p.seed = []float32{1}
	seed := g.input("seed", p.seed, 1, 1)
	if _, err := gorgonia.Backpropagate(gorgonia.Nodes{p.out.node}, gorgonia.Nodes{seed}, gorgonia.Nodes{g.leaf}); err != nil {
		return fmt.Errorf("engine: differentiate %s: %w", p.out.name, err)
	}
	return nil
}

// distinct makes sure that the compiler, which looks nodes up by hash alone, will not take two for one.
func (g *Graph) distinct() error {
	seen := map[uint32]bool{}
	for _, n := range g.g.AllNodes() {
		if seen[n.Hashcode()] {
			return fmt.Errorf("engine: %s: %w", n.Name(), errMerged)
		}
		seen[n.Hashcode()] = true
	}
	return nil
}

// Run executes the program on whatever its operations' ids, targets and parameters hold now. scale is the derivative of the
// objective with respect to each element of the output: 1/(number of losses) for their mean. It is ignored without gradients.
func (p *Program) Run(scale float32) error {
	if p.seed != nil {
		p.seed[0] = scale
	}
	p.graph.last = 0
	err := p.vm.RunAll()
	p.vm.Reset()
	if err != nil {
		return fmt.Errorf("engine: run: %w", err)
	}
	return nil
}

// Output is the output of the last Run, in device memory. It is overwritten by the next.
func (p *Program) Output() []float32 { return p.out.out }

// Operations is how many nodes a Run executes, for judging what sequencing them costs.
func (p *Program) Operations() int { return len(p.graph.forward) + len(p.graph.backward) }

// Close releases the tape machine. Buffers go when the program does.
func (p *Program) Close() error { return p.vm.Close() }
