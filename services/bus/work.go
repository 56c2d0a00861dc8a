package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"millrace/event"
)

// Group is a set of workers, in any number of processes, that share the facts of a filter.
type Group struct {
	// Name is the group's, e.g. "training": letters, digits, '-' and '_'. The server keeps what the group has done under it.
	Name string
	// Filters choose subjects, wildcards allowed; at least one.
	Filters []string
	// Parallel is how many facts this process works on at once; 0 is 1.
	Parallel int
	// OnlyNew lets a group that the server has not seen before begin with what is published from then on; otherwise it begins at 1.
	OnlyNew bool
	// Lease is how long after a worker's last sign of life (given every third of it) a fact goes to another; 0 is 30 s.
	Lease time.Duration
	// Backoff is how long to wait after the nth failure, the last one for all further; nil is 1 s, 5 s, 30 s, 2 min, 5 min.
	Backoff []time.Duration
	// MaxAttempts is after how many deliveries a fact is given up. Every delivery counts, also those that a shutdown handed back.
	// 0 is 20, negative is no bound.
	MaxAttempts int
	// GaveUp is told of a fact before it is given up: poison, or MaxAttempts. When it fails the fact comes again. It may be nil: the log
	// tells in any case.
	GaveUp func(ctx context.Context, env event.Envelope, why error) error
}

// Delivery is the circumstances of one delivery.
type Delivery struct {
	// Attempt counts the deliveries of this fact to the group from 1.
	Attempt int
	// Waited is from the fact being stored to this delivery, by the server's clock and ours.
	Waited time.Duration
}

func (g Group) withDefaults() (Group, error) {
	if !event.ValidID(g.Name) {
		return g, fmt.Errorf("bus: work: group name %q: use letters, digits, '-' and '_'", g.Name)
	}
	if len(g.Filters) == 0 {
		return g, fmt.Errorf("bus: work: group %s has no filter", g.Name)
	}
	for _, filter := range g.Filters {
		if err := checkFilter(filter); err != nil {
			return g, err
		}
	}
	if g.Parallel <= 0 {
		g.Parallel = 1
	}
	if g.Lease <= 0 {
		g.Lease = 30 * time.Second
	}
	if len(g.Backoff) == 0 {
		g.Backoff = []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute}
	}
	if g.MaxAttempts == 0 {
		g.MaxAttempts = 20
	}
	return g, nil
}

// Work gives each fact of a group to fn in one of its workers, and again until one has returned nil. While fn runs the server is told that
// it lives; a worker that dies loses the fact to another after the group's Lease.
//
// fn returning nil settles the fact. An error brings it again, after a while, to any worker; Poison gives it up. When ctx ends fn should
// return soon, with an error: the fact then goes to another worker at once. A fact may be delivered again although fn returned nil, when
// its acknowledgement is lost: fn must be able to find that its work is done.
//
// Work returns when ctx ends (its error), the bus is closed (ErrClosed), the log is gone (ErrNoLog), or the server refuses the group for good.
func (b *Bus) Work(ctx context.Context, g Group, fn func(context.Context, event.Envelope, Delivery) error) error {
	g, err := g.withDefaults()
	if err != nil {
		return err
	}
	leave, err := b.enter()
	if err != nil {
		return err
	}
	defer leave()
	living, stop := b.living(ctx)
	defer stop()
	lanes, lctx := errgroup.WithContext(living)
	for range g.Parallel {
		lanes.Go(func() error {
			w := worker{bus: b, group: g, fn: fn}
			return w.run(lctx)
		})
	}
	err = lanes.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case living.Err() != nil:
		return fmt.Errorf("bus: work %s: %w", g.Name, ErrClosed)
	}
	return fmt.Errorf("bus: work %s: %w", g.Name, err)
}

// worker takes one fact at a time.
type worker struct {
	bus   *Bus
	group Group
	fn    func(context.Context, event.Envelope, Delivery) error
}

// run works through session after session until ctx ends or the server refuses for good.
func (w *worker) run(ctx context.Context) error {
	wait := retryFirst
	for {
		began := time.Now()
		err := w.session(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrNoLog), permanent(err):
			return err
		case time.Since(began) > retryMost:
			wait = retryFirst
		}
		w.bus.again(wait, "bus: working anew", "group", w.group.Name, "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, retryMost)
	}
}

// session takes facts while the connection lasts. A fact in hand outlives it.
func (w *worker) session(ctx context.Context) error {
	asking, stop := w.bus.session(ctx)
	defer stop()
	if _, err := w.bus.info(asking); err != nil {
		return err
	}
	start := jetstream.DeliverAllPolicy
	if w.group.OnlyNew {
		start = jetstream.DeliverNewPolicy
	}
	cons, err := ask(asking, w.bus, func(ctx context.Context) (jetstream.Consumer, error) {
		return w.bus.js.CreateOrUpdateConsumer(ctx, Stream, jetstream.ConsumerConfig{
			Durable: w.group.Name, FilterSubjects: w.group.Filters, DeliverPolicy: start, AckPolicy: jetstream.AckExplicitPolicy,
			AckWait: w.group.Lease, MaxDeliver: -1, MaxAckPending: -1,
		})
	})
	if err != nil {
		return err
	}
	for {
		// One at a time: a fact waiting in a buffer of ours would be kept from idle workers.
		fetched, err := cons.Fetch(1, jetstream.FetchContext(asking))
		if err != nil {
			return err
		}
		for msg := range fetched.Messages() {
			w.handle(ctx, msg)
		}
		if err := fetched.Error(); err != nil {
			return err
		}
		if asking.Err() != nil {
			return asking.Err()
		}
	}
}

