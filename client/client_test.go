package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"millrace/client"
	"millrace/services/node"
)

// lab runs a real node until the test ends.
func lab(t testing.TB, token string) *client.Client {
	t.Helper()
	n, err := node.Open(t.Context(), node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Token: token, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, n.Close()); err != nil {
			t.Error(err)
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return client.New(n.URL()+"/", token)
}

// external opens a run of somebody else's: it stays as it is until somebody logs to it.
func external(t *testing.T, c *client.Client, name string) client.Run {
	t.Helper()
	run, err := c.Start(t.Context(), client.StartRun{Kind: "EXTERNAL", Name: name, Config: json.RawMessage(`{"lr": 0.1}`)})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func TestFindTakesWhatAPersonHasAtHand(t *testing.T) {
	c := lab(t, "")
	older, newer, other := external(t, c, "twin"), external(t, c, "twin"), external(t, c, "other")
	for what, want := range map[string]string{
		older.ID: older.ID, "twin": newer.ID, "other": other.ID,
		older.ID[len(older.ID)-8:]: older.ID, strings.ToLower(newer.ID[len(newer.ID)-8:]): newer.ID, other.ID[:25]: other.ID,
	} {
		if got, err := c.Find(t.Context(), what); err != nil || got.ID != want {
			t.Errorf("%q: %s, want %s: %v", what, got.ID, want, err)
		}
	}
	if _, err := c.Find(t.Context(), older.ID[:4]); !errors.Is(err, client.ErrAmbiguous) || !strings.Contains(err.Error(), older.ID[:4]) {
		t.Errorf("the beginning of three: %v", err)
	}
	for _, what := range []string{"", "x", "nothing", older.ID[:3]} {
		if _, err := c.Find(t.Context(), what); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("%q: %v", what, err)
		}
	}
}

func TestErrorsTellApartWhatWentWrong(t *testing.T) {
	c := lab(t, "")
	_, err := c.Start(t.Context(), client.StartRun{Kind: "TRAIN", Config: json.RawMessage(`{}`), Inputs: []client.Input{{Role: "dataset", Digest: "none"}}})
	var refused *client.Refused
	if !errors.As(err, &refused) || refused.Hint() == "" || !strings.Contains(err.Error(), `"none"`) {
		t.Errorf("refused: %v", err)
	}
	var query *client.QueryError
	if err := c.Do(t.Context(), `{ nope }`, nil, nil); !errors.As(err, &query) || query.Code == "" {
		t.Errorf("a wrong query: %v", err)
	}
	if _, err := c.Dataset(t.Context(), "none"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("no dataset: %v", err)
	}
	if _, err := c.Checkpoints(t.Context(), "none"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("no run: %v", err)
	}
	_, _, _, _, err = client.New("http://127.0.0.1:1", "").System(t.Context())
	if !errors.Is(err, client.ErrUnreachable) || strings.Count(err.Error(), "http://127.0.0.1:1") != 1 {
		t.Errorf("nobody there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Run(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestATokenIsAskedForAndGiven(t *testing.T) {
	c := lab(t, "a-token-of-the-test")
	if _, _, _, _, err := c.System(t.Context()); err != nil {
		t.Errorf("with the token: %v", err)
	}
	_, _, _, _, err := client.New(c.URL(), "another").System(t.Context())
	var query *client.QueryError
	if !errors.As(err, &query) || query.Code != "UNAUTHENTICATED" || strings.Contains(err.Error(), "a-token-of-the-test") {
		t.Errorf("with another: %v", err)
	}
}

func TestWatchingSeesChangesAndEndsWhenToldTo(t *testing.T) {
	c := lab(t, "")
	run := external(t, c, "watched")
	enough := errors.New("enough")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	first := true
	err := c.WatchRun(ctx, run.ID, func(r client.Run) error {
		if first {
			first = false
			if _, err := c.TagRun(ctx, run.ID, []client.Tag{{Key: "seen", Value: "yes"}}, []string{}); err != nil {
				return err
			}
		}
		if len(r.Tags) == 1 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("one run: %v", err)
	}
	_, _, last, _, err := c.System(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	if err := c.Events(ctx, 1, last, nil, func(e client.LoggedEvent) error { types = append(types, e.Type); return nil }); err != nil || int64(len(types)) != last {
		t.Errorf("%v: %v", types, err)
	}
	short, stop := context.WithCancel(ctx)
	err = c.Events(short, 1, 0, []string{"run.tagged"}, func(client.LoggedEvent) error { stop(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("events: %v", err)
	}
	var query *client.QueryError
	if err := c.WatchRun(ctx, "none", func(client.Run) error { return nil }); !errors.As(err, &query) && !errors.Is(err, client.ErrNotFound) {
		t.Errorf("watching nothing: %v", err)
	}
}

func TestWhatIsNoNodeIsSaid(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"a page":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>hello</html>")) },
		"a refusal":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "go away", http.StatusTeapot) },
		"another form": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"data": {"system": 7}}`)) },
		"a broken stream": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = w.Write([]byte("event: next\ndata: {\n\n"))
		},
	} {
		s := httptest.NewServer(handler)
		c := client.New(s.URL, "")
		if _, _, _, _, err := c.System(t.Context()); err == nil {
			t.Errorf("%s is taken for a node", name)
		}
		if err := c.WatchRuns(t.Context(), nil, func(client.Run) error { return nil }); err == nil {
			t.Errorf("%s is taken for a subscription", name)
		}
		s.Close()
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
