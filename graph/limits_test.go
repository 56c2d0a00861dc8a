package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"millrace/graph"
)

func TestWhatCostsTooMuchIsRefusedBeforeItRuns(t *testing.T) {
	l := newLab(t, func(c *graph.Config) { c.Complexity, c.Depth = 5000, 8 })
	l.write(t, story(t)...)
	deep := strings.Repeat("runs(first: 1) { nodes { experiment { ", 4) + "id" + strings.Repeat(" } } }", 4)
	for query, want := range map[string]string{
		`{ runs(first: 500) { nodes { id name status kind note by worker attempts seconds seq archived } } }`:                                     "COMPLEXITY_LIMIT_EXCEEDED",
		`{ runs(first: 10) { nodes { series(keys: ["a"], maxPoints: 200000) { steps } } } }`:                                                      "COMPLEXITY_LIMIT_EXCEEDED",
		`{ metricSeries(runs: ["a","b","c","d"], keys: ["a","b","c"], maxPoints: 100000) { steps } }`:                                             "COMPLEXITY_LIMIT_EXCEEDED",
		"{ experiment(id: \"exp-lr\") { " + deep + " } }":                                                                                         "DEPTH_LIMIT_EXCEEDED",
		"query { ...f } fragment f on Query { experiment(id: \"exp-lr\") { ... on Experiment { " + deep + " } } }":                                "DEPTH_LIMIT_EXCEEDED",
		"{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }":                                                      "GRAPHQL_VALIDATION_FAILED",
		"{ __type(name: \"Run\") { possibleTypes { ...f } } } fragment f on __Type { fields { type { ... on __Type { interfaces { name } } } } }": "GRAPHQL_VALIDATION_FAILED",
		"{ a" + strings.Repeat(" a", 30_000) + " }":                                                                                               "GRAPHQL_PARSE_FAILED",
		`{ nope }`: "GRAPHQL_VALIDATION_FAILED",
		`{ run(`:   "GRAPHQL_PARSE_FAILED",
		`{ run(id: "train-1") { series(keys: ["a"], maxPoints: 0) { key } } }`:          "BAD_USER_INPUT",
		`{ run(id: "train-1") { usageHistory(maxPoints: 0) { at } } }`:                  "BAD_USER_INPUT",
		`{ run(id: "train-1") { console(last: -1) { line } } }`:                         "BAD_USER_INPUT",
		`{ compareRuns(ids: ["train-1"]) { runs { id } } }`:                             "BAD_USER_INPUT",
		`{ compareRuns(ids: ["train-1", "nobody"]) { runs { id } } }`:                   "NOT_FOUND",
		`{ metricSeries(runs: ["nobody"], keys: ["a"]) { key } }`:                       "NOT_FOUND",
		`{ runs(filter: {createdAfter: "yesterday"}) { totalCount } }`:                  "BAD_USER_INPUT",
		`{ runs(filter: {metrics: [{key: "a", value: {}}]}) { totalCount } }`:           "BAD_USER_INPUT",
		`{ runs(filter: {metrics: [{key: "", value: {eq: 1}}]}) { totalCount } }`:       "BAD_USER_INPUT",
		`{ runs(filter: {metrics: [{key: "a", value: {eq: "much"}}]}) { totalCount } }`: "BAD_USER_INPUT",
		`{ runs(filter: {config: [{path: ""}]}) { totalCount } }`:                       "BAD_USER_INPUT",
		`{ runs(orderBy: {field: METRIC}) { totalCount } }`:                             "BAD_USER_INPUT",
		`{ checkpoint(run: "train-1", step: "many") { step } }`:                         "BAD_USER_INPUT",
	} {
		if got := l.code(t, query, nil); got != want {
			t.Errorf("%.80s: %s, want %s", query, got, want)
		}
	}
	many := make([]string, 201)
	if got := l.code(t, `query($k: [String!]!) { run(id: "train-1") { series(keys: $k, maxPoints: 1) { key } } }`, map[string]any{"k": many}); got != "BAD_USER_INPUT" {
		t.Error(got)
	}
	if got := l.code(t, `query($k: [ID!]!) { metricSeries(runs: $k, keys: ["a"], maxPoints: 1) { key } }`, map[string]any{"k": many}); got != "BAD_USER_INPUT" {
		t.Error(got)
	}
	if l.errors.Len() > 0 {
		t.Error(l.errors)
	}
}

func TestIntrospectionShowsTheWholeSchema(t *testing.T) {
	l := newLab(t)
	got := get[struct {
		Schema struct {
			Types []struct{ Name string }
		} `json:"__schema"`
	}](t, l, `{ __schema { types { name kind fields { name args { name type { name ofType { name ofType { name ofType { name } } } } } type { name ofType { name ofType { name ofType { name } } } } } } } }`, nil)
	names := map[string]bool{}
	for _, n := range got.Schema.Types {
		names[n.Name] = true
	}
	for name := range schema(t).Types {
		if !names[name] {
			t.Errorf("%s is not shown", name)
		}
	}
}

// do makes an HTTP request in process.
func (l *lab) do(method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	l.server.ServeHTTP(w, r)
	return w
}

