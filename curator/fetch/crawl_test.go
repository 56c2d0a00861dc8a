package fetch_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"millrace/curator/fetch"
)

// site is a web site that counts what it is asked for.
type site struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
	pages map[string]http.HandlerFunc
	// before, when set, is called with every request.
	before func(path string)
}

func page(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, body)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

func serve(t *testing.T, pages map[string]http.HandlerFunc) *site {
	t.Helper()
	s := &site{pages: pages}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.RequestURI()
		s.mu.Lock()
		s.asked = append(s.asked, path)
		before := s.before
		s.mu.Unlock()
		if before != nil {
			before(path)
		}
		if h, ok := s.pages[path]; ok {
			h(w, r)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// requests are the paths that were asked for, without robots.txt, and forgets them.
func (s *site) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := slices.DeleteFunc(s.asked, func(p string) bool { return p == "/robots.txt" })
	s.asked = nil
	return asked
}

// robots is how often its robots.txt was asked for.
func (s *site) robots() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.asked {
		if p == "/robots.txt" {
			n++
		}
	}
	return n
}

// crawl is one that may ask this machine, fast.
func crawl(urls ...string) fetch.Crawl {
	c := fetch.DefaultCrawl()
	c.URLs, c.Rate, c.AllowPrivate = urls, 1000, true
	return c
}

func take(t *testing.T, path string) *fetch.Dir {
	t.Helper()
	dir, err := fetch.Take(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = dir.Close() }) // some are closed before
	return dir
}

func fetcher(t *testing.T) fetch.Fetcher {
	t.Helper()
	return fetch.Fetcher{Dir: take(t, filepath.Join(t.TempDir(), "fetched")), Now: time.Now, Pause: time.Millisecond}
}

// record is of a WARC.
type record struct {
	header textproto.MIMEHeader
	block  []byte
}

// records reads WARC as the standard draws it: each record a gzip member.
func records(t *testing.T, f fetch.Fetcher, parts []fetch.Part) []record {
	t.Helper()
	var list []record
	for _, p := range parts {
		raw, err := os.ReadFile(filepath.Join(f.Dir.String(), p.Name))
		require.NoError(t, err)
		require.Len(t, raw, int(p.Size))
		in := bufio.NewReader(bytes.NewReader(raw))
		for {
			z, err := gzip.NewReader(in)
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			z.Multistream(false)
			data, err := io.ReadAll(z)
			require.NoError(t, err)
			body, ok := bytes.CutPrefix(data, []byte("WARC/1.1\r\n"))
			require.True(t, ok, "%.80q", data)
			r := bufio.NewReader(bytes.NewReader(body))
			header, err := textproto.NewReader(r).ReadMIMEHeader()
			require.NoError(t, err)
			n, err := strconv.Atoi(header.Get("Content-Length"))
			require.NoError(t, err)
			block := make([]byte, n)
			_, err = io.ReadFull(r, block)
			require.NoError(t, err)
			rest, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, "\r\n\r\n", string(rest))
			list = append(list, record{header, block})
		}
	}
	return list
}

// stored are the paths of the pages, in order, with their bodies.
func stored(t *testing.T, s *site, f fetch.Fetcher, r fetch.Result) (paths []string, bodies map[string]string) {
	t.Helper()
	bodies = map[string]string{}
	for _, rec := range records(t, f, r.Parts) {
		if rec.header.Get("Warc-Type") != "response" {
			continue
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(rec.block)), nil)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		path := strings.TrimPrefix(rec.header.Get("Warc-Target-Uri"), s.URL)
		paths = append(paths, path)
		bodies[path] = string(body)
	}
	return paths, bodies
}

func left(r fetch.Result) map[string]int64 {
	m := map[string]int64{}
	for _, c := range r.Left {
		m[c.Reason] = c.N
	}
	return m
}

func a(links ...string) string {
	var b strings.Builder
	for _, l := range links {
		fmt.Fprintf(&b, "<a href=%q>x</a>\n", l)
	}
	return b.String()
}

