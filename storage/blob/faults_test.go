package blob_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"millrace/acceptance/freeport"
	"millrace/storage/blob"
	"millrace/storage/blob/blobtest"
	"millrace/storage/s3embed"
)

// between is a proxy in front of a server. fault sees every request first and
// says whether it has dealt with it.
func between(t testing.TB, srv *s3embed.Server, fault func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool) string {
	t.Helper()
	target, err := url.Parse(srv.Endpoint())
	require.NoError(t, err)
	transport := &http.Transport{}
	pass := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fault(w, r, pass) {
			pass.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		p.Close()
		transport.CloseIdleConnections()
	})
	return p.URL
}

func TestBusyServer(t *testing.T) {
	var n atomic.Int32
	endpoint := between(t, serve(t), func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		if n.Add(1)%2 == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	s := connect(t, config(endpoint))
	b := blobtest.Bytes(1, 100_000)
	ref, err := s.Put(t.Context(), b)
	require.NoError(t, err)
	got, err := s.Get(t.Context(), ref.Digest)
	require.NoError(t, err)
	require.True(t, bytes.Equal(b, got))
	require.NoError(t, s.Delete(t.Context(), ref.Digest))
	for range s.List(t.Context()) {
		t.Error("nothing is left")
	}
}

// TestRestart: a put that begins while the server is down ends when it is back.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	cfg := s3embed.Config{Dir: dir, Addr: freeport.Addr(t), AccessKey: testKey, SecretKey: testSecret}
	srv, err := s3embed.Open(t.Context(), cfg)
	require.NoError(t, err)
	s := connect(t, config(srv.Endpoint()))
	require.NoError(t, srv.Close())

	done := make(chan error)
	go func() {
		_, err := s.Put(t.Context(), blobtest.Bytes(2, 200_000))
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("without a server: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	srv, err = s3embed.Open(t.Context(), cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	require.NoError(t, <-done)
	_, err = s.Stat(t.Context(), blob.DigestOf(blobtest.Bytes(2, 200_000)))
	require.NoError(t, err)
}

func TestUnavailable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	endpoint := "http://" + l.Addr().String()
	require.NoError(t, l.Close()) // now nobody listens there
	cfg := config(endpoint)
	cfg.RetryFor = 200 * time.Millisecond
	_, err = blob.Open(t.Context(), cfg)
	require.ErrorIs(t, err, blob.ErrUnavailable)
	require.ErrorContains(t, err, endpoint)

	// The context is the other bound.
	cfg.RetryFor = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = blob.Open(ctx, cfg)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestBrokenDownload: connections break in the middle, and the reader goes on
// where it was.
func TestBrokenDownload(t *testing.T) {
	const size, each = 1 << 20, 300_000
	var gets, ranges atomic.Int32
	endpoint := between(t, serve(t), func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "sha256/") {
			return false
		}
		gets.Add(1)
		if r.Header.Get("Range") != "" {
			ranges.Add(1)
		}
		pass.ServeHTTP(&cutting{ResponseWriter: w, left: each}, r)
		return true
	})
	s := connect(t, config(endpoint))
	b := blobtest.Bytes(3, size)
	ref, err := s.Put(t.Context(), b)
	require.NoError(t, err)
	got, err := s.Get(t.Context(), ref.Digest)
	require.NoError(t, err)
	require.True(t, bytes.Equal(b, got))
	require.Equal(t, int32(4), gets.Load(), "1 MiB in pieces of 300 kB")
	require.Equal(t, int32(3), ranges.Load())
}

// cutting breaks the connection after so many bytes of the body.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), c.left)])
	c.left -= n
	if err == nil && n < len(p) {
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

func TestDownloadThatNeverMoves(t *testing.T) {
	endpoint := between(t, serve(t), func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "sha256/") {
			return false
		}
		w.Header().Set("Content-Length", "500000")
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	s := connect(t, config(endpoint))
	_, err := s.Get(t.Context(), blob.DigestOf([]byte("x")))
	require.ErrorIs(t, err, blob.ErrUnavailable)
}

func TestServiceWithoutRange(t *testing.T) {
	endpoint := between(t, serve(t), func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "sha256/") {
			return false
		}
		r.Header.Del("Range") // and with it the signature
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		_, _ = w.Write(make([]byte, 400))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	s := connect(t, config(endpoint))
	_, err := s.Get(t.Context(), blob.DigestOf([]byte("x")))
	require.ErrorContains(t, err, "ignores Range")
}

// TestDamagedOnTheWay: the service refuses a body that changed under way, and it
// is sent again.
func TestDamagedOnTheWay(t *testing.T) {
	var puts atomic.Int32
	endpoint := between(t, serve(t), func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "sha256/") && puts.Add(1) == 1 {
			b, _ := io.ReadAll(r.Body)
			b[len(b)/2] ^= 4
			r.Body = io.NopCloser(bytes.NewReader(b))
		}
		return false
	})
	s := connect(t, config(endpoint))
	b := blobtest.Bytes(4, 1000)
	ref, err := s.Put(t.Context(), b)
	require.NoError(t, err)
	require.Equal(t, int32(2), puts.Load())
	got, err := s.Get(t.Context(), ref.Digest)
	require.NoError(t, err)
	require.True(t, bytes.Equal(b, got))
}

