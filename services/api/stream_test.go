package api_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"millrace/services/api"
)

func TestSocketsPassTheDoor(t *testing.T) {
	s := open(t, func(c *api.Config) {
		c.IdleTimeout = 200 * time.Millisecond // of requests; a socket keeps its own time
		c.Graph = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := websocket.Accept(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.CloseNow()
			kind, b, err := conn.Read(r.Context())
			if err == nil {
				err = conn.Write(r.Context(), kind, append([]byte("echo "), b...))
			}
			if err != nil {
				t.Error(err)
			}
		})
	})
	base, stop := serve(t, s)
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, strings.Replace(base, "http", "ws", 1)+"/graphql", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	time.Sleep(time.Second) // silent for longer than a request may be
	if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := conn.Read(ctx); err != nil || string(b) != "echo hello" {
		t.Errorf("%s %v", b, err)
	}
}

func TestStreamsOfEventsAreNotHeldBack(t *testing.T) {
	more := make(chan struct{})
	s := open(t, func(c *api.Config) {
		c.Graph = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range 2 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
				if i == 0 {
					<-more
				}
			}
		})
	})
	base, stop := serve(t, s)
	defer stop()
	req, err := http.NewRequest(http.MethodPost, base+"/graphql", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Encoding") != "" {
		t.Error("a stream is compressed")
	}
	lines := bufio.NewReader(resp.Body)
	for _, want := range []string{"data: 0\n", "\n", "data: 1\n"} {
		got, err := lines.ReadString('\n')
		if err != nil || got != want {
			t.Fatalf("%q %v, want %q", got, err, want)
		}
		if want == "data: 0\n" {
			close(more) // the first came before the second was written
		}
	}
}
