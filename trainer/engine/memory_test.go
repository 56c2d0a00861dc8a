package engine

import (
	"testing"

	"pgregory.net/rapid"
)

// Whatever is read when, no step writes over what a later one reads, and a buffer moves only where it may.
func TestNothingIsOverwrittenBeforeItsLastReader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newGraph(nil, true, "")
		var all []*buffer
		var steps []step
		for i := range rapid.IntRange(1, 30).Draw(t, "steps") {
			var s step
			if i > 0 {
				for range rapid.IntRange(0, 3).Draw(t, "reads") {
					s.reads = append(s.reads, rapid.SampledFrom(all).Draw(t, "read"))
				}
			}
			for range rapid.IntRange(1, 3).Draw(t, "writes") {
				b := g.buffer(rapid.SampledFrom([]int{0, 1, 16, 17, 64}).Draw(t, "size"))
				s.writes = append(s.writes, b)
				all = append(all, b)
			}
			s.lasting = rapid.Bool().Draw(t, "lasting")
			for _, r := range s.reads {
				if rapid.Bool().Draw(t, "over") {
					s.over = append(s.over, [2]*buffer{s.writes[0], r})
				}
			}
			steps = append(steps, s)
		}
		out := rapid.SampledFrom(all).Draw(t, "out")
		if steps = needed(steps, out); len(steps) == 0 {
			t.Fatal("nobody is needed, not even who writes the output")
		}
		total := place(steps, out)

		// Run it: every buffer's values name the buffer, and a reader finds them as they were written.
		memory := make([]*buffer, total)
		intact := func(b *buffer, by int) {
			for i := range b.size {
				if got := memory[b.root().at+i]; got != b {
					t.Fatalf("step %d finds other values in a buffer of %d at %d", by, b.size, b.root().at)
				}
			}
		}
		for i, s := range steps {
			for _, b := range s.reads {
				intact(b, i)
			}
			for n, b := range s.writes {
				for j := range b.size {
					memory[b.root().at+j] = b
				}
				for _, other := range s.writes[:n] {
					intact(other, i)
				}
			}
			// What is read and may not be taken over has to be there when the step ends.
			for _, r := range s.reads {
				if s.writes[0].root() != r.root() {
					intact(r, i)
				}
			}
		}
		intact(out, len(steps))
	})
}
