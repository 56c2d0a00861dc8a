package graph_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"millrace/event"
	"millrace/graph"
)

// waiting is a tracker whose wishes are never granted.
type waiting struct{ graph.Tracker }

func (waiting) Submit(ctx context.Context, _ event.Event) (event.Envelope, error) {
	<-ctx.Done()
	return event.Envelope{}, ctx.Err()
}

func TestWhatTakesTooLongIsGivenUp(t *testing.T) {
	l := newLab(t, func(c *graph.Config) {
		c.Timeout, c.Tracker = 20*time.Millisecond, waiting{c.Tracker}
		c.Blob = func(ctx context.Context, _ event.Digest) (io.ReadCloser, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	l.write(t, story(t)...)
	for query, says := range map[string]string{
		`{ runs { nodes { id } } datasets { nodes { id report { recipe } } } }`:                              "ask for less",
		`mutation { archiveRun(input: {id: "train-1", archived: true}) { run { id } userErrors { code } } }`: "look before you wish again",
	} {
		a := l.ask(t, query, nil)
		if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "TIMEOUT" || !strings.Contains(a.Errors[0].Message, says) || string(a.Data) != "null" && len(a.Data) > 0 {
			t.Errorf("%s: %+v %s", query, a.Errors, a.Data)
		}
	}
	if l.errors.Len() > 0 {
		t.Error(l.errors)
	}
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// persisted posts a request with a hash, and its text unless that is "".
func persisted(l *lab, sum, text string) string {
	body := map[string]any{"extensions": map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": sum}}}
	if text != "" {
		body["query"] = text
	}
	raw, _ := json.Marshal(body)
	return l.do("POST", "/graphql", string(raw), "Content-Type", "application/json").Body.String()
}

func TestAQueryOnceSentIsKnownByItsHash(t *testing.T) {
	l := newLab(t)
	const ask, other = `{ system { version } }`, `{ system { roles } }`
	want := func(got, says string) {
		t.Helper()
		if !strings.Contains(got, says) {
			t.Errorf("%s, want %s", got, says)
		}
	}
	want(persisted(l, hash(ask), ""), "PersistedQueryNotFound")
	want(persisted(l, hash(ask), ""), "PERSISTED_QUERY_NOT_FOUND")
	want(persisted(l, hash(other), ask), "BAD_USER_INPUT")
	want(persisted(l, hash(other), ""), "PersistedQueryNotFound") // nothing was remembered under the wrong hash
	want(persisted(l, hash(ask), ask), "v0.1.0")
	want(persisted(l, hash(ask), ""), "v0.1.0")
	ext := url.QueryEscape(`{"persistedQuery":{"version":1,"sha256Hash":"` + hash(ask) + `"}}`)
	want(l.do("GET", "/graphql?extensions="+ext, "").Body.String(), "v0.1.0")
	for _, bad := range []string{`{"version":2,"sha256Hash":"` + hash(ask) + `"}`, `{"version":1,"sha256Hash":"abc"}`, `{"version":1,"sha256Hash":7}`, `"x"`, `[]`} {
		want(l.do("POST", "/graphql", `{"extensions":{"persistedQuery":`+bad+`}}`, "Content-Type", "application/json").Body.String(), "BAD_USER_INPUT")
	}
	// Others push it out: what is remembered is bounded.
	for i := range 1000 {
		text := fmt.Sprintf("{ a%d: __typename }", i)
		want(persisted(l, hash(text), text), "Query")
	}
	want(persisted(l, hash(ask), ""), "PersistedQueryNotFound")
}

func TestWithAListNothingElseIsAnswered(t *testing.T) {
	const ask, live = `{ system { version } }`, `subscription { events(from: 1) { seq } }`
	list, err := json.Marshal(map[string]string{hash(ask): ask, hash(live): live})
	if err != nil {
		t.Fatal(err)
	}
	only, err := graph.ReadPersisted(bytes.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t, func(c *graph.Config) { c.Persisted = only })
	l.write(t, story(t)...)
	if got := l.do("POST", "/graphql", `{"query":"`+ask+`"}`, "Content-Type", "application/json").Body.String(); !strings.Contains(got, "v0.1.0") {
		t.Error(got)
	}
	if got := persisted(l, hash(ask), ""); !strings.Contains(got, "v0.1.0") {
		t.Error(got)
	}
	const other = `{ system { roles } }`
	for _, got := range []string{persisted(l, hash(other), other), persisted(l, hash(other), ""), l.do("POST", "/graphql", `{"query":"`+other+`"}`, "Content-Type", "application/json").Body.String()} {
		if !strings.Contains(got, "PERSISTED_QUERY_ONLY") {
			t.Error(got)
		}
	}
	c := dial(t, l)
	c.subscribe("1", `subscription { events { seq } }`)
	if m := c.next(); !strings.Contains(string(m.Payload), "PERSISTED_QUERY_ONLY") {
		t.Errorf("%s", m.Payload)
	}
	c.next() // and that it is complete
	c.subscribe("2", live)
	if m := c.next(); m.Type != "next" {
		t.Errorf("%+v", m)
	}
}

func TestListsOfOperations(t *testing.T) {
	const ask = `{ system { version } }`
	for _, good := range []string{`{}`, `{"` + hash(ask) + `":"` + ask + `"}`, `{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"` + hash(ask) + `","name":"x","type":"query","body":"` + ask + `"}]}`} {
		if _, err := graph.ReadPersisted(strings.NewReader(good)); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{``, `[]`, `{"` + hash("x") + `":"` + ask + `"}`, `{"operations":[{"id":"x","body":"y"}]}`, `{"operations":7}`} {
		if list, err := graph.ReadPersisted(strings.NewReader(bad)); err == nil {
			t.Errorf("%s: %v", bad, list)
		}
	}
}

func FuzzReadPersisted(f *testing.F) {
	f.Add([]byte(`{"a":"b"}`))
	f.Add([]byte(`{"operations":[{"id":"x","body":"y"}]}`))
	f.Add([]byte(`{"` + hash("{a}") + `":"{a}"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, err := graph.ReadPersisted(bytes.NewReader(raw))
		if err != nil {
			return
		}
		for id, text := range list {
			if hash(text) != id {
				t.Fatalf("%s: %q", id, text)
			}
		}
	})
}

func TestIntrospectionCanBeSwitchedOff(t *testing.T) {
	l := newLab(t, func(c *graph.Config) { c.NoIntrospection = true })
	if a := l.ask(t, `{ __schema { types { name } } }`, nil); len(a.Errors) == 0 {
		t.Errorf("%s", a.Data)
	}
	get[struct{ Typename string }](t, l, `{ __typename system { version } }`, nil)
}

// Each of these would keep a server busy that does as it is told.
func TestQueryBombs(t *testing.T) {
	l := newLab(t)
	l.write(t, story(t)...)
	aliases := func(n int, field string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " a%d: %s", i, field)
		}
		return "{" + b.String() + " }"
	}
	doubling := func(levels int, leaf string) string {
		b := "{ ...f0 }"
		for i := range levels {
			b += fmt.Sprintf(" fragment f%d on Query { ...f%d ...f%d }", i, i+1, i+1)
		}
		return b + fmt.Sprintf(" fragment f%d on Query { %s }", levels, leaf)
	}
	nested := "runs(first: 500) { nodes { " + strings.Repeat("experiment { runs(first: 500) { nodes { ", 3) + "id" + strings.Repeat(" } } }", 3) + " } }"
	ids := strings.Repeat(`"train-1",`, 15_000)
	for what, query := range map[string]string{
		"10,000 aliases":             aliases(10_000, "__typename"),
		"900 aliases of a dear list": aliases(900, `runs(first: 500) { nodes { id name } }`),
		"deep nesting":               "{ " + strings.Repeat("runs { nodes { experiment { ", 8) + "id" + strings.Repeat(" } } }", 8) + " }",
		"lists in lists":             "{ " + nested + " }",
		"many ids":                   "{ nodes(ids: [" + ids + "]) { id } }",
		"many runs to compare":       "{ compareRuns(ids: [" + ids + "]) { metrics(keys: [\"a\"]) { last } } }",
		"many places":                `{ compareRuns(ids: ["train-1", "train-2"]) { aligned(keys: ["loss"], places: 1000000) { x } } }`,
		"far lineage":                `{ lineage(of: "train-1", depth: 1000) { nodes { id } } }`,
		"fragments that double":      doubling(40, "system { version }"),
		"fragments in circles":       "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
		"a filter bomb":              `{ runs(filter: {text: "` + strings.Repeat("a ", 200_000) + `"}) { totalCount } }`,
		"a sentence of parentheses":  `{ runs(where: "` + strings.Repeat("(", 200_000) + `status = running") { totalCount } }`,
		"a sentence of nots":         `{ runs(where: "` + strings.Repeat("not ", 100_000) + `status = running") { totalCount } }`,
		"a sentence of ors":          `{ runs(where: "` + strings.Repeat("config.a = 1 or ", 50_000) + `status = running") { totalCount } }`,
		"a sentence of a long word":  `{ runs(where: "config.` + strings.Repeat("a.", 200_000) + `a = 1") { totalCount } }`,
	} {
		if len(query) > 900_000 {
			t.Fatalf("%s has %d bytes: it is refused for that alone", what, len(query))
		}
		a := l.ask(t, query, nil)
		if len(a.Errors) == 0 && what != "a filter bomb" {
			t.Errorf("%s was answered: %.200s", what, a.Data)
			continue
		}
		for _, e := range a.Errors {
			if code := e.Extensions["code"]; code == nil || code == "INTERNAL" {
				t.Errorf("%s: %s %v", what, e.Message, code)
			}
		}
	}
	w := l.do("POST", "/graphql", `[{"query":"{ __typename }"},{"query":"{ __typename }"}]`, "Content-Type", "application/json")
	if w.Code != 400 || !strings.Contains(w.Body.String(), "BAD_USER_INPUT") {
		t.Errorf("operations in batches are not answered: %d %s", w.Code, w.Body)
	}
	if l.errors.Len() > 0 {
		t.Error(l.errors)
	}
}

func TestABrowserIsShownAPageAndProgramsAreNot(t *testing.T) {
	l := newLab(t)
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	if w := l.do("GET", "/graphql", "", "Accept", browser); w.Code != 200 || !strings.Contains(w.Body.String(), "make web") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, accept := range []string{"application/json", "*/*", "", "application/graphql-response+json, text/html;q=0.5"} {
		if w := l.do("GET", "/graphql?query=%7Bsystem%7Bversion%7D%7D", "", "Accept", accept); !strings.Contains(w.Body.String(), "v0.1.0") {
			t.Errorf("%s: %s", accept, w.Body)
		}
	}
	if w := l.do("GET", "/graphql?query=%7Bsystem%7Bversion%7D%7D", "", "Accept", browser); !strings.Contains(w.Body.String(), "v0.1.0") {
		t.Errorf("a question in the address is answered: %s", w.Body)
	}
}
