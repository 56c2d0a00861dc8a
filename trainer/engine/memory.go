package engine

import "math"

// allocate gives every operation its own buffers, for the backward pass reads them all.
func (g *Graph) allocate() {
	for _, op := range g.forward {
		op.own(g.k.Alloc(op.size()))
		for _, n := range op.kept {
			op.buffers = append(op.buffers, g.k.Alloc(n))
		}
	}
}

// share lets operations of a forward program use buffers whose last reader has run, so that memory does not grow with depth.
// Right because operations run in the order of their numbers, which Do checks.
func (g *Graph) share(out *operation) {
	var free [][]float32
	take := func(n int) []float32 {
		best := -1
		for i, b := range free {
			if cap(b) >= n && (best < 0 || cap(b) < cap(free[best])) {
				best = i
			}
		}
		// A buffer much larger than needed is left for an operation that needs it.
		if best < 0 || cap(free[best]) > 4*n {
			return g.k.Alloc(n)
		}
		b := free[best]
		free = append(free[:best], free[best+1:]...)
		return b[:n]
	}
	until := map[*operation]int{} // sequence number of an output's last reader
	for _, op := range g.forward {
		until[op] = op.seq
		for _, r := range op.readers {
			until[op] = max(until[op], r.seq)
		}
	}
	until[out] = math.MaxInt
	for i, op := range g.forward {
		op.own(take(op.size()))
		for _, n := range op.kept {
			op.buffers = append(op.buffers, take(n))
		}
		free = append(free, op.buffers...)
		for _, done := range g.forward[:i+1] {
			if until[done] == op.seq {
				free = append(free, done.out)
			}
		}
	}
}
