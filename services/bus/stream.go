package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"millrace/event"
)

// Stream is the name of the one stream.
const Stream = "MILLRACE"

// dedupeWindow is how long a message id is remembered: long enough for a publish that is tried again, short enough to keep in memory.
const dedupeWindow = 2 * time.Minute

// State says which log this is and what it holds.
type State struct {
	// Identity names this stream and no other: it changes when the stream is deleted and made again.
	Identity string
	// First and Last are the places of the oldest and newest fact. An empty log has Last 0 and First 0 or 1; one whose facts were all
	// removed has First = Last+1.
	First, Last uint64
	Messages    uint64
	Bytes       uint64
	// Removed counts facts missing between First and Last: deleted by an operator, or lost by a damaged disk.
	Removed uint64
}

// State asks the server.
func (b *Bus) State(ctx context.Context) (State, error) {
	info, err := b.info(ctx)
	if err != nil {
		return State{}, err
	}
	return stateOf(info), nil
}

func stateOf(info *jetstream.StreamInfo) State {
	return State{
		Identity: info.Config.Name + "@" + info.Created.UTC().Format(time.RFC3339Nano),
		First:    info.State.FirstSeq, Last: info.State.LastSeq, Messages: info.State.Msgs, Bytes: info.State.Bytes,
		Removed: uint64(max(info.State.NumDeleted, 0)),
	}
}

func (b *Bus) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	s, err := b.stream(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("bus: %s: stream %s: %w", b.where, Stream, ErrNoLog)
	}
	if err != nil {
		return nil, fmt.Errorf("bus: %s: stream %s: %w", b.where, Stream, b.explain(err))
	}
	return s.CachedInfo(), nil
}

// stream asks for the stream as it is now.
func (b *Bus) stream(ctx context.Context) (jetstream.Stream, error) {
	return ask(ctx, b, func(ctx context.Context) (jetstream.Stream, error) { return b.js.Stream(ctx, Stream) })
}

// Last returns the newest fact on a subject, which may hold wildcards: ErrNone. It is found where the log remembers too.
func (b *Bus) Last(ctx context.Context, subject string) (event.Envelope, error) {
	env, err := b.Kept(ctx, subject)
	past := b.remembered()
	if !errors.Is(err, ErrNone) || past == nil {
		return env, err
	}
	if trimmed, terr := b.trimmed(ctx); terr != nil || !trimmed {
		return env, errors.Join(err, terr)
	}
	r, perr := past.Last(ctx, subject)
	if errors.Is(perr, ErrNone) {
		return env, err
	}
	if perr != nil {
		return env, fmt.Errorf("bus: last of %s: %w", subject, perr)
	}
	return r.Decode()
}

// Kept is Last in what the log itself still has.
func (b *Bus) Kept(ctx context.Context, subject string) (event.Envelope, error) {
	if err := checkFilter(subject); err != nil {
		return event.Envelope{}, err
	}
	return b.get(ctx, "last of "+subject, func(ctx context.Context, s jetstream.Stream) (*jetstream.RawStreamMsg, error) {
		return s.GetLastMsgForSubject(ctx, subject)
	})
}

// trimmed tells whether the log has forgotten its beginning.
func (b *Bus) trimmed(ctx context.Context) (bool, error) {
	state, err := b.State(ctx)
	return state.First > 1, err
}

// At returns the fact at a place: ErrNone where there is none. Who keeps a cursor should keep the last fact's ID beside it and compare both
// before going on: a log that was cut short by a damaged disk, and has grown again, has another fact at the old place, or none.
func (b *Bus) At(ctx context.Context, seq uint64) (event.Envelope, error) {
	env, err := b.get(ctx, fmt.Sprintf("fact %d", seq), func(ctx context.Context, s jetstream.Stream) (*jetstream.RawStreamMsg, error) {
		return s.GetMsg(ctx, seq)
	})
	past := b.remembered()
	if !errors.Is(err, ErrNone) || past == nil || seq == 0 {
		return env, err
	}
	state, serr := b.State(ctx)
	if serr != nil || seq >= state.First {
		return env, errors.Join(err, serr)
	}
	perr := past.Read(ctx, seq, seq, nil, func(r event.Record) error {
		env, err = r.Decode()
		return nil
	})
	if perr != nil && !errors.Is(perr, ErrTrimmed) {
		return env, fmt.Errorf("bus: fact %d: %w", seq, perr)
	}
	return env, err
}

