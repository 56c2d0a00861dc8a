package s3embed

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/rclone/gofakes3"
)

// closeWithin is the grace of a Server.
const closeWithin = 5 * time.Second

// Config says where a server keeps its objects and who may reach them. Dir,
// AccessKey and SecretKey must be given.
type Config struct {
	// Dir is where everything is stored. It is created (mode 0700) when
	// missing. One server at a time may have it.
	Dir string
	// Addr is the TCP address to listen on; "" is "127.0.0.1:0", a free port
	// that only this machine can reach.
	Addr string
	// AccessKey and SecretKey are the one pair of keys that is accepted: at
	// least 3 and 8 characters.
	AccessKey, SecretKey string
	// TLS, when not nil, makes the endpoint https.
	TLS *tls.Config
	// Log receives faults of the server and refused keys; nil: nothing.
	Log *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Server is a running S3 server.
type Server struct {
	listener net.Listener
	http     *http.Server
	dir      *directory
	scheme   string
	grace    time.Duration // how long Close waits for requests in flight

	requests sync.RWMutex // held for reading by every request in flight
	closed   bool         // under requests
	done     chan struct{}
	serveErr error // valid once done is closed
	close    func() error
}

// Open starts a server and returns once it accepts connections. ctx bounds the
// opening only; the server runs until Close.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("s3embed: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, cfg Config) (*Server, error) {
	const minAccess, minSecret = 3, 8
	if len(cfg.AccessKey) < minAccess || len(cfg.SecretKey) < minSecret {
		return nil, fmt.Errorf("set AccessKey (at least %d characters) and SecretKey (at least %d): there are no default keys", minAccess, minSecret)
	}
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := openDirectory(cfg.Dir)
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot listen on %s (is another program using the port?): %w", cfg.Addr, err), dir.close())
	}
	s := &Server{listener: l, dir: dir, scheme: "http", grace: closeWithin, done: make(chan struct{})}
	if cfg.TLS != nil {
		s.scheme = "https"
		s.listener = tls.NewListener(l, cfg.TLS)
	}
	s.close = sync.OnceValue(s.shutdown)

	d := &disk{directory: dir, now: cfg.Now, uploads: uploads{byID: map[gofakes3.UploadID]*upload{}}}
	protocol := gofakes3.New(d,
		gofakes3.WithV4Auth(map[string]string{cfg.AccessKey: cfg.SecretKey}),
		gofakes3.WithLogger(logger{cfg.Log}),
		gofakes3.WithUnimplementedPageError(),
	)
	d.uploads.forgotten = func(u *upload) {
		// The only error is that it did not know the upload.
		_ = protocol.ForgetMultipartUpload(context.Background(), u.bucket, u.key, u.id)
	}
	s.http = &http.Server{
		Handler:           s.counted(checked(protocol.Server())),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn),
	}
	go func() {
		defer close(s.done)
		s.serveErr = ignoreClosed(s.http.Serve(s.listener))
	}()
	return s, nil
}

// counted lets Close wait for requests that outlive their connection: the
// directory must not be given away while one is still writing.
func (s *Server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.RLock()
		defer s.requests.RUnlock()
		if s.closed {
			// It came just before the end; the directory may be another's now.
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Endpoint is the URL to give to clients, such as "http://127.0.0.1:43210".
func (s *Server) Endpoint() string { return s.scheme + "://" + s.Addr() }

// Addr is the host and port that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Done is closed when the server no longer accepts connections: after Close,
// or because its listener failed, which Close then returns.
func (s *Server) Done() <-chan struct{} { return s.done }

// Close stops the server: no new requests, up to 5 s for those in flight, then
// the rest is cut off. After it the directory and the port are free. A second
// Close returns what the first did.
func (s *Server) Close() error { return s.close() }

func (s *Server) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.grace)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	<-s.done
	s.requests.Lock() // the last handlers have returned
	defer s.requests.Unlock()
	s.closed = true
	err = errors.Join(err, s.serveErr, os.RemoveAll(s.dir.tmp()), s.dir.close())
	if err != nil {
		return fmt.Errorf("s3embed: close: %w", err)
	}
	return nil
}
