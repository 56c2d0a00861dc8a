package api

import (
	"compress/gzip"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// worthwhile is how many bytes an answer must have to be compressed.
const worthwhile = 1400

// compressed sends text as gzip to those who take it, once it is longer than a packet. Streams of events go as they come.
func (s *Server) compressed(next http.Handler) http.Handler {
	pool := &sync.Pool{New: func() any {
		z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a good one
		return z
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" || !takesGzip(r) {
			next.ServeHTTP(w, r)
			return
		}
		z := &compressor{ResponseWriter: w, pool: pool, head: r.Method == http.MethodHead}
		next.ServeHTTP(z, r)
		z.close()
	})
}

func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(name) != "gzip" {
			continue
		}
		q, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !ok || err != nil || weight > 0
	}
	return false
}

// compressor holds the first bytes back until it knows whether compressing is worthwhile.
type compressor struct {
	http.ResponseWriter
	pool    *sync.Pool
	z       *gzip.Writer
	held    []byte
	status  int
	decided bool
	head    bool
}

func (c *compressor) WriteHeader(status int) {
	if c.decided || c.status != 0 {
		return
	}
	if status < 200 {
		c.ResponseWriter.WriteHeader(status)
		return
	}
	c.status = status
	if !c.compressible() {
		c.begin(false)
	}
}

func (c *compressor) compressible() bool {
	h := c.Header()
	if c.head || c.status != http.StatusOK || h.Get("Content-Encoding") != "" || h.Get("Content-Range") != "" {
		return false
	}
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || media == "text/event-stream" {
		return false
	}
	return strings.HasPrefix(media, "text/") || strings.HasSuffix(media, "json") || strings.HasSuffix(media, "javascript") ||
		strings.HasSuffix(media, "xml") || strings.HasSuffix(media, "wasm")
}

// begin sends the header, and from then on bytes as they are or compressed.
func (c *compressor) begin(compress bool) {
	c.decided = true
	h := c.Header()
	if compress {
		h.Del("Content-Length")
		h.Set("Content-Encoding", "gzip")
		if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
			h.Set("ETag", "W/"+tag) // the bytes are others, the content is the same
		}
		c.z = c.pool.Get().(*gzip.Writer)
		c.z.Reset(c.ResponseWriter)
	}
	if c.status != 0 {
		c.ResponseWriter.WriteHeader(c.status)
	}
}

func (c *compressor) Write(p []byte) (int, error) {
	if c.status == 0 {
		if c.Header().Get("Content-Type") == "" {
			c.Header().Set("Content-Type", http.DetectContentType(p))
		}
		c.WriteHeader(http.StatusOK)
	}
	if !c.decided {
		c.Header().Add("Vary", "Accept-Encoding")
		if len(c.held)+len(p) < worthwhile {
			c.held = append(c.held, p...)
			return len(p), nil
		}
		c.begin(true)
		if _, err := c.z.Write(c.held); err != nil {
			return 0, err
		}
		c.held = nil
	}
	if c.z != nil {
		return c.z.Write(p)
	}
	return c.ResponseWriter.Write(p)
}

// Flush sends what was written.
func (c *compressor) Flush() {
	if !c.decided {
		c.begin(false)
		c.release()
	}
	if c.z != nil {
		_ = c.z.Flush()
	}
	_ = http.NewResponseController(c.ResponseWriter).Flush()
}

// Unwrap shows the writer to http.ResponseController.
func (c *compressor) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *compressor) release() {
	if len(c.held) > 0 {
		_, _ = c.ResponseWriter.Write(c.held)
		c.held = nil
	}
}

func (c *compressor) close() {
	if !c.decided {
		c.begin(false)
		c.release()
	}
	if c.z != nil {
		_ = c.z.Close()
		c.pool.Put(c.z)
	}
}
