package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"millrace/event"
)

const (
	// batchBytes bounds the body of one message of metric frames, where the server takes that much.
	batchBytes = 512 << 10
	// batchesInFlight is how many messages of metric frames wait for their fsync at once: while one is on its way to the disk the next one
	// fills.
	batchesInFlight = 2
)

// errLeft says that the caller's context ended first.
var errLeft = errors.New("the caller did not wait")

// group is group commit: one fsync costs as much for a thousand points as for one, so callers that come while a message is on its way
// share the next. Nobody waits for company: a lone frame leaves at once. The zero value with the functions set is ready.
type group struct {
	publish func(context.Context, event.MetricsLogged) (uint64, error)
	limit   func() int // bytes that a body may have

	mu     sync.Mutex
	queue  []*waiter
	flying int
}

// waiter is one caller's frames and, once settled is closed, their fate.
type waiter struct {
	gateway event.WorkerID
	frames  []event.Frame
	size    int    // bytes of the frames, encoded
	batch   *batch // set when it has left; guarded by group.mu
	settled chan struct{}
	seq     uint64
	err     error
}

// batch is a message on its way. When all who wait for it have gone, so has its reason: it is given up.
type batch struct {
	waiting atomic.Int64
	cancel  context.CancelFunc
}

// commit returns when the frames are durable, or ctx ends.
func (g *group) commit(ctx context.Context, w *waiter) (uint64, error) {
	w.settled = make(chan struct{})
	g.mu.Lock()
	g.queue = append(g.queue, w)
	if g.flying < batchesInFlight {
		g.flying++
		go g.fly()
	}
	g.mu.Unlock()
	select {
	case <-w.settled:
		return w.seq, w.err
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.batch == nil {
		for i, q := range g.queue {
			if q == w {
				g.queue = append(g.queue[:i], g.queue[i+1:]...)
				break
			}
		}
	} else if w.batch.waiting.Add(-1) == 0 {
		w.batch.cancel()
	}
	select {
	case <-w.settled: // it was settled meanwhile: then that is the answer
		return w.seq, w.err
	default:
		return 0, errLeft
	}
}

// fly publishes batch after batch until the queue is empty.
func (g *group) fly() {
	for {
		ctx, cancel := context.WithCancel(context.Background())
		taken := g.take(&batch{cancel: cancel})
		if taken == nil {
			cancel()
			return
		}
		m := event.MetricsLogged{Gateway: taken[0].gateway}
		for _, w := range taken {
			m.Frames = append(m.Frames, w.frames...)
		}
		seq, err := g.publish(ctx, m)
		cancel()
		for _, w := range taken {
			w.seq, w.err = seq, err
			close(w.settled)
		}
	}
}

// take removes from the queue what fits into one message: the first, and those behind it of the same gateway, in order. It returns nil, and
// counts the flight as ended, when nobody waits.
func (g *group) take(b *batch) []*waiter {
	limit := g.limit()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		g.flying--
		return nil
	}
	first, size := g.queue[0], 0
	var taken, left []*waiter
	for i, w := range g.queue {
		if size+w.size > limit && i > 0 {
			left = append(left, g.queue[i:]...)
			break
		}
		if w.gateway != first.gateway {
			left = append(left, w)
			continue
		}
		size += w.size
		w.batch = b
		taken = append(taken, w)
	}
	b.waiting.Store(int64(len(taken)))
	g.queue = left
	return taken
}

// publishMetrics cuts what is too large for one message and commits piece after piece.
func (b *Bus) publishMetrics(ctx context.Context, m event.MetricsLogged) (seq uint64, err error) {
	pieces, err := cut(m.Frames, b.batchLimit())
	if err != nil {
		return 0, fmt.Errorf("bus: publish %s: %w", m.Subject(), err)
	}
	for i, p := range pieces {
		p.gateway = m.Gateway
		if seq, err = b.group.commit(ctx, p); err != nil {
			if err == errLeft {
				err = fmt.Errorf("bus: publish %s: %w", m.Subject(), b.left(ctx, nats.ErrTimeout))
			}
			if i > 0 {
				err = fmt.Errorf("%w (%d of %d pieces are in the log)", err, i, len(pieces))
			}
			return 0, err
		}
	}
	return seq, nil
}

// batchLimit leaves room for headers where the server takes less than we would send.
func (b *Bus) batchLimit() int {
	if most := int(b.nc.MaxPayload()); most > 0 {
		return min(batchBytes, max(most-4096, most/2))
	}
	return batchBytes
}

func (b *Bus) publishBatch(ctx context.Context, m event.MetricsLogged) (uint64, error) {
	return b.publishOne(ctx, m)
}

// cut divides frames into pieces whose encoding has at most limit bytes. Only what is too large is cut, first between frames, then between
// series, then between points; the order stays. A frame's sequence goes with its last part. Frames without points are dropped. It also finds what cannot be encoded, so that one
// caller's mistake does not fail the others in its batch.
func cut(frames []event.Frame, limit int) ([]*waiter, error) {
	kept := make([]event.Frame, 0, len(frames))
	for _, f := range frames {
		if f.Points() > 0 {
			kept = append(kept, f)
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	raw, err := event.AppendFrames(nil, kept)
	if err != nil {
		return nil, err
	}
	if len(raw) <= limit {
		return []*waiter{{frames: kept, size: len(raw)}}, nil
	}
	one, two := halves(kept)
	if two == nil {
		return nil, fmt.Errorf("%w: one point takes %d bytes", ErrTooLarge, len(raw))
	}
	first, err := cut(one, limit)
	if err != nil {
		return nil, err
	}
	second, err := cut(two, limit)
	if err != nil {
		return nil, err
	}
	return append(first, second...), nil
}

// halves divides at the coarsest joint there is; the second half is nil when there is a single point.
func halves(frames []event.Frame) (one, two []event.Frame) {
	if n := len(frames); n > 1 {
		return frames[:n/2], frames[n/2:]
	}
	f, g := frames[0], frames[0]
	f.Sequence = 0 // only when its last part is there the fold may take the frame for known
	if n := len(f.Series); n > 1 {
		f.Series, g.Series = f.Series[:n/2], g.Series[n/2:]
		return []event.Frame{f}, []event.Frame{g}
	}
	s, t := f.Series[0], f.Series[0]
	n := len(s.Steps)
	if n < 2 {
		return frames, nil
	}
	s.Steps, s.Times, s.Values = s.Steps[:n/2], s.Times[:n/2], s.Values[:n/2]
	t.Steps, t.Times, t.Values = t.Steps[n/2:], t.Times[n/2:], t.Values[n/2:]
	f.Series, g.Series = []event.Series{s}, []event.Series{t}
	return []event.Frame{f}, []event.Frame{g}
}
