package s3embed_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"millrace/storage/s3embed"
)

const (
	testKey    = "test-key"
	testSecret = "wHat-nobody-may-see"
)

// childDir names, in the environment, the directory that this test binary shall
// serve instead of testing: the server as a process of its own, to be killed.
const childDir = "S3EMBED_TEST_SERVE_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := serveChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// serveChild is a server as a process: it says its endpoint, and ends when its
// standard input does, so that it cannot outlive the test.
func serveChild(dir string) error {
	s, err := s3embed.Open(context.Background(), config(dir))
	if err != nil {
		return err
	}
	fmt.Println(s.Endpoint())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return s.Close()
}

func config(dir string) s3embed.Config {
	return s3embed.Config{Dir: dir, AccessKey: testKey, SecretKey: testSecret}
}

func open(t testing.TB, cfg s3embed.Config) *s3embed.Server {
	t.Helper()
	s, err := s3embed.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// bucket is a client of a new server that has the bucket "bucket".
func bucket(t testing.TB, dir string) (*client, *s3embed.Server) {
	t.Helper()
	s := open(t, config(dir))
	c := newClient(t, s.Endpoint())
	require.Equal(t, 200, c.do(t, "PUT", "bucket", nil, nil, nil).status)
	return c, s
}

func TestOpenCloseOpen(t *testing.T) {
	dir := t.TempDir()
	wd, err := os.Getwd()
	require.NoError(t, err)
	for i := range 3 {
		s, err := s3embed.Open(t.Context(), config(dir))
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(s.Endpoint(), "http://127.0.0.1:"), s.Endpoint())
		c := newClient(t, s.Endpoint())
		if i == 0 {
			require.Equal(t, 200, c.do(t, "PUT", "bucket", nil, nil, nil).status)
			require.Equal(t, 200, c.put(t, "bucket/key", "kept").status)
		}
		require.Equal(t, "kept", c.get(t, "bucket/key").body)
		require.NoError(t, s.Close())
		<-s.Done()
		require.NoError(t, s.Close(), "a second time")
	}
	after, err := os.Getwd()
	require.NoError(t, err)
	require.Equal(t, wd, after, "the working directory belongs to the program")
}

func TestSeveralServers(t *testing.T) {
	a, _ := bucket(t, t.TempDir())
	b, _ := bucket(t, t.TempDir())
	require.Equal(t, 200, a.put(t, "bucket/key", "a").status)
	require.Equal(t, 404, b.get(t, "bucket/key").status)
}

func TestOpenRefuses(t *testing.T) {
	for name, cfg := range map[string]s3embed.Config{
		"no directory":  {AccessKey: testKey, SecretKey: testSecret},
		"no access key": {Dir: t.TempDir(), SecretKey: testSecret},
		"no secret":     {Dir: t.TempDir(), AccessKey: testKey},
		"short secret":  {Dir: t.TempDir(), AccessKey: testKey, SecretKey: "1234567"},
	} {
		_, err := s3embed.Open(t.Context(), cfg)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "1234567")
	}

	dir := t.TempDir()
	s := open(t, config(dir))
	_, err := s3embed.Open(t.Context(), config(dir))
	require.ErrorContains(t, err, "in use by another server")
	require.ErrorContains(t, err, dir)

	cfg := config(t.TempDir())
	cfg.Addr = s.Addr()
	_, err = s3embed.Open(t.Context(), cfg)
	require.ErrorContains(t, err, s.Addr())
	require.ErrorContains(t, err, "another program")
	// The refusal gave the directory back.
	cfg.Addr = ""
	open(t, cfg)

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = s3embed.Open(t.Context(), config(filepath.Join(file, "dir")))
	require.ErrorContains(t, err, file)

	foreign := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "format"), []byte("7\n"), 0o600))
	_, err = s3embed.Open(t.Context(), config(foreign))
	require.ErrorContains(t, err, "another version")
}

func TestUnwritableDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o500))
	_, err := s3embed.Open(t.Context(), config(dir))
	require.ErrorContains(t, err, "cannot be written to")
}

