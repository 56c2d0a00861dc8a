package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"millrace/event"
)

const (
	// ackFirst is how long the first attempt waits for an answer of the server, doubling with each silence up to ackWithin. It is short because
	// a leader that steps down drops what it was given without a word, and the next one is often there a moment later.
	ackFirst  = time.Second
	ackWithin = 5 * time.Second
	// Attempts are this far apart, doubling.
	retryFirst = 20 * time.Millisecond
	retryMost  = 2 * time.Second
)

// JetStream's codes for what we branch on; the client library does not name all of them.
const (
	codeResources       = 10002 // resource limits exceeded for account
	codeNoPeers         = 10005 // no suitable peers for placement
	codeConsumerCreate  = 10012 // a consumer cannot be made, or changed, like this
	codeInsufficient    = 10023 // insufficient resources
	codeStorage         = 10047 // insufficient storage resources available
	codeTooLarge        = 10054 // message size exceeds maximum allowed
	codeOtherStream     = 10060 // expected stream does not match
	codeWrongLastForOne = 10071 // wrong last sequence
	codeStoreFailed     = 10077 // maximum bytes exceeded, and other refusals of the store
)

// Publish puts a fact into the log and returns its place, once it is durable. It tries again through lost connections and restarts of the
// server until ctx ends. MetricsLogged goes through group commit: frames of concurrent calls share a message, and one of more than half a
// megabyte becomes several, each durable before the next; the place is then the last one's. A MetricsLogged without points is no fact: 0.
//
// Errors: ErrFull, ErrTooLarge, ErrNoLog, ErrClosed, event.ErrBadID or event.ErrMalformed of an event that cannot be written, and ctx's error
// with what stood in the way.
func (b *Bus) Publish(ctx context.Context, e event.Event) (seq uint64, err error) {
	leave, err := b.enter()
	if err != nil {
		return 0, err
	}
	defer leave()
	if m, ok := e.(event.MetricsLogged); ok {
		return b.publishMetrics(ctx, m)
	}
	return b.publishOne(ctx, e)
}

// PublishOnce publishes a fact only if its subject has none yet; otherwise ErrExists. Of many callers, in any process, one succeeds.
func (b *Bus) PublishOnce(ctx context.Context, e event.Event) (seq uint64, err error) {
	return b.PublishAfter(ctx, event.Envelope{Event: e}, 0)
}

// PublishAs is Publish for a fact with a writer and a sequence, and an id where its maker has one: source and time are added, and an id
// where there is none. Two facts of one id within two minutes are one.
func (b *Bus) PublishAs(ctx context.Context, env event.Envelope) (seq uint64, err error) {
	leave, err := b.enter()
	if err != nil {
		return 0, err
	}
	defer leave()
	if m, ok := env.Event.(event.MetricsLogged); ok {
		return b.publishMetrics(ctx, m)
	}
	msg, err := b.dress(env)
	if err != nil {
		return 0, err
	}
	return b.put(ctx, msg)
}

// PublishAfter is PublishAs for a fact that holds only while the last fact of its subject lies at a place (0: while there is none): otherwise
// ErrExists. Of many callers, in any process, one succeeds. It is not for metric points.
func (b *Bus) PublishAfter(ctx context.Context, env event.Envelope, last uint64) (seq uint64, err error) {
	if last, err = b.expected(ctx, env.Event.Subject(), last); err != nil {
		return 0, fmt.Errorf("bus: publish %s: %w", env.Event.Subject(), err)
	}
	seq, err = b.publishIf(ctx, env, jetstream.WithExpectLastSequencePerSubject(last))
	if hasCode(err, codeWrongLastForOne) {
		return 0, fmt.Errorf("bus: publish %s: %w", env.Event.Subject(), ErrExists)
	}
	return seq, err
}

