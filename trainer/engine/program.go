package engine

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"
)

// Program is a compiled network for one shape of input. It is used by one goroutine at a time.
//
// Gorgonia differentiates and orders the operations, and its tape machine runs them once, when the program is built, without
// computing anything: what it did is written down. From that, the program knows when every buffer is last read, so that
// memory is shared by all that are not needed at the same time, and runs the same steps itself from then on.
type Program struct {
	steps  []step
	out    *buffer
	seed   []float32
	memory []float32
}

// collisionTries bounds how often Build renames nodes whose 32-bit hashes collide: one network of 300 nodes in 100,000 needs a
// second try. Names are changed at the front, for two strings of one FNV hash keep it whatever follows them.
const collisionTries = 8

// Build compiles the network that describe adds to an empty graph and whose output it returns.
//
// With gradients, the output is a column of losses (CrossEntropy); Run then also adds to the gradient of every parameter.
// Only the output survives a Run.
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
	p := &Program{out: out.op.out}
	if g.train {
		if err := p.differentiate(g, out.op); err != nil {
			return nil, err
		}
	}
	if err := g.distinct(); err != nil {
		return nil, err
	}
	vm := gorgonia.NewTapeMachine(g.g, gorgonia.WithEngine(&sums{graph: g}))
	if err := vm.RunAll(); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if err := vm.Close(); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	p.steps = needed(g.steps, p.out)
	p.memory = g.k.Alloc(place(p.steps, p.out))
	p.bind()
	return p, nil
}

// differentiate adds the backward operations. Backpropagate is used rather than Grad because Grad's constant one is a
// package variable of Gorgonia that would keep every graph ever built alive, and because its output must be a scalar.
func (p *Program) differentiate(g *Graph, out *operation) error {
	p.seed = []float32{1}
	seed := g.input("seed", g.outside(p.seed).token, 2, 2)
	if _, err := gorgonia.Backpropagate(gorgonia.Nodes{out.node}, gorgonia.Nodes{seed}, gorgonia.Nodes{g.leaf}); err != nil {
		return fmt.Errorf("engine: differentiate %s: %w", out.name, err)
	}
	return nil
}

// bind tells every operation where its memory is.
func (p *Program) bind() {
	for _, s := range p.steps {
		for _, b := range s.writes {
			if b.held == nil && b.memory == nil {
				b.memory = p.memory[b.at : b.at+b.size]
			}
		}
	}
	for _, s := range p.steps {
		if s.bind != nil {
			s.bind()
		}
	}
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
	if p.steps == nil {
		return errors.New("engine: the program is closed")
	}
	if p.seed != nil {
		p.seed[0] = scale
	}
	for i := range p.steps {
		p.steps[i].run()
	}
	return nil
}

// Output is the output of the last Run, in device memory. It is overwritten by the next.
func (p *Program) Output() []float32 { return p.out.data() }

// Operations is how many steps a Run executes, for judging what sequencing them costs.
func (p *Program) Operations() int { return len(p.steps) }

// Memory is how many bytes the program holds: activations that its backward pass needs, and room for gradients on their way.
// Parameters and their gradients are not its own.
func (p *Program) Memory() int64 { return 4 * int64(len(p.memory)) }

// Close lets go of the program's memory. The last output stays readable for who holds it.
func (p *Program) Close() error {
	p.steps, p.memory = nil, nil
	return nil
}
