package client_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"millrace/client"
)

// TestLookingBackPutsTheDirectiveIntoQueries listens to what is asked.
func TestLookingBackPutsTheDirectiveIntoQueries(t *testing.T) {
	var asked string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Query string }
		raw, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(raw, &body)
		}
		if err != nil {
			t.Error(err)
		}
		asked = body.Query
		_, _ = io.WriteString(w, `{"data":{}}`)
	}))
	defer srv.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	now := client.New(srv.URL, "")
	at := time.Date(2026, 11, 17, 9, 30, 0, 500, time.UTC)
	for _, c := range []struct {
		client      *client.Client
		query, want string
	}{
		{now, `{ system { version } }`, `{ system { version } }`},
		{now.AsOf(7), `{ system { version } }`, `query @asOf(seq: 7) { system { version } }`},
		{now.AsOf(7), ` query Q($id: ID!) { node(id: $id) { id } }`, `query Q($id: ID!) @asOf(seq: 7) { node(id: $id) { id } }`},
		{now.AsOfTime(at), `query { retention { by } }`, `query @asOf(time: "2026-11-17T09:30:00.0000005Z") { retention { by } }`},
	} {
		if err := c.client.Do(t.Context(), c.query, nil, nil); err != nil || asked != c.want {
			t.Errorf("%s was asked as %s, want %s: %v", c.query, asked, c.want, err)
		}
	}
	asked = ""
	if err := now.AsOf(7).Do(t.Context(), `mutation { x }`, nil, nil); !errors.Is(err, client.ErrPast) || asked != "" {
		t.Errorf("%v, asked %q", err, asked)
	}
}