// PublishWhile publishes a fact only while the newest fact on another subject than its own is the one at last (0: there is none); otherwise
// ErrOvertaken. The server decides: of two who each expect the other's subject to be still only one succeeds. An older server than NATS 2.12
// compares the fact's own subject instead.
func (b *Bus) PublishWhile(ctx context.Context, e event.Event, subject string, last uint64) (seq uint64, err error) {
	if err := checkFilter(subject); err != nil {
		return 0, err
	}
	last, err = b.expected(ctx, subject, last)
	if errors.Is(err, ErrExists) {
		return 0, fmt.Errorf("bus: publish %s: %s: %w", e.Subject(), subject, ErrOvertaken)
	}
	if err != nil {
		return 0, fmt.Errorf("bus: publish %s: %w", e.Subject(), err)
	}
	seq, err = b.publishIf(ctx, event.Envelope{Event: e}, jetstream.WithExpectLastSequenceForSubject(last, subject))
	if hasCode(err, codeWrongLastForOne) {
		return 0, fmt.Errorf("bus: publish %s: %s: %w", e.Subject(), subject, ErrOvertaken)
	}
	return seq, err
}

// publishIf publishes a fact that the server may refuse to take now, with codeWrongLastForOne.
func (b *Bus) publishIf(ctx context.Context, env event.Envelope, expect jetstream.PublishOpt) (seq uint64, err error) {
	leave, err := b.enter()
	if err != nil {
		return 0, err
	}
	defer leave()
	msg, err := b.dress(env)
	if err != nil {
		return 0, err
	}
	seq, err = b.put(ctx, msg, expect)
	if !hasCode(err, codeWrongLastForOne) {
		return seq, err
	}
	// The fact that is there may be ours: stored by an attempt whose acknowledgement was lost.
	there, lerr := b.Last(ctx, msg.Subject)
	if lerr == nil && there.ID == msg.Header.Get(event.HeaderID) {
		return there.Seq, nil
	}
	return 0, err
}

// expected is the place of a subject's last fact as the log must have it: a fact that was trimmed is none to the log. ErrExists when the past
// has a newer one than the caller knows.
func (b *Bus) expected(ctx context.Context, subject string, last uint64) (uint64, error) {
	past := b.remembered()
	if past == nil {
		return last, nil
	}
	state, err := b.State(ctx)
	if err != nil || state.First <= 1 || last >= state.First {
		return last, err
	}
	r, err := past.Last(ctx, subject)
	switch {
	case errors.Is(err, ErrNone):
		return last, nil
	case err != nil:
		return 0, err
	case r.Seq != last:
		return 0, ErrExists
	}
	return 0, nil
}

func (b *Bus) publishOne(ctx context.Context, e event.Event) (uint64, error) {
	msg, err := b.message(e)
	if err != nil {
		return 0, err
	}
	return b.put(ctx, msg)
}

func (b *Bus) message(e event.Event) (*nats.Msg, error) { return b.dress(event.Envelope{Event: e}) }

// dress makes a fact ready for the wire.
func (b *Bus) dress(env event.Envelope) (*nats.Msg, error) {
	env.Source, env.Time = b.conf.Source, b.conf.Now()
	if env.ID == "" {
		id, err := event.NewID(env.Time, b.conf.Random)
		if err != nil {
			return nil, fmt.Errorf("bus: %w", err)
		}
		env.ID = id
	}
	e := env.Event
	headers, body, err := event.Encode(env)
	if err != nil {
		return nil, fmt.Errorf("bus: publish: %w", err)
	}
	msg := &nats.Msg{Subject: e.Subject(), Data: body, Header: make(nats.Header, len(headers)+3)}
	for k, v := range headers {
		msg.Header[k] = []string{v}
	}
	if limit := b.nc.MaxPayload(); limit > 0 && int64(msg.Size()-len(msg.Subject)) > limit {
		return nil, fmt.Errorf("bus: publish %s: %w: %d bytes, NATS takes %d: put the bytes into storage and name their digest", msg.Subject, ErrTooLarge, msg.Size(), limit)
	}
	return msg, nil
}

