package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/services/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

const html, icon = "<!doctype html><title>Millrace</title>", "<svg/>"

// page stands for the web page: one file with a tag, one without a reason to be compressed.
var page = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/favicon.svg" {
		http.ServeContent(w, r, "favicon.svg", time.Time{}, strings.NewReader(icon))
		return
	}
	w.Header().Set("ETag", `"1234"`)
	http.ServeContent(w, r, "index.html", time.Time{}, strings.NewReader(html+strings.Repeat(" ", 2000)))
})

func say(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "%s %s %d", text, r.Method, len(body))
	})
}

func open(t *testing.T, change ...func(*api.Config)) *api.Server {
	t.Helper()
	c := api.Config{
		Graph: say("graph"), Metrics: say("metrics"), Log: slog.New(slog.DiscardHandler),
		Blob: func(_ context.Context, d string) (io.ReadCloser, int64, error) {
			if d != digest {
				return nil, 0, fmt.Errorf("s3: %w", fs.ErrNotExist)
			}
			return io.NopCloser(strings.NewReader("bytes")), 5, nil
		},
		Mount: map[string]http.Handler{"/": page, "/api/2.0/mlflow/": say("mlflow")},
	}
	for _, f := range change {
		f(&c)
	}
	s, err := api.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// do makes a request to localhost in process.
func do(s http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost:8080"+target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestWhatLiesBehindWhichPath(t *testing.T) {
	s := open(t)
	for _, c := range []struct {
		method, target string
		want           int
		says           string
	}{
		{"POST", "/graphql", 200, "graph POST 0"},
		{"GET", "/graphql", 200, "graph GET 0"},
		{"GET", "/healthz", 200, "ok"},
		{"GET", "/readyz", 200, `"ready":true`},
		{"GET", "/metrics", 200, "metrics GET"},
		{"POST", "/api/2.0/mlflow/runs/create", 200, "mlflow POST"},
		{"GET", "/", 200, "<title>Millrace"},
		{"GET", "/runs/01HZX3V9M8", 200, "<title>Millrace"},
		{"GET", "/../../etc/passwd", 307, "/etc/passwd"}, // a path of ours, which is the page's
		{"GET", "/api/v1/nothing", 404, ""},
		{"POST", "/healthz", 405, ""},
		{"GET", "/api/v1/blob/" + digest, 200, "bytes"},
		{"HEAD", "/api/v1/blob/" + digest, 200, ""},
		{"GET", "/api/v1/blob/sha256:" + strings.Repeat("0", 64), 404, "no blob"},
		{"GET", "/api/v1/blob/..%2f..%2fetc", 400, "no digest"},
		{"POST", "/api/v1/blob/" + digest, 405, ""},
	} {
		w := do(s, c.method, c.target, "")
		if w.Code != c.want || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s: %d %.100s, want %d %q", c.method, c.target, w.Code, w.Body, c.want, c.says)
		}
		for _, h := range []string{"Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"} {
			if w.Header().Get(h) == "" {
				t.Errorf("%s %s: no %s", c.method, c.target, h)
			}
		}
	}
	if _, err := api.New(api.Config{}); err == nil {
		t.Error("a door without a graph")
	}
	if _, err := api.New(api.Config{Graph: say(""), Mount: map[string]http.Handler{"/graphql": say("")}}); err == nil {
		t.Error("two behind one path")
	}
}