func TestKeysAreChecked(t *testing.T) {
	var log bytes.Buffer
	cfg := config(t.TempDir())
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	s, err := s3embed.Open(t.Context(), cfg)
	require.NoError(t, err)
	good := newClient(t, s.Endpoint())
	require.Equal(t, 200, good.do(t, "PUT", "bucket", nil, nil, nil).status)

	wrong := newClient(t, s.Endpoint())
	wrong.secret = "not-the-secret"
	for _, method := range []string{"GET", "PUT", "DELETE", "HEAD"} {
		a := wrong.do(t, method, "bucket/key", nil, nil, nil)
		require.Equal(t, 403, a.status, method)
		if method != "HEAD" {
			require.Contains(t, a.body, "SignatureDoesNotMatch")
		}
	}
	wrong.access = "nobody"
	a := wrong.get(t, "bucket/key")
	require.Equal(t, 403, a.status)
	require.Contains(t, a.body, "InvalidAccessKeyId")
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.Endpoint()+"/bucket/key?X-Amz-Signature=deadbeef&X-Amz-Credential=x", nil)
	require.NoError(t, err)
	require.NotEqual(t, 200, good.send(t, req).status)
	req, err = http.NewRequestWithContext(t.Context(), "GET", s.Endpoint()+"/bucket/key", nil)
	require.NoError(t, err)
	require.Equal(t, 403, good.send(t, req).status, "without any key")

	require.NoError(t, s.Close())
	require.Contains(t, log.String(), "Access Denied")
	require.NotContains(t, log.String(), "deadbeef", "a signature is a credential")
	require.NotContains(t, log.String(), testSecret)
}

// TestDamagedBody: what does not have the sha256 that was signed is refused, and
// nothing of it stays.
func TestDamagedBody(t *testing.T) {
	dir := t.TempDir()
	c, _ := bucket(t, dir)
	for _, n := range []int{1, 100, 1 << 20} {
		body := bytes.Repeat([]byte("x"), n)
		req := c.request(t, "PUT", "bucket/key", nil, nil, body)
		body = bytes.Clone(body)
		body[n/2] ^= 1
		req.Body = io.NopCloser(bytes.NewReader(body))
		req.GetBody = nil // or a retry would send the good one
		a := c.send(t, req)
		require.Equal(t, 400, a.status, "%d bytes: %s", n, a.body)
		require.Contains(t, a.body, "BadDigest")
		require.Equal(t, 404, c.get(t, "bucket/key").status)
	}
	require.Empty(t, names(t, filepath.Join(dir, "tmp")))
}

func names(t testing.TB, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// TestBrokenUpload: a client that vanishes in the middle leaves nothing.
func TestBrokenUpload(t *testing.T) {
	dir := t.TempDir()
	c, s := bucket(t, dir)
	req := c.request(t, "PUT", "bucket/key", nil, nil, bytes.Repeat([]byte("x"), 1<<20))
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	half, rest := io.Pipe()
	req.Body = half
	sent := make(chan error)
	go func() { sent <- req.Write(conn) }()
	_, err = rest.Write(make([]byte, 500_000))
	require.NoError(t, err)
	arriving := func() bool { return len(names(t, filepath.Join(dir, "tmp"))) == 1 }
	require.Eventually(t, arriving, 10*time.Second, time.Millisecond)
	require.NoError(t, conn.Close())
	rest.CloseWithError(io.ErrClosedPipe)
	require.Error(t, <-sent)
	require.Eventually(t, func() bool { return !arriving() }, 10*time.Second, time.Millisecond)
	require.Equal(t, 404, c.get(t, "bucket/key").status)
}

// TestQuiet: nothing goes to the program's own output.
func TestQuiet(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = w, w
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	s, err := s3embed.Open(t.Context(), config(t.TempDir()))
	require.NoError(t, err)
	c := newClient(t, s.Endpoint())
	c.do(t, "PUT", "bucket", nil, nil, nil)
	c.put(t, "bucket/key", "x")
	c.get(t, "bucket/none")
	c.secret = "wrong"
	c.get(t, "bucket/key")
	require.NoError(t, s.Close())
	os.Stdout, os.Stderr = stdout, stderr
	require.NoError(t, w.Close())
	printed, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Empty(t, string(printed))
}
