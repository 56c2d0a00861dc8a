package fetch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"millrace/curator/fetch"
)

// TestStopAndGoOn: a crawl that is stopped over and over stores the same pages as one that is not, and asks for none twice that
// was stored.
func TestStopAndGoOn(t *testing.T) {
	pages := map[string]http.HandlerFunc{}
	for i := range 30 {
		pages[fmt.Sprintf("/%d", i)] = page(a(fmt.Sprintf("/%d", 2*i+1), fmt.Sprintf("/%d", 2*i+2)))
	}
	s := serve(t, pages)
	c := crawl(s.URL + "/0")
	c.Depth = 10
	whole := fetcher(t)
	r, err := whole.Crawl(t.Context(), c)
	require.NoError(t, err)
	want, _ := stored(t, s, whole, r)
	require.Len(t, want, 30)
	s.requests()

	f := fetcher(t)
	stops := 0
	for {
		ctx, stop := context.WithCancel(t.Context())
		f.Progress = func(p fetch.Progress) {
			if p.Bytes > 200 {
				stop()
			}
		}
		r, err = f.Crawl(ctx, c)
		stop()
		if err == nil {
			break
		}
		require.ErrorIs(t, err, context.Canceled)
		stops++
		damageTheEnd(t, f)
	}
	require.Greater(t, stops, 2)
	paths, _ := stored(t, s, f, r)
	require.Equal(t, want, paths)
	require.Equal(t, int64(30), r.Got)
}

// damageTheEnd leaves behind what a crash could: the beginning of a record, and of a line.
func damageTheEnd(t *testing.T, f fetch.Fetcher) {
	t.Helper()
	parts, err := filepath.Glob(filepath.Join(f.Dir.String(), "*.warc.gz"))
	require.NoError(t, err)
	for _, name := range append(parts[max(0, len(parts)-1):], filepath.Join(f.Dir.String(), fetch.JournalName)) {
		file, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = file.WriteString(`{"url":"http`)
		require.NoError(t, err)
		require.NoError(t, file.Close())
	}
	require.NoError(t, os.WriteFile(filepath.Join(f.Dir.String(), "00007.warc.gz"), []byte("begun"), 0o600))
}

// killed runs a child until it is killed by kill -9, which the test's server causes.
func killed(t *testing.T, o order, ready func(kill func())) {
	t.Helper()
	raw, err := json.Marshal(o)
	require.NoError(t, err)
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), child+"="+string(raw))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	var once sync.Once
	ready(func() { once.Do(func() { _ = cmd.Process.Kill() }) })
	require.Error(t, cmd.Wait())
	require.Equal(t, -1, cmd.ProcessState.ExitCode(), "it was not killed: %s", &out)
}

func TestKilledCrawl(t *testing.T) {
	pages := map[string]http.HandlerFunc{}
	for i := range 25 {
		pages[fmt.Sprintf("/%d", i)] = page(a(fmt.Sprintf("/%d", 2*i+1), fmt.Sprintf("/%d", 2*i+2)))
	}
	s := serve(t, pages)
	c := crawl(s.URL + "/0")
	c.Depth = 10
	path := filepath.Join(t.TempDir(), "fetched")
	for _, after := range []int{1, 4, 9} {
		n := 0
		var mu sync.Mutex
		killed(t, order{Dir: path, Crawl: &c}, func(kill func()) {
			s.mu.Lock()
			s.before = func(p string) {
				mu.Lock()
				defer mu.Unlock()
				if n++; n > after {
					kill()
				}
			}
			s.mu.Unlock()
		})
		s.mu.Lock()
		s.before = nil
		s.mu.Unlock()
		s.requests()
		lines, err := os.ReadFile(filepath.Join(path, fetch.JournalName))
		require.NoError(t, err)
		for _, l := range bytes.Split(lines, []byte("\n")) {
			if _, page, ok := strings.Cut(string(l), s.URL); ok {
				page, _, _ = strings.Cut(page, `"`)
				pages[page] = known(pages[page], t, page)
			}
		}
	}
	f := fetcher(t)
	f.Dir = take(t, path)
	r, err := f.Crawl(t.Context(), c)
	require.NoError(t, err)
	paths, _ := stored(t, s, f, r)
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("/%d", i))
	}
	require.Equal(t, want, paths)
}

// known is a page that was stored, and must not be asked for again.
func known(h http.HandlerFunc, t *testing.T, path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was stored, and is asked for again", path)
		h(w, r)
	}
}

func TestDamagedJournal(t *testing.T) {
	s := serve(t, map[string]http.HandlerFunc{"/": page("x")})
	for name, damage := range map[string]func(f fetch.Fetcher) error{
		"another crawl's": func(f fetch.Fetcher) error {
			return os.WriteFile(filepath.Join(f.Dir.String(), fetch.JournalName), []byte(`{"format":"millrace.fetch/1","of":"0"}`+"\n"), 0o600)
		},
		"no JSON": func(f fetch.Fetcher) error {
			return appendTo(filepath.Join(f.Dir.String(), fetch.JournalName), "}\n")
		},
		"an URL that nothing led to": func(f fetch.Fetcher) error {
			raw, err := os.ReadFile(filepath.Join(f.Dir.String(), fetch.JournalName))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(f.Dir.String(), fetch.JournalName), bytes.Replace(raw, []byte(s.URL), []byte("http://example.org"), 1), 0o600)
		},
		"no part": func(f fetch.Fetcher) error { return os.Remove(filepath.Join(f.Dir.String(), "00000.warc.gz")) },
	} {
		f := fetcher(t)
		_, err := f.Crawl(t.Context(), crawl(s.URL))
		require.NoError(t, err)
		require.NoError(t, damage(f))
		_, err = f.Crawl(t.Context(), crawl(s.URL))
		require.ErrorIs(t, err, fetch.ErrDamaged, name)
		require.ErrorContains(t, err, "begin again", name)
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// FuzzCrawlJournal: whatever the journal says, it is resumed or refused, never believed into a panic.
func FuzzCrawlJournal(f *testing.F) {
	f.Add([]byte(`{"url":"http://192.0.2.1/","why":"page","end":100}` + "\n" + `{"why":"done"}` + "\n"))
	f.Add([]byte(`{"url":"http://192.0.2.1/","why":"page","part":-1,"end":-5,"links":["x","%"],"to":"::"}` + "\n"))
	f.Add([]byte(`{"url":"http://192.0.2.1/","why":"redirect","to":"http://a/"}` + "\n" + `{"url":"http://a/","why":"x"}`))
	f.Add([]byte("{}\n\n"))
	c := fetch.DefaultCrawl()
	c.URLs = []string{"http://192.0.2.1/"} // not public: refused before anything is sent
	head := ""
	f.Fuzz(func(t *testing.T, data []byte) {
		fetcher := fetch.Fetcher{Dir: take(t, t.TempDir()), Now: time.Now}
		if head == "" {
			head = fetch.JournalHead(c)
		}
		if err := os.WriteFile(filepath.Join(fetcher.Dir.String(), fetch.JournalName), append([]byte(head), data...), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nothing is asked
		_, _ = fetcher.Crawl(ctx, c)
	})
}
