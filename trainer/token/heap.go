package token

// ordered is an element of a binary heap; before is a strict total order.
type ordered[T any] interface{ before(T) bool }

func pushHeap[T ordered[T]](h []T, x T) []T {
	h = append(h, x)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !x.before(h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = x
	return h
}

// popHeap takes the first element; h must not be empty.
func popHeap[T ordered[T]](h []T) (T, []T) {
	top, n := h[0], len(h)-1
	x := h[n]
	h = h[:n]
	i := 0
	for {
		down := 2*i + 1
		if down >= n {
			break
		}
		if down+1 < n && h[down+1].before(h[down]) {
			down++
		}
		if !h[down].before(x) {
			break
		}
		h[i] = h[down]
		i = down
	}
	if n > 0 {
		h[i] = x
	}
	return top, h
}
