package api

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// paced gives every read and write of a request its own deadline: a peer that stands still is dropped, one that is slow is not. What
// takes the connection over (WebSockets) keeps its own time.
func (s *Server) paced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			next.ServeHTTP(w, r)
			return
		}
		control := http.NewResponseController(w)
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &pacedBody{r.Body, control, s.IdleTimeout}
		}
		next.ServeHTTP(&pacedWriter{w, control, s.IdleTimeout}, r)
		// What net/http still holds is sent after the handler.
		_ = control.SetWriteDeadline(time.Now().Add(s.IdleTimeout))
	})
}

type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	idle    time.Duration
}

func (b *pacedBody) Read(p []byte) (int, error) {
	// Not every connection has deadlines (tests); then there is nothing to set.
	_ = b.control.SetReadDeadline(time.Now().Add(b.idle))
	n, err := b.ReadCloser.Read(p)
	// Past the body net/http itself reads, to learn that the client left: that may take as long as the answer does.
	_ = b.control.SetReadDeadline(time.Time{})
	return n, err
}

type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	idle    time.Duration
}

func (w *pacedWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.idle))
	return w.ResponseWriter.Write(p)
}

// Flush sends what was written.
func (w *pacedWriter) Flush() {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.idle))
	_ = w.control.Flush()
}

// Unwrap shows the writer to http.ResponseController.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

var (
	_ http.Flusher  = (*pacedWriter)(nil)
	_ http.Hijacker = (*recorder)(nil)
)

// recorder notes what was answered, for the log.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 || w.status < 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Flush sends what was written.
func (w *recorder) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Hijack gives the connection away.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.status = http.StatusSwitchingProtocols
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap shows the writer to http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// logged tells of every request, without its query (which may hold a token), and keeps a panic from ending the process.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w}
		began := time.Now()
		defer func() {
			v := recover()
			if v != nil && v != http.ErrAbortHandler {
				s.Log.Error("api: panic", "method", r.Method, "path", r.URL.Path, "panic", v)
				if rec.status == 0 {
					http.Error(rec, "internal error; the server's log says more", http.StatusInternalServerError)
				}
			}
			s.Log.Debug("request", "method", r.Method, "path", r.URL.Path, "status", rec.status, "bytes", rec.bytes,
				"took", time.Since(began), "from", r.RemoteAddr)
			if v == http.ErrAbortHandler {
				panic(v)
			}
		}()
		next.ServeHTTP(rec, r)
	})
}