// put stores a message, and tries again while that can help. The message's id makes a repeat of a stored one harmless for two minutes.
func (b *Bus) put(ctx context.Context, msg *nats.Msg, opts ...jetstream.PublishOpt) (uint64, error) {
	opts = append(opts, jetstream.WithMsgID(msg.Header.Get(event.HeaderID)), jetstream.WithExpectStream(Stream), jetstream.WithRetryAttempts(0))
	wait, patience := retryFirst, ackFirst
	for {
		if b.fault() != nil {
			return 0, b.faultError()
		}
		ack, err := b.attempt(ctx, msg, patience, opts)
		if err == nil {
			return ack.Sequence, nil
		}
		again := time.After(wait)
		if final := b.final(ctx, err, wait); final != nil {
			return 0, fmt.Errorf("bus: publish %s: %w", msg.Subject, final)
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("bus: publish %s: %w", msg.Subject, b.left(ctx, err))
		case <-b.life.Done(): // Close lets the first attempt finish, and no more
			return 0, fmt.Errorf("bus: publish %s: %w: %w", msg.Subject, ErrClosed, b.explain(err))
		case <-again:
		}
		wait = min(2*wait, retryMost)
		if errors.Is(err, context.DeadlineExceeded) {
			patience = min(2*patience, ackWithin)
		}
	}
}

// attempt sends once and waits for the answer.
func (b *Bus) attempt(ctx context.Context, msg *nats.Msg, patience time.Duration, opts []jetstream.PublishOpt) (*jetstream.PubAck, error) {
	ctx, done := b.linked(ctx, patience)
	defer done()
	return b.js.PublishMsg(ctx, msg, opts...)
}

// final turns an error that no repeat can mend into ours, and returns nil for all others. It asks the server, no longer than within, when
// nobody took the message: the stream was deleted, or its servers elect a leader. Then this question is dropped like the message was, so
// that waiting long for its answer would only keep the message from the new leader.
func (b *Bus) final(ctx context.Context, err error, within time.Duration) error {
	switch {
	case hasCode(err, codeWrongLastForOne):
		return err
	case hasCode(err, codeStoreFailed), hasCode(err, codeStorage), hasCode(err, codeInsufficient), hasCode(err, codeResources):
		return fmt.Errorf("%w: %s: %w: free space, or raise the stream's limit", ErrFull, b.where, err)
	case hasCode(err, codeTooLarge), errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case hasCode(err, codeOtherStream):
		return fmt.Errorf("%w: %s: another stream takes its subject: %w", ErrNoLog, b.where, err)
	case errors.Is(err, nats.ErrConnectionClosed):
		return ErrClosed
	case errors.Is(err, jetstream.ErrNoStreamResponse) && b.nc.IsConnected():
		brief, done := b.linked(ctx, within)
		defer done()
		if _, err := b.js.Stream(brief, Stream); errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("%w: %s: stream %s was deleted", ErrNoLog, b.where, Stream)
		}
	}
	return nil
}

// left is a caller's context error with what stood in the way, err being the newest sign of it. A caller who just went away needs no reason.
func (b *Bus) left(ctx context.Context, err error) error {
	if b.nc.IsConnected() && b.fault() == nil && errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", ctx.Err(), b.explain(err))
}

// explain adds to an error of the connection what it means for people.
func (b *Bus) explain(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil, errors.As(err, &api):
		return err
	case b.isClosed():
		return ErrClosed
	case b.fault() != nil:
		return fmt.Errorf("%w: %w", ErrFull, b.fault())
	case !b.nc.IsConnected():
		return fmt.Errorf("%s: %w: %s", b.where, ErrUnreachable, b.because())
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%s: nobody answers for JetStream (is it enabled there, and for this account?): %w", b.where, err)
	}
	return fmt.Errorf("%s does not answer (a full disk or a lost quorum looks like this; its log tells): %s: %w", b.where, b.because(), err)
}

func hasCode(err error, code jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == code
}