func TestCrawlBreadthFirst(t *testing.T) {
	s := serve(t, map[string]http.HandlerFunc{
		"/":         page(a("/b", "/c", "/b#again", "/private/x", "/missing", "http://other.invalid/", "/d?x=1", "/skip.pdf")),
		"/b":        page(a("/e", "/c", "/")),
		"/c":        page(a("/f", "/e")),
		"/d?x=1":    page("d"),
		"/e":        page(a("/g")),
		"/f":        page("f"),
		"/g":        page("too deep"),
		"/skip.pdf": page("excluded"),
		"/robots.txt": func(w http.ResponseWriter, r *http.Request) {
			require.Equal(t, "millrace/1 (collects text; obeys robots.txt)", r.UserAgent())
			_, _ = io.WriteString(w, "User-agent: *\nDisallow: /private/")
		},
	})
	c := crawl(s.URL, s.URL+"/#twice")
	c.Depth, c.Exclude = 2, []string{"*.pdf"}
	f := fetcher(t)
	var last fetch.Progress
	f.Progress = func(p fetch.Progress) { last = p }
	r, err := f.Crawl(t.Context(), c)
	require.NoError(t, err)
	paths, bodies := stored(t, s, f, r)
	require.Equal(t, []string{"/", "/b", "/c", "/d?x=1", "/e", "/f"}, paths)
	require.Equal(t, "f", bodies["/f"])
	require.Equal(t, int64(6), r.Got)
	require.Equal(t, map[string]int64{"robots": 1, "status_404": 1}, left(r))
	require.Positive(t, r.Received)
	require.Equal(t, fetch.Progress{Done: 6, Total: 6, Bytes: r.Received}, last)
	require.Equal(t, []string{"/", "/b", "/c", "/d?x=1", "/e", "/f", "/missing"}, slices.Sorted(slices.Values(s.requests())))

	// Everything is there: nothing is asked, and the same comes back.
	again, err := f.Crawl(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, r, again)
	require.Empty(t, s.requests())

	c.MaxPages, f.Dir = 3, take(t, f.Dir.String()+"3")
	r, err = f.Crawl(t.Context(), c)
	require.NoError(t, err)
	paths, _ = stored(t, s, f, r)
	require.Equal(t, []string{"/", "/b", "/c"}, paths)
	require.Equal(t, []string{"/", "/b", "/c"}, slices.Sorted(slices.Values(s.requests())), "none is asked for that may not be stored")

	c.Include, c.MaxPages, f.Dir = []string{"*/c"}, 100, take(t, f.Dir.String()+"i")
	r, err = f.Crawl(t.Context(), c)
	require.NoError(t, err)
	paths, _ = stored(t, s, f, r)
	require.Equal(t, []string{"/", "/c"}, paths)
}

// TestWARC reads every field of the records of one page.
func TestWARC(t *testing.T) {
	s := serve(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "gzip", r.Header.Get("Accept-Encoding"))
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, "<p>hello</p>")
		_ = z.Close()
	}})
	f := fetcher(t)
	f.Now = func() time.Time { return time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.FixedZone("east", 3600)) }
	r, err := f.Crawl(t.Context(), crawl(s.URL))
	require.NoError(t, err)
	list := records(t, f, r.Parts)
	require.Len(t, list, 3)
	info, request, response := list[0], list[1], list[2]
	ids := map[string]bool{}
	for i, kind := range []string{"warcinfo", "request", "response"} {
		h := list[i].header
		require.Equal(t, kind, h.Get("WARC-Type"))
		require.Equal(t, "2026-02-03T03:05:06.789000Z", h.Get("WARC-Date"))
		require.Regexp(t, `^<urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}>$`, h.Get("WARC-Record-ID"))
		ids[h.Get("WARC-Record-ID")] = true
	}
	require.Len(t, ids, 3)
	require.Equal(t, "00000.warc.gz", info.header.Get("WARC-Filename"))
	require.Contains(t, string(info.block), "http-header-user-agent: millrace/1 (collects text; obeys robots.txt)\r\n")
	require.Equal(t, response.header.Get("WARC-Record-ID"), request.header.Get("WARC-Concurrent-To"))
	require.Equal(t, "application/http;msgtype=request", request.header.Get("Content-Type"))
	sent, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request.block)))
	require.NoError(t, err)
	require.Equal(t, "/", sent.RequestURI)
	require.Equal(t, s.Listener.Addr().String(), sent.Host)
	require.Equal(t, s.URL+"/", response.header.Get("WARC-Target-URI"))
	require.Equal(t, "127.0.0.1", response.header.Get("WARC-IP-Address"))
	require.Equal(t, "application/http;msgtype=response", response.header.Get("Content-Type"))
	// printf '<p>hello</p>' | openssl sha1 -binary | base32
	require.Equal(t, "sha1:EH2SPSI2J7IA53E7X7MLVOIBNGZPXYIP", response.header.Get("WARC-Payload-Digest"))
	require.True(t, strings.HasPrefix(string(response.block), "HTTP/1.1 200 OK\r\n"))
	require.Contains(t, string(response.block), "\r\nContent-Length: 12\r\n")
	require.True(t, strings.HasSuffix(string(response.block), "\r\n\r\n<p>hello</p>"))
	require.NotContains(t, string(response.block), "gzip", "the body is not compressed here")
}

