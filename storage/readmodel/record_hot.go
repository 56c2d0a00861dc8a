package readmodel

import (
	"cmp"
	"math"

	"millrace/event"
)

// hot is what nearly every list asks of a run, by row, 16 bytes each: heads are so large that each lies in another page of memory, and to
// fetch those of 100,000 runs takes 5 ms.
type hot struct {
	created           int64
	kind, status      uint8 // coded; 0 is to be read from the head
	archived, starred bool
}

// coded gives the few words of kinds and states a number each, from 1 on; 0 when there are too many.
type coded struct {
	words []string // by number less 1
	of    map[string]uint8
}

func (c *coded) code(word string) uint8 {
	n, known := c.of[word]
	if known || len(c.words) == math.MaxUint8 {
		return n
	}
	if c.of == nil {
		c.of = map[string]uint8{}
	}
	c.words = append(c.words, word)
	c.of[word] = uint8(len(c.words))
	return c.of[word]
}

// warm notes what of a head is hot. The lock must be held.
func (m *Model) warm(st *runState) { m.hot[st.row] = m.hotOf(st) }

func (m *Model) hotOf(st *runState) hot {
	return hot{st.created, m.codes.code(kindOf(st)), m.codes.code(statusOf(st)), st.archived, st.starred}
}

func kindOf(st *runState) string   { return string(cmp.Or(st.kind, event.External)) } // a run that nobody requested is somebody else's
func statusOf(st *runState) string { return string(cmp.Or(st.status, event.Pending)) }

func (m *Model) kindAt(row int, st *runState) string {
	if n := m.hot[row].kind; n > 0 {
		return m.codes.words[n-1]
	}
	return kindOf(st)
}

func (m *Model) statusAt(row int, st *runState) string {
	if n := m.hot[row].status; n > 0 {
		return m.codes.words[n-1]
	}
	return statusOf(st)
}
