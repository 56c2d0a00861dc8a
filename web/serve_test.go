package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

const index = "<!doctype html><title>Millrace</title><div id=root></div>"

var script = strings.Repeat("console.log('a line that packs well');\n", 100)

func built() http.Handler {
	return serve(fstest.MapFS{
		"index.html":            {Data: []byte(index)},
		"assets/main-Ab12Cd.js": {Data: []byte(script)},
		"assets/main-Ef34.css":  {Data: []byte("body{}")},
		"favicon.svg":           {Data: []byte("<svg/>")},
		".gitkeep":              {},
	}, []byte("plain"))
}

func get(t *testing.T, h http.Handler, method, path string, header ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

func TestEveryPathInsideTheApplicationGetsTheIndex(t *testing.T) {
	h := built()
	for _, path := range []string{"/", "/index.html", "/run/01HZX3V9M8Q4T6W2Y5B7C9D1FE", "/run/01H/config", "/compare?ids=a,b", "/dataset/sha256:ab.cd", "/.gitkeep", "/../secret"} {
		res, body := get(t, h, "GET", path)
		if res.StatusCode != 200 || body != index {
			t.Errorf("GET %s: %d %q, want the index", path, res.StatusCode, body)
		}
		if got := res.Header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("GET %s: Cache-Control %q: an old index would ask for assets that are gone", path, got)
		}
		if got := res.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
			t.Errorf("GET %s: Content-Type %q", path, got)
		}
		if got := res.Header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'self'") {
			t.Errorf("GET %s: Content-Security-Policy %q", path, got)
		}
	}
}

func TestAssetsAreKeptForeverAndNeverReplacedByTheIndex(t *testing.T) {
	h := built()
	for path, kind := range map[string]string{"/assets/main-Ab12Cd.js": "text/javascript; charset=utf-8", "/assets/main-Ef34.css": "text/css; charset=utf-8"} {
		res, _ := get(t, h, "GET", path)
		if got := res.Header.Get("Cache-Control"); res.StatusCode != 200 || got != "public, max-age=31536000, immutable" {
			t.Errorf("GET %s: %d, Cache-Control %q", path, res.StatusCode, got)
		}
		if got := res.Header.Get("Content-Type"); got != kind {
			t.Errorf("GET %s: Content-Type %q, want %q", path, got, kind)
		}
	}
	if res, body := get(t, h, "GET", "/assets/main-Old.js"); res.StatusCode != 404 || body == index {
		t.Errorf("an asset of another version: %d, want 404", res.StatusCode)
	}
	if res, _ := get(t, h, "GET", "/favicon.svg"); res.Header.Get("Content-Type") != "image/svg+xml" || res.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("favicon: %v", res.Header)
	}
}

func TestAnUnchangedPageIsNotSentAgain(t *testing.T) {
	h := built()
	for _, encoding := range []string{"", "gzip"} {
		first, _ := get(t, h, "GET", "/assets/main-Ab12Cd.js", "Accept-Encoding", encoding)
		etag := first.Header.Get("ETag")
		if len(etag) < 10 {
			t.Fatalf("ETag %q", etag)
		}
		for _, sent := range []string{etag, "W/" + etag, `"other", ` + etag} {
			res, body := get(t, h, "GET", "/assets/main-Ab12Cd.js", "Accept-Encoding", encoding, "If-None-Match", sent)
			if res.StatusCode != 304 || body != "" {
				t.Errorf("If-None-Match %s: %d with %d bytes, want 304 with none", sent, res.StatusCode, len(body))
			}
		}
		if res, _ := get(t, h, "GET", "/assets/main-Ab12Cd.js", "Accept-Encoding", encoding, "If-None-Match", `"other"`); res.StatusCode != 200 {
			t.Errorf("another ETag: %d, want 200", res.StatusCode)
		}
	}
}

func TestWhatPacksIsSentPackedToThoseWhoUnpack(t *testing.T) {
	h := built()
	for header, packed := range map[string]bool{"": false, "gzip": true, "br, gzip;q=0.8": true, "*": true, "gzip;q=0": false, "identity": false, "br": false} {
		res, body := get(t, h, "GET", "/assets/main-Ab12Cd.js", "Accept-Encoding", header)
		if got := res.Header.Get("Content-Encoding") == "gzip"; got != packed {
			t.Errorf("Accept-Encoding %q: packed %v, want %v", header, got, packed)
		}
		if packed {
			r, err := gzip.NewReader(bytes.NewReader([]byte(body)))
			if err != nil {
				t.Fatal(err)
			}
			unpacked, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			body = string(unpacked)
		}
		if body != script {
			t.Errorf("Accept-Encoding %q: the script did not arrive whole", header)
		}
		if res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: Vary %q", header, res.Header.Get("Vary"))
		}
	}
}

func TestOnlyReadingIsAnswered(t *testing.T) {
	h := built()
	if res, body := get(t, h, "HEAD", "/"); res.StatusCode != 200 || body != "" || res.Header.Get("Content-Length") == "" {
		t.Errorf("HEAD /: %d, %d bytes, Content-Length %q", res.StatusCode, len(body), res.Header.Get("Content-Length"))
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		if res, _ := get(t, h, method, "/"); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s /: %d, Allow %q", method, res.StatusCode, res.Header.Get("Allow"))
		}
	}
}

func TestWithoutPagesTheReaderIsToldWhatToDo(t *testing.T) {
	h := serve(fstest.MapFS{".gitkeep": {}}, plain)
	for _, path := range []string{"/", "/run/x"} {
		res, body := get(t, h, "GET", path)
		if res.StatusCode != 200 || !strings.Contains(body, "make web") || !strings.Contains(body, "millrace --help") {
			t.Errorf("GET %s: %d, which does not say how to go on:\n%s", path, res.StatusCode, body)
		}
	}
}

func TestThisBinaryServesWhatItWasBuiltWith(t *testing.T) {
	_, body := get(t, Handler(), "GET", "/")
	if want := map[bool]string{true: "/assets/", false: "make web"}[Built()]; !strings.Contains(body, want) {
		t.Errorf("built: %v, but the page has no %q", Built(), want)
	}
}

func TestOnePageAlone(t *testing.T) {
	pages := fstest.MapFS{"graphiql.html": {Data: []byte("<title>GraphiQL</title>")}}
	if res, body := get(t, only(pages, "graphiql.html", []byte("plain")), "GET", "/graphql"); body != "<title>GraphiQL</title>" || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%q %q", res.Header.Get("Content-Type"), body)
	}
	if _, body := get(t, only(fstest.MapFS{}, "graphiql.html", []byte("plain")), "GET", "/graphql"); body != "plain" {
		t.Errorf("%q", body)
	}
}
