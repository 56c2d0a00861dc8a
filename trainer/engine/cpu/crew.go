package cpu

import (
	"sync"
	"sync/atomic"
)

// crew runs the tasks of one operation on several threads. It may be used by several goroutines at once.
//
// No goroutine outlives an operation, so there is nothing to close: the runtime keeps idle threads and dead goroutines at
// hand, and starting one costs less than the smallest task worth splitting.
type crew struct {
	threads int
	mu      sync.Mutex
	free    []*scratch
	peaks   peaks
}

// scratch is working memory of one thread during one operation.
type scratch struct {
	panels, columns, scores, rows []float32
	a, b, turned                  []uint32 // bfloat16, packed
}

// grow returns n values of *buffer, whose content is unspecified.
func grow[T float32 | uint32](buffer *[]T, n int) []T {
	if cap(*buffer) < n {
		*buffer = make([]T, n)
	}
	return (*buffer)[:n]
}

func (c *crew) take() *scratch {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last := len(c.free) - 1; last >= 0 {
		s := c.free[last]
		c.free = c.free[:last]
		return s
	}
	return &scratch{}
}

func (c *crew) give(s *scratch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = append(c.free, s)
}

// each calls work for every task below tasks, in any order and on any thread, and returns when all are done. Tasks must
// write different memory.
func (c *crew) each(tasks int, work func(s *scratch, task int)) {
	var next, finished atomic.Int64
	done := make(chan struct{})
	run := func() {
		s := c.take()
		defer c.give(s)
		for {
			task := int(next.Add(1)) - 1
			if task >= tasks {
				return
			}
			work(s, task)
			if int(finished.Add(1)) == tasks {
				close(done)
			}
		}
	}
	for range min(c.threads, tasks) - 1 {
		go run()
	}
	if tasks > 0 {
		run()
		<-done
	}
}

// spans cuts n values into tasks of at most size and calls work with the bounds of each.
func (c *crew) spans(n, size int, work func(s *scratch, from, to int)) {
	c.each((n+size-1)/size, func(s *scratch, task int) { work(s, task*size, min(n, (task+1)*size)) })
}
