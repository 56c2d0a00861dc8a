package dedup

import "iter"

// Shingles are the runs of n words of a simplified text, one for each position; they lie in text. starts is room to work in.
func Shingles(text []byte, n int, starts *[]int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		// ring holds where the last n words start; a word ends before the space.
		ring := append((*starts)[:0], make([]int, n)...)
		*starts = ring
		if len(text) == 0 {
			return
		}
		words, at := 1, 0 // whose start is known, and where the last of those is in the ring
		for i := 0; i <= len(text); i++ {
			if i < len(text) && text[i] != ' ' {
				continue
			}
			if words >= n {
				if !yield(text[ring[(at+1)%n]:i]) {
					return
				}
			}
			if at++; at == n {
				at = 0
			}
			ring[at] = i + 1
			words++
		}
	}
}
