package client

import (
	"context"
	"sync"
	"time"

	"millrace/client/journal"
)

// queue is where callers leave what they log, until the journal's goroutine has written it.
type queue struct {
	mu      sync.Mutex
	points  []journal.Point
	entries [][]byte
	bytes   int64 // of entries
	closed  bool
	dropped int64
	pushed  uint64 // items ever
	scalars map[string]*Scalar

	maxPoints int
	maxBytes  int64
	wake      chan struct{}
}

func (q *queue) init(memory int64) {
	// Two buffers of points take turns, at 32 bytes a point, and may be half of what is bounded; entries the rest.
	q.maxPoints, q.maxBytes = int(memory/128), memory/2
	q.points = make([]journal.Point, 0, 1024)
	q.scalars = map[string]*Scalar{}
	q.wake = make(chan struct{}, 1)
}

// Scalar is one metric of a run. Its Log takes well under a microsecond and allocates nothing.
type Scalar struct {
	l    *Logger
	name uint32
}

// Metric is the metric of a key, e.g. "train/loss": hold it where it is logged often.
func (l *Logger) Metric(key string) *Scalar {
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	return l.scalar(key)
}

func (l *Logger) scalar(key string) *Scalar {
	m, ok := l.queue.scalars[key]
	if !ok {
		if key == "" || len(key) > maxKey {
			l.state.problem("a key must have 1-1024 bytes: its points are dropped", nil)
			m = &Scalar{l: l, name: noName}
		} else {
			m = &Scalar{l: l, name: l.journal.Name(key, "")}
		}
		if len(l.queue.scalars) < maxScalars {
			l.queue.scalars[key] = m
		}
	}
	return m
}

const (
	maxKey     = 1024
	maxScalars = 1 << 20
	noName     = journal.IsEntry - 1
)

// Log logs a value at a step; NaN and infinities are kept. The time is now.
func (m *Scalar) Log(step int64, value float64) { m.LogAt(step, time.Now(), value) }

// LogAt logs a value at a step that was measured at a time.
func (m *Scalar) LogAt(step int64, at time.Time, value float64) {
	q := &m.l.queue
	q.mu.Lock()
	q.push(journal.Point{Name: m.name, Step: step, Time: at.UnixMicro(), Value: value})
	first := len(q.points) == 1
	q.mu.Unlock()
	if first {
		q.nudge()
	}
}

// Log logs values of several metrics at a step.
func (l *Logger) Log(step int64, values map[string]float64) {
	at := time.Now().UnixMicro()
	q := &l.queue
	q.mu.Lock()
	first := len(q.points) == 0
	for key, v := range values {
		q.push(journal.Point{Name: l.scalar(key).name, Step: step, Time: at, Value: v})
	}
	q.mu.Unlock()
	if first {
		q.nudge()
	}
}

// push takes a point, or counts it as dropped.
func (q *queue) push(p journal.Point) {
	if q.closed || len(q.points) >= q.maxPoints || p.Name == noName {
		q.dropped++
		return
	}
	q.points = append(q.points, p)
	q.pushed++
}

// entry takes one entry of the log door.
func (q *queue) entry(raw []byte) {
	q.mu.Lock()
	if q.closed || q.bytes+int64(len(raw)) > q.maxBytes || len(q.points) >= q.maxPoints {
		q.dropped++
		q.mu.Unlock()
		return
	}
	q.points = append(q.points, journal.Point{Name: journal.IsEntry, Step: int64(len(q.entries))})
	q.entries = append(q.entries, raw)
	q.bytes += int64(len(raw))
	q.pushed++
	q.mu.Unlock()
	q.nudge()
}

func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take swaps what is there for emptied buffers.
func (q *queue) take(points []journal.Point, entries [][]byte) ([]journal.Point, [][]byte, bool) {
	clear(entries)
	q.mu.Lock()
	defer q.mu.Unlock()
	gotPoints, gotEntries := q.points, q.entries
	q.points, q.entries, q.bytes = points[:0], entries[:0], 0
	return gotPoints, gotEntries, q.closed
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.nudge()
}

// counts are items pushed and dropped so far.
func (q *queue) counts() (pushed uint64, dropped int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pushed, q.dropped
}

// retryFull is how long the journal waits before it tries again to write what nothing would take.
const retryFull = 50 * time.Millisecond

// write hands the queue to the journal until it is closed.
func (l *Logger) write() {
	defer close(l.written)
	var points []journal.Point
	var entries [][]byte
	for {
		var closed bool
		points, entries, closed = l.queue.take(points, entries)
		if len(points) == 0 {
			if closed {
				return
			}
			<-l.queue.wake
			continue
		}
		for at := 0; at < len(points); {
			n, err := l.journal.Write(points[at:], entries)
			at += n
			l.state.wrote(uint64(n), l.journal.Degraded())
			if err != nil {
				l.state.problem("the journal takes no more", err)
				if l.state.abandoned() {
					l.state.drop(int64(len(points) - at))
					break
				}
				l.wakeSender()
				time.Sleep(retryFull)
			}
		}
		select {
		case l.dirty <- struct{}{}:
		default:
		}
		l.wakeSender()
	}
}

// keep makes durable what was written, a moment after it was.
func (l *Logger) keep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.dirty:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(l.o.Every):
		}
		if err := l.journal.Sync(); err != nil {
			l.state.problem("the journal cannot be made durable", err)
		}
	}
}

func (l *Logger) wakeSender() {
	select {
	case l.nudge <- struct{}{}:
	default:
	}
}
