package dedup

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
)

// merge joins runs into one ascending sequence, holding a mark of each. An error of any, or of ctx, ends it.
func merge(ctx context.Context, runs []*runReader) iter.Seq2[mark, error] {
	type cursor struct {
		mark mark
		run  *runReader
	}
	return func(yield func(mark, error) bool) {
		var heap []cursor // the least first, and each before those at 2i+1 and 2i+2
		for _, r := range runs {
			m, err := r.next()
			if err == nil {
				heap = append(heap, cursor{m, r})
			} else if !errors.Is(err, io.EOF) {
				yield(mark{}, err)
				return
			}
		}
		slices.SortFunc(heap, func(a, b cursor) int { return compareMarks(a.mark, b.mark) })
		for n := 1; len(heap) > 0; n++ {
			if n%4096 == 0 && ctx.Err() != nil {
				yield(mark{}, ctx.Err())
				return
			}
			if !yield(heap[0].mark, nil) {
				return
			}
			m, err := heap[0].run.next()
			if err == nil {
				heap[0].mark = m
			} else if errors.Is(err, io.EOF) {
				heap[0] = heap[len(heap)-1]
				heap = heap[:len(heap)-1]
			} else {
				yield(mark{}, err)
				return
			}
			for i := 0; ; {
				least := i
				for _, child := range [...]int{2*i + 1, 2*i + 2} {
					if child < len(heap) && compareMarks(heap[child].mark, heap[least].mark) < 0 {
						least = child
					}
				}
				if least == i {
					break
				}
				heap[i], heap[least] = heap[least], heap[i]
				i = least
			}
		}
	}
}

// link is two documents with a key in common.
type link struct{ first, other uint32 }

// links yields, for every key that several documents have, the first of them with each of the others.
func links(marks iter.Seq2[mark, error]) iter.Seq2[link, error] {
	return func(yield func(link, error) bool) {
		var first mark
		none := true
		for m, err := range marks {
			switch {
			case err != nil:
				yield(link{}, err)
				return
			case none || m.key != first.key:
				first, none = m, false
			case !yield(link{first.document, m.document}, nil):
				return
			}
		}
	}
}
