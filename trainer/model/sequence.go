package model

import "millrace/trainer/engine"

// Sequence is one text in the making: what a generator remembers of its tokens.
type Sequence struct {
	g        *Generator
	past     []engine.Past // of every layer
	capacity int
	length   int

	memory []engine.Past // of what was read, of every layer of a decoder that has an encoder; never changed once it is there
	source int           // tokens of it
}

// fewest is the room a sequence begins with, in tokens. It doubles when it is full.
const fewest = 64

// NewSequence returns an empty sequence. It takes memory as it grows: see SequenceBytes. That of an encoder-decoder must Read before it is fed.
func (g *Generator) NewSequence() *Sequence { return &Sequence{g: g} }

// SequenceBytes is the memory of a sequence that goes on with a prompt by n tokens: keys and values of every layer.
func (g *Generator) SequenceBytes(prompt, n int) int64 {
	room := roomFor(prompt+n, g.Context())
	if g.Reads() {
		room = roomFor(prompt, g.Context()) + roomFor(n, g.Context())
	}
	return 8 * int64(len(g.decoder.blocks)) * int64(g.heads.KV*g.heads.Dim) * int64(room)
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
	f := &Sequence{g: s.g, length: s.length, memory: s.memory, source: s.source}
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
	s.past = make([]engine.Past, len(g.decoder.blocks))
	for l := range s.past {
		s.past[l] = g.newPast(n)
		if s.length > 0 {
			g.k.Copy(s.past[l], from[l], s.length, g.heads.KV, g.heads.Dim)
		}
	}
}
