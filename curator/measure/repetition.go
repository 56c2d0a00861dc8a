package measure

// repetition counts repeated word n-grams. Two n-grams are taken for equal when 64-bit hashes of their words are.
type repetition struct {
	hashes []uint64 // of the words
	starts []uint32 // where in the text they begin
	ends   []int64  // characters up to and with each word
	slots  []uint32 // where the table has the n-gram that starts here
	again  []uint32 // how many 4-grams in a row, from the one that starts here, occur more than once
	table  table
}

func (r *repetition) reset() { r.hashes, r.starts, r.ends = r.hashes[:0], r.starts[:0], r.ends[:0] }

func (r *repetition) add(h uint64, start int, chars int64) {
	r.starts = append(r.starts, uint32(start))
	if n := len(r.ends); n > 0 {
		chars += r.ends[n-1]
	}
	r.hashes = append(r.hashes, h)
	r.ends = append(r.ends, chars)
}

// chars of n words from i on, without anything between.
func (r *repetition) chars(i, n int) int64 {
	if i == 0 {
		return r.ends[n-1]
	}
	return r.ends[i+n-1] - r.ends[i-1]
}

func (r *repetition) gram(i, n int) uint64 {
	var h uint64
	for _, w := range r.hashes[i : i+n] {
		h = (h<<29 | h>>35) ^ w
		h *= 0x9e3779b97f4a7c15
	}
	return h ^ h>>32
}

// An n-gram can occur twice only if the (n-1)-grams it begins and ends with do, so most positions are settled by the
// pairs.
func (r *repetition) measure(v *Values) {
	n := len(r.hashes)
	if cap(r.slots) < n {
		r.slots = make([]uint32, n+n/2)
		r.again = make([]uint32, n+n/2)
	}
	again := r.again[:n] // first: 1 when the (n-1)-gram that starts here occurs more than once
	for i := range again {
		again[i] = 1
	}
	most := n // how many grams may have to be looked at
	for size := 2; size <= 4 && size <= n; size++ {
		v[Top2GramChars+Value(size-2)], most = r.top(size, again[:n-size+2], most)
		again[n-size+1] = 0
	}
	if n < 5 {
		return
	}
	run, candidates := uint32(0), 0
	for i := n - 4; i >= 0; i-- {
		if again[i] == 0 {
			run = 0
		} else {
			run++
			candidates++
		}
		again[i] = run
	}
	for size := 5; size <= 10 && size <= n; size++ {
		v[Dup5GramChars+Value(size-5)] = r.duplicated(size, again[:n-size+1], candidates)
	}
}

// top is the characters of the most frequent n-gram, of the first of them if there are several, times its count, and how
// many positions have one that occurs more than once. again has the answers for n-1 (at most candidates of them yes) and
// gets those for n.
func (r *repetition) top(n int, again []uint32, candidates int) (chars int64, repeated int) {
	grams := len(again) - 1
	slots := r.slots[:grams]
	r.table.reset(candidates)
	most := uint32(1)
	for i := range slots {
		if again[i]&again[i+1] == 0 {
			continue
		}
		var count uint32
		slots[i], count = r.table.slot(r.gram(i, n))
		most = max(most, count)
	}
	first := -1
	if most == 1 {
		first = 0
	}
	for i, at := range slots {
		if again[i]&again[i+1] == 0 {
			again[i] = 0
			continue
		}
		count := r.table.slots[at].count
		again[i] = 0
		if count > 1 {
			again[i] = 1
			repeated++
			if count == most && first < 0 {
				first = i
			}
		}
	}
	return (r.chars(first, n) + int64(n-1)) * int64(most), repeated
}

// duplicated walks over the n-grams; one that was passed before adds its characters, and the walk goes on behind it.
func (r *repetition) duplicated(n int, again []uint32, candidates int) int64 {
	if candidates == 0 {
		return 0
	}
	r.table.reset(candidates)
	var chars int64
	for i := 0; i < len(again); {
		if again[i] < uint32(n-3) {
			i++
			continue
		}
		if h := r.gram(i, n); r.table.has(h) {
			chars += r.chars(i, n)
			i += n
		} else {
			r.table.add(h)
			i++
		}
	}
	return chars
}
