package s3embed_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// client signs requests with signature version 4 as Amazon describes it
// (docs.aws.amazon.com, "Authenticating Requests: Using the Authorization
// Header"), in its own few lines: the server is not tested with the library
// that it is made for.
type client struct {
	endpoint       string
	access, secret string
	http           http.Client
}

func newClient(t testing.TB, endpoint string) *client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &client{endpoint: endpoint, access: testKey, secret: testSecret, http: http.Client{Transport: tr}}
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

// escape is RFC 3986's, which the signature wants: only letters, digits and
// "-_.~" stand for themselves.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

func (c *client) request(t testing.TB, method, key string, query url.Values, header http.Header, body []byte) *http.Request {
	t.Helper()
	segs := strings.Split(key, "/")
	for i := range segs {
		segs[i] = escape(segs[i])
	}
	path := "/" + strings.Join(segs, "/")
	req, err := http.NewRequestWithContext(t.Context(), method, c.endpoint, bytes.NewReader(body))
	require.NoError(t, err)
	req.URL.Opaque = "//" + req.URL.Host + path // as it is signed, "." and ".." too
	req.URL.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	for k, v := range header {
		req.Header[k] = v
	}
	now := time.Now().UTC()
	req.Header.Set("X-Amz-Date", now.Format("20060102T150405Z"))
	if req.Header.Get("X-Amz-Content-Sha256") == "" {
		req.Header.Set("X-Amz-Content-Sha256", sum(body))
	}
	names := []string{"host"}
	for k := range req.Header {
		names = append(names, strings.ToLower(k))
	}
	sort.Strings(names)
	var canonical strings.Builder
	canonical.WriteString(method + "\n" + path + "\n" + req.URL.RawQuery + "\n")
	for _, n := range names {
		v := req.Header.Get(n)
		if n == "host" {
			v = req.URL.Host
		}
		canonical.WriteString(n + ":" + v + "\n")
	}
	signed := strings.Join(names, ";")
	canonical.WriteString("\n" + signed + "\n" + req.Header.Get("X-Amz-Content-Sha256"))
	day := now.Format("20060102")
	scope := day + "/eu-test-1/s3/aws4_request"
	toSign := "AWS4-HMAC-SHA256\n" + now.Format("20060102T150405Z") + "\n" + scope + "\n" + sum([]byte(canonical.String()))
	k := mac(mac(mac(mac([]byte("AWS4"+c.secret), day), "eu-test-1"), "s3"), "aws4_request")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+c.access+"/"+scope+", SignedHeaders="+signed+", Signature="+hex.EncodeToString(mac(k, toSign)))
	return req
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (c *client) send(t testing.TB, req *http.Request) answer {
	t.Helper()
	resp, err := c.http.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func (c *client) do(t testing.TB, method, key string, query url.Values, header http.Header, body []byte) answer {
	t.Helper()
	return c.send(t, c.request(t, method, key, query, header, body))
}

func (c *client) put(t testing.TB, key, body string) answer {
	t.Helper()
	return c.do(t, "PUT", key, nil, nil, []byte(body))
}

func (c *client) get(t testing.TB, key string) answer {
	t.Helper()
	return c.do(t, "GET", key, nil, nil, nil)
}
