package corpus

import (
	"context"
	"iter"
	"sync"
)

// Parallel applies do to the items of in with several goroutines and yields the results in the order of in. No more than
// about 3·workers items are held. The first error, of in, of do or of ctx, ends the sequence. in is ranged over from
// another goroutine, which has ended when the sequence has.
func Parallel[T, R any](ctx context.Context, workers int, in iter.Seq2[T, error], do func(T) (R, error)) iter.Seq2[R, error] {
	type job struct {
		item   T
		result R
		err    error
		done   chan struct{}
	}
	return func(yield func(R, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()

		todo := make(chan *job)
		ordered := make(chan *job, 2*workers)
		wg.Go(func() {
			defer close(todo)
			defer close(ordered)
			for item, err := range in {
				j := &job{item: item, err: err, done: make(chan struct{})}
				select {
				case ordered <- j:
				case <-ctx.Done():
					return
				}
				if err != nil {
					close(j.done)
					return
				}
				select {
				case todo <- j:
				case <-ctx.Done():
					return
				}
			}
		})
		for range workers {
			wg.Go(func() {
				for j := range todo {
					j.result, j.err = do(j.item)
					close(j.done)
				}
			})
		}
		var none R
		for j := range ordered {
			select {
			case <-j.done:
			case <-ctx.Done():
				yield(none, ctx.Err())
				return
			}
			if j.err != nil {
				yield(none, j.err)
				return
			}
			if !yield(j.result, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(none, err)
		}
	}
}
