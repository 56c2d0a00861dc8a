package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/coder/websocket"
)

// sockets accepts WebSockets. gqlgen's own adapter writes without a deadline: a client that stops reading would hold its
// goroutines, and with them the shutdown, for ever.
type sockets struct {
	log     *slog.Logger
	timeout time.Duration
	live    *lives
}

// Accept takes the connection over. The origin was checked before.
func (s sockets) Accept(w http.ResponseWriter, r *http.Request, _ transport.WebsocketAcceptOptions) (transport.WebsocketConn, error) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{socketProtocol},
		InsecureSkipVerify: true, // of the origin: sameOrigin has verified it
	})
	if err != nil {
		s.log.Debug("a WebSocket could not be opened", "error", err)
		return nil, err
	}
	return &socket{conn: conn, timeout: s.timeout, live: s.live}, nil
}

// socket is one WebSocket, with a deadline on every write.
type socket struct {
	conn    *websocket.Conn
	timeout time.Duration
	live    *lives

	mu      sync.Mutex
	closing bool
	silence *time.Timer // closes the connection when a pong is overdue
}

// NextReader returns the next message.
func (s *socket) NextReader() (int, io.Reader, error) {
	kind, data, err := s.conn.Read(context.Background())
	switch websocket.CloseStatus(err) {
	case websocket.StatusNormalClosure, websocket.StatusNoStatusRcvd, websocket.StatusGoingAway:
		err = transport.ErrWebsocketClosed
	}
	return int(kind), bytes.NewReader(data), err
}

// WriteJSON sends a message, or drops the connection when the client takes nothing in time.
func (s *socket) WriteJSON(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, data)
}

// WriteClose begins the closing handshake, which may wait for the peer for some seconds, beside the caller.
func (s *socket) WriteClose(code int, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopSilence()
	if s.closing {
		return nil
	}
	s.closing = true
	if s.live.ctx.Err() != nil {
		code, reason = int(websocket.StatusGoingAway), "the server is shutting down"
	}
	release, ok := s.live.hold()
	if !ok {
		return s.conn.CloseNow()
	}
	go func() {
		defer release()
		_ = s.conn.Close(websocket.StatusCode(code), reason)
	}()
	return nil
}

// Close drops the connection, unless the handshake that does is under way.
func (s *socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopSilence()
	if s.closing {
		return nil
	}
	return s.conn.CloseNow()
}

// Subprotocol is what was agreed on.
func (s *socket) Subprotocol() string { return s.conn.Subprotocol() }

// SetReadLimit bounds a message, in bytes.
func (s *socket) SetReadLimit(limit int64) { s.conn.SetReadLimit(limit) }

// SetReadDeadline drops the connection at a time, or at none.
func (s *socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopSilence()
	if !t.IsZero() && !s.closing {
		s.silence = time.AfterFunc(time.Until(t), func() { _ = s.conn.CloseNow() })
	}
	return nil
}

func (s *socket) stopSilence() {
	if s.silence != nil {
		s.silence.Stop()
		s.silence = nil
	}
}
