package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"millrace/event"
	"millrace/graph"
	"millrace/storage/blob"
	"millrace/storage/readmodel"
)

// asked puts an operation to the GraphQL door over the same tracker, and returns data.<field>, whose userErrors it also decodes.
func (l *lab) asked(h *graph.Server, field, operation string) (out map[string]any, errs []map[string]any) {
	l.t.Helper()
	body, err := json.Marshal(map[string]string{"query": operation})
	if err != nil {
		l.t.Fatal(err)
	}
	req := httptest.NewRequestWithContext(l.t.Context(), "POST", "/graphql", bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	var answer struct {
		Data   map[string]map[string]any
		Errors []any
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer.Errors) > 0 {
		l.t.Fatalf("%s: %s", operation, w.Body)
	}
	out = answer.Data[field]
	list, _ := out["userErrors"].([]any)
	for _, e := range list {
		errs = append(errs, e.(map[string]any))
	}
	return out, errs
}

func TestGraphQLAndRESTLogByTheSameWay(t *testing.T) {
	l := start(t)
	h := graph.Handler(graph.Config{Model: l.model, Tracker: l.tracker, Log: slog.New(slog.DiscardHandler), Blob: func(ctx context.Context, d event.Digest) (io.ReadCloser, error) {
		r, err := l.blobs.Reader(ctx, blob.Digest(d))
		if errors.Is(err, blob.ErrNotFound) {
			return nil, fs.ErrNotExist
		}
		return r, err
	}})
	defer func() { _ = h.Close() }()
	ref, err := l.blobs.Put(t.Context(), []byte("<html>"))
	if err != nil {
		t.Fatal(err)
	}
	const rest = `{ run { id status } accepted duplicate userErrors { field message code hint } }`
	for _, c := range []struct{ field, operation, want string }{
		{"openRun", `mutation { openRun(input: {id: "G1", name: "by graph", config: {lr: 0.1}, group: "g", heartbeatSeconds: 30, by: "ada"}) { run { id status kind group heartbeatSeconds } userErrors { message } } }`,
			`map[run:map[group:g heartbeatSeconds:30 id:G1 kind:EXTERNAL status:RUNNING] userErrors:[]]`},
		{"logPoints", `mutation { logPoints(input: {run: "G1", writer: "w", sequence: 1, points: [{key: "k", step: 1, value: 2, context: {a: 1}}, {key: "k", step: 2, value: "NaN"}],
			series: [{key: "s", steps: [1, 2], values: [1, 2], times: ["2026-11-21T09:30:00Z", "2026-11-21T09:31:00Z"]}]}) ` + rest + ` }`,
			`map[accepted:4 duplicate:false run:map[id:G1 status:RUNNING] userErrors:[]]`},
		{"logPoints", `mutation { logPoints(input: {run: "G1", writer: "w", sequence: 1, points: [{key: "k", step: 1, value: 2}]}) ` + rest + ` }`,
			`map[accepted:1 duplicate:true run:map[id:G1 status:RUNNING] userErrors:[]]`},
		{"logParams", `mutation { logParams(input: {run: "G1", writer: "w", sequence: 2, writeOnce: true, params: {optimizer: {lr: 0.5}}}) ` + rest + ` }`,
			`map[accepted:0 duplicate:false run:map[id:G1 status:RUNNING] userErrors:[]]`},
		{"logText", `mutation { logText(input: {run: "G1", writer: "w", sequence: 3, key: "sample", step: 4, text: "hello"}) ` + rest + ` }`, `map[accepted:0 duplicate:false run:map[id:G1 status:RUNNING] userErrors:[]]`},
		{"logLines", `mutation { logLines(input: {run: "G1", writer: "w", sequence: 4, first: 0, lines: ["a", "b"]}) ` + rest + ` }`, `map[accepted:0 duplicate:false run:map[id:G1 status:RUNNING] userErrors:[]]`},
		{"raiseAlert", `mutation { raiseAlert(input: {run: "G1", writer: "w", sequence: 5, level: WARN, title: "spike"}) ` + rest + ` }`, `map[accepted:0 duplicate:false run:map[id:G1 status:RUNNING] userErrors:[]]`},
		{"logArtifact", fmt.Sprintf(`mutation { logArtifact(input: {run: "G1", writer: "w", sequence: 6, path: "pages/a.html", role: "html", digest: %q, size: 6, media: "text/html"}) `, ref.Digest) + rest + ` }`,
			`map[accepted:0 duplicate:false run:map[id:G1 status:RUNNING] userErrors:[]]`},
	} {
		if got, errs := l.asked(h, c.field, c.operation); fmt.Sprint(got) != c.want || len(errs) > 0 {
			t.Errorf("%s\n got %v\nwant %s", c.operation, got, c.want)
		}
	}
	// The numbers of a writer are the same by either way.
	if got := l.ok("/runs/G1/log", `{"writer":"w","sequence":6,"entries":[{"note":"x"}]}`); !got.Duplicate {
		t.Errorf("%+v", got)
	}
	for _, c := range []struct{ field, operation, code, at, says string }{
		{"logParams", `mutation { logParams(input: {run: "G1", writer: "w", params: {optimizer: {lr: 0.6}}}) ` + rest + ` }`, "CONFLICT", "[input params optimizer.lr]", "written once"},
		{"logPoints", `mutation { logPoints(input: {run: "nobody", writer: "w", points: [{key: "k", step: 1, value: 2}]}) ` + rest + ` }`, "NOT_FOUND", "[input id]", "no run"},
		{"logPoints", `mutation { logPoints(input: {run: "G1", writer: "w", points: [{key: "", step: 1, value: 2}]}) ` + rest + ` }`, "INVALID", "[input key]", "1-1024"},
		{"logPoints", `mutation { logPoints(input: {run: "G1", writer: "w", points: [{key: "k", step: 1, value: 2, context: [1]}]}) ` + rest + ` }`, "INVALID", "[input points]", "context"},
		{"logText", `mutation { logText(input: {run: "G1", writer: "a b", key: "k", step: 1, text: "x"}) ` + rest + ` }`, "INVALID", "[input writer]", "cannot name"},
		{"logArtifact", fmt.Sprintf(`mutation { logArtifact(input: {run: "G1", writer: "w", path: "x", digest: %q, size: 6}) `, event.DigestOf([]byte("absent"))) + rest + ` }`, "NOT_FOUND", "[input digest]", "not in the store"},
		{"openRun", `mutation { openRun(input: {id: "a b"}) { run { id } userErrors { field message code } } }`, "INVALID", "[input id]", "cannot name"},
	} {
		_, errs := l.asked(h, c.field, c.operation)
		if len(errs) != 1 || errs[0]["code"] != c.code || fmt.Sprint(errs[0]["field"]) != c.at || !strings.Contains(fmt.Sprint(errs[0]["message"]), c.says) {
			t.Errorf("%s\n got %v", c.operation, errs)
		}
	}
	l.ok("/runs/G1/log?wait=1", `{"writer":"v","sequence":1,"entries":[{"table":{"key":"tables/t","columns":["a","b"],"rows":[[1,"x"],[2,"y"]]}}]}`)
	run, _ := l.asked(h, "run", `{ run(id: "G1") { artifacts { nodes { path role step media size url } } tables { columns rows count artifact { path } } texts { text } heartbeatAt } }`)
	if run["heartbeatAt"] == nil {
		t.Error("no sign of life")
	}
	delete(run, "heartbeatAt")
	want := fmt.Sprintf(`map[artifacts:map[nodes:[map[media:text/html path:pages/a.html role:html size:6 step:<nil> url:/api/v1/blob/%s?name=a.html] map[media:application/vnd.millrace.table.v1+json path:tables/t role:table size:46 step:<nil> url:/api/v1/blob/%s?name=t]]]`+
		` tables:[map[artifact:map[path:tables/t] columns:[a b] count:2 rows:[[1 x] [2 y]]]] texts:[map[text:hello]]]`, ref.Digest, event.DigestOf([]byte(`{"columns":["a","b"],"rows":[[1,"x"],[2,"y"]]}`)))
	if fmt.Sprint(run) != want {
		t.Errorf(" got %v\nwant %s", run, want)
	}
	if got, errs := l.asked(h, "endRun", `mutation { endRun(input: {id: "G1", status: FAILED, exitCode: 3, failure: {code: "oom", message: "killed"}}) { run { status } userErrors { message } } }`); len(errs) > 0 || fmt.Sprint(got["run"]) != "map[status:FAILED]" {
		t.Errorf("%v %v", got, errs)
	}
	if s, err := l.model.Series("G1", readmodel.SeriesQuery{Keys: []string{"k"}}); err != nil || len(s) != 2 || s[1].Context != `{"a":1}` || s[0].Points != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}
