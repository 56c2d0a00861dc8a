package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

const dialWithin = 5 * time.Second

// connectEmbedded joins the server in this process over a pipe.
func (b *Bus) connectEmbedded() (*nats.Conn, error) {
	opts := append(b.connOptions(), nats.InProcessServer(b.emb.server))
	if b.conf.Token != "" {
		opts = append(opts, nats.Token(b.conf.Token))
	}
	nc, err := nats.Connect("", opts...)
	if err != nil {
		return nil, fmt.Errorf("bus: %s: %w", b.where, err)
	}
	return nc, nil
}

// connectExternal dials the configured URL once.
func (b *Bus) connectExternal(ctx context.Context) (*nats.Conn, error) {
	c := b.conf
	within := dialWithin
	if deadline, ok := ctx.Deadline(); ok {
		within = max(time.Millisecond, min(within, time.Until(deadline)))
	}
	opts := append(b.connOptions(), nats.Timeout(within))
	if c.Token != "" {
		opts = append(opts, nats.Token(c.Token))
	}
	if c.User != "" {
		opts = append(opts, nats.UserInfo(c.User, c.Password))
	}
	if c.CredsFile != "" {
		opts = append(opts, nats.UserCredentials(c.CredsFile))
	}
	if c.CAFile != "" {
		opts = append(opts, nats.RootCAs(c.CAFile))
	}
	if c.CertFile != "" {
		opts = append(opts, nats.ClientCert(c.CertFile, c.KeyFile))
	}
	nc, err := nats.Connect(c.URL, opts...)
	switch {
	case err == nil:
		return nc, nil
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAccountAuthExpired):
		return nil, fmt.Errorf("bus: %s: %w: %w: check the token, the user or the credentials file", b.where, ErrRefused, err)
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrTimeout), isNetwork(err):
		return nil, fmt.Errorf("bus: %s: %w: %w: check the URL, or leave it out to embed a server", b.where, ErrUnreachable, err)
	}
	return nil, fmt.Errorf("bus: %s: %w", b.where, err)
}

// connOptions are for both kinds of connection. Nothing is buffered while disconnected: a publish is tried again by us, with its id, and not
// by a buffer that nobody waits for any more.
func (b *Bus) connOptions() []nats.Option {
	return []nats.Option{
		nats.Name("millrace " + b.conf.Source),
		nats.MaxReconnects(-1), nats.ReconnectWait(200 * time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, time.Second),
		nats.ReconnectBufSize(-1), nats.IgnoreAuthErrorAbort(), nats.PingInterval(20 * time.Second), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if b.life.Err() == nil {
				b.conf.Log.Warn("bus: connection lost", "nats", b.where, "err", err)
			}
			b.setTrouble(err)
			b.unlink()
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			b.conf.Log.Warn("bus: connected again", "nats", b.where)
			b.mu.Lock()
			defer b.mu.Unlock()
			b.trouble = nil
			close(b.redial)
			b.redial = make(chan struct{})
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.conf.Log.Warn("bus: NATS complains", "nats", b.where, "err", err)
			b.setTrouble(err)
		}),
	}
}

func (b *Bus) setTrouble(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.trouble = err
	}
}

func isNetwork(err error) bool {
	var timeout interface{ Timeout() bool } // net.Error and what wraps it
	return errors.As(err, &timeout)
}
