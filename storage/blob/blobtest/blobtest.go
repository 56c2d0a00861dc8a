// Package blobtest is the contract of a blob.Store as code: whatever service is
// behind it, Run must pass.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"millrace/storage/blob"
)

// Run tests the stores that open returns. Each must be empty, or at least share
// its prefix with nobody; Run deletes nothing but what it stored.
func Run(t *testing.T, open func(t *testing.T) *blob.Store) {
	t.Run("RoundTrip", func(t *testing.T) { roundTrip(t, open(t)) })
	t.Run("Twice", func(t *testing.T) { twice(t, open(t)) })
	t.Run("Readers", func(t *testing.T) { readers(t, open(t)) })
	t.Run("Parts", func(t *testing.T) { parts(t, open(t)) })
	t.Run("Absent", func(t *testing.T) { absent(t, open(t)) })
	t.Run("BadDigest", func(t *testing.T) { badDigest(t, open(t)) })
	t.Run("DeleteAndList", func(t *testing.T) { deleteAndList(t, open(t)) })
	t.Run("Fetch", func(t *testing.T) { fetch(t, open(t)) })
	t.Run("Presign", func(t *testing.T) { presign(t, open(t)) })
	t.Run("Upload", func(t *testing.T) { upload(t, open(t)) })
	t.Run("Concurrent", func(t *testing.T) { concurrent(t, open(t)) })
	t.Run("Cancelled", func(t *testing.T) { cancelled(t, open(t)) })
}

// Bytes returns n bytes that depend on seed and do not compress.
func Bytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1], key[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	_, _ = rand.NewChaCha8(key).Read(b) // never fails
	return b
}

func roundTrip(t *testing.T, s *blob.Store) {
	ctx := t.Context()
	for _, n := range []int{0, 1, 31, 4096, 64 << 10, 64<<10 + 1, 1 << 20, 5<<20 + 3} {
		b := Bytes(1, n)
		ref, err := s.Put(ctx, b)
		require.NoError(t, err, "put %d bytes", n)
		sum := sha256.Sum256(b)
		require.Equal(t, blob.Ref{Digest: blob.Digest("sha256:" + hex.EncodeToString(sum[:])), Size: int64(n)}, ref)

		got, err := s.Get(ctx, ref.Digest)
		require.NoError(t, err, "get %d bytes", n)
		require.True(t, bytes.Equal(b, got), "%d bytes come back changed", n)

		info, err := s.Stat(ctx, ref.Digest)
		require.NoError(t, err)
		require.Equal(t, ref, info.Ref)
		require.WithinDuration(t, time.Now(), info.Modified, time.Hour)
	}
}

// twice: the second put of the same bytes changes nothing.
func twice(t *testing.T, s *blob.Store) {
	ctx := t.Context()
	for _, n := range []int{100, 200 << 10} {
		b := Bytes(2, n)
		first, err := s.Put(ctx, b)
		require.NoError(t, err)
		before, err := s.Stat(ctx, first.Digest)
		require.NoError(t, err)
		second, err := s.Put(ctx, b)
		require.NoError(t, err)
		require.Equal(t, first, second)
		after, err := s.Stat(ctx, first.Digest)
		require.NoError(t, err)
		require.Equal(t, before, after)
	}
}

// onlyReader hides every other method.
type onlyReader struct{ io.Reader }

// onlySeeker hides ReadAt.
type onlySeeker struct{ io.ReadSeeker }

func readers(t *testing.T, s *blob.Store) {
	ctx := t.Context()
	for _, n := range []int{0, 10, 3 << 20} {
		b := Bytes(3, n)
		want := blob.DigestOf(b)
		for name, r := range map[string]func() io.Reader{
			"stream":   func() io.Reader { return onlyReader{bytes.NewReader(b)} },
			"one byte": func() io.Reader { return iotest.HalfReader(onlyReader{bytes.NewReader(b)}) },
			"seeker":   func() io.Reader { return onlySeeker{bytes.NewReader(b)} },
			"readerAt": func() io.Reader { return bytes.NewReader(b) },
		} {
			for _, size := range []int64{int64(n), -1} {
				ref, err := s.PutReader(ctx, r(), size)
				require.NoError(t, err, "%s of %d bytes, size %d", name, n, size)
				require.Equal(t, blob.Ref{Digest: want, Size: int64(n)}, ref, "%s of %d bytes, size %d", name, n, size)
				require.NoError(t, s.Delete(ctx, want))
			}
			_, err := s.PutReader(ctx, r(), int64(n)+1)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%s of %d bytes, one too few", name, n)
		}
	}

	// It begins where the reader stands.
	r := strings.NewReader("skipped kept")
	_, err := r.Seek(8, io.SeekStart)
	require.NoError(t, err)
	ref, err := s.PutReader(ctx, r, -1)
	require.NoError(t, err)
	require.Equal(t, blob.DigestOf([]byte("kept")), ref.Digest)

	// A stream that is longer than announced, and one that breaks.
	_, err = s.PutReader(ctx, onlyReader{strings.NewReader("12345")}, 4)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	broken := errors.New("the disk under the source broke")
	_, err = s.PutReader(ctx, io.MultiReader(strings.NewReader("123"), iotest.ErrReader(broken)), -1)
	require.ErrorIs(t, err, broken)

	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, Bytes(4, 100_000), 0o600))
	ref, err = s.PutFile(ctx, path)
	require.NoError(t, err)
	require.Equal(t, blob.DigestOf(Bytes(4, 100_000)), ref.Digest)
	_, err = s.PutFile(ctx, path+"-missing")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// parts: objects from 64 MiB take another path through S3.