func TestABlobIsADownloadAndNothingElse(t *testing.T) {
	s := open(t)
	for name, want := range map[string]string{
		"":                          `attachment; filename=` + digest[7:],
		"model.safetensors":         `attachment; filename=model.safetensors`,
		"../../etc/passwd":          `attachment; filename=passwd`,
		`..\..\x.exe`:               `attachment; filename=x.exe`,
		"a\"b\r\nSet-Cookie: x=y":   `attachment; filename="a_b__Set-Cookie_ x=y"`,
		"..":                        `attachment; filename=` + digest[7:],
		strings.Repeat("long", 100): `attachment; filename=` + digest[7:],
	} {
		w := do(s, "GET", "/api/v1/blob/"+digest+"?name="+url.QueryEscape(name), "")
		h := w.Header()
		if got := h.Get("Content-Disposition"); got != want {
			t.Errorf("%q is called %s, want %s", name, got, want)
		}
		if h.Get("Content-Type") != "application/octet-stream" || h.Get("Content-Length") != "5" || h.Get("Set-Cookie") != "" {
			t.Errorf("%q: %v", name, h)
		}
	}
	w := do(s, "GET", "/api/v1/blob/"+digest, "", "If-None-Match", `"`+digest+`"`)
	if w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	broken := open(t, func(c *api.Config) {
		c.Blob = func(context.Context, string) (io.ReadCloser, int64, error) {
			return nil, 0, errors.New("dial tcp 10.0.0.7: refused")
		}
	})
	if w := do(broken, "GET", "/api/v1/blob/"+digest, ""); w.Code != http.StatusBadGateway || strings.Contains(w.Body.String(), "10.0.0.7") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A download whose source fails half-way must not look whole.
func TestABrokenDownloadBreaksTheConnection(t *testing.T) {
	s := open(t, func(c *api.Config) {
		c.Blob = func(context.Context, string) (io.ReadCloser, int64, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader("half"), failing{})), -1, nil
		}
	})
	base, stop := serve(t, s)
	defer stop()
	resp, err := http.Get(base + "/api/v1/blob/" + digest)
	if err != nil {
		return // broken before the header came: as good
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%q looks whole", b)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the sum is wrong") }

func TestReadinessNamesWhatIsMissing(t *testing.T) {
	sick := func(c *api.Config) {
		c.Ready = []api.Check{
			{Name: "log", Run: func(context.Context) error { return nil }},
			{Name: "storage", Run: func(context.Context) error { return errors.New("s3 at 10.0.0.7 refuses") }},
			{Name: "model", Run: func(context.Context) error { panic("oops") }},
		}
	}
	var got struct {
		Ready  bool
		Checks []struct {
			Name, Error string
			OK          bool
		}
	}
	w := do(open(t, sick), "GET", "/readyz", "")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if w.Code != 503 || got.Ready || !got.Checks[0].OK || got.Checks[1].OK || got.Checks[1].Error != "s3 at 10.0.0.7 refuses" || got.Checks[2].OK {
		t.Errorf("%d %+v", w.Code, got)
	}
	guarded := open(t, sick, func(c *api.Config) { c.Token = "secret" })
	if w := do(guarded, "GET", "/readyz", ""); w.Code != 503 || strings.Contains(w.Body.String(), "10.0.0.7") {
		t.Errorf("a stranger is told: %d %s", w.Code, w.Body)
	}
	if w := do(guarded, "GET", "/readyz", "", "Authorization", "Bearer secret"); !strings.Contains(w.Body.String(), "10.0.0.7") {
		t.Errorf("%s", w.Body)
	}
}

