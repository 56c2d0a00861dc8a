package ngram

import "math"

// Last is ln p of a word behind a context.
func (m *Model) Last(context, word string) float64 {
	w := newWindow(len(m.orders))
	got := math.NaN()
	sentences(context+" "+word, m.next, m.lower, w.start, func(h uint64) bool {
		if h == end {
			return false
		}
		w.push(h)
		got = m.last(w)
		return true
	})
	return got
}
