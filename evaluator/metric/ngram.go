package metric

import "strings"

// grams counts n-grams; a key is a piece of the text, so that counting copies nothing.
type grams map[string]int32

// wordGrams counts the n-grams of words, of one order.
func wordGrams(words []string, order int) grams {
	line := strings.Join(words, " ") // no word holds a space
	out := make(grams, max(len(words)-order+1, 0))
	starts := make([]int, 0, len(words))
	at := 0
	for _, w := range words {
		starts = append(starts, at)
		at += len(w) + 1
	}
	for i := 0; i+order <= len(words); i++ {
		end := starts[i+order-1] + len(words[i+order-1])
		out[line[starts[i]:end]]++
	}
	return out
}

// charGrams counts the n-grams of code points, of one order; starts are where these begin, and the text's length.
func charGrams(s string, starts []int, order int) grams {
	out := make(grams, max(len(starts)-order, 0))
	for i := 0; i+order < len(starts); i++ {
		out[s[starts[i]:starts[i+order]]]++
	}
	return out
}

func runeStarts(s string) []int {
	out := make([]int, 0, len(s)+1)
	for i := range s {
		out = append(out, i)
	}
	return append(out, len(s))
}

func (g grams) total() (n int64) {
	for _, c := range g {
		n += int64(c)
	}
	return n
}

// shared counts what both have, each n-gram as often as the one with fewer has it.
func (g grams) shared(other grams) (n int64) {
	if len(other) < len(g) {
		g, other = other, g
	}
	for k, c := range g {
		n += int64(min(c, other[k]))
	}
	return n
}

// raise makes every count at least the other's.
func (g grams) raise(other grams) {
	for k, c := range other {
		g[k] = max(g[k], c)
	}
}
