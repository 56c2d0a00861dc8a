package s3embed_test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestObjects(t *testing.T) {
	c, _ := bucket(t, t.TempDir())
	keys := []string{"a", "a/b", "a/b/c", "A", "with space", "ünï/cödé", "a//b", "trailing/", "dots/../x", "%41", "x.object", "q?&=+#", strings.Repeat("k/", 300) + "deep"}
	for i, k := range keys {
		a := c.put(t, "bucket/"+k, fmt.Sprint("content ", i))
		require.Equal(t, 200, a.status, "%q: %s", k, a.body)
	}
	for i, k := range keys {
		a := c.get(t, "bucket/"+k)
		require.Equal(t, 200, a.status, "%q: %s", k, a.body)
		require.Equal(t, fmt.Sprint("content ", i), a.body, "%q", k)
		head := c.do(t, "HEAD", "bucket/"+k, nil, nil, nil)
		require.Equal(t, fmt.Sprint(len(a.body)), head.header.Get("Content-Length"))
		require.Equal(t, a.header.Get("ETag"), head.header.Get("ETag"))
	}
	a := c.put(t, "bucket/"+strings.Repeat("x", 300), "1")
	require.Equal(t, 400, a.status)
	require.Contains(t, a.body, "KeyTooLongError")
	require.Equal(t, 404, c.put(t, "no-such-bucket/key", "1").status)

	require.Equal(t, 204, c.do(t, "DELETE", "bucket/a/b", nil, nil, nil).status)
	require.Equal(t, 204, c.do(t, "DELETE", "bucket/a/b", nil, nil, nil).status, "twice")
	require.Equal(t, 404, c.get(t, "bucket/a/b").status)
	require.Equal(t, "content 0", c.get(t, "bucket/a").body)
	require.Equal(t, "content 2", c.get(t, "bucket/a/b/c").body)
}

func TestMetadataRangeOverwriteCopy(t *testing.T) {
	c, _ := bucket(t, t.TempDir())
	a := c.do(t, "PUT", "bucket/key", nil, http.Header{"Content-Type": {"text/x-test"}, "X-Amz-Meta-Color": {"blue"}}, []byte("0123456789"))
	require.Equal(t, 200, a.status, a.body)
	require.Equal(t, `"781e5e245d69b566979b86e28d23f2c7"`, a.header.Get("ETag"), "the MD5 of 0123456789")
	a = c.get(t, "bucket/key")
	require.Equal(t, "text/x-test", a.header.Get("Content-Type"))
	require.Equal(t, "blue", a.header.Get("X-Amz-Meta-Color"))

	for want, rng := range map[string]string{"234": "bytes=2-4", "789": "bytes=-3", "56789": "bytes=5-", "9": "bytes=9-100"} {
		a := c.do(t, "GET", "bucket/key", nil, http.Header{"Range": {rng}}, nil)
		require.Equal(t, 206, a.status, rng)
		require.Equal(t, want, a.body, rng)
	}
	require.Equal(t, 416, c.do(t, "GET", "bucket/key", nil, http.Header{"Range": {"bytes=10-"}}, nil).status)

	a = c.do(t, "PUT", "bucket/copy", nil, http.Header{"X-Amz-Copy-Source": {"/bucket/key"}}, nil)
	require.Equal(t, 200, a.status, a.body)
	require.Equal(t, 200, c.put(t, "bucket/key", "short").status)
	require.Equal(t, "short", c.get(t, "bucket/key").body)
	a = c.get(t, "bucket/copy")
	require.Equal(t, "0123456789", a.body)
	require.Equal(t, "blue", a.header.Get("X-Amz-Meta-Color"))
}