func TestTheDoorOfGraphQL(t *testing.T) {
	l := newLab(t)
	l.write(t, story(t)...)
	const ask = `{"query":"{ system { version } }"}`
	const jsonType = "application/json"
	get := func(query string) string { return "/graphql?query=" + url.QueryEscape(query) }
	for _, c := range []struct {
		what, method, target, body string
		header                     []string
		want                       int
		says                       string
	}{
		{"a question", "POST", "/graphql", ask, []string{"Content-Type", jsonType}, 200, `"v0.1.0"`},
		{"a question with a charset", "POST", "/graphql", ask, []string{"Content-Type", "application/json; charset=utf-8"}, 200, `"v0.1.0"`},
		{"a form from another site needs no preflight", "POST", "/graphql", ask, []string{"Content-Type", "text/plain"}, 415, "application/json"},
		{"no type", "POST", "/graphql", ask, nil, 415, "application/json"},
		{"a question by GET", "GET", get("{ system { version } }"), "", nil, 200, `"v0.1.0"`},
		{"a wish by GET", "GET", get(`mutation { deleteRun(input: {id: "train-2"}) { deletedId } }`), "", nil, 406, "only allow query"},
		{"a subscription by GET", "GET", get(`subscription { run(id: "train-2") { id } }`), "", nil, 406, "only allow query"},
		{"another page", "POST", "/graphql", ask, []string{"Content-Type", jsonType, "Origin", "https://evil.example"}, 403, "origin"},
		{"another page's GET", "GET", get("{ system { version } }"), "", []string{"Origin", "https://evil.example"}, 403, "origin"},
		{"our page", "POST", "/graphql", ask, []string{"Content-Type", jsonType, "Origin", "http://example.com"}, 200, `"v0.1.0"`},
		{"a development server", "POST", "/graphql", ask, []string{"Content-Type", jsonType, "Origin", "http://127.0.0.1:5173"}, 200, `"v0.1.0"`},
		{"too long", "POST", "/graphql", `{"query":"` + strings.Repeat(" ", 1<<20) + `"}`, []string{"Content-Type", jsonType}, 413, "1 MiB"},
		{"no JSON", "POST", "/graphql", `{"query": secret`, []string{"Content-Type", jsonType}, 400, "not of the form"},
		{"a list", "POST", "/graphql", `[` + ask + `]`, []string{"Content-Type", jsonType}, 400, "not of the form"},
		{"no query", "POST", "/graphql", `{}`, []string{"Content-Type", jsonType}, 400, "not of the form"},
		{"a persisted query that is not kept", "POST", "/graphql", `{"query":"","extensions":{"persistedQuery":{"version":1,"sha256Hash":"ab"}}}`, []string{"Content-Type", jsonType}, 200, "BAD_USER_INPUT"},
		{"a method of its own", "PUT", "/graphql", "", nil, 400, "not supported"},
	} {
		w := l.do(c.method, c.target, c.body, c.header...)
		if w.Code != c.want || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %.200s, want %d and %q", c.what, w.Code, w.Body, c.want, c.says)
		}
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: the answer repeats what was sent", c.what)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %s is not JSON", c.what, w.Body)
		}
	}
	if a := l.ask(t, `{ run(id: "train-2") { id } }`, nil); string(a.Data) == `{"run":null}` {
		t.Error("the wish by GET was granted")
	}
}

// FuzzRequest sends any body. Nothing may panic, and every answer is JSON that names what was wrong.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{
		`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}`, `{"query":"{ lineage(of:\"train-1\",depth:9){nodes{id}} }"}`,
		`{"query":"{ compareRuns(ids:[\"train-1\",\"train-2\"]){configTree seeds{paths} aligned(keys:[\"a\"],by:DOLLARS){x}} }"}`,
		`{"query":"{ run(id: \"train-1\") { id } }"}`, `{"query":"query($a: Int){runs(first:$a){totalCount}}","variables":{"a":1e99}}`,
		`{"query":"{runs(filter:{config:[{path:\"a\",number:{eq:\"NaN\"}}]}){totalCount}}"}`, `[]`, `{"query":1}`, `{"query":"{__typename @skip(if:true)}"}`,
		`{"query":"mutation($c:JSON!){startRun(input:{kind:TRAIN,config:$c}){run{id}}}","variables":{"c":{"a":[1,null,{"b":"\u0000"}]}}}`,
		`{"query":"{ runs(after: \"eyJjIjoxfQ\", orderBy: {field: KIND}) { nodes { id } } }","operationName":"x"}`,
		`{"query":"{ metricSeries(runs:[\"train-1\"],keys:[\"*\"],fromStep:-9223372036854775808,toStep:9223372036854775807,maxPoints:1){steps min max} }"}`,
	} {
		f.Add([]byte(body))
	}
	l := newLab(f)
	l.write(f, story(f)...)
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		l.server.ServeHTTP(w, r)
		var a answer
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			t.Fatalf("%s is answered by %s: %v", body, w.Body, err)
		}
		for _, e := range a.Errors {
			if e.Extensions["code"] == nil || e.Extensions["code"] == "INTERNAL" {
				t.Fatalf("%s: %s %v", body, e.Message, e.Extensions)
			}
		}
		if l.errors.Len() > 0 {
			t.Fatalf("%s: %s", body, l.errors)
		}
	})
}

func ExampleHandler() {
	server := graph.Handler(graph.Config{}) // a real one has a Model and a Tracker
	defer server.Close()
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query": "{ __typename }"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output: {"data":{"__typename":"Query"}}
}
