package blob_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"millrace/storage/blob"
	"millrace/storage/blob/blobtest"
	"millrace/storage/s3embed"
)

// put stores an object as somebody else would.
func put(t *testing.T, srv *s3embed.Server, bucket, key string, data []byte) {
	t.Helper()
	c, err := minio.New(srv.Addr(), &minio.Options{Creds: credentials.NewStaticV4(testKey, testSecret, "")})
	require.NoError(t, err)
	exists, err := c.BucketExists(t.Context(), bucket)
	require.NoError(t, err)
	if !exists {
		require.NoError(t, c.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{}))
	}
	_, err = c.PutObject(t.Context(), bucket, key, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{})
	require.NoError(t, err)
}

func names(t *testing.T, s *blob.Store, bucket, prefix string) (keys []string) {
	t.Helper()
	for o, err := range s.ListNamed(t.Context(), bucket, prefix) {
		require.NoError(t, err)
		keys = append(keys, fmt.Sprint(o.Key, " ", o.Size))
	}
	return keys
}

func TestListNamed(t *testing.T) {
	srv := serve(t)
	s := connect(t, config(srv.Endpoint()))
	for i, key := range []string{"b/ä.txt", "b/z", "a", "b", "b/a b+c%20", "bc", "c"} {
		put(t, srv, "corpus", key, make([]byte, i))
	}
	require.Equal(t, []string{"a 2", "b 3", "b/a b+c%20 4", "b/z 1", "b/ä.txt 0", "bc 5", "c 6"}, names(t, s, "corpus", ""))
	require.Equal(t, []string{"b/a b+c%20 4", "b/z 1", "b/ä.txt 0"}, names(t, s, "corpus", "b/"))
	require.Empty(t, names(t, s, "corpus", "x"))
	for _, bucket := range []string{"none-such", "X"} {
		for _, err := range s.ListNamed(t.Context(), bucket, "") {
			require.ErrorContains(t, err, bucket)
			require.Equal(t, bucket != "X", errors.Is(err, blob.ErrNotFound), bucket)
		}
	}
	put(t, srv, "many", "n00000", []byte("x"))
	many := make([]string, 1010) // a page has 1,000
	var all sync.WaitGroup
	for i := range many {
		many[i] = fmt.Sprintf("n%05d 1", i)
		if i%101 == 0 {
			all.Go(func() {
				for k := i; k < i+101; k++ {
					put(t, srv, "many", fmt.Sprintf("n%05d", k), []byte("x"))
				}
			})
		}
	}
	all.Wait()
	require.Equal(t, many, names(t, s, "many", "n"))
	for o := range s.ListNamed(t.Context(), "many", "") { // a caller that has enough
		require.Equal(t, "n00000", o.Key)
		break
	}
}

func TestOpenNamed(t *testing.T) {
	srv := serve(t)
	s := connect(t, config(srv.Endpoint()))
	for _, size := range []int{0, 1, 1<<20 - 1, 1 << 20, 1<<20 + 1, 5<<20 + 5} {
		want := blobtest.Bytes(uint64(size), size)
		put(t, srv, "corpus", "dir/x y.bin", want)
		o, err := s.OpenNamed(t.Context(), "corpus", "dir/x y.bin")
		require.NoError(t, err)
		require.Equal(t, int64(size), o.Size())
		if size <= 1 {
			require.NoError(t, iotest.TestReader(struct{ io.Reader }{o}, want))
		} else {
			got, err := io.ReadAll(o)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "%d bytes", size)
		}
		var all sync.WaitGroup
		for _, c := range [][2]int{{0, 10}, {size - 5, 5}, {size - 5, 10}, {size / 2, size + 1}, {1<<20 - 3, 6}, {1 << 20, 3 << 20}, {5, 5 << 20}, {0, size + 1}, {0, 1 << 20}, {size, 1}, {size + 7, 1}} {
			all.Go(func() {
				off, p := max(0, c[0]), make([]byte, c[1])
				n, err := o.ReadAt(p, int64(off))
				expected, wantErr := bytes.NewReader(want).ReadAt(make([]byte, c[1]), int64(off))
				if n != expected || !errors.Is(err, wantErr) || !bytes.Equal(p[:n], want[min(off, size):min(off+n, size)]) {
					t.Errorf("%d bytes: ReadAt(%d bytes, %d): %d, %v; want %d, %v", size, c[1], off, n, err, expected, wantErr)
				}
			})
		}
		all.Wait()
		_, err = o.ReadAt(make([]byte, 1), -1)
		require.Error(t, err)
		require.NoError(t, o.Close())
		_, err = o.Read(make([]byte, 1))
		require.Error(t, err)
	}
	for bucket, key := range map[string]string{"corpus": "none", "none-such": "x"} {
		_, err := s.OpenNamed(t.Context(), bucket, key)
		require.ErrorIs(t, err, blob.ErrNotFound)
		require.ErrorContains(t, err, "s3://"+bucket+"/"+key)
	}
}

