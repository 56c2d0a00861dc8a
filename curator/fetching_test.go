package curator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"millrace/curator"
	"millrace/curator/fetch"
	"millrace/curator/pack"
	"millrace/event"
	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
)

// fetchable is a site of three pages that link to each other, and a model that answers in capitals. It counts what it is asked.
func fetchable(t *testing.T) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			http.NotFound(w, r)
			return
		}
		asked.Add(1)
		if r.URL.Path == "/v1/chat/completions" {
			var q struct{ Messages []struct{ Content string } }
			if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			fmt.Fprintf(w, `{"model":"m","choices":[{"message":{"content":%q}}],"usage":{"prompt_tokens":2,"completion_tokens":3}}`, strings.ToUpper(q.Messages[0].Content))
			return
		}
		n := strings.Count(r.URL.Path, "x")
		w.Header().Set("Content-Type", "text/plain") // extraction is package read's
		if n == 0 {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, `<html><body><article><p>`+prose(1)+`</p></article><a href="/x">x</a><a href="/xx">xx</a></body></html>`)
			return
		}
		_, _ = io.WriteString(w, prose(n*100))
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func crawled(url string) curator.Source {
	c := fetch.DefaultCrawl()
	c.URLs, c.Depth, c.Rate, c.AllowPrivate = []string{url + "/"}, 1, 1000, true
	return curator.Source{Name: "web", Crawl: &c}
}

func written(url, as string) curator.Source {
	c := fetch.DefaultSynthetic()
	c.Endpoint, c.Model, c.As = url+"/v1", "org/tiny", as
	c.Prompts = []fetch.Prompt{{Instruction: "first"}, {Instruction: "second", Input: "of two"}}
	return curator.Source{Synthetic: &c}
}

func TestFetchedSources(t *testing.T) {
	url, asked := fetchable(t)
	r := recipe(crawled(url), written(url, fetch.AsText))
	r.HeldOut, r.Attributes = 0, true
	var sink memory
	var lines []string
	var received int64
	units := map[string]bool{}
	temp := t.TempDir()
	c := curator.Curator{Sink: &sink, TempDir: temp, Say: func(s string) { lines = append(lines, s) }, Progress: func(p curator.Progress) {
		if p.Phase == curator.PhaseFetch {
			received += p.Received
			units[p.Unit] = true
		}
	}}
	m, err := c.Run(t.Context(), r)
	require.NoError(t, err)
	got := texts(t, &sink, m, curator.Train)
	require.Len(t, got, 5)
	require.Contains(t, got[0], strings.Fields(prose(1))[1])
	require.Equal(t, []string{prose(100), prose(200), "FIRST", "SECOND\n\nOF TWO"}, got[1:])
	require.Equal(t, int32(5), asked.Load())
	require.Equal(t, map[string]bool{"pages": true, "samples": true}, units)
	require.Greater(t, received, int64(len(prose(1)+prose(100)+prose(200))))
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], "web: 3 pages in ")
	require.Contains(t, lines[1], "tiny: 2 samples in ")
	require.Contains(t, lines[1], "4 tokens of prompts and 6 of answers")

	// The manifest says what was read, and reads back.
	require.Equal(t, "web", m.Fetched[0].Source)
	require.Equal(t, "00000.warc.gz", m.Fetched[0].Files[0].Name)
	require.Equal(t, "00000.jsonl", m.Fetched[1].Files[0].Name)
	for i, f := range m.Fetched {
		require.Len(t, sink.blobs[f.Files[0].Digest], int(f.Files[0].Size))
		require.Equal(t, []event.Digest{f.Files[0].Digest}, m.Recipe.Sources[i].Snapshot)
	}
	back, err := curator.ParseManifest(m.JSON())
	require.NoError(t, err)
	require.Equal(t, m.Digest(), back.Digest())
	for _, damage := range []func(m *curator.Manifest){
		func(m *curator.Manifest) { m.Fetched = m.Fetched[:1] },
		func(m *curator.Manifest) { m.Fetched = append(m.Fetched, m.Fetched[0]) },
		func(m *curator.Manifest) { m.Fetched[0].Files[0].Digest = m.Source },
		func(m *curator.Manifest) { m.Fetched[1].Files[0].Name = "../x" },
		func(m *curator.Manifest) { m.Fetched[1].Files = nil },
	} {
		broken, err := curator.ParseManifest(m.JSON())
		require.NoError(t, err)
		damage(&broken)
		_, err = curator.ParseManifest(broken.JSON())
		require.ErrorIs(t, err, curator.ErrManifest)
		require.ErrorContains(t, err, "fetched")
	}

	// Its recipe makes the same dataset from what is stored, somewhere else, and asks nobody.
	var other memory
	fromStore := curator.Curator{Sink: &other, TempDir: t.TempDir(), Blobs: sink.open}
	again, err := fromStore.Run(t.Context(), m.Recipe)
	require.NoError(t, err)
	require.Equal(t, m.Digest(), again.Digest())
	require.Equal(t, int32(5), asked.Load())

	// What a document was before: out of the stored archive.
	set := sink.dataset(m)
	why, _, err := set.WhyText(t.Context(), prose(100))
	require.NoError(t, err)
	require.Equal(t, "web", why[0].Source)
	before, err := set.Before(t.Context(), nil, why[0])
	require.NoError(t, err)
	require.Equal(t, prose(100), before)

	// What was fetched stays until the dataset is published.
	left, err := os.ReadDir(filepath.Join(temp, "fetch"))
	require.NoError(t, err)
	require.Len(t, left, 2)
	require.NoError(t, c.Forget(r))
	left, err = os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoError(t, c.Forget(r), "nothing is there")
	require.NoError(t, fromStore.Forget(m.Recipe))
}

