package measure

import (
	"math/bits"
	"slices"
)

// repetition counts repeated word n-grams. Two n-grams are taken for equal when 64-bit hashes of all their words are.
type repetition struct {
	hashes []uint64 // of the words
	ends   []uint32 // characters up to and with each word
	sums   []uint64 // a polynomial of the hashes before each word, from which that of any n-gram follows
	// again is, while pairs, triples and fours are counted, 1 where the one that starts here occurs more than once, and then
	// how many fours in a row, from the one that starts here, do; never more than longestRun.
	again  []uint8
	counts []uint32 // of the n-gram that starts here for the first time
	slots  []uint64 // open addressing: 32 bits of a hash, and where the n-gram starts for the first time, plus one
	shift  int
}

// Multipliers of the polynomial and of its hash.
const (
	gramBase = 0x9e3779b97f4a7c15
	gramMix  = 0xd6e8feb86659fd93

	longestRun = 10 - 3 // fours in a row of the longest n-gram
)

// gramPowers are those of gramBase.
var gramPowers = func() (p [11]uint64) {
	p[0] = 1
	for n := range 10 {
		p[n+1] = p[n] * gramBase
	}
	return p
}()

// chars of n words from i on, without anything between.
func (r *repetition) chars(i, n int) int64 {
	if i == 0 {
		return int64(r.ends[n-1])
	}
	return int64(r.ends[i+n-1] - r.ends[i-1])
}

// gram is a hash of n words from i on.
func (r *repetition) gram(i, n int) uint64 {
	return (r.sums[i+n] - r.sums[i]*gramPowers[n]) * gramMix
}

func (r *repetition) same(i, j, n int) bool {
	a, b := r.hashes[i:i+n], r.hashes[j:j+n]
	for k, h := range a {
		if b[k] != h {
			return false
		}
	}
	return true
}

// clear empties the table for n different n-grams.
func (r *repetition) clear(n int) {
	width := max(4, bits.Len(uint(2*n)))
	r.slots = slices.Grow(r.slots[:0], 1<<width)[:1<<width]
	clear(r.slots)
	r.shift = 64 - width
}

// first is where the n-gram that starts at i was put into the table; i itself when it was not there.
func (r *repetition) first(i, n int) int {
	h := r.gram(i, n)
	tag := h << 32
	mask := uint64(len(r.slots) - 1)
	for at := h >> r.shift; ; at++ {
		slot := &r.slots[at&mask]
		if *slot == 0 {
			*slot = tag | uint64(i+1)
			return i
		}
		if (*slot^tag)>>32 == 0 {
			if j := int(uint32(*slot)) - 1; r.same(i, j, n) {
				return j
			}
		}
	}
}

// An n-gram can occur twice only if the (n-1)-grams it begins and ends with do, so most positions are settled by the
// pairs.
func (r *repetition) measure(v *Values) {
	n := len(r.hashes)
	r.sums = slices.Grow(r.sums[:0], n+1)[:n+1]
	sum := uint64(0)
	for i, h := range r.hashes {
		r.sums[i] = sum
		sum = sum*gramBase + h
	}
	r.sums[n] = sum
	r.counts = slices.Grow(r.counts[:0], n)[:n]
	r.again = slices.Grow(r.again[:0], n)[:n]
	for i := range r.again {
		r.again[i] = 1
	}
	candidates := n
	for size := 2; size <= 4 && size <= n; size++ {
		v[Top2GramChars+Value(size-2)], candidates = r.top(size, candidates)
	}
	if n < 5 {
		return
	}
	run := uint8(0)
	var runs [longestRun + 1]int // how many there are of each length, and then of at least each
	for i := n - 1; i >= 0; i-- {
		run = min(run+1, longestRun) * r.again[i]
		r.again[i] = run
		runs[run]++
	}
	for k := longestRun; k > 1; k-- {
		runs[k-1] += runs[k]
	}
	for size := 5; size <= 10; size++ {
		v[Dup5GramChars+Value(size-5)] = r.duplicated(size, runs[size-3])
	}
}

// top is the characters of the most frequent n-gram, of the first of them if there are several, times its count, and how
// many positions have one that occurs more than once. again has the answers for n-1 (at most candidates of them yes) and
// gets those for n.
func (r *repetition) top(n, candidates int) (chars int64, repeated int) {
	again := r.again
	grams := len(r.hashes) - n + 1
	r.clear(candidates)
	most, best := uint32(1), 0
	for i := range grams {
		candidate := again[i]&again[i+1] != 0
		again[i] = 0
		if !candidate {
			continue
		}
		first := r.first(i, n)
		if first == i {
			r.counts[i] = 1
			continue
		}
		again[i] = 1
		repeated++
		if again[first] == 0 {
			again[first] = 1
			repeated++
		}
		r.counts[first]++
		if count := r.counts[first]; count > most || count == most && first < best {
			most, best = count, first
		}
	}
	again[grams] = 0
	return (r.chars(best, n) + int64(n-1)) * int64(most), repeated
}

// duplicated walks over the n-grams; one that was passed before adds its characters, and the walk goes on behind it. At most
// candidates positions have one that may have been.
func (r *repetition) duplicated(n, candidates int) int64 {
	if candidates == 0 {
		return 0
	}
	r.clear(candidates)
	run := uint8(n - 3)
	var chars int64
	for i := 0; i+n <= len(r.hashes); {
		switch {
		case r.again[i] < run || r.first(i, n) == i:
			i++
		default:
			chars += r.chars(i, n)
			i += n
		}
	}
	return chars
}