// TestNamedOverBrokenConnections: reading goes on where it stopped, and small reads are not requests of their own.
func TestNamedOverBrokenConnections(t *testing.T) {
	srv := serve(t)
	const size, each = 3 << 20, 700_000
	want := blobtest.Bytes(9, size)
	put(t, srv, "corpus", "x", want)
	var gets atomic.Int32
	cut := true
	s := connect(t, config(between(t, srv, func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/corpus/x") {
			return false
		}
		gets.Add(1)
		left := each
		if !cut {
			left = size
		}
		pass.ServeHTTP(&cutting{ResponseWriter: w, left: left}, r)
		return true
	})))
	o, err := s.OpenNamed(t.Context(), "corpus", "x")
	require.NoError(t, err)
	got, err := io.ReadAll(o)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
	require.Equal(t, int32(5), gets.Load())
	p := make([]byte, size)
	_, err = o.ReadAt(p, 0)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, p))

	cut = false
	o, err = s.OpenNamed(t.Context(), "corpus", "x")
	require.NoError(t, err)
	gets.Store(0)
	var pieces []byte
	for off := 0; off < size; off += 1000 {
		n, err := o.ReadAt(p[:1000], int64(off))
		if !errors.Is(err, io.EOF) {
			require.NoError(t, err)
		}
		pieces = append(pieces, p[:n]...)
	}
	require.True(t, slices.Equal(want, pieces))
	require.Equal(t, int32(3), gets.Load())
	require.NoError(t, o.Close())
}

// TestNamedChanges: an object that is written anew, or vanishes, while it is read.
func TestNamedChanges(t *testing.T) {
	srv := serve(t)
	put(t, srv, "corpus", "x", blobtest.Bytes(1, 3<<20))
	s := connect(t, config(srv.Endpoint()))
	o, err := s.OpenNamed(t.Context(), "corpus", "x")
	require.NoError(t, err)
	p := make([]byte, 10)
	_, err = o.ReadAt(p, 0)
	require.NoError(t, err)
	put(t, srv, "corpus", "x", blobtest.Bytes(2, 3<<20))
	_, err = o.ReadAt(p, 2<<20)
	require.ErrorIs(t, err, blob.ErrChanged)
	require.ErrorContains(t, err, "s3://corpus/x")

	c, err := minio.New(srv.Addr(), &minio.Options{Creds: credentials.NewStaticV4(testKey, testSecret, "")})
	require.NoError(t, err)
	require.NoError(t, c.RemoveObject(t.Context(), "corpus", "x", minio.RemoveObjectOptions{}))
	_, err = o.ReadAt(p, 1<<20)
	require.ErrorIs(t, err, blob.ErrNotFound)
	require.ErrorContains(t, err, "s3://corpus/x")
	require.NoError(t, o.Close())
}