func TestSyntheticConversations(t *testing.T) {
	url, _ := fetchable(t)
	r := recipe(written(url, fetch.AsChat))
	r.HeldOut, r.ChatTemplate, r.Tokenizer = 0, "chatml", curator.Tokenizer{Kind: token.KindBPE, VocabSize: 300}
	var sink memory
	m, err := curator.Curator{Sink: &sink, TempDir: t.TempDir()}.Run(t.Context(), r)
	require.NoError(t, err)
	require.Len(t, m.Splits[0].Shards, 1)
	shard := m.Splits[0].Shards[0]
	require.Equal(t, int64(2), shard.Documents)
	require.Positive(t, shard.LossTokens)
	ids, err := pack.Decode(nil, sink.blobs[shard.Digest], m.DType)
	require.NoError(t, err)
	tok, err := token.Parse(sink.blobs[m.Tokenizer.Digest])
	require.NoError(t, err)
	text, err := token.Decode(tok, ids)
	require.NoError(t, err)
	for _, part := range []string{"user\nsecond\n\nof two", "assistant\nSECOND\n\nOF TWO"} {
		require.Contains(t, string(text), part)
	}
}

// TestFetchedOnce: a run that fails after it has fetched does not fetch again.
func TestFetchedOnce(t *testing.T) {
	url, asked := fetchable(t)
	r := recipe(crawled(url), written(url, fetch.AsText))
	r.HeldOut = 0
	temp := t.TempDir()
	full := errors.New("full")
	var sink memory
	_, err := curator.Curator{Sink: refusing{&sink, "train/", full}, TempDir: temp}.Run(t.Context(), r)
	require.ErrorIs(t, err, full)
	require.Equal(t, int32(5), asked.Load())
	m, err := curator.Curator{Sink: &sink, TempDir: temp}.Run(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, int32(5), asked.Load())
	whole, err := curator.Curator{Sink: &sink, TempDir: temp}.Run(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, m.Digest(), whole.Digest())

	// Two at once are told of each other.
	var inside error
	busy := curator.Curator{Sink: &sink, TempDir: temp, Progress: func(p curator.Progress) {
		if p.Phase == curator.PhaseSurvey && inside == nil {
			_, inside = curator.Curator{Sink: &sink, TempDir: temp}.Run(context.Background(), r)
			require.NoError(t, curator.Curator{TempDir: temp}.Forget(r), "it is in use, and stays")
		}
	}}
	_, err = busy.Run(t.Context(), r)
	require.NoError(t, err)
	require.ErrorIs(t, inside, fetch.ErrBusy)
}

// refusing refuses what has a name that begins so.
type refusing struct {
	*memory
	prefix string
	err    error
}

func (f refusing) Put(ctx context.Context, name string, data []byte) (event.Digest, error) {
	if strings.HasPrefix(name, f.prefix) {
		return "", f.err
	}
	return f.memory.Put(ctx, name, data)
}

func TestStaleFetchesAreSwept(t *testing.T) {
	url, _ := fetchable(t)
	temp := t.TempDir()
	r := recipe(written(url, fetch.AsText))
	r.HeldOut = 0
	var sink memory
	c := curator.Curator{Sink: &sink, TempDir: temp}
	_, err := c.Run(t.Context(), r)
	require.NoError(t, err)
	other := recipe(crawled(url))
	other.HeldOut = 0
	for _, later := range []struct {
		by   time.Duration
		left int
	}{{29 * 24 * time.Hour, 2}, {31 * 24 * time.Hour, 1}} {
		c.Now = func() time.Time { return time.Now().Add(later.by) }
		_, err = c.Run(t.Context(), other)
		require.NoError(t, err)
		left, err := os.ReadDir(filepath.Join(temp, "fetch"))
		require.NoError(t, err)
		require.Len(t, left, later.left)
	}
}