// TestPresentIsNotSent counts the bytes that reach the service.
func TestPresentIsNotSent(t *testing.T) {
	var sent atomic.Int64
	endpoint := between(t, serve(t), func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		sent.Add(max(r.ContentLength, 0))
		return false
	})
	s := connect(t, config(endpoint))
	b := blobtest.Bytes(5, 1<<20)
	_, err := s.Put(t.Context(), b)
	require.NoError(t, err)
	require.Equal(t, int64(1<<20), sent.Load())
	_, err = s.Put(t.Context(), b)
	require.NoError(t, err)
	require.Equal(t, int64(1<<20), sent.Load())
}

// objectFile is where the embedded server keeps an object.
func objectFile(dir string, d blob.Digest) string {
	return filepath.Join(dir, "buckets", "millrace", "keys", filepath.FromSlash(d.Key())+".object")
}

func TestCorrupt(t *testing.T) {
	dir := t.TempDir()
	srv, err := s3embed.Open(t.Context(), s3embed.Config{Dir: dir, AccessKey: testKey, SecretKey: testSecret})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	s := connect(t, config(srv.Endpoint()))
	b := blobtest.Bytes(6, 500_000)
	ref, err := s.Put(t.Context(), b)
	require.NoError(t, err)
	path := objectFile(dir, ref.Digest)
	file, err := os.ReadFile(path)
	require.NoError(t, err)

	rot := bytes.Clone(file)
	rot[123_456] ^= 1
	require.NoError(t, os.WriteFile(path, rot, 0o600))
	_, err = s.Get(t.Context(), ref.Digest)
	require.ErrorIs(t, err, blob.ErrCorrupt)
	require.ErrorContains(t, err, string(ref.Digest))
	r, err := s.Reader(t.Context(), ref.Digest)
	require.NoError(t, err)
	_, err = io.ReadFull(r, make([]byte, ref.Size))
	require.ErrorIs(t, err, blob.ErrCorrupt, "whoever counts bytes and never sees io.EOF is told too")
	require.NoError(t, r.Close())
	out := filepath.Join(t.TempDir(), "out")
	require.ErrorIs(t, s.Fetch(t.Context(), ref.Digest, out), blob.ErrCorrupt)
	require.Empty(t, dirNames(t, filepath.Dir(out)), "nothing wrong is left under any name")

	// Delete and Put repair it.
	require.NoError(t, s.Delete(t.Context(), ref.Digest))
	_, err = s.Put(t.Context(), b)
	require.NoError(t, err)
	_, err = s.Get(t.Context(), ref.Digest)
	require.NoError(t, err)

	// One of another size is replaced by the next put, small ones too.
	small, err := s.Put(t.Context(), []byte("small"))
	require.NoError(t, err)
	smallFile, err := os.ReadFile(objectFile(dir, small.Digest))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(objectFile(dir, small.Digest), smallFile[1:], 0o600))
	_, err = s.Put(t.Context(), []byte("small"))
	require.NoError(t, err)
	smallBytes, err := s.Get(t.Context(), small.Digest)
	require.NoError(t, err)
	require.Equal(t, "small", string(smallBytes))
	// So is one whose file was cut short: the service says so at once, and is not asked again and again.
	for name, cut := range map[string][]byte{"shorter": file[1:], "cut": file[:len(file)/2], "empty": nil} {
		require.NoError(t, os.WriteFile(path, cut, 0o600))
		require.NoError(t, os.WriteFile(objectFile(dir, small.Digest), nil, 0o600))
		for _, d := range []blob.Digest{ref.Digest, small.Digest} {
			_, err = s.Get(t.Context(), d)
			require.ErrorIs(t, err, blob.ErrCorrupt, name)
		}
		if _, err = s.Stat(t.Context(), ref.Digest); name != "shorter" {
			require.ErrorIs(t, err, blob.ErrCorrupt, name)
		}
		_, err = s.Put(t.Context(), b)
		require.NoError(t, err, name)
		_, err = s.Put(t.Context(), []byte("small"))
		require.NoError(t, err, name)
		_, err = s.Get(t.Context(), small.Digest)
		require.NoError(t, err, name)
	}
	got, err := s.Get(t.Context(), ref.Digest)
	require.NoError(t, err)
	require.True(t, bytes.Equal(b, got))
}