func TestWhatIsNoPage(t *testing.T) {
	huge := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		for range 1000 {
			if _, err := w.Write(make([]byte, 10_000)); err != nil {
				return
			}
		}
	}
	tries := 0
	s := serve(t, map[string]http.HandlerFunc{
		"/huge": huge,
		"/large": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write(make([]byte, 100_001))
		},
		"/fits": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write(bytes.Repeat([]byte("x"), 100_000))
		},
		"/bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(make([]byte, 10<<20))
			_ = z.Close()
		},
		"/image": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			_, _ = w.Write([]byte("x"))
		},
		"/sniffed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, "<html><p>hello")
		},
		"/binary": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = w.Write([]byte{0, 1, 2, 3})
		},
		"/brotli": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Encoding", "br")
		},
		"/broken":  func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
		"/noindex": page(`<meta name=robots content=noindex>` + a("/behind")),
		"/behind":  page("behind"),
		"/tagged": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Robots-Tag", "none")
			page(a("/never"))(w, nil)
		},
		"/never":         page("never"),
		"/follow-me-not": page(`<meta name=robots content=nofollow>` + a("/never") + "text"),
		"/sponsored":     page(`<a rel="sponsored nofollow" href=/never>x</a>`),
		"/gone":          status(http.StatusGone),
		"/busy": func(w http.ResponseWriter, r *http.Request) {
			if tries++; tries < 3 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			page("at last")(w, r)
		},
		"/down": status(http.StatusBadGateway),
		"/patience": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "86400")
			w.WriteHeader(http.StatusTooManyRequests)
		},
	})
	var urls []string
	for p := range s.pages {
		if p != "/behind" && p != "/never" {
			urls = append(urls, s.URL+p)
		}
	}
	slices.Sort(urls)
	c := crawl(urls...)
	c.Depth, c.MaxPageBytes = 1, 100_000
	f := fetcher(t)
	r, err := f.Crawl(t.Context(), c)
	require.NoError(t, err)
	paths, bodies := stored(t, s, f, r)
	require.Equal(t, []string{"/busy", "/fits", "/follow-me-not", "/sniffed", "/sponsored", "/behind"}, paths)
	require.Len(t, bodies["/fits"], 100_000)
	require.Equal(t, map[string]int64{
		"too_large": 3, "content_type": 2, "content_encoding": 1, "unreachable": 1, "noindex": 2, "status_410": 1, "status_502": 1, "status_429": 1,
	}, left(r))
	counts := map[string]int{}
	for _, p := range s.requests() {
		counts[p]++
	}
	require.Equal(t, 3, counts["/down"], "asked again, and given up")
	require.Equal(t, 1, counts["/patience"], "a day is not waited for")
	require.Equal(t, 1, counts["/gone"])
	require.Zero(t, counts["/never"])
	require.Less(t, r.Received, int64(2_000_000), "what is too large is not read to its end")
}

