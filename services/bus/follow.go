package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"millrace/event"
)

const (
	// A follower asks for this many facts, or bytes, ahead.
	aheadFacts = 256
	aheadBytes = 8 << 20
	// heartbeat is how often the server says that there is nothing new; two missed ones are a lost reader.
	heartbeat = 5 * time.Second
)

// Follow calls fn with every fact from a place on, in order and without gaps, each once per call of Follow: across lost connections and
// restarts of the server. from is the place of the first fact wanted: 1 is everything, the place of the last fact read plus one goes on,
// and 0 is what is published after the call. filters choose subjects, wildcards allowed and not overlapping; none is all.
//
// Follow keeps no cursor: the caller does, beside what it made of the facts. It returns when ctx ends (its error), fn fails (fn's error),
// the bus is closed (ErrClosed), or the log is not the one that was read so far (ErrOtherLog, ErrTrimmed, ErrNoLog). What the log has
// forgotten is read from where it was told to look (Remember); without that the beginning of a trimmed log is left out, loudly. A fact that cannot be
// decoded is skipped, loudly; so are places that hold no fact any more (ErrMissing), which only a Follow without filters can tell.
func (b *Bus) Follow(ctx context.Context, from uint64, filters []string, fn func(event.Envelope) error) error {
	for _, filter := range filters {
		if err := checkFilter(filter); err != nil {
			return err
		}
	}
	return b.follow(ctx, follower{bus: b, next: from, filters: filters, fn: func(r event.Record) error {
		env, err := r.Decode()
		if err != nil {
			b.unreadable(Unreadable{Seq: r.Seq, Subject: r.Subject, Err: err})
			return nil
		}
		return fn(env)
	}})
}

// follow reads session after session.
func (b *Bus) follow(ctx context.Context, f follower) error {
	leave, err := b.enter()
	if err != nil {
		return err
	}
	defer leave()
	living, stop := b.living(ctx)
	defer stop()
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		before := f.next
		err := f.session(living)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case living.Err() != nil:
			return fmt.Errorf("bus: follow: %w", ErrClosed)
		case f.failed != nil:
			return f.failed
		case errors.Is(err, ErrOtherLog), errors.Is(err, ErrTrimmed), errors.Is(err, ErrNoLog), permanent(err):
			return fmt.Errorf("bus: follow from %d: %w", f.next, err)
		case f.next > before:
			wait = retryFirst
		}
		b.again(wait, "bus: following anew", "from", f.next, "err", err)
		select {
		case <-living.Done():
		case <-time.After(wait):
		}
	}
}

// follower is the state of one Follow across its sessions.
type follower struct {
	bus      *Bus
	next     uint64 // the place of the next fact; 0 until the first session has looked where the end is
	identity string // of the log that the first session saw
	lastID   string // of the fact at next-1, once one was read
	filters  []string
	nothing  bool // of a past: only what the log has
	fn       func(event.Record) error
	failed   error // what fn returned
}

// session reads through one consumer, which lives as long as the connection. It returns what ended it.
func (f *follower) session(ctx context.Context) error {
	ctx, stop := f.bus.session(ctx)
	defer stop()
	if err := f.check(ctx); err != nil {
		return err
	}
	asking, done := f.bus.linked(ctx, ackWithin)
	cons, err := f.bus.js.CreateConsumer(asking, Stream, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: f.next, FilterSubjects: f.filters,
		AckPolicy: jetstream.AckNonePolicy, ReplayPolicy: jetstream.ReplayInstantPolicy,
		InactiveThreshold: 5 * time.Minute, MemoryStorage: true, Replicas: 1,
	})
	done()
	if err != nil {
		return err
	}
	defer f.bus.drop(cons.CachedInfo().Name)
	messages, err := cons.Messages(jetstream.PullMaxMessagesWithBytesLimit(aheadFacts, aheadBytes),
		jetstream.PullHeartbeat(heartbeat), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for delivered := uint64(1); ; delivered++ {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != delivered { // something was lost on the way: ask again from where we are
			return fmt.Errorf("delivery %d came instead of %d", meta.Sequence.Consumer, delivered)
		}
		if meta.Sequence.Stream < f.next {
			continue
		}
		if len(f.filters) == 0 && meta.Sequence.Stream > f.next {
			if state, err := f.bus.State(ctx); err != nil {
				return err
			} else if state.First > f.next && f.bus.remembered() != nil { // trimmed while we read
				return fmt.Errorf("the log was trimmed to %d, and %d is next", state.First, f.next)
			}
			f.bus.unreadable(Unreadable{Seq: f.next, Err: fmt.Errorf("%w: %d to %d", ErrMissing, f.next, meta.Sequence.Stream-1)})
		}
		if f.failed = f.fn(record(meta.Sequence.Stream, msg.Subject(), msg.Headers(), msg.Data())); f.failed != nil {
			return f.failed
		}
		f.next, f.lastID = meta.Sequence.Stream+1, msg.Headers().Get(event.HeaderID)
	}
}