func parts(t *testing.T, s *blob.Store) {
	if testing.Short() {
		t.Skip("moves 200 MiB")
	}
	ctx := t.Context()
	b := Bytes(5, 64<<20+12345)
	ref, err := s.Put(ctx, b)
	require.NoError(t, err)
	info, err := s.Stat(ctx, ref.Digest)
	require.NoError(t, err)
	require.Equal(t, int64(len(b)), info.Size)
	r, err := s.Reader(ctx, ref.Digest)
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.True(t, bytes.Equal(b, got))

	again, err := s.PutReader(ctx, onlySeeker{bytes.NewReader(b)}, -1)
	require.NoError(t, err)
	require.Equal(t, ref, again)
	require.NoError(t, s.Delete(ctx, ref.Digest))
}

func absent(t *testing.T, s *blob.Store) {
	ctx := t.Context()
	d := blob.DigestOf([]byte("nobody stored this"))
	_, err := s.Get(ctx, d)
	require.ErrorIs(t, err, blob.ErrNotFound)
	require.ErrorContains(t, err, string(d))
	_, err = s.Stat(ctx, d)
	require.ErrorIs(t, err, blob.ErrNotFound)
	_, err = s.Reader(ctx, d)
	require.ErrorIs(t, err, blob.ErrNotFound)
	path := filepath.Join(t.TempDir(), "file")
	require.ErrorIs(t, s.Fetch(ctx, d, path), blob.ErrNotFound)
	require.NoFileExists(t, path)
	require.NoError(t, s.Delete(ctx, d), "deleting what is not there is fine")
}

func badDigest(t *testing.T, s *blob.Store) {
	ctx := t.Context()
	for _, d := range []blob.Digest{"", "sha256:", "sha256:../../etc/passwd", "md5:0123", blob.Digest("sha256:" + strings.Repeat("A", 64))} {
		_, err := s.Get(ctx, d)
		require.Error(t, err, "%q", d)
		require.NotErrorIs(t, err, blob.ErrNotFound, "%q", d)
		_, err = s.Stat(ctx, d)
		require.Error(t, err, "%q", d)
		require.Error(t, s.Delete(ctx, d), "%q", d)
		require.Error(t, s.Fetch(ctx, d, filepath.Join(t.TempDir(), "x")), "%q", d)
		_, err = s.Presign(ctx, d, time.Minute)
		require.Error(t, err, "%q", d)
	}
}

func deleteAndList(t *testing.T, s *blob.Store) {
	ctx := t.Context()
	want := map[blob.Digest]int64{}
	for i := range 40 {
		ref, err := s.Put(ctx, Bytes(100+uint64(i), 50+i))
		require.NoError(t, err)
		want[ref.Digest] = ref.Size
	}
	seen := map[blob.Digest]int64{}
	last := blob.Digest("")
	for info, err := range s.List(ctx) {
		require.NoError(t, err)
		require.Greater(t, info.Digest, last, "digests come in order")
		last = info.Digest
		seen[info.Digest] = info.Size
	}
	for d, size := range want {
		require.Equal(t, size, seen[d], "%s", d)
	}
	n := 0
	for _, err := range s.List(ctx) {
		require.NoError(t, err)
		if n++; n == 3 {
			break
		}
	}
	require.Equal(t, 3, n)

	for d := range want {
		require.NoError(t, s.Delete(ctx, d))
		_, err := s.Get(ctx, d)
		require.ErrorIs(t, err, blob.ErrNotFound)
	}
	for info, err := range s.List(ctx) {
		require.NoError(t, err)
		require.NotContains(t, want, info.Digest, "deleted, and still listed")
	}
}

func fetch(t *testing.T, s *blob.Store) {
	ctx := t.Context()
	b := Bytes(7, 300_000)
	ref, err := s.Put(ctx, b)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "shard.bin")
	require.NoError(t, s.Fetch(ctx, ref.Digest, path))
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(b, got))

	// The right file is left alone even when the object is gone; a wrong one
	// is replaced.
	require.NoError(t, s.Delete(ctx, ref.Digest))
	require.NoError(t, s.Fetch(ctx, ref.Digest, path))
	_, err = s.Put(ctx, b)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("damaged"), 0o600))
	require.NoError(t, s.Fetch(ctx, ref.Digest, path))
	got, err = os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(b, got))
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "no temporary files are left")
}

func presign(t *testing.T, s *blob.Store) {
	ctx := t.Context()
	ref, err := s.Put(ctx, []byte("for somebody without keys"))
	require.NoError(t, err)
	url, err := s.Presign(ctx, ref.Digest, time.Minute)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "for somebody without keys", string(body))

	for _, ttl := range []time.Duration{0, -time.Second, 8 * 24 * time.Hour} {
		_, err := s.Presign(ctx, ref.Digest, ttl)
		require.Error(t, err, "%s", ttl)
	}
}

// concurrent: many writers of the same and of different bytes.
func concurrent(t *testing.T, s *blob.Store) {
	ctx := t.Context()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 5 {
				b := Bytes(uint64(1000+(i*j)%7), 80_000*(j%2)+10)
				ref, err := s.Put(ctx, b)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := s.Get(ctx, ref.Digest)
				if err != nil || !bytes.Equal(b, got) {
					t.Errorf("get %s: %v", ref.Digest, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func cancelled(t *testing.T, s *blob.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Put(ctx, []byte("never"))
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Get(ctx, blob.DigestOf([]byte("never")))
	require.ErrorIs(t, err, context.Canceled)
	for _, err := range s.List(ctx) {
		require.ErrorIs(t, err, context.Canceled)
	}
	_, err = s.Stat(t.Context(), blob.DigestOf([]byte("never")))
	require.ErrorIs(t, err, blob.ErrNotFound)
}