// TestSlowPage: a page that begins and does not end.
func TestSlowPage(t *testing.T) {
	s := serve(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}})
	c := crawl(s.URL)
	c.Timeout = 0.5
	_, err := fetcher(t).Crawl(t.Context(), c)
	require.ErrorIs(t, err, fetch.ErrNothing)
	require.ErrorContains(t, err, "timeout")
	require.Len(t, s.requests(), 3)
}

func TestRedirects(t *testing.T) {
	pages := map[string]http.HandlerFunc{
		"/":            page(a("/moved", "/loop", "/self", "/away", "/long/0", "/moved-too", "/secret-door")),
		"/moved":       redirect("/target#x"),
		"/moved-too":   redirect("/target"),
		"/target":      page(a("/below")),
		"/below":       page("below"),
		"/loop":        redirect("/loop2"),
		"/loop2":       redirect("/loop"),
		"/self":        redirect("/self"),
		"/away":        redirect("http://other.invalid/"),
		"/secret-door": redirect("/private"),
		"/private":     page("private"),
		"/robots.txt": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "user-agent: *\ndisallow: /private")
		},
	}
	for i := range 20 {
		pages[fmt.Sprintf("/long/%d", i)] = redirect(fmt.Sprintf("/long/%d", i+1))
	}
	s := serve(t, pages)
	c := crawl(s.URL)
	c.Depth = 2
	f := fetcher(t)
	r, err := f.Crawl(t.Context(), c)
	require.NoError(t, err)
	paths, _ := stored(t, s, f, r)
	require.Equal(t, []string{"/", "/target", "/below"}, paths)
	require.Equal(t, map[string]int64{"redirect": 6 + 10, "redirect_outside": 1, "too_many_redirects": 1, "robots": 1}, left(r))

	// A given URL may redirect to another host, and then that counts as given.
	other := serve(t, map[string]http.HandlerFunc{"/": page(a("/x")), "/x": page("x")})
	otherURL := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	s.pages["/door"] = redirect(otherURL)
	c.URLs, f.Dir = []string{s.URL + "/door"}, take(t, f.Dir.String()+"2")
	r, err = f.Crawl(t.Context(), c)
	require.NoError(t, err)
	paths, _ = stored(t, s, f, r)
	require.Equal(t, []string{otherURL + "/", otherURL + "/x"}, paths)
}