// get reads one fact without a consumer.
func (b *Bus) get(ctx context.Context, what string, read func(context.Context, jetstream.Stream) (*jetstream.RawStreamMsg, error)) (event.Envelope, error) {
	leave, err := b.enter()
	if err != nil {
		return event.Envelope{}, err
	}
	defer leave()
	s, err := b.stream(ctx)
	if err != nil {
		return event.Envelope{}, fmt.Errorf("bus: %s: %w", what, b.explain(err))
	}
	raw, err := ask(ctx, b, func(ctx context.Context) (*jetstream.RawStreamMsg, error) { return read(ctx, s) })
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return event.Envelope{}, fmt.Errorf("bus: %s: %w", what, ErrNone)
	}
	if err != nil {
		return event.Envelope{}, fmt.Errorf("bus: %s: %w", what, b.explain(err))
	}
	env, err := event.Decode(raw.Subject, raw.Header.Get, raw.Data)
	if err != nil {
		b.unreadable(Unreadable{Seq: raw.Sequence, Subject: raw.Subject, Err: err})
		return event.Envelope{}, fmt.Errorf("bus: %s at %d: %w", what, raw.Sequence, err)
	}
	env.Seq = raw.Sequence
	return env, nil
}

// ensureStream makes the stream where there is none. One that is there is left as its operator has set it, but must hold every fact.
func (b *Bus) ensureStream(ctx context.Context) error {
	s, err := b.stream(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if b.emb != nil && b.emb.held {
			return fmt.Errorf("bus: %s: %w: %s: restore the directory from a backup, or move it away to begin a new log", b.where, ErrCorrupt, orUnknown(b.emb.log.complaints()))
		}
		s, err = b.createStream(ctx)
	}
	if err != nil {
		return fmt.Errorf("bus: %s: stream %s: %w", b.where, Stream, b.explain(err))
	}
	conf := s.CachedInfo().Config
	if len(conf.Subjects) != 1 || conf.Subjects[0] != event.Subjects {
		return fmt.Errorf("bus: %s: stream %s holds %s, not %s: it is not ours", b.where, Stream, strings.Join(conf.Subjects, ", "), event.Subjects)
	}
	return nil
}

func (b *Bus) createStream(ctx context.Context) (jetstream.Stream, error) {
	conf := jetstream.StreamConfig{
		Name: Stream, Description: "Millrace: every fact, in order", Subjects: []string{event.Subjects},
		Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
		MaxBytes: -1, Duplicates: dedupeWindow, Replicas: b.conf.Replicas,
	}
	if b.conf.MaxBytes > 0 {
		conf.MaxBytes = b.conf.MaxBytes
	}
	chosen := conf.Replicas == 0
	if chosen {
		conf.Replicas = 1
		if b.nc.ConnectedClusterName() != "" {
			conf.Replicas = 3
		}
	}
	create := func(ctx context.Context) (jetstream.Stream, error) { return b.js.CreateStream(ctx, conf) }
	s, err := ask(ctx, b, create)
	if err != nil && chosen && conf.Replicas > 1 && hasCode(err, codeNoPeers) {
		b.conf.Log.Warn("bus: the cluster has fewer than three servers: the log has one copy", "nats", b.where)
		conf.Replicas = 1
		s, err = ask(ctx, b, create)
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process was faster
		return b.stream(ctx)
	}
	return s, err
}
