package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// said is what browsers are told about every page. The policy allows the page its own files and its own node, and nothing else;
// charts set styles on elements, hence the one 'unsafe-inline'.
var said = map[string]string{
	"Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
	"X-Content-Type-Options":  "nosniff",
	"Referrer-Policy":         "no-referrer",
}

// page is one file, ready to be sent.
type page struct {
	kind   string // Content-Type
	etag   string
	cache  string // Cache-Control
	plain  []byte
	packed func() []byte // gzip, made when first asked for; nil when it would not be smaller
}

type site struct {
	pages map[string]*page // by path without the leading slash
	index *page
}

// serve reads all of pages once, so that a request costs no file system, and each file is compressed once. Without an index.html in pages,
// every path gets instead.
func serve(pages fs.FS, instead []byte) http.Handler {
	s := &site{pages: map[string]*page{}}
	// A file that cannot be read from an embedded file system does not exist; the walk reports nothing else.
	_ = fs.WalkDir(pages, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(path.Base(name), ".") {
			return nil
		}
		body, err := fs.ReadFile(pages, name)
		if err == nil {
			s.pages[name] = prepare(name, body)
		}
		return nil
	})
	s.index = s.pages["index.html"]
	if s.index == nil {
		s.index = prepare("index.html", instead)
	}
	return s
}

// only serves one of the pages, or instead where it is not there.
func only(pages fs.FS, name string, instead []byte) http.Handler {
	body, err := fs.ReadFile(pages, name)
	if err != nil {
		body = instead
	}
	p := prepare(name, body)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.send(w, r) })
}

func prepare(name string, body []byte) *page {
	sum := sha256.Sum256(body)
	p := &page{kind: contentType(name), etag: `"` + hex.EncodeToString(sum[:16]) + `"`, cache: "no-cache", plain: body}
	// Vite puts a hash of the contents into the name of everything under assets: such a name never means anything else.
	if strings.HasPrefix(name, "assets/") {
		p.cache = "public, max-age=31536000, immutable"
	}
	p.packed = sync.OnceValue(func() []byte {
		if packed := pack(body); len(packed) < len(body)*9/10 {
			return packed
		}
		return nil
	})
	return p
}

// types are written out because the machine's own table (/etc/mime.types, the Windows registry) can be wrong or missing.
var types = map[string]string{
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".css":   "text/css; charset=utf-8",
	".svg":   "image/svg+xml",
	".json":  "application/json",
	".map":   "application/json",
	".txt":   "text/plain; charset=utf-8",
	".md":    "text/plain; charset=utf-8",
	".png":   "image/png",
	".ico":   "image/x-icon",
	".woff2": "font/woff2",
}

func contentType(name string) string {
	ext := path.Ext(name)
	if kind, ok := types[ext]; ok {
		return kind
	}
	if kind := mime.TypeByExtension(ext); kind != "" {
		return kind
	}
	return "application/octet-stream"
}

func pack(body []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return body
	}
	if _, err := w.Write(body); err != nil {
		return body
	}
	if err := w.Close(); err != nil {
		return body
	}
	return out.Bytes()
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are answered here", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	p, ok := s.pages[name]
	if !ok {
		// An asset of another version is gone, and HTML in its place would only confuse the browser.
		if strings.HasPrefix(name, "assets/") {
			http.NotFound(w, r)
			return
		}
		p = s.index
	}
	p.send(w, r)
}

func (p *page) send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	body, etag := p.plain, p.etag
	if packed := p.packed(); packed != nil {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			body, etag = packed, strings.TrimSuffix(p.etag, `"`)+`-gzip"`
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("Content-Type", p.kind)
	h.Set("Cache-Control", p.cache)
	h.Set("ETag", etag)
	for name, value := range said {
		if h.Get(name) == "" { // what the door has said before stands
			h.Set(name, value)
		}
	}
	if matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // a reader that has gone away is nobody's error
}

// acceptsGzip reads an Accept-Encoding header (RFC 9110, 12.5.3): gzip or * without a weight of zero.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, parameters, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "gzip" && coding != "*" {
			continue
		}
		weight, given := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
		if !given {
			return true
		}
		q, err := strconv.ParseFloat(weight, 64)
		return err == nil && q > 0
	}
	return false
}

// matches compares weakly, as If-None-Match asks (RFC 9110, 13.1.2).
func matches(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == etag || one == "*" {
			return true
		}
	}
	return false
}
