package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Bus is an open log. Its methods may be called from many goroutines.
type Bus struct {
	conf  Config
	where string // the URL without secrets, or "embedded NATS in <dir>"
	nc    *nats.Conn
	js    jetstream.JetStream
	emb   *embedded // nil when external
	group group

	life   context.Context // ends when Close begins
	end    context.CancelFunc
	active sync.WaitGroup // Publish, Follow and Work that have not returned

	mu      sync.Mutex
	closed  bool
	past    Past            // of what was trimmed; nil when nobody keeps it
	redial  chan struct{}   // closed, and replaced, at each reconnect
	link    context.Context // ends, and is replaced, when what was asked so far will get no answer: connection lost, or server failed
	cut     context.CancelFunc
	trouble error // the newest asynchronous error of the connection
}

// Open connects to the log, creates the stream where there is none, and returns when facts can be published. It does not wait for a NATS
// that is down: ErrUnreachable, ErrRefused. Embedded: ErrLocked, ErrCorrupt, or an address that is in use.
func Open(ctx context.Context, conf Config) (_ *Bus, err error) {
	conf, err = conf.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("bus: open: %w", err)
	}
	b := &Bus{conf: conf, redial: make(chan struct{})}
	b.life, b.end = context.WithCancel(context.Background())
	b.link, b.cut = context.WithCancel(context.Background())
	b.group.publish, b.group.limit = b.publishBatch, b.batchLimit
	defer func() {
		if err != nil {
			b.release()
		}
	}()
	if conf.URL == "" {
		b.where = "embedded NATS in " + conf.Dir
		if b.emb, err = startEmbedded(conf, b.unlink); err != nil {
			return nil, err
		}
		b.nc, err = b.connectEmbedded()
	} else {
		b.where = "NATS at " + redacted(conf.URL)
		b.nc, err = b.connectExternal(ctx)
	}
	if err != nil {
		return nil, err
	}
	if b.js, err = jetstream.New(b.nc, jetstream.WithDefaultTimeout(ackWithin)); err != nil {
		return nil, fmt.Errorf("bus: %s: %w", b.where, err)
	}
	if err := b.ensureStream(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// URL is where other processes can join: the external URL without secrets, the embedded server's address when it listens, else "".
func (b *Bus) URL() string {
	switch {
	case b.emb == nil:
		return redacted(b.conf.URL)
	case b.conf.Listen == "":
		return ""
	}
	return "nats://" + b.emb.server.Addr().String()
}

// Ready tells whether a fact could be published now: nil, or what is wrong.
func (b *Bus) Ready() error {
	switch {
	case b.isClosed():
		return fmt.Errorf("bus: %w", ErrClosed)
	case b.fault() != nil:
		return b.faultError()
	case !b.nc.IsConnected():
		return fmt.Errorf("bus: %s: %w: %s", b.where, ErrUnreachable, b.because())
	}
	return nil
}

// Close ends Follow and Work (they return ErrClosed), lets publishes that wait for an acknowledgement finish until ctx ends, and stops the
// embedded server. It does not wait beyond ctx for functions of Follow and Work that ignore their context. A second Close does nothing.
func (b *Bus) Close(ctx context.Context) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.mu.Unlock()
	b.end()
	done := make(chan struct{})
	go func() {
		b.active.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("bus: closed before all was acknowledged: %w", ctx.Err())
	}
	if ferr := b.nc.FlushTimeout(time.Second); ferr != nil && b.nc.IsConnected() {
		err = errors.Join(err, fmt.Errorf("bus: %s: last words may be lost: %w", b.where, ferr))
	}
	b.release() // whoever still waits for the server now hears ErrClosed
	return err
}

// release lets go of whatever was opened.
func (b *Bus) release() {
	b.end()
	b.unlink()
	if b.nc != nil {
		b.nc.Close()
	}
	if b.emb != nil {
		b.emb.stop()
	}
}

// enter counts a call in; its answer must be called when the call returns.
func (b *Bus) enter() (leave func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, fmt.Errorf("bus: %w", ErrClosed)
	}
	b.active.Add(1)
	return b.active.Done, nil
}

func (b *Bus) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// living is ctx that also ends when Close begins.
func (b *Bus) living(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(b.life, cancel)
	return ctx, func() { stop(); cancel() }
}

// session is ctx that also ends when the connection has been lost and found again: what hung on the old one must be asked for anew.
func (b *Bus) session(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	b.mu.Lock()
	redial := b.redial
	b.mu.Unlock()
	go func() {
		select {
		case <-redial:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// linked is ctx for one question to the server: it ends when no answer can come any more, or within a time.
func (b *Bus) linked(ctx context.Context, within time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithTimeout(ctx, within)
	b.mu.Lock()
	link := b.link
	b.mu.Unlock()
	stop := context.AfterFunc(link, cancel)
	return ctx, func() { stop(); cancel() }
}

// ask puts a question to the server and returns its answer. JetStream drops questions without a word while its servers elect a leader, and
// those on a connection that is lost: one without an answer within ackWithin is put again, until ctx's deadline; where ctx has none, one
// silence is enough. Questions may thus be heard twice.
func ask[T any](ctx context.Context, b *Bus, question func(context.Context) (T, error)) (T, error) {
	_, patient := ctx.Deadline()
	for {
		once, done := b.linked(ctx, ackWithin)
		answer, err := question(once)
		silence := once.Err()
		done()
		switch {
		case err == nil, silence == nil, ctx.Err() != nil, b.life.Err() != nil, b.fault() != nil:
			return answer, err
		case !patient && errors.Is(silence, context.DeadlineExceeded):
			return answer, fmt.Errorf("no answer within %v: %w", ackWithin, nats.ErrTimeout)
		}
	}
}

// unlink ends every question that waits for its answer.
func (b *Bus) unlink() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cut()
	b.link, b.cut = context.WithCancel(context.Background())
}

// fault is why the embedded server cannot store, or nil.
func (b *Bus) fault() error {
	if b.emb == nil {
		return nil
	}
	return b.emb.fault()
}

func (b *Bus) faultError() error {
	return fmt.Errorf("bus: %s: %w: %w: free space or mend the disk, then restart", b.where, ErrFull, b.fault())
}

// because is the newest reason for the connection's trouble.
func (b *Bus) because() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.trouble != nil:
		return b.trouble.Error()
	case b.nc.LastError() != nil:
		return b.nc.LastError().Error()
	}
	return "connection " + b.nc.Status().String()
}
