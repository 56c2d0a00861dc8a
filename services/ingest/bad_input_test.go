package ingest_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"millrace/graph"
	"millrace/storage/readmodel"
)

// said puts an operation to a GraphQL door and returns the codes of what is wrong, of the answer as a whole or of its payload.
func said(t *testing.T, h *graph.Server, operation string) (codes []string, text string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": operation})
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequestWithContext(t.Context(), "POST", "/graphql", strings.NewReader(string(body)))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	var answer struct {
		Data map[string]struct {
			UserErrors []struct{ Code string }
		}
		Errors []struct{ Extensions struct{ Code string } }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%d: %.300s", w.Code, w.Body)
	}
	for _, e := range answer.Errors {
		codes = append(codes, e.Extensions.Code)
	}
	for _, payload := range answer.Data {
		for _, e := range payload.UserErrors {
			codes = append(codes, e.Code)
		}
	}
	return codes, w.Body.String()
}

// TestBadInputByGraphQL puts what is refused over HTTP to the other door: each is refused with a code, nothing of it is applied, and the run
// beside it is as it was.
func TestBadInputByGraphQL(t *testing.T) {
	l := start(t)
	h := graph.Handler(graph.Config{Model: l.model, Tracker: l.tracker, Log: slog.New(slog.DiscardHandler)})
	defer func() { _ = h.Close() }()
	l.ok("/runs", `{"id":"R1"}`)
	l.ok("/runs", `{"id":"other"}`)
	l.ok("/runs/R1/log?wait=1", `{"writer":"w","sequence":1,"entries":[{"params":{"lr":0.1},"writeOnce":true}]}`)
	l.ok("/runs/other/points?wait=1", `{"writer":"w","sequence":1,"points":[{"key":"k","step":1,"value":2}]}`)
	was := l.last()
	points := func(run, list string) string {
		return fmt.Sprintf(`mutation { logPoints(input: {run: %q, writer: "w", sequence: 9, points: [%s]}) { accepted userErrors { code } } }`, run, list)
	}
	good := `{key: "k", step: 1, value: 1}`
	for what, c := range map[string]struct{ operation, code string }{
		"a wrong type":       {points("R1", good+`, {key: "k", step: "two", value: 1}`), "BAD_USER_INPUT"},
		"a value of no kind": {points("R1", good+`, {key: "k", step: 2, value: "much"}, `+good), ""},
		"a malformed middle": {points("R1", good+`, {key: "", step: 2, value: 1}, `+good), "INVALID"},
		"an unknown run":     {points("nobody", good), "NOT_FOUND"},
		"a long key":         {points("R1", good+`, {key: "`+strings.Repeat("x", 500_000)+`", step: 2, value: 1}`), "INVALID"},
		"a 10 MB key":        {points("R1", `{key: "`+strings.Repeat("x", 10<<20)+`", step: 2, value: 1}`), ""},
		"a param rewritten":  {`mutation { logParams(input: {run: "R1", writer: "w", params: {free: 1, lr: 0.2}}) { userErrors { code } } }`, "CONFLICT"},
		"a time of no year":  {`mutation { endRun(input: {id: "R1", status: FINISHED, time: "12026-01-01T00:00:00Z"}) { userErrors { code } } }`, ""},
	} {
		codes, text := said(t, h, c.operation)
		if len(codes) == 0 || c.code != "" && codes[0] != c.code || codes[0] == "" || codes[0] == "INTERNAL" {
			t.Errorf("%s: %v in %.300s; want %s", what, codes, text, c.code)
		}
	}
	if n := l.last() - was; n != 0 {
		t.Errorf("%d facts came of what was refused", n)
	}
	if keys, err := l.model.Keys("R1"); err != nil || len(keys) != 0 {
		t.Errorf("something was half-applied: %+v, %v", keys, err)
	}
	// A clock in 1970 is believed.
	if codes, text := said(t, h, points("R1", `{key: "t", step: 1, value: 1, time: "1970-01-01T01:00:00Z"}`)); len(codes) != 0 {
		t.Errorf("%s", text)
	}
	if s, err := l.model.Series("R1", readmodel.SeriesQuery{Keys: []string{"t"}}); err != nil || len(s) != 1 || s[0].Times[0] != 3600e6 {
		t.Errorf("%+v, %v", s, err)
	}
	if codes, text := said(t, h, `mutation { openRun(input: {id: "old", time: "1970-01-02T00:00:00Z"}) { userErrors { code } } }`); len(codes) != 0 {
		t.Errorf("%s", text)
	}
	if run, err := l.model.Run("old"); err != nil || run.StartedAt.Unix() != 86400 {
		t.Errorf("%v, %v", run.StartedAt, err)
	}
	if s, err := l.model.Series("other", readmodel.SeriesQuery{}); err != nil || len(s) != 1 || s[0].Points != 1 {
		t.Errorf("the run beside it: %+v, %v", s, err)
	}
}

// TestAFullDiskIsSaidByGraphQL logs until the log takes no more: that is no fault of the input, and what was answered is there.
func TestAFullDiskIsSaidByGraphQL(t *testing.T) {
	l := startWith(t, 300_000)
	h := graph.Handler(graph.Config{Model: l.model, Tracker: l.tracker, Log: slog.New(slog.DiscardHandler)})
	defer func() { _ = h.Close() }()
	l.ok("/runs", `{"id":"R1"}`)
	taken := 0
	for n := 1; n < 100; n++ {
		codes, text := said(t, h, fmt.Sprintf(`mutation { logText(input: {run: "R1", writer: "w", sequence: %d, key: "t", step: %d, text: %q}) { userErrors { code hint } } }`, n, n, strings.Repeat("x", 20_000)))
		if len(codes) > 0 {
			if codes[0] != "UNAVAILABLE" || !strings.Contains(text, "free space") {
				t.Errorf("after %d: %s", n, text)
			}
			break
		}
		taken++
	}
	texts, err := l.model.Texts("R1", "t", 1000)
	if err != nil || taken == 0 || len(texts) != taken {
		t.Errorf("%d texts of %d, %v", len(texts), taken, err)
	}
}