// TestOneWinner: of many conditional writers of one new key exactly one wins,
// and the object is the winner's.
func TestOneWinner(t *testing.T) {
	c, _ := bucket(t, t.TempDir())
	var wins atomic.Int32
	var winner atomic.Value
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			body := fmt.Sprint("writer ", i)
			a := c.do(t, "PUT", "bucket/key", nil, http.Header{"If-None-Match": {"*"}}, []byte(body))
			switch a.status {
			case 200:
				wins.Add(1)
				winner.Store(body)
			case 412:
			default:
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	require.Equal(t, int32(1), wins.Load())
	require.Equal(t, winner.Load(), c.get(t, "bucket/key").body)
}

func TestMultipart(t *testing.T) {
	dir := t.TempDir()
	c, _ := bucket(t, dir)
	begin := func() string {
		a := c.do(t, "POST", "bucket/big", url.Values{"uploads": {""}}, http.Header{"X-Amz-Meta-Color": {"red"}}, nil)
		require.Equal(t, 200, a.status, a.body)
		var out struct {
			ID string `xml:"UploadId"`
		}
		require.NoError(t, xml.Unmarshal([]byte(a.body), &out))
		return out.ID
	}
	part := func(id string, n int, body string) string {
		a := c.do(t, "PUT", "bucket/big", url.Values{"uploadId": {id}, "partNumber": {fmt.Sprint(n)}}, nil, []byte(body))
		require.Equal(t, 200, a.status, a.body)
		return a.header.Get("ETag")
	}
	complete := func(id string, parts ...string) answer {
		var b strings.Builder
		b.WriteString("<CompleteMultipartUpload>")
		for _, p := range parts {
			n, etag, _ := strings.Cut(p, " ")
			fmt.Fprintf(&b, "<Part><PartNumber>%s</PartNumber><ETag>%s</ETag></Part>", n, etag)
		}
		b.WriteString("</CompleteMultipartUpload>")
		return c.do(t, "POST", "bucket/big", url.Values{"uploadId": {id}}, nil, []byte(b.String()))
	}

	id := begin()
	second := part(id, 2, "world")
	part(id, 1, "overwritten")
	first := part(id, 1, "hello ")
	require.Equal(t, 400, complete(id, "2 "+second, "1 "+first).status, "parts out of order")
	require.Equal(t, 400, complete(id, "1 "+second).status, "another part's ETag")
	require.Equal(t, 400, complete(id, "3 "+second).status, "a part that was never sent")
	require.Equal(t, 404, c.get(t, "bucket/big").status)
	done := complete(id, "1 "+first, "2 "+second)
	require.Equal(t, 200, done.status, done.body)
	require.Equal(t, 200, complete(id, "1 "+first, "2 "+second).status, "the answer was lost, the client asks again")
	a := c.get(t, "bucket/big")
	require.Equal(t, "hello world", a.body)
	require.Equal(t, "red", a.header.Get("X-Amz-Meta-Color"))
	require.Contains(t, done.body, strings.Trim(a.header.Get("ETag"), `"`))

	id = begin()
	part(id, 1, "never")
	require.Equal(t, 204, c.do(t, "DELETE", "bucket/big", url.Values{"uploadId": {id}}, nil, nil).status)
	require.Equal(t, 404, complete(id, "1 "+first).status)
	require.Equal(t, "hello world", c.get(t, "bucket/big").body)
	require.Empty(t, names(t, filepath.Join(dir, "tmp")), "nothing of an upload stays")
}

// TestDamagedFile: a file whose trailer is damaged is an error of the server,
// not an object.
func TestDamagedFile(t *testing.T) {
	dir := t.TempDir()
	c, _ := bucket(t, dir)
	require.Equal(t, 200, c.put(t, "bucket/key", "content").status)
	path := filepath.Join(dir, "buckets", "bucket", "keys", "key.object")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "content", string(b[:7]), "the bytes come first, as they are")
	require.NoError(t, os.WriteFile(path, b[:len(b)-1], 0o600))
	require.Equal(t, 500, c.get(t, "bucket/key").status)
	require.Equal(t, 200, c.put(t, "bucket/key", "again").status, "it can be overwritten")
	require.Equal(t, "again", c.get(t, "bucket/key").body)
}

func TestBuckets(t *testing.T) {
	c, _ := bucket(t, t.TempDir())
	require.Equal(t, 409, c.do(t, "PUT", "bucket", nil, nil, nil).status, "it exists")
	require.Equal(t, 400, c.do(t, "PUT", "Not_A_Bucket", nil, nil, nil).status)
	require.Equal(t, 200, c.do(t, "PUT", "another", nil, nil, nil).status)
	a := c.do(t, "GET", "", nil, nil, nil)
	require.Contains(t, a.body, "<Name>bucket</Name>")
	require.Contains(t, a.body, "<Name>another</Name>")
	require.Equal(t, 200, c.put(t, "another/key", "x").status)
	require.Equal(t, 409, c.do(t, "DELETE", "another", nil, nil, nil).status, "it is not empty")
	require.Equal(t, 204, c.do(t, "DELETE", "another/key", nil, nil, nil).status)
	require.Equal(t, 204, c.do(t, "DELETE", "another", nil, nil, nil).status)
	require.Equal(t, 404, c.get(t, "another/key").status)
}
