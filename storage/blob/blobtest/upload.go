package blobtest

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"millrace/storage/blob"
)

// upload tests that a presigned PUT takes the bytes of the digest and no others,
// to no other key, and that PutAs refuses other bytes.
func upload(t *testing.T, s *blob.Store) {
	ctx := t.Context()
	content := Bytes(9, 300_000)
	d := blob.DigestOf(content)
	_, err := s.PresignPut(ctx, d, int64(len(content)), time.Hour)
	require.ErrorContains(t, err, "15m")
	_, err = s.PresignPut(ctx, "../../etc/passwd", 1, time.Minute)
	require.Error(t, err)
	_, err = s.PresignPut(ctx, d, 6<<30, time.Minute)
	require.ErrorIs(t, err, blob.ErrTooLarge)
	up, err := s.PresignPut(ctx, d, int64(len(content)), time.Minute)
	require.NoError(t, err)
	require.Equal(t, http.MethodPut, up.Method)

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	send := func(address string, headers map[string]string, body []byte) int {
		req, err := http.NewRequestWithContext(ctx, up.Method, address, bytes.NewReader(body))
		require.NoError(t, err)
		for k, v := range headers {
			req.Header.Set(k, v)
		}
		resp, err := transport.RoundTrip(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		return resp.StatusCode
	}
	other := bytes.Clone(content)
	other[7] ^= 1
	require.Equal(t, http.StatusBadRequest, send(up.URL, up.Headers, other), "other bytes")
	require.Equal(t, http.StatusForbidden, send(up.URL, nil, content), "without the signed header")
	otherSum, err := s.PresignPut(ctx, blob.DigestOf(other), int64(len(other)), time.Minute)
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, send(up.URL, otherSum.Headers, other), "with another header")
	elsewhere, err := url.Parse(up.URL)
	require.NoError(t, err)
	elsewhere.Path = strings.Replace(elsewhere.Path, d.Hex()[4:], strings.Repeat("0", len(d.Hex())-4), 1)
	require.Equal(t, http.StatusForbidden, send(elsewhere.String(), up.Headers, content), "to another key")
	_, err = s.Stat(ctx, d)
	require.ErrorIs(t, err, blob.ErrNotFound)

	require.Equal(t, http.StatusOK, send(up.URL, up.Headers, content))
	got, err := s.Get(ctx, d)
	require.NoError(t, err)
	require.True(t, bytes.Equal(got, content))

	given := Bytes(10, 70_000)
	require.ErrorIs(t, s.PutAs(ctx, blob.DigestOf(given), bytes.NewReader(given[1:]), -1), blob.ErrCorrupt)
	_, err = s.Stat(ctx, blob.DigestOf(given))
	require.ErrorIs(t, err, blob.ErrNotFound)
	_, err = s.Stat(ctx, blob.DigestOf(given[1:]))
	require.ErrorIs(t, err, blob.ErrNotFound)
	require.NoError(t, s.PutAs(ctx, blob.DigestOf(given), io.MultiReader(bytes.NewReader(given)), -1))
	got, err = s.Get(ctx, blob.DigestOf(given))
	require.NoError(t, err)
	require.True(t, bytes.Equal(got, given))
}