// check looks whether the log is still the one we read from, and still has what we want next.
func (f *follower) check(ctx context.Context) error {
	stream, err := f.bus.stream(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("%s: stream %s: %w", f.bus.where, Stream, ErrNoLog)
	}
	if err != nil {
		return err
	}
	s := stateOf(stream.CachedInfo())
	if f.identity == "" {
		f.identity = s.Identity
	}
	if f.next == 0 {
		f.next = s.Last + 1
	}
	switch {
	case f.identity != s.Identity:
		return fmt.Errorf("%w: %s, and it was %s", ErrOtherLog, s.Identity, f.identity)
	case f.next > s.Last+1:
		return fmt.Errorf("%w: it ends at %d", ErrOtherLog, s.Last)
	case s.First > f.next && f.bus.remembered() != nil && !f.nothing:
		if err := f.recall(ctx, f.bus.remembered(), s.First); err != nil {
			return err
		}
	case s.First > f.next && f.next > 1:
		return fmt.Errorf("%w: it begins at %d", ErrTrimmed, s.First)
	case s.First > f.next:
		f.bus.conf.Log.Warn("bus: the log's beginning was removed: following what is left", "first", s.First)
		f.next = s.First
	}
	if f.lastID == "" || s.First >= f.next {
		return nil
	}
	raw, err := ask(ctx, f.bus, func(ctx context.Context) (*jetstream.RawStreamMsg, error) { return stream.GetMsg(ctx, f.next-1) })
	if errors.Is(err, jetstream.ErrMsgNotFound) { // deleted since: nothing to compare
		return nil
	}
	if err != nil {
		return err
	}
	if id := raw.Header.Get(event.HeaderID); id != f.lastID {
		return fmt.Errorf("%w: at %d lies %s, and it was %s", ErrOtherLog, f.next-1, id, f.lastID)
	}
	return nil
}

// decode reads a fact off a message, and tells of one that cannot be read.
func (b *Bus) decode(msg jetstream.Msg, meta *jetstream.MsgMetadata, group string) (event.Envelope, error) {
	env, err := event.Decode(msg.Subject(), msg.Headers().Get, msg.Data())
	if err != nil {
		b.unreadable(Unreadable{Seq: meta.Sequence.Stream, Subject: msg.Subject(), Group: group, Err: err})
		return event.Envelope{}, err
	}
	env.Seq = meta.Sequence.Stream
	return env, nil
}

func (b *Bus) unreadable(u Unreadable) {
	b.conf.Log.Error("bus: a fact cannot be read and is skipped", "seq", u.Seq, "subject", u.Subject, "group", u.Group, "err", u.Err)
	if b.conf.Unreadable != nil {
		b.conf.Unreadable(u)
	}
}

// drop deletes a consumer that nobody reads any more; if that fails, the server does so after a while.
func (b *Bus) drop(name string) {
	if !b.nc.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := b.js.DeleteConsumer(ctx, Stream, name); err != nil {
		b.conf.Log.Debug("bus: a reader is left for the server to forget", "consumer", name, "err", err)
	}
}

// again tells of a session that ended. The odd one is nothing; one after the other, on a connection that stands, is a trouble to see.
func (b *Bus) again(wait time.Duration, msg string, args ...any) {
	level := slog.LevelDebug
	if wait >= retryMost && b.nc.IsConnected() {
		level = slog.LevelWarn
	}
	b.conf.Log.Log(context.Background(), level, msg, args...)
}

// permanent tells whether the server understood a request and refused it for good: filters that overlap, a limit, a group that exists and
// began elsewhere.
func permanent(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.Code == 400 || api.ErrorCode == codeConsumerCreate && strings.Contains(api.Description, "can not be updated"))
}
