package dedup

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// everyPart does something with each of so many parts, with several goroutines.
func everyPart(ctx context.Context, workers, parts int, do func(ctx context.Context, part int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for part := range parts {
		group.Go(func() error { return do(ctx, part) })
	}
	return group.Wait()
}
