package cpu

import (
	"testing"

	"pgregory.net/rapid"
)

// As many tiles as are said to be needed ask for every line of the block that comes, whichever way B lies, and never begin outside it.
func TestEveryLineThatComesIsAskedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := product{k: rapid.IntRange(600, 1200).Draw(t, "k"), n: rapid.IntRange(600, 1200).Draw(t, "n"), bRow: 1, bCol: 1}
		if p.bRow = p.n; rapid.Bool().Draw(t, "transposed") {
			p.bRow, p.bCol = 1, p.k
		}
		p.b = make([]float32, p.k*p.n)
		start, from := rapid.IntRange(0, p.k-1).Draw(t, "start"), rapid.IntRange(0, p.n-1).Draw(t, "from")
		deep, to := rapid.IntRange(1, 512).Draw(t, "deep"), from+rapid.IntRange(1, 256).Draw(t, "columns")
		length := rapid.IntRange(asksEvery, 512).Draw(t, "length")

		asked := make([]bool, len(p.b))
		soon := p.coming(start, deep, from, to)
		soon.wait = rapid.IntRange(0, 9).Draw(t, "wait")
		for range soon.wait {
			if lines, _ := soon.next(length); lines != nil {
				t.Fatal("one that was to wait asks")
			}
		}
		turns := soon.turns(length)
		for lines, apart := soon.next(length); lines != nil; lines, apart = soon.next(length) {
			turns--
			first := len(p.b) - len(lines)
			for i := range length / asksEvery {
				if at := first + i*apart; at < len(asked) {
					asked[at] = true
				}
			}
		}
		if turns != 0 {
			t.Fatalf("%d more tiles were to ask", turns)
		}
		for k := start; k < min(p.k, start+deep); k++ {
			for n := from; n < min(p.n, to); n++ {
				along := n - from
				if p.bCol != 1 {
					along = k - start
				}
				if at := k*p.bRow + n*p.bCol; along%cacheLine == 0 && !asked[at] {
					t.Fatalf("nobody asks for value %d, k %d, column %d", at, k, n)
				}
			}
		}
	})
}