func TestSnapshotFaults(t *testing.T) {
	url, _ := fetchable(t)
	r := recipe(written(url, fetch.AsText))
	r.HeldOut = 0
	r.Sources[0].Snapshot = []event.Digest{event.DigestOf([]byte("x"))}
	var sink memory
	c := curator.Curator{Sink: &sink, TempDir: t.TempDir()}
	_, err := c.Run(t.Context(), r)
	require.ErrorIs(t, err, curator.ErrSource)
	require.ErrorContains(t, err, "object store")
	c.Blobs = sink.open
	_, err = c.Run(t.Context(), r)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "snapshot[0]")
	sink.blobs = map[event.Digest][]byte{r.Sources[0].Snapshot[0]: []byte("another")}
	_, err = c.Run(t.Context(), r)
	require.ErrorIs(t, err, curator.ErrBlob)
}

func TestRecipesThatFetch(t *testing.T) {
	r, err := curator.ParseRecipe([]byte(`
name: web
sources:
  - crawl: {urls: ["https://example.org/docs/"], depth: 3, include: ["https://example.org/docs/*"]}
    license: CC-BY-4.0
  - synthetic: {endpoint: "http://127.0.0.1:8000/v1", model: org/tiny, topics: [mills, rivers], template: "Write about {topic}."}
`))
	require.NoError(t, err)
	require.Equal(t, "example.org", r.Sources[0].Name)
	require.Equal(t, "tiny", r.Sources[1].Name)
	require.Equal(t, 1000, r.Sources[0].Crawl.MaxPages)
	require.Equal(t, "text", r.Sources[1].Synthetic.As)
	again, err := curator.ParseRecipe(r.JSON())
	require.NoError(t, err)
	require.Equal(t, r.Digest(), again.Digest())
	for source, says := range map[string]string{
		`{crawl: {urls: []}}`: "urls", `{crawl: {url: x}}`: "url", `{synthetic: {model: x}}`: "endpoint",
		`{crawl: {urls: ["http://a/"]}, folder: x}`: "exclude each other",
		`{crawl: {urls: ["http://a/"]}, synthetic: {endpoint: "http://a/v1", model: x, prompts: [{instruction: x}]}}`: "exclude each other",
		`{crawl: {urls: ["http://a/"]}, include: ["*.html"]}`:                                                         "include",
		`{crawl: {urls: ["http://a/"]}, text_field: x}`:                                                               "text_field",
		`{crawl: {urls: ["http://a/"]}, snapshot: [x]}`:                                                               "snapshot[0]",
		`{folder: x, snapshot: [x]}`:                                                                                  "snapshot",
		`{crawl: {urls: ["http://a/"]}, max_bytes: -1}`:                                                               "max_bytes",
	} {
		_, err := curator.ParseRecipe([]byte("{name: x, sources: [" + source + "]}"))
		require.ErrorIs(t, err, curator.ErrRecipe, source)
		require.ErrorContains(t, err, says, source)
	}
	_, err = curator.ParseRecipe([]byte(`{name: x, sources: [{folder: x}], decontaminate: {against: [{crawl: {urls: ["http://a/"]}}]}}`))
	require.ErrorContains(t, err, "against[0]")
}

// TestDocumentedFetching: every whole recipe of docs/curation.md is one, and the page names every key of what is fetched.
func TestDocumentedFetching(t *testing.T) {
	page, err := os.ReadFile("../docs/curation.md")
	require.NoError(t, err)
	fetched := 0
	for i, part := range strings.Split(string(page), "```yaml\n") {
		text, _, _ := strings.Cut(part, "```")
		if i == 0 || !strings.HasPrefix(text, "name: ") {
			continue
		}
		r, err := curator.ParseRecipe([]byte(text))
		require.NoError(t, err, text)
		if r.Sources[0].IsFetched() {
			fetched++
		}
	}
	require.Equal(t, 2, fetched)
	temperature, seed := 0.5, int64(1)
	for _, v := range []any{
		fetch.Crawl{Include: []string{"x"}, Exclude: []string{"x"}, AllowPrivate: true},
		fetch.Synthetic{APIKeyEnv: "x", System: "x", Prompts: []fetch.Prompt{{}}, PromptsFile: "x", Topics: []string{"x"}, Template: "x", Temperature: &temperature,
			Seed: &seed, Rate: 1, BudgetTokens: 1},
	} {
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		var keys map[string]any
		require.NoError(t, json.Unmarshal(raw, &keys))
		for key := range keys {
			require.Contains(t, string(page), "`"+key+"`")
		}
	}
}
