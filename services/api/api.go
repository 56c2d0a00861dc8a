package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Config says what lies behind the door. Graph is required.
type Config struct {
	// Graph answers /graphql.
	Graph http.Handler
	// Drain is called when the shutdown begins, to end what lasts (sockets); nil: nothing lasts.
	Drain func() error
	// Metrics answers /metrics; nil: 404.
	Metrics http.Handler
	// Ready are the conditions of /readyz.
	Ready []Check
	// Blob opens a blob by its digest for /api/v1/blob/{digest}, with its size in bytes (-1: unknown). An error that is
	// fs.ErrNotExist answers 404. nil: 404.
	Blob func(ctx context.Context, digest string) (io.ReadCloser, int64, error)
	// Logging answers what scripts log with, /api/v1/runs and below, and takes what is PUT to /api/v1/blob/{digest}. It
	// bounds its bodies itself. nil: 404.
	Logging http.Handler
	// Mount adds patterns of http.ServeMux: the page at "/", foreign protocols at, e.g., "/api/2.0/mlflow/".
	Mount map[string]http.Handler

	// Token, when set, is asked of every request but those for /healthz and /readyz: "Authorization: Bearer <token>", the
	// password of basic authentication, or once ?token=<token>, which a browser trades for a cookie.
	Token string
	// Open allows to listen beyond loopback without a token: a private network guards the door.
	Open bool
	// Hosts are the names under which the door is called from elsewhere. Without any, beyond loopback every name is good.
	Hosts []string

	// MaxBody bounds a request's body in bytes, 0: 1 MiB; MaxMountBody that of what is mounted, 0: 64 MiB.
	MaxBody, MaxMountBody int64
	// IdleTimeout is how long a peer may neither take nor send anything while it should; 0: 60 s.
	IdleTimeout time.Duration
	// ShutdownTimeout is how long requests may take to end; 0: 10 s.
	ShutdownTimeout time.Duration
	// Log takes requests at debug level, without their queries; nil: slog.Default.
	Log *slog.Logger
}

// ErrUnguarded is returned by Serve for a listener beyond loopback without a token.
var ErrUnguarded = errors.New("the door would be open to the network")

// Server is the door.
type Server struct {
	Config
	handler http.Handler
	public  atomic.Bool // listens beyond loopback
}

// New builds the door. Errors: no Graph; a pattern that ServeMux does not take.
func New(c Config) (_ *Server, err error) {
	if c.Graph == nil {
		return nil, errors.New("api: there is nothing to answer /graphql")
	}
	if c.MaxBody == 0 {
		c.MaxBody = 1 << 20
	}
	if c.MaxMountBody == 0 {
		c.MaxMountBody = 64 << 20
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = time.Minute
	}
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = 10 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	defer func() { // ServeMux panics at a pattern that is malformed or there twice
		if r := recover(); r != nil {
			err = fmt.Errorf("api: %v", r)
		}
	}()
	s := &Server{Config: c}
	s.handler = s.guarded(s.routes())
	return s, nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/graphql", limited(s.Graph, s.MaxBody))
	// Other methods, and what is not there, must not fall through to the page, which answers anything.
	read := func(path string, h http.Handler) {
		mux.Handle("GET "+path, limited(h, s.MaxBody))
		mux.Handle(path, http.HandlerFunc(onlyRead))
	}
	read("/healthz", http.HandlerFunc(healthz))
	read("/readyz", http.HandlerFunc(s.readyz))
	if s.Metrics != nil {
		read("/metrics", s.Metrics)
	}
	if s.Blob != nil {
		read("/api/v1/blob/{digest}", http.HandlerFunc(s.blob))
	}
	if s.Logging != nil {
		mux.Handle("/api/v1/runs", s.Logging)
		mux.Handle("/api/v1/runs/", s.Logging)
		mux.Handle("PUT /api/v1/blob/{digest}", s.Logging)
	}
	mux.Handle("/api/v1/", http.NotFoundHandler())
	for pattern, h := range s.Mount {
		mux.Handle(pattern, limited(h, s.MaxMountBody))
	}
	return mux
}

func onlyRead(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "this can only be read", http.StatusMethodNotAllowed)
}

func limited(h http.Handler, max int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, max)
		h.ServeHTTP(w, r)
	})
}

// ServeHTTP answers a request; it is what Serve serves.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Serve answers on a listener until ctx ends, then lets requests end and returns nil. It closes the listener. Errors:
// ErrUnguarded; the listener's.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	public := !loopbackAddr(ln.Addr())
	if public && s.Token == "" && !s.Open {
		ln.Close()
		return fmt.Errorf("api: %s is reached from other machines, and no token is set: set a token, listen on 127.0.0.1, or declare the network private (open): %w", ln.Addr(), ErrUnguarded)
	}
	s.public.Store(public)
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("api: %w", err)
	case <-ctx.Done():
	}
	return s.shutdown(server, served)
}

func (s *Server) shutdown(server *http.Server, served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.ShutdownTimeout)
	defer cancel()
	drained := make(chan error, 1)
	go func() {
		if s.Drain == nil {
			drained <- nil
			return
		}
		drained <- s.Drain()
	}()
	err := server.Shutdown(ctx)
	if err != nil {
		s.Log.Warn("api: requests were cut off at shutdown", "after", s.ShutdownTimeout)
		server.Close()
	}
	<-served
	select {
	case err = <-drained:
	case <-ctx.Done():
		s.Log.Warn("api: sockets were cut off at shutdown", "after", s.ShutdownTimeout)
		return nil
	}
	if err != nil {
		return fmt.Errorf("api: drain: %w", err)
	}
	return nil
}
