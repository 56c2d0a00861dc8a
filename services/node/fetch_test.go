package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"millrace/acceptance/freeport"
	"millrace/client"
	"millrace/event"
	"millrace/services/node"
	"millrace/storage/s3embed"
)

// recipeOf is a request to curate sources.
func recipeOf(t *testing.T, sources ...any) client.StartRun {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"name": "fetched", "sources": sources, "held_out": 0, "tokenizer": map[string]any{"kind": "byte"}})
	if err != nil {
		t.Fatal(err)
	}
	return client.StartRun{Kind: "CURATE", Config: raw}
}

func TestSourcesInABucket(t *testing.T) {
	t.Parallel()
	s3, err := s3embed.Open(t.Context(), s3embed.Config{Dir: t.TempDir(), AccessKey: "key", SecretKey: "a-secret-of-the-test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s3.Close(); err != nil {
			t.Error(err)
		}
	})
	theirs, err := minio.New(s3.Addr(), &minio.Options{Creds: credentials.NewStaticV4("key", "a-secret-of-the-test", "")})
	if err != nil {
		t.Fatal(err)
	}
	if err := theirs.MakeBucket(t.Context(), "corpus", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	var lines strings.Builder
	for i := range 30 {
		text := fmt.Sprintf("The miller of mill %d waits for rain, and the old wheel turns %d times.\n", i, i*7)
		fmt.Fprintf(&lines, "{\"text\":%q}\n", "line "+text)
		name := fmt.Sprintf("deep/%02d.txt", i)
		if err := os.MkdirAll(filepath.Join(folder, "texts", "deep"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "texts", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := theirs.PutObject(t.Context(), "corpus", "my texts/"+name, strings.NewReader(text), int64(len(text)), minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "more.jsonl"), []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.PutObject(t.Context(), "corpus", "more.jsonl", strings.NewReader(lines.String()), int64(lines.Len()), minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}

	c, stop := lab(t, node.Config{
		Data: t.TempDir(), Addr: "127.0.0.1:0", Roles: []node.Role{node.Tracker, node.Curation},
		S3: node.S3{Endpoint: s3.Endpoint(), AccessKey: "key", SecretKey: "a-secret-of-the-test"},
	})
	defer stop()
	shards := func(r client.StartRun) string {
		run := finish(t, c, begin(t, c, r).ID)
		return shardsOf(t, c, run.Output("dataset"))
	}
	remote := shards(recipeOf(t, map[string]any{"name": "a", "folder": "s3://corpus/my texts"}, map[string]any{"name": "b", "jsonl": "s3://corpus/more.jsonl"}))
	local := shards(recipeOf(t, map[string]any{"name": "a", "folder": filepath.Join(folder, "texts")}, map[string]any{"name": "b", "jsonl": filepath.Join(folder, "more.jsonl")}))
	if remote != local || remote == "" {
		t.Errorf("from the bucket %s, from the folder %s", remote, local)
	}
	for source, says := range map[string]string{"s3://corpus/nothing": "s3://corpus/nothing", "s3://no-such-bucket/x": "no-such-bucket"} {
		run := begin(t, c, recipeOf(t, map[string]any{"folder": source}))
		failed := until(t, c, run.ID, "failed", func(r client.Run) bool { return r.Status == "FAILED" })
		if f := failed.Failure; f == nil || f.Code != "missing_source" || !strings.Contains(f.Message, says) {
			t.Errorf("%s: %+v", source, f)
		}
	}
}

// manifest reads one as any JSON.
func manifest(t *testing.T, c *client.Client, dataset string) (m struct {
	Recipe json.RawMessage
	Splits []struct {
		Shards []struct{ Digest, Index string }
	}
},
) {
	t.Helper()
	raw, err := c.Blob(t.Context(), event.Digest(dataset))
	if err == nil {
		err = json.Unmarshal(raw, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func shardsOf(t *testing.T, c *client.Client, dataset string) string {
	return fmt.Sprint(manifest(t, c, dataset).Splits)
}

// A worker is killed while it crawls, and while a model writes. The run goes on where it was, ends in a dataset that its own
// recipe makes again without asking anybody, and no key is left anywhere on the worker's disk.
func TestFetchingGoesOnAfterKill(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: a child process is killed, run in the pass before it")
	}
	const secret = "sk-this-must-not-be-written-anywhere"
	const pages, prompts = 25, 25
	var mu sync.Mutex
	asked, refused := map[string]int{}, 0
	killAt := map[string]func(){}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what := r.URL.Path
		var q struct{ Messages []struct{ Content string } }
		if what == "/v1/chat/completions" {
			if err := json.NewDecoder(r.Body).Decode(&q); err != nil || len(q.Messages) == 0 {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			what = q.Messages[0].Content
		}
		mu.Lock()
		asked[what]++
		if q.Messages != nil && r.Header.Get("Authorization") != "Bearer "+secret {
			refused++
		}
		kill := killAt[what]
		delete(killAt, what)
		mu.Unlock()
		if kill != nil {
			kill()
			return
		}
		var n int
		switch _, err := fmt.Sscanf(what, "/%d", &n); {
		case q.Messages != nil:
			fmt.Fprintf(w, `{"model":"m","choices":[{"message":{"content":%q}}],"usage":{"prompt_tokens":2,"completion_tokens":3}}`, "About "+what)
		case err != nil || n >= pages:
			http.NotFound(w, r)
		default:
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<html><body><article><p>%s</p></article><a href="/%d">x</a><a href="/%d">y</a></body></html>`,
				strings.Repeat(fmt.Sprintf("The miller of mill %d waits for rain, and the old wheel turns. ", n), 20), 2*n+1, 2*n+2)
		}
	}))
	defer site.Close()

	t.Setenv("FETCH_TEST_API_KEY", secret)
	config := node.Config{Data: t.TempDir(), Addr: freeport.Addr(t), Roles: []node.Role{node.Tracker, node.Curation}}
	proc := spawn(t, config)
	defer func() { end(proc) }()
	restart := make(chan struct{})
	for _, at := range []string{"/0", "/7", "/20", "topic 3", "topic 19"} {
		killAt[at] = func() {
			_ = proc.Process.Kill()
			restart <- struct{}{}
		}
	}
	var topics []string
	for i := range prompts {
		topics = append(topics, fmt.Sprintf("topic %d", i))
	}
	c := client.New("http://"+config.Addr, "")
	run := begin(t, c, recipeOf(t,
		map[string]any{"name": "web", "crawl": map[string]any{"urls": []string{site.URL + "/0"}, "depth": 9, "rate": 1000, "allow_private": true}},
		map[string]any{"name": "model", "synthetic": map[string]any{
			"endpoint": site.URL + "/v1", "model": "m", "api_key_env": "FETCH_TEST_API_KEY", "topics": topics, "template": "{topic}", "concurrency": 1,
		}}))
	for range 5 {
		<-restart
		end(proc)
		proc = spawn(t, config)
	}
	done := finish(t, c, run.ID)
	dataset := done.Output("dataset")
	m := manifest(t, c, dataset)
	mu.Lock()
	// What was under way when a worker was killed may be asked again: the model's answer it waited for, and the pages of the level that
	// it was crawling, /0, /7 to /14, and /15 on. Nothing else.
	for what, n := range asked {
		most := 1
		var page int
		if _, err := fmt.Sscanf(what, "/%d", &page); err == nil && (page == 0 || page >= 7) || what == "topic 3" || what == "topic 19" {
			most = 2
		}
		if n > most && what != "/robots.txt" {
			t.Errorf("%s was asked for %d times", what, n)
		}
	}
	if refused > 0 {
		t.Errorf("%d questions came without the key", refused)
	}
	before := len(asked)
	clear(asked)
	mu.Unlock()
	if before < pages+prompts {
		t.Errorf("only %d were asked for", before)
	}

	again := finish(t, c, begin(t, c, client.StartRun{Kind: "CURATE", Config: m.Recipe}).ID)
	mu.Lock()
	if again.Output("dataset") != dataset || len(asked) > 0 {
		t.Errorf("the manifest's recipe made %s of %s, and asked for %v", again.Output("dataset"), dataset, asked)
	}
	mu.Unlock()
	if left, err := os.ReadDir(filepath.Join(config.Data, "tmp")); err != nil || len(left) > 0 {
		t.Errorf("left in tmp: %v %v", left, err)
	}
	var says strings.Builder
	_, last, _, _, err := c.System(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Events(t.Context(), 1, last, nil, func(e client.LoggedEvent) error {
		_, err := fmt.Fprintf(&says, "%s\n", e.Body)
		return err
	}); err != nil {
		t.Error(err)
	}
	for _, line := range []string{"web: 25 pages in ", "model: 25 samples in ", "50 tokens of prompts and 75 of answers"} {
		if !strings.Contains(says.String(), line) {
			t.Errorf("nowhere %q", line)
		}
	}
	end(proc)
	if err := filepath.WalkDir(config.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		raw, err := io.ReadAll(f)
		if bytes.Contains(raw, []byte(secret)) || strings.Contains(says.String(), secret) {
			t.Errorf("the key is in %s", path)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