func TestOnlyOurOwnNamesAreAnswered(t *testing.T) {
	s := open(t, func(c *api.Config) { c.Hosts = []string{"lab.example", "other.example:8443"} })
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8080": 200, "LOCALHOST": 200, "a.localhost:80": 200, "127.0.0.1:8080": 200, "127.8.9.1": 200, "[::1]:8080": 200,
		"lab.example": 200, "Lab.Example:443": 200, "other.example:8443": 200,
		"evil.example": 421, "evil.example:8080": 421, "localhost.evil.example": 421, "10.0.0.7": 421, "": 421, "127.0.0.1.evil.example": 421, "other.example": 421,
	} {
		if w := do(s, "GET", "/healthz", "", "Host", host); w.Code != want {
			t.Errorf("%q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestOtherSitesCannotWrite(t *testing.T) {
	s := open(t)
	for _, c := range []struct {
		method, target string
		header         []string
		want           int
	}{
		{"POST", "/api/2.0/mlflow/x", nil, 200},
		{"POST", "/api/2.0/mlflow/x", []string{"Origin", "http://localhost:8080"}, 200},
		{"POST", "/api/2.0/mlflow/x", []string{"Origin", "https://evil.example"}, 403},
		{"POST", "/graphql", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"POST", "/graphql", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"GET", "/", []string{"Sec-Fetch-Site", "cross-site"}, 200},
	} {
		if w := do(s, c.method, c.target, "", c.header...); w.Code != c.want {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
}

func TestTheToken(t *testing.T) {
	s := open(t, func(c *api.Config) { c.Token = "s3cret" })
	for _, c := range []struct {
		target string
		header []string
		want   int
	}{
		{"/graphql", nil, 401},
		{"/", nil, 401},
		{"/metrics", nil, 401},
		{"/api/v1/blob/" + digest, nil, 401},
		{"/healthz", nil, 200},
		{"/readyz", nil, 200},
		{"/graphql", []string{"Authorization", "Bearer s3cret"}, 200},
		{"/graphql", []string{"Authorization", "Bearer s3cre"}, 401},
		{"/graphql", []string{"Authorization", "Bearer "}, 401},
		{"/graphql", []string{"Authorization", "Basic YXBpOnMzY3JldA=="}, 200}, // api:s3cret
		{"/graphql", []string{"Authorization", "Basic YXBpOndyb25n"}, 401},
		{"/graphql", []string{"Cookie", "millrace_token=s3cret"}, 401}, // the cookie is not the token
		{"/?token=wrong", nil, 401},
	} {
		if w := do(s, "GET", c.target, "", c.header...); w.Code != c.want {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
	w := do(s, "GET", "/runs/1?tab=cost&token=s3cret", "")
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/runs/1?tab=cost" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	cookie := w.Result().Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || strings.Contains(cookie.Value, "s3cret") {
		t.Errorf("%+v", cookie)
	}
	if w := do(s, "GET", "/graphql", "", "Cookie", cookie.Name+"="+cookie.Value); w.Code != 200 {
		t.Errorf("with the cookie: %d", w.Code)
	}
	if w := do(s, "GET", "//evil.example/?token=s3cret", ""); strings.HasPrefix(w.Header().Get("Location"), "//") {
		t.Errorf("a redirect to another host: %s", w.Header().Get("Location"))
	}
	if w := do(s, "POST", "/graphql?token=s3cret", ""); w.Code != 401 {
		t.Errorf("a token in the address of a wish: %d", w.Code)
	}
	other := open(t, func(c *api.Config) { c.Token = "another" })
	if w := do(other, "GET", "/graphql", "", "Cookie", cookie.Name+"="+cookie.Value); w.Code != 401 {
		t.Errorf("the cookie outlives its token: %d", w.Code)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	s := open(t, func(c *api.Config) { c.MaxBody, c.MaxMountBody = 10, 20 })
	for _, c := range []struct {
		target string
		bytes  int
		want   int
	}{{"/graphql", 10, 200}, {"/graphql", 11, 413}, {"/api/2.0/mlflow/x", 20, 200}, {"/api/2.0/mlflow/x", 21, 413}} {
		if w := do(s, "POST", c.target, strings.Repeat("x", c.bytes)); w.Code != c.want {
			t.Errorf("%+v: %d %s", c, w.Code, w.Body)
		}
	}
}

func TestCompression(t *testing.T) {
	s := open(t)
	plain := do(s, "GET", "/", "")
	if plain.Header().Get("Content-Encoding") != "" {
		t.Fatal("nobody asked for gzip")
	}
	for _, accept := range []string{"gzip", "br, gzip;q=0.5", "deflate, gzip"} {
		w := do(s, "GET", "/", "", "Accept-Encoding", accept)
		if w.Header().Get("Content-Encoding") != "gzip" || w.Header().Get("Vary") != "Accept-Encoding" || w.Header().Get("Content-Length") != "" {
			t.Fatalf("%s: %v", accept, w.Header())
		}
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, plain.Body.Bytes()) {
			t.Errorf("%s: %v", accept, err)
		}
		if got := do(s, "GET", "/", "", "Accept-Encoding", accept, "If-None-Match", w.Header().Get("ETag")); got.Code != http.StatusNotModified {
			t.Errorf("%s: asked again with its tag: %d", accept, got.Code)
		}
	}
	for _, c := range [][]string{
		{"/", "Accept-Encoding", "gzip;q=0"}, {"/", "Accept-Encoding", "identity"}, {"/favicon.svg", "Accept-Encoding", "gzip"},
		{"/api/v1/blob/" + digest, "Accept-Encoding", "gzip"}, {"/", "Accept-Encoding", "gzip", "Range", "bytes=0-9"},
	} {
		w := do(s, "GET", c[0], "", c[1:]...)
		if w.Header().Get("Content-Encoding") != "" || w.Body.Len() == 0 {
			t.Errorf("%v: %v", c, w.Header())
		}
	}
}

func TestTheLogKeepsNoSecrets(t *testing.T) {
	var out bytes.Buffer
	s := open(t, func(c *api.Config) {
		c.Token = "s3cret"
		c.Log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Graph = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oops") })
	})
	do(s, "GET", "/?token=s3cret", "")
	if w := do(s, "POST", "/graphql", "", "Authorization", "Bearer s3cret"); w.Code != 500 || strings.Contains(w.Body.String(), "oops") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if log := out.String(); strings.Contains(log, "s3cret") || !strings.Contains(log, "status=303") || !strings.Contains(log, "oops") {
		t.Error(log)
	}
}

// serve listens on loopback and returns the address.
func serve(t *testing.T, s *api.Server) (base string, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	return "http://" + ln.Addr().String(), func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	}
}

func TestServeLetsRequestsEndAndDrainsTheRest(t *testing.T) {
	began, release, drained := make(chan struct{}), make(chan struct{}), false
	s := open(t, func(c *api.Config) {
		c.Graph = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(began)
			<-release
			if r.Context().Err() != nil {
				t.Error("a request was cut off")
			}
			fmt.Fprint(w, "done")
		})
		c.Drain = func() error { drained = true; close(release); return nil }
	})
	base, stop := serve(t, s)
	got := make(chan string, 1)
	go func() {
		resp, err := http.Post(base+"/graphql", "application/json", strings.NewReader("{}"))
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		got <- string(b)
	}()
	<-began
	stop()
	if answer := <-got; answer != "done" || !drained {
		t.Errorf("%q, drained %v", answer, drained)
	}
}

func TestServeCutsOffWhatDoesNotEnd(t *testing.T) {
	began := make(chan struct{})
	s := open(t, func(c *api.Config) {
		c.ShutdownTimeout = 50 * time.Millisecond
		c.Graph = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { close(began); <-r.Context().Done() })
	})
	base, stop := serve(t, s)
	go func() {
		if resp, err := http.Get(base + "/graphql"); err == nil {
			resp.Body.Close()
		}
	}()
	<-began
	stop()
}

func TestBeyondLoopbackATokenIsNeeded(t *testing.T) {
	listen := func() net.Listener {
		ln, err := net.Listen("tcp", "0.0.0.0:0")
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	if err := open(t).Serve(context.Background(), listen()); !errors.Is(err, api.ErrUnguarded) {
		t.Errorf("%v", err)
	}
	for _, change := range []func(*api.Config){func(c *api.Config) { c.Open = true }, func(c *api.Config) { c.Token = "t" }} {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := open(t, change).Serve(ctx, listen()); err != nil {
			t.Error(err)
		}
	}
	// Beyond loopback any name is good, unless names are given.
	s := open(t, func(c *api.Config) { c.Open = true })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Serve(ctx, listen()); err != nil {
		t.Fatal(err)
	}
	if w := do(s, "GET", "/healthz", "", "Host", "node-7.cluster"); w.Code != 200 {
		t.Error(w.Code)
	}
}

// A peer that sends nothing of the body it promised is dropped; one that is slow but sends is not.
func TestAPeerThatStandsStillIsDropped(t *testing.T) {
	s := open(t, func(c *api.Config) { c.IdleTimeout = 2 * time.Second })
	base, stop := serve(t, s)
	defer stop()
	talk := func(pause time.Duration) string {
		conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\nConnection: close\r\n\r\n")
		done := make(chan struct{})
		defer close(done)
		go func() {
			for range 8 {
				select {
				case <-time.After(pause):
				case <-done:
					return
				}
				if _, err := conn.Write([]byte("x")); err != nil {
					return
				}
			}
		}()
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(conn)
		return string(b)
	}
	if got := talk(100 * time.Millisecond); !strings.Contains(got, "graph POST 8") {
		t.Errorf("a slow one: %q", got)
	}
	if got := talk(30 * time.Second); strings.Contains(got, "graph POST 8") {
		t.Errorf("one that stands still: %q", got)
	}
}

func FuzzRequest(f *testing.F) {
	for _, seed := range [][3]string{{"GET", "/?token=x", "localhost"}, {"POST", "/graphql", "[::1]:1"}, {"GET", "//x/..%00", "a:b:c"}, {"HEAD", "/api/v1/blob/sha256:", ""}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	s, err := api.New(api.Config{Graph: say("graph"), Mount: map[string]http.Handler{"/": page}, Token: "t", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, target, host string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := &http.Request{Method: method, URL: u, Host: host, Header: http.Header{}, Body: http.NoBody, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %s at %s: %d", method, target, host, w.Code)
		}
		if w.Code == 200 && u.Path != "/healthz" && u.Path != "/readyz" && u.Query().Get("token") != "t" {
			t.Errorf("%s %s at %s is answered without a token", method, target, host)
		}
	})
}
