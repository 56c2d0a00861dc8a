package dedup

import (
	"context"
	"fmt"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// crew is goroutines that see the texts of a search, in batches.
type crew struct {
	ctx       context.Context // ends with the caller's and with close
	cancel    context.CancelFunc
	workers   *errgroup.Group
	working   context.Context // ends with ctx and with the first error of a worker
	work      chan batch
	next      batch
	documents uint32
	size      int // of the crew
}

// batch is the texts of documents, one after another.
type batch struct {
	first uint32
	texts []string
	bytes int
}

// Sizes of a batch.
const (
	batchBytes = 256 << 10
	batchTexts = 1024
)

// worker is what one goroutine does: with each batch it gets, and at the end.
type worker interface {
	see(batch) error
	end() error
}

// workersOf is how many there are when a search is told n, and spillOf how many bytes it may hold when it is told so.
func workersOf(n int) int {
	if n <= 0 {
		return runtime.GOMAXPROCS(0)
	}
	return n
}

func spillOf(bytes, standard int64) int64 {
	if bytes <= 0 {
		return standard
	}
	return bytes
}

// start sets so many workers to work.
func (c *crew) start(ctx context.Context, size int, hire func() worker) {
	c.ctx, c.cancel = context.WithCancel(ctx)
	c.workers, c.working = errgroup.WithContext(c.ctx)
	c.work = make(chan batch)
	c.size = size
	for range size {
		c.workers.Go(func() error {
			w := hire()
			for {
				select {
				case b, more := <-c.work:
					if !more {
						return w.end()
					}
					if err := w.see(b); err != nil {
						return err
					}
				case <-c.working.Done():
					return context.Cause(c.working)
				}
			}
		})
	}
}

// add gives the crew the next document's text, which is let go soon afterwards.
func (c *crew) add(text string) error {
	if c.documents == math.MaxUint32 {
		return fmt.Errorf("duplicate search: more than %d documents: curate parts of the corpus", c.documents)
	}
	if len(c.next.texts) == 0 {
		c.next.first = c.documents
	}
	c.next.texts = append(c.next.texts, text)
	c.next.bytes += len(text)
	c.documents++
	if c.next.bytes >= batchBytes || len(c.next.texts) >= batchTexts {
		return c.send()
	}
	return nil
}

func (c *crew) send() error {
	select {
	case c.work <- c.next:
		c.next = batch{}
		return nil
	case <-c.working.Done():
		return context.Cause(c.working) // a worker's error
	}
}

// finish waits until all is seen.
func (c *crew) finish() error {
	if len(c.next.texts) > 0 {
		if err := c.send(); err != nil {
			return err
		}
	}
	close(c.work)
	return c.workers.Wait()
}

// dismiss ends the workers, whatever they do.
func (c *crew) dismiss() {
	if c.cancel != nil {
		c.cancel()
		c.workers.Wait() // its error has been returned by add or finish, or nobody wants it any more
	}
}
