package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// maxBody bounds a request and a socket's message, in bytes.
const maxBody = 1 << 20

// socketProtocol is the one subprotocol spoken over WebSocket.
const socketProtocol = "graphql-transport-ws"

// ServeHTTP answers questions and wishes by POST (application/json), questions by GET, browsers that open the address with a page, and subscriptions over WebSocket
// (graphql-transport-ws) or as server-sent events (POST with Accept: text/event-stream). Pages of other origins are
// refused, except those that a loopback address served.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !sameOrigin(r) {
		refuse(w, http.StatusForbidden, "FORBIDDEN", "this page comes from another origin than the server")
		return
	}
	switch {
	case r.Header.Get("Upgrade") != "":
		if !offers(r, socketProtocol) {
			refuse(w, http.StatusBadRequest, "BAD_USER_INPUT", "offer the WebSocket subprotocol "+socketProtocol)
			return
		}
		s.stream(w, r.WithContext(context.WithValue(r.Context(), socketKey{}, true)))
		return
	case wantsPage(r):
		w.Header().Add("Vary", "Accept")
		s.page.ServeHTTP(w, r)
		return
	case r.Method == http.MethodPost:
		if !s.readBody(w, r) {
			return
		}
		if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
			p := &patient{ResponseWriter: w, idle: s.idle}
			defer p.end()
			s.stream(p, r.WithContext(context.WithValue(r.Context(), patientKey{}, p)))
			return
		}
	}
	s.gql.ServeHTTP(w, r)
}

// socketKey marks the contexts of what came over a WebSocket.
type socketKey struct{}

func onSocket(ctx context.Context) bool { return ctx.Value(socketKey{}) != nil }

// stream serves what lasts until the client or the server ends it.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	ctx, leave, err := s.live.enter(r.Context())
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, codeUnavailable, err.Error())
		return
	}
	defer leave()
	s.gql.ServeHTTP(w, r.WithContext(ctx))
}

// readBody checks a POST before gqlgen sees it, whose own errors repeat the body, and puts it back.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) bool {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "BAD_USER_INPUT", "send Content-Type: application/json")
		return false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		refuse(w, http.StatusRequestEntityTooLarge, "BAD_USER_INPUT", "a request has at most 1 MiB")
		return false
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "BAD_USER_INPUT", "the request broke off")
		return false
	}
	var shape struct {
		Query         *string                    `json:"query"`
		OperationName *string                    `json:"operationName"`
		Variables     json.RawMessage            `json:"variables"` // may be long, and is read by gqlgen
		Extensions    map[string]json.RawMessage `json:"extensions"`
	}
	err = json.Unmarshal(body, &shape)
	asks := shape.Query != nil || !null(shape.Extensions["persistedQuery"])
	if err != nil || !asks || !null(shape.Variables) && shape.Variables[0] != '{' {
		refuse(w, http.StatusBadRequest, "BAD_USER_INPUT", `the body is not of the form {"query": "…", "variables": {…}}`)
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return true
}

// null tells whether a value is not there, or is JSON's null.
func null(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// wantsPage tells whether a browser has opened the address: it prefers HTML and asks nothing.
func wantsPage(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.URL.Query().Has("query") || r.URL.Query().Has("extensions") {
		return false
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		media, _, _ := mime.ParseMediaType(part)
		switch media {
		case "text/html":
			return true
		case "application/json", "application/graphql-response+json":
			return false
		}
	}
	return false
}

// plainPage is shown where the pages were not built in.
func plainPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "This is GraphQL: POST {\"query\": \"{ runs { totalCount } }\"} as application/json.\n"+
		"The page for asking by hand needs Node once to be built: make web, then make build.\n")
}

// refuse answers before any GraphQL is looked at.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{
		"errors": []any{map[string]any{"message": message, "extensions": map[string]string{"code": code}}},
	})
}

// sameOrigin tells whether a browser's page may speak to us: one that we served, or one that a loopback address did (a
// development server). What sends no Origin is no page.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	return strings.EqualFold(u.Host, r.Host) || loopback(u.Hostname())
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func offers(r *http.Request, protocol string) bool {
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(p) == protocol {
				return true
			}
		}
	}
	return false
}

// patient gives every write of a stream its own deadline, so that a reader who takes nothing is dropped and one who takes little
// is not. After the end it swallows what gqlgen's pings, which are not waited for, may still write.
type patient struct {
	http.ResponseWriter
	idle time.Duration

	mu    sync.Mutex
	ended bool
	last  []byte // goes out before the end of the stream: why it ends
}

// patientKey finds the writer of a stream in the contexts of what it streams.
type patientKey struct{}

// streamEnd is how server-sent events say that no more come.
var streamEnd = []byte("event: complete\n")

func (p *patient) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return 0, io.ErrClosedPipe
	}
	p.extend()
	if p.last != nil && bytes.HasPrefix(b, streamEnd) {
		if _, err := p.ResponseWriter.Write(p.last); err != nil {
			return 0, err
		}
		p.last = nil
	}
	return p.ResponseWriter.Write(b)
}

// Flush sends what was written.
func (p *patient) Flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.extend()
	_ = http.NewResponseController(p.ResponseWriter).Flush()
}

func (p *patient) extend() {
	// Not every writer has deadlines; then the server's own hold.
	_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(p.idle))
}

// fail has the reader told why the stream ends, as a value that holds nothing but the error.
func (p *patient) fail(err *gqlerror.Error) {
	said, bad := json.Marshal(map[string]any{"data": nil, "errors": gqlerror.List{err}})
	if bad != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = fmt.Appendf(nil, "event: next\ndata: %s\n\n", said)
}

func (p *patient) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
}
