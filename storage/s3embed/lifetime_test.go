package s3embed

import (
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rclone/gofakes3"
	"github.com/stretchr/testify/require"
)

// TestCloseCutsOff: a request that does not end does not keep Close from
// ending, and leaves nothing behind.
func TestCloseCutsOff(t *testing.T) {
	s, err := Open(t.Context(), Config{Dir: t.TempDir(), AccessKey: "key", SecretKey: "a-long-secret"})
	require.NoError(t, err)
	s.grace = time.Millisecond
	entered := make(chan struct{})
	s.http.Handler = s.counted(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		f, err := os.CreateTemp(s.dir.tmp(), "put-*")
		if err != nil {
			t.Error(err)
			return
		}
		defer discard(f)
		close(entered)
		_, _, err = receive(f, r.Body, -1)
		if err == nil {
			t.Error("the request came to an end")
		}
	}))
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"))
	require.NoError(t, err)
	<-entered
	require.NoError(t, s.Close())
	require.NoDirExists(t, s.dir.tmp())
}

// TestIdleUploads: an upload that nobody has touched for a day makes room.
func TestIdleUploads(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := openDisk(t)
	d.now = func() time.Time { return now }
	var forgotten []string
	d.uploads = uploads{byID: map[gofakes3.UploadID]*upload{}, forgotten: func(u *upload) { forgotten = append(forgotten, u.key) }}
	old, err := d.CreateMultipartUpload(t.Context(), "bucket", "old", nil)
	require.NoError(t, err)
	busy, err := d.CreateMultipartUpload(t.Context(), "bucket", "busy", nil)
	require.NoError(t, err)
	part := func(id gofakes3.UploadID, key string) error {
		_, err := d.UploadPart(t.Context(), "bucket", key, id, 1, 1, strings.NewReader("x"))
		return err
	}
	require.NoError(t, part(old, "old"))
	now = now.Add(20 * time.Hour)
	require.NoError(t, part(busy, "busy"))
	now = now.Add(20 * time.Hour)
	_, err = d.CreateMultipartUpload(t.Context(), "bucket", "new", nil)
	require.NoError(t, err)
	require.Equal(t, []string{"old"}, forgotten)
	require.Equal(t, gofakes3.ErrNoSuchUpload, part(old, "old"))
	require.NoError(t, part(busy, "busy"))
	require.Equal(t, gofakes3.ErrNoSuchUpload, part(busy, "another key"))
}

// TestCrashState: after a crash the names are made durable before anybody is
// shown them; after a Close there is no need.
func TestCrashState(t *testing.T) {
	root := t.TempDir()
	d, err := openDirectory(root)
	require.NoError(t, err)
	state := func() string {
		b, err := os.ReadFile(d.lock.Name())
		require.NoError(t, err)
		return string(b)
	}
	require.Equal(t, "open\n", state())
	require.NoError(t, d.mkdirAll(d.buckets(), d.bucket("b")+"/keys/a/b"))
	require.NoError(t, os.WriteFile(d.tmp()+"/put-half", []byte("half"), 0o600))
	require.NoError(t, d.lock.Close()) // as a crash does

	d, err = openDirectory(root)
	require.NoError(t, err)
	require.NoFileExists(t, d.tmp()+"/put-half")
	require.DirExists(t, d.bucket("b")+"/keys/a/b")
	require.NoError(t, d.close())
	b, err := os.ReadFile(root + "/LOCK")
	require.NoError(t, err)
	require.Equal(t, "clean\n", string(b))
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		s, err := Open(b.Context(), Config{Dir: dir, AccessKey: "key", SecretKey: "a-long-secret"})
		require.NoError(b, err)
		conn, err := net.Dial("tcp", s.Addr())
		require.NoError(b, err)
		conn.Close()
		require.NoError(b, s.Close())
	}
}