func dirNames(t testing.TB, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestFull(t *testing.T) {
	var tries atomic.Int32
	endpoint := between(t, serve(t), func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "sha256/") {
			return false
		}
		tries.Add(1)
		w.WriteHeader(http.StatusInsufficientStorage)
		_, _ = io.WriteString(w, "<Error><Code>XMinioStorageFull</Code><Message>no room left in /data</Message></Error>")
		return true
	})
	s := connect(t, config(endpoint))
	_, err := s.Put(t.Context(), []byte("x"))
	require.ErrorIs(t, err, blob.ErrFull)
	require.Equal(t, int32(1), tries.Load(), "trying again would not help")
}

func TestTooLarge(t *testing.T) {
	cfg := config(serve(t).Endpoint())
	cfg.MaxGet = 999
	s := connect(t, cfg)
	ref, err := s.Put(t.Context(), blobtest.Bytes(7, 1000))
	require.NoError(t, err)
	_, err = s.Get(t.Context(), ref.Digest)
	require.ErrorIs(t, err, blob.ErrTooLarge)
	r, err := s.Reader(t.Context(), ref.Digest)
	require.NoError(t, err)
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Len(t, b, 1000)
	require.NoError(t, r.Close())
}

// TestPartsFaults: single parts fail and are sent again; the answer to the last
// request is lost.
func TestPartsFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 130 MiB")
	}
	var parts, completes atomic.Int32
	endpoint := between(t, serve(t), func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool {
		q := r.URL.Query()
		switch {
		case q.Get("partNumber") != "" && parts.Add(1)%2 == 1:
			w.WriteHeader(http.StatusInternalServerError)
			return true
		case r.Method == http.MethodPost && q.Get("uploadId") != "" && completes.Add(1) == 1:
			pass.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case r.Method == http.MethodPost && q.Get("uploadId") != "":
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<Error><Code>NoSuchUpload</Code></Error>")
			return true
		}
		return false
	})
	s := connect(t, config(endpoint))
	b := blobtest.Bytes(8, 65<<20)
	ref, err := s.Put(t.Context(), b)
	require.NoError(t, err)
	require.Equal(t, int32(2), completes.Load())
	got, err := s.Get(t.Context(), ref.Digest)
	require.NoError(t, err)
	require.True(t, bytes.Equal(b, got))
}

// TestPartsGivenUp: an upload in parts that fails takes no room afterwards.
func TestPartsGivenUp(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 65 MiB")
	}
	dir := t.TempDir()
	srv, err := s3embed.Open(t.Context(), s3embed.Config{Dir: dir, AccessKey: testKey, SecretKey: testSecret})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	ctx, cancel := context.WithCancel(t.Context())
	endpoint := between(t, srv, func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.URL.Query().Get("partNumber") == "3" {
			cancel()
		}
		return false
	})
	s := connect(t, config(endpoint))
	_, err = s.Put(ctx, blobtest.Bytes(9, 65<<20))
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, dirNames(t, filepath.Join(dir, "tmp")))
}

// TestListOverPages: more objects than one page holds, and the second page
// fails at first.
func TestListOverPages(t *testing.T) {
	if testing.Short() {
		t.Skip("stores 1100 objects")
	}
	var lists atomic.Int32
	endpoint := between(t, serve(t), func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.URL.Query().Get("list-type") == "2" && lists.Add(1)%2 == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		return false
	})
	s := connect(t, config(endpoint))
	want := map[blob.Digest]bool{}
	for i := range 1100 {
		ref, err := s.Put(t.Context(), blobtest.Bytes(uint64(i), 8))
		require.NoError(t, err)
		want[ref.Digest] = true
	}
	n := 0
	for info, err := range s.List(t.Context()) {
		require.NoError(t, err)
		require.True(t, want[info.Digest])
		n++
	}
	require.Equal(t, 1100, n)
}

func TestSpool(t *testing.T) {
	cfg := config(serve(t).Endpoint())
	cfg.TempDir = t.TempDir()
	s := connect(t, cfg)
	b := blobtest.Bytes(10, 3<<20)
	ref, err := s.PutReader(t.Context(), io.MultiReader(bytes.NewReader(b)), -1)
	require.NoError(t, err)
	require.Equal(t, blob.DigestOf(b), ref.Digest)
	require.Empty(t, dirNames(t, cfg.TempDir))

	cfg.TempDir = filepath.Join(cfg.TempDir, "missing")
	s = connect(t, cfg)
	_, err = s.PutReader(t.Context(), io.MultiReader(bytes.NewReader(b)), -1)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, cfg.TempDir)
}
