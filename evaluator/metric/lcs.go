package metric

import (
	"fmt"
	"math/bits"
	"slices"
)

// Bounds on what is compared by longest common subsequence.
const (
	maxSteps = 1 << 32 // steps of 1 token of the reference × 1 token of the text, for ROUGE-L, 64 of them in a word
	maxCells = 1 << 28 // the same of pairs of lines, for ROUGE-Lsum, one by one
	maxTable = 1 << 26 // cells of one pair of lines, which are held in memory
)

// numbered gives equal tokens equal numbers, and returns how many there are.
type numbered map[string]int32

func (n numbered) of(tokens []string) []int32 {
	out := make([]int32, len(tokens))
	for i, t := range tokens {
		id, ok := n[t]
		if !ok {
			id = int32(len(n))
			n[t] = id
		}
		out[i] = id
	}
	return out
}

// lcsLength is the length of the longest common subsequence, 64 rows of the table at once, each a bit that is 0 where the length grows
// (Crochemore et al. 2001, Hyyrö 2004): a block of 64 tokens of a goes along all of b and leaves its carries to the next.
func lcsLength(a, b []string) (int, error) {
	if int64(len(a))*int64(len(b)) > maxSteps {
		return 0, fmt.Errorf("%w: a longest common subsequence of %d and %d tokens", ErrTooLong, len(a), len(b))
	}
	ids := numbered{}
	first, second := ids.of(a), ids.of(b)
	where := make([]uint64, len(ids)) // of a token in the block
	carries := make([]uint64, len(b))
	n := 0
	for block := range slices.Chunk(first, 64) {
		for i, id := range block {
			where[id] |= 1 << i
		}
		row := ^uint64(0)
		for j, id := range second {
			at := where[id]
			var sum uint64
			sum, carries[j] = bits.Add64(row, row&at, carries[j])
			row = sum | row&^at
		}
		if len(block) < 64 {
			row |= ^uint64(0) << len(block)
		}
		n += bits.OnesCount64(^row)
		for _, id := range block {
			where[id] = 0
		}
	}
	return n, nil
}

// summaryLCS is ROUGE-Lsum: of each line of the reference what is in a longest common subsequence with any line of the text, where
// a token counts at most as often as both have it. Which of several longest subsequences is taken matters; it is the one that
// rouge-score finds, walking back through the table: towards the reference's beginning unless the other way is longer.
func summaryLCS(ref, hyp [][]string) (ROUGEScore, error) {
	ids := numbered{}
	number := func(lines [][]string) (out [][]int32, n, longest int) {
		for _, line := range lines {
			out = append(out, ids.of(line))
			n += len(line)
			longest = max(longest, len(line))
		}
		return out, n, longest
	}
	theirs, m, longRef := number(ref)
	ours, n, longHyp := number(hyp)
	if m == 0 || n == 0 {
		return ROUGEScore{}, nil
	}
	if int64(m)*int64(n) > maxCells || int64(longRef+1)*int64(longHyp+1) > maxTable {
		return ROUGEScore{}, fmt.Errorf("%w: longest common subsequences of lines of %d and %d tokens in all", ErrTooLong, m, n)
	}
	leftRef, leftHyp := make([]int, len(ids)), make([]int, len(ids))
	for _, line := range theirs {
		for _, id := range line {
			leftRef[id]++
		}
	}
	for _, line := range ours {
		for _, id := range line {
			leftHyp[id]++
		}
	}
	table := make([]int32, (longRef+1)*(longHyp+1))
	found := make([]bool, longRef)
	hits := 0
	for _, r := range theirs {
		clear(found)
		for _, h := range ours {
			mark(found, r, h, table)
		}
		for i, id := range r {
			if found[i] && leftRef[id] > 0 && leftHyp[id] > 0 {
				hits++
				leftRef[id]--
				leftHyp[id]--
			}
		}
	}
	return rougeScore(hits, n, m), nil
}

// mark sets found where tokens of r are in its longest common subsequence with h.
func mark(found []bool, r, h []int32, table []int32) {
	width := len(h) + 1
	clear(table[:width])
	for i, a := range r {
		above, row := table[i*width:(i+1)*width], table[(i+1)*width:(i+2)*width]
		row[0] = 0
		for j, b := range h {
			if a == b {
				row[j+1] = above[j] + 1
			} else {
				row[j+1] = max(above[j+1], row[j])
			}
		}
	}
	for i, j := len(r), len(h); i > 0 && j > 0; {
		switch {
		case r[i-1] == h[j-1]:
			i, j = i-1, j-1
			found[i] = true
		case table[i*width+j-1] > table[(i-1)*width+j]:
			j--
		default:
			i--
		}
	}
}
