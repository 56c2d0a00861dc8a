package engine

import (
	"cmp"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// buffer is memory of a program: an operation's output, a gradient, or what a forward operation keeps for its backward one. It
// has no place until the whole program is known.
type buffer struct {
	size   int
	token  *tensor.Dense // stands for it in Gorgonia, which never sees the memory itself
	memory []float32
	held   *buffer // whose memory this one takes over; nil: its own
	// The steps from the one that writes it to the last that reads it, both included; of held buffers all together.
	from, until int
	at          int // offset in the program's memory
}

// unit is what offsets are multiples of: a cache line.
const unit = 16

// outside is a buffer that is not the program's: it stays where it is and is never taken over.
func (g *Graph) outside(data []float32) *buffer {
	b := g.buffer(len(data))
	b.memory = data
	return b
}

func (g *Graph) buffer(size int) *buffer {
	b := &buffer{size: size, token: tensor.New(tensor.WithShape(2, 2), tensor.WithBacking(make([]float32, 4)))}
	g.tokens[b.token] = b
	return b
}

// behind returns the buffer that a value of Gorgonia's stands for.
func (g *Graph) behind(v gorgonia.Value) (*buffer, error) {
	if token, ok := v.(*tensor.Dense); ok && g.tokens[token] != nil {
		return g.tokens[token], nil
	}
	return nil, fmt.Errorf("its gradient is a %T that nobody made", v)
}

func (b *buffer) root() *buffer {
	for b.held != nil {
		b = b.held
	}
	return b
}

func (b *buffer) data() []float32 { return b.root().memory[:b.size:b.size] }

// step is one turn of a program: a forward operation, a backward one, or a sum of two gradients.
type step struct {
	name          string
	run           func()
	bind          func() // called once there is memory; may be nil
	reads, writes []*buffer
	over          [][2]*buffer // the first may take over the memory of the second
	lasting       bool         // changes what outlives the program: gradients of parameters
}

// needed leaves out steps that nobody needs: those that change nothing lasting and whose results no needed step reads, as
// gradients below the first parameter that is trained.
func needed(steps []step, out *buffer) []step {
	read := map[*buffer]bool{out: true}
	kept := make([]step, 0, len(steps))
	for _, s := range slices.Backward(steps) {
		if !s.lasting && !slices.ContainsFunc(s.writes, func(b *buffer) bool { return read[b] }) {
			continue
		}
		for _, b := range s.reads {
			read[b] = true
		}
		kept = append(kept, s)
	}
	slices.Reverse(kept)
	return kept
}

// place gives every buffer an offset such that no two overlap while both are needed, and returns how much memory that takes.
// out is needed to the end.
func place(steps []step, out *buffer) int {
	var all []*buffer
	for i, s := range steps {
		for _, b := range s.writes {
			b.from, b.until = i, i
			if b.memory == nil {
				all = append(all, b)
			}
		}
		for _, b := range s.reads {
			b.until = max(b.until, i)
		}
	}
	out.until = len(steps)
	takeOver(steps)
	all = slices.DeleteFunc(all, func(b *buffer) bool { return b.held != nil || b.size == 0 })
	// Large ones first, each as low as it fits beside those that are there at the same time.
	slices.SortStableFunc(all, func(a, b *buffer) int { return cmp.Compare(b.size, a.size) })
	total := 0
	var placed []*buffer // by offset
	for _, b := range all {
		at := 0
		for _, other := range placed {
			if other.until < b.from || other.from > b.until {
				continue
			}
			if at+b.size <= other.at {
				break
			}
			at = max(at, (other.at+other.size+unit-1)/unit*unit)
		}
		b.at = at
		total = max(total, at+b.size)
		where, _ := slices.BinarySearchFunc(placed, at, func(o *buffer, at int) int { return cmp.Compare(o.at, at) })
		placed = slices.Insert(placed, where, b)
	}
	return total
}

// takeOver grants wishes: memory of the same size that no later step reads.
func takeOver(steps []step) {
	for i, s := range steps {
		taken := map[*buffer]bool{}
		for _, wish := range s.over {
			b, from := wish[0], wish[1].root()
			if b.held != nil || taken[from] || b.size != from.size || from.memory != nil || from.until != i {
				continue
			}
			// A buffer of this step's own, or one that another of its inputs still shares, is not free.
			taken[from] = true
			b.held = from
			from.until = max(from.until, b.until)
		}
	}
}
