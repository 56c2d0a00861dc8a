package model

import "millrace/trainer/engine"

// Sequence is one text in the making: what a generator remembers of its tokens.
type Sequence struct {
	g        *Generator
	past     []engine.Past // of every layer
	capacity int
	length   int
}

// fewest is the room a sequence begins with, in tokens. It doubles when it is full.
const fewest = 64

// NewSequence returns an empty sequence. It takes memory as it grows: see SequenceBytes.
func (g *Generator) NewSequence() *Sequence { return &Sequence{g: g} }

// SequenceBytes is the memory of a sequence of n tokens: keys and values of every layer.
func (g *Generator) SequenceBytes(n int) int64 {
	return 8 * int64(len(g.blocks)) * int64(g.heads.KV*g.heads.Dim) * int64(roomFor(n, g.Context()))
}

// roomFor is the capacity for n tokens: a power of two, and no more than a context needs.
func roomFor(n, context int) int {
	room := fewest
	for room < n {
		room *= 2
	}
	return min(room, (max(context, 1)+15)/16*16)
}

// Len is the number of tokens that the sequence has.
func (s *Sequence) Len() int { return s.length }

// Truncate forgets all tokens but the first n, of Len.
func (s *Sequence) Truncate(n int) { s.length = max(0, min(n, s.length)) }

// Fork returns a sequence of the same tokens that goes its own way.
func (s *Sequence) Fork() *Sequence {
	f := &Sequence{g: s.g, length: s.length}
	f.take(s.past, s.length)
	return f
}

// reserve makes room for n tokens.
func (s *Sequence) reserve(n int) {
	if n > s.capacity {
		s.take(s.past, n)
	}
}

// take makes room for n tokens and copies the sequence's tokens from a past, if it has any.
func (s *Sequence) take(from []engine.Past, n int) {
	g := s.g
	s.capacity = roomFor(n, g.Context())
	s.past = make([]engine.Past, len(g.blocks))
	size := g.heads.KV * g.heads.Dim * s.capacity
	for l := range s.past {
		s.past[l] = engine.Past{Keys: g.k.Alloc(size), Values: g.k.Alloc(size), Capacity: s.capacity}
		if s.length > 0 {
			g.k.Copy(s.past[l], from[l], s.length, g.heads.KV, g.heads.Dim)
		}
	}
}
