package cpu

import (
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// crew runs the tasks of one operation on several threads. It may be used by several goroutines at once: the threads help one
// operation at a time, and who comes meanwhile works alone.
//
// Helpers are goroutines that look for the next operation for a moment after they helped with one, and end where none comes: a
// training's operations follow each other by less than it takes to start a goroutine, and there is nothing to close. Nobody
// waits for a helper that did not come.
type crew struct {
	threads int
	mu      sync.Mutex
	free    []*scratch
	idle    map[reflect.Type][]any // calls, by the type of their arguments
	peaks   peaks

	owned   atomic.Bool // by the operation that the helpers are for
	helpers atomic.Int32
	beside  atomic.Int32  // threads that something else has meanwhile
	inside  atomic.Int32  // helpers that may be looking at what follows
	turn    atomic.Uint64 // odd while the operation below is under way
	call    task
	tasks   int64
	next    atomic.Int64
	waiting atomic.Bool // the operation's owner sleeps until nobody is inside
	left    chan struct{}
	helping func()
}

func newCrew(threads int) *crew {
	c := &crew{threads: threads, idle: map[reflect.Type][]any{}, left: make(chan struct{}, 1)}
	c.helping = c.help
	return c
}

// scratch is working memory of one thread during one operation.
type scratch struct {
	panels, columns, scores, rows []float32
	a, b, turned                  []uint32 // bfloat16, packed
	sums                          []float64
}

// grow returns n values of *buffer, whose content is unspecified.
func grow[T float32 | float64 | uint32](buffer *[]T, n int) []T {
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

// task is an operation cut into tasks.
type task interface {
	task(s *scratch, task int)
}

// call is an operation with its arguments, in memory that is used again: an operation allocates nothing.
type call[A any] struct {
	k       *fast
	args    A
	each    func(k *fast, a *A, s *scratch, task int)
	spans   func(k *fast, a *A, s *scratch, from, to int)
	n, size int
}

func (c *call[A]) task(s *scratch, task int) {
	if c.each != nil {
		c.each(c.k, &c.args, s, task)
		return
	}
	c.spans(c.k, &c.args, s, task*c.size, min(c.n, (task+1)*c.size))
}

// each calls do for every task below tasks, in any order and on any thread, and returns when all are done. Tasks must
// write different memory. do gets a copy of args and must capture nothing, lest it be allocated.
func each[A any](k *fast, tasks int, args A, do func(k *fast, a *A, s *scratch, task int)) {
	run(k, tasks, call[A]{k: k, args: args, each: do})
}

// spans cuts n values into tasks of at most size and calls do with the bounds of each, as each does.
func spans[A any](k *fast, n, size int, args A, do func(k *fast, a *A, s *scratch, from, to int)) {
	run(k, (n+size-1)/size, call[A]{k: k, args: args, spans: do, n: n, size: size})
}

func run[A any](k *fast, tasks int, with call[A]) {
	c, kind := k.crew, reflect.TypeFor[A]()
	var held *call[A]
	c.mu.Lock()
	if idle := c.idle[kind]; len(idle) > 0 {
		held = idle[len(idle)-1].(*call[A])
		c.idle[kind] = idle[:len(idle)-1]
	}
	c.mu.Unlock()
	if held == nil {
		held = new(call[A])
	}
	*held = with
	c.run(held, tasks, k.alone)
	*held = call[A]{} // memory of others is not held on to
	c.mu.Lock()
	c.idle[kind] = append(c.idle[kind], held)
	c.mu.Unlock()
}

// spare is how many helpers there may be.
func (c *crew) spare() int { return c.threads - 1 - int(c.beside.Load()) }

// run does the tasks with what help there is.
func (c *crew) run(t task, tasks int, alone bool) {
	if alone || c.threads == 1 || tasks < 2 || !c.owned.CompareAndSwap(false, true) {
		s := c.take()
		for i := range tasks {
			t.task(s, i)
		}
		c.give(s)
		return
	}
	c.call, c.tasks = t, int64(tasks)
	c.next.Store(0)
	c.turn.Add(1)
	for n := c.helpers.Load(); int(n) < min(c.spare(), tasks-1); n = c.helpers.Load() {
		if c.helpers.CompareAndSwap(n, n+1) {
			go c.helping()
		}
	}
	c.work()
	c.turn.Add(1)
	since := time.Time{}
	for looks := 1; c.inside.Load() != 0; looks++ {
		if looks%256 != 0 {
			continue
		}
		if since.IsZero() {
			since = time.Now()
		}
		if time.Since(since) < patience {
			continue
		}
		// A helper was put to sleep in the middle of a task: its thread may be wanted here.
		c.waiting.Store(true)
		if c.inside.Load() == 0 && c.waiting.CompareAndSwap(true, false) {
			break
		}
		<-c.left
	}
	c.call = nil
	c.owned.Store(false)
}

// work does tasks of the operation under way until there are none.
func (c *crew) work() {
	s := c.take()
	for i := c.next.Add(1) - 1; i < c.tasks; i = c.next.Add(1) - 1 {
		c.call.task(s, int(i))
	}
	c.give(s)
}

// patience is how long an operation's owner looks whether the helpers are out before it sleeps, and idleTime how long a helper looks for
// another operation: to be woken takes longer than most operations do, on a virtual machine above all.
const (
	patience = 300 * time.Microsecond
	idleTime = 500 * time.Microsecond
)

// help helps with one operation after the other, and ends when none comes.
func (c *crew) help() {
	seen := uint64(0)
	since := time.Now()
	for looks := 1; ; looks++ {
		if turn := c.turn.Load(); turn&1 == 1 && turn != seen {
			// What an operation consists of is only read inside: its owner does not go on before all are out.
			c.inside.Add(1)
			if seen = c.turn.Load(); seen&1 == 1 {
				c.work()
			}
			if c.inside.Add(-1) == 0 && c.waiting.CompareAndSwap(true, false) {
				c.left <- struct{}{}
			}
			since, looks = time.Now(), 0
		}
		if looks%64 == 0 && looks > 0 && time.Since(since) > idleTime || int(c.helpers.Load()) > c.spare() {
			c.helpers.Add(-1)
			return
		}
	}
}