func TestRobotsThatDoNotCome(t *testing.T) {
	for name, c := range map[string]struct {
		robots http.HandlerFunc
		pages  int64
		asked  int
	}{
		"not found":         {status(http.StatusNotFound), 1, 1},
		"forbidden":         {status(http.StatusForbidden), 1, 1},
		"broken":            {status(http.StatusInternalServerError), 0, 3},
		"too many":          {status(http.StatusTooManyRequests), 0, 3},
		"aborted":           {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, 3},
		"moved":             {redirect("/other.txt"), 0, 1},
		"moved in a circle": {redirect("/robots.txt"), 1, 11},
	} {
		s := serve(t, map[string]http.HandlerFunc{"/": page("x"), "/robots.txt": c.robots, "/other.txt": page("user-agent: *\ndisallow: /")})
		f := fetcher(t)
		r, err := f.Crawl(t.Context(), crawl(s.URL))
		require.Equal(t, c.pages, r.Got, name)
		require.Equal(t, c.asked, s.robots(), name)
		if c.pages == 0 {
			require.ErrorIs(t, err, fetch.ErrNothing, name)
			require.ErrorContains(t, err, "robots")
			continue
		}
		require.NoError(t, err, name)
	}
	// A directory without pages is not an answer for good.
	up := false
	s := serve(t, map[string]http.HandlerFunc{"/": page("x"), "/robots.txt": func(w http.ResponseWriter, r *http.Request) {
		if !up {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}})
	f := fetcher(t)
	_, err := f.Crawl(t.Context(), crawl(s.URL))
	require.ErrorIs(t, err, fetch.ErrNothing)
	up = true
	r, err := f.Crawl(t.Context(), crawl(s.URL))
	require.NoError(t, err)
	require.Equal(t, int64(1), r.Got)
}

func TestPrivateAddressesAreRefused(t *testing.T) {
	s := serve(t, map[string]http.HandlerFunc{"/": page("intranet")})
	for _, u := range []string{s.URL, strings.Replace(s.URL, "127.0.0.1", "localhost", 1), strings.Replace(s.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)} {
		c := crawl(u)
		c.AllowPrivate = false
		_, err := fetcher(t).Crawl(t.Context(), c)
		require.ErrorIs(t, err, fetch.ErrNothing)
		require.ErrorContains(t, err, "private_address")
		require.ErrorContains(t, err, "allow_private")
	}
	require.Empty(t, s.asked)
}

// TestOrderWhateverTheSpeed: three hosts that answer at random give the same records as ones that answer at once.
func TestOrderWhateverTheSpeed(t *testing.T) {
	pages := map[string]http.HandlerFunc{}
	s := serve(t, pages)
	hosts := []string{s.URL, strings.Replace(s.URL, "127.0.0.1", "localhost", 1), strings.Replace(s.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)}
	for i := range 40 {
		var links []string
		for k := range 3 {
			n := i*3 + k + 1
			links = append(links, fmt.Sprintf("%s/%d", hosts[n%3], n))
		}
		pages[fmt.Sprintf("/%d", i)] = page(a(links...))
	}
	c := crawl(hosts[0] + "/0")
	c.Depth, c.SameHost, c.MaxPages = 10, false, 35
	var want []string
	for run := range 3 {
		f := fetcher(t)
		s.mu.Lock()
		s.before = func(string) {
			if run > 0 {
				time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
			}
		}
		s.mu.Unlock()
		r, err := f.Crawl(t.Context(), c)
		require.NoError(t, err)
		paths, _ := stored(t, s, f, r)
		require.Len(t, paths, 35)
		if want == nil {
			want = paths
		}
		require.Equal(t, want, paths)
	}
}

func TestCrawlIsChecked(t *testing.T) {
	good := `{"urls":["https://example.org"]}`
	var c fetch.Crawl
	require.NoError(t, json.Unmarshal([]byte(good), &c))
	require.NoError(t, c.Check())
	want := fetch.DefaultCrawl()
	want.URLs = []string{"https://example.org"}
	require.Equal(t, want, c)
	for change, says := range map[string]string{
		`"urls":[]`: "urls", `"urls":["ftp://x/"]`: "urls[0]", `"urls":["http://u:hunter2@x/"]`: "password", `"depth":-1`: "depth", `"depth":101`: "depth",
		`"max_pages":0`: "max_pages", `"max_pages":1000001`: "max_pages", `"rate":0`: "rate", `"rate":1001`: "rate", `"max_page_bytes":0`: "max_page_bytes",
		`"max_page_bytes":67108865`: "max_page_bytes", `"timeout":0`: "timeout", `"timeout":601`: "timeout", `"user_agent":""`: "user_agent",
		`"user_agent":"1"`: "user_agent", `"user_agent":"a\nb"`: "user_agent", `"include":[""]`: "pattern", `"exclude":["/docs/*"]`: "pattern", `"dephts":1`: "dephts",
	} {
		var m map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte("{"+change+"}"), &m))
		all := map[string]json.RawMessage{"urls": json.RawMessage(`["https://example.org"]`)}
		maps.Copy(all, m)
		raw, err := json.Marshal(all)
		require.NoError(t, err)
		var c fetch.Crawl
		if err = json.Unmarshal(raw, &c); err == nil {
			err = c.Check()
		}
		require.ErrorContains(t, err, says, change)
		require.NotContains(t, err.Error(), "hunter2")
	}
	for _, edge := range []string{`"depth":100`, `"max_pages":1000000`, `"rate":1000`, `"rate":0.001`, `"max_page_bytes":67108864`, `"timeout":600`, `"timeout":0.1`} {
		var c fetch.Crawl
		require.NoError(t, json.Unmarshal([]byte(`{"urls":["https://example.org"],`+edge+`}`), &c))
		require.NoError(t, c.Check(), edge)
	}
}