// handle does one fact and settles it.
func (w *worker) handle(ctx context.Context, msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		w.bus.conf.Log.Error("bus: a delivery without its place is left to the server", "group", w.group.Name, "err", err)
		return
	}
	attempt := int(min(meta.NumDelivered, 1<<31-1))
	env, err := w.bus.decode(msg, meta, w.group.Name)
	if err != nil {
		w.settle(meta, "term", func(context.Context) error { return msg.TermWithReason("cannot be read") })
		return
	}
	if w.group.MaxAttempts > 0 && attempt > w.group.MaxAttempts {
		// It took a worker down with it every time, or nobody could say that it was given up.
		w.giveUp(ctx, msg, meta, env, fmt.Errorf("delivered %d times without an end", attempt-1))
		return
	}
	alive := w.keepAlive(msg)
	err = w.fn(ctx, env, Delivery{Attempt: attempt, Waited: w.bus.conf.Now().Sub(meta.Timestamp)})
	alive()
	switch {
	case err == nil:
		w.settle(meta, "ack", msg.DoubleAck)
	case errors.Is(err, ErrPoison):
		w.giveUp(ctx, msg, meta, env, err)
	case ctx.Err() != nil:
		// With a delay, because the server forgets a plain one when it is restarted, and then waits for the lease.
		w.settle(meta, "hand back", func(context.Context) error { return msg.NakWithDelay(time.Millisecond) })
	case w.group.MaxAttempts > 0 && attempt >= w.group.MaxAttempts:
		w.giveUp(ctx, msg, meta, env, fmt.Errorf("attempt %d was the last: %w", attempt, err))
	default:
		delay := w.group.Backoff[min(attempt, len(w.group.Backoff))-1]
		w.bus.conf.Log.Warn("bus: work failed and will be tried again", "group", w.group.Name, "seq", env.Seq, "attempt", attempt, "in", delay, "err", err)
		w.settle(meta, "nak", func(context.Context) error { return msg.NakWithDelay(delay) })
	}
}

// keepAlive tells the server every third of the lease that the fact is being worked on, until its answer is called.
func (w *worker) keepAlive(msg jetstream.Msg) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(w.group.Lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if err := msg.InProgress(); err != nil {
					w.bus.conf.Log.Debug("bus: no sign of life could be given", "group", w.group.Name, "err", err)
				}
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// giveUp tells of a fact that will not be worked on again, then terminates it.
func (w *worker) giveUp(ctx context.Context, msg jetstream.Msg, meta *jetstream.MsgMetadata, env event.Envelope, why error) {
	w.bus.conf.Log.Error("bus: work is given up", "group", w.group.Name, "seq", env.Seq, "subject", msg.Subject(), "err", why)
	if w.group.GaveUp != nil {
		alive := w.keepAlive(msg)
		err := w.group.GaveUp(ctx, env, why)
		alive()
		if err != nil {
			w.bus.conf.Log.Warn("bus: nobody could be told, it will come again", "group", w.group.Name, "seq", env.Seq, "err", err)
			delay := w.group.Backoff[len(w.group.Backoff)-1]
			if ctx.Err() != nil {
				delay = 0
			}
			w.settle(meta, "nak", func(context.Context) error { return msg.NakWithDelay(delay) })
			return
		}
	}
	w.settle(meta, "term", func(context.Context) error { return msg.TermWithReason("given up") })
}

// settle says a last word on a delivery, again while the server cannot hear it, but not for longer than two leases: after that the fact
// goes to another worker whatever we say. A server that has forgotten the delivery is not told: it never answers, and delivers the fact anew.
// It is said also when the worker's context has ended.
func (w *worker) settle(meta *jetstream.MsgMetadata, what string, say func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*w.group.Lease)
	defer cancel()
	for wait, patience := retryFirst, ackFirst; ; wait, patience = min(2*wait, retryMost), min(2*patience, ackWithin) {
		once, done := w.bus.linked(ctx, patience)
		err := say(once)
		done()
		if err == nil || errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
			return
		}
		if w.forgotten(ctx, meta, patience) {
			w.bus.conf.Log.Info("bus: the server has forgotten a delivery, which will come again", "group", w.group.Name, "seq", meta.Sequence.Stream)
			return
		}
		select {
		case <-ctx.Done():
		case <-w.bus.life.Done(): // one try is all that a closing bus has time for
		case <-time.After(wait):
			continue
		}
		w.bus.conf.Log.Warn("bus: a delivery could not be settled and will come again", "group", w.group.Name, "seq", meta.Sequence.Stream, "what", what, "err", err)
		return
	}
}

// forgotten tells whether the server does not know that it has delivered a fact: one that was killed may lose its last deliveries.
func (w *worker) forgotten(ctx context.Context, meta *jetstream.MsgMetadata, within time.Duration) bool {
	once, done := w.bus.linked(ctx, within)
	defer done()
	cons, err := w.bus.js.Consumer(once, Stream, w.group.Name)
	return err == nil && cons.CachedInfo().Delivered.Stream < meta.Sequence.Stream
}
