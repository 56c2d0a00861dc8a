package blob_test

import (
	"encoding/binary"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"millrace/storage/blob/blobtest"
)

// The benchmarks go through the embedded server on a loopback connection, with
// its fsyncs.

func BenchmarkPut64MiB(b *testing.B) {
	s := connect(b, config(serve(b).Endpoint()))
	data := blobtest.Bytes(1, 64<<20)
	b.SetBytes(int64(len(data)))
	var n uint64
	for b.Loop() {
		n++
		binary.LittleEndian.PutUint64(data, n) // another object each time
		_, err := s.Put(b.Context(), data)
		require.NoError(b, err)
	}
}

func BenchmarkGet64MiB(b *testing.B) {
	s := connect(b, config(serve(b).Endpoint()))
	ref, err := s.Put(b.Context(), blobtest.Bytes(1, 64<<20))
	require.NoError(b, err)
	b.SetBytes(ref.Size)
	buf := make([]byte, 256<<10)
	for b.Loop() {
		r, err := s.Reader(b.Context(), ref.Digest)
		require.NoError(b, err)
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, buf)
		require.NoError(b, err)
		require.Equal(b, ref.Size, n)
		require.NoError(b, r.Close())
	}
}

func BenchmarkPut4KB(b *testing.B) {
	s := connect(b, config(serve(b).Endpoint()))
	data := blobtest.Bytes(1, 4096)
	var n uint64
	for b.Loop() {
		n++
		binary.LittleEndian.PutUint64(data, n)
		_, err := s.Put(b.Context(), data)
		require.NoError(b, err)
	}
}

func BenchmarkPut4KBParallel16(b *testing.B) {
	s := connect(b, config(serve(b).Endpoint()))
	b.SetParallelism(8) // times GOMAXPROCS
	next := make(chan uint64)
	done := make(chan struct{})
	go func() {
		for n := uint64(1); ; n++ {
			select {
			case next <- n:
			case <-done:
				return
			}
		}
	}()
	defer close(done)
	b.RunParallel(func(pb *testing.PB) {
		data := blobtest.Bytes(1, 4096)
		for pb.Next() {
			binary.LittleEndian.PutUint64(data, <-next)
			_, err := s.Put(b.Context(), data)
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkGet4KB(b *testing.B) {
	s := connect(b, config(serve(b).Endpoint()))
	ref, err := s.Put(b.Context(), blobtest.Bytes(1, 4096))
	require.NoError(b, err)
	for b.Loop() {
		_, err := s.Get(b.Context(), ref.Digest)
		require.NoError(b, err)
	}
}

// BenchmarkPutPresent stores what is already there: one HEAD.
func BenchmarkPutPresent1MiB(b *testing.B) {
	s := connect(b, config(serve(b).Endpoint()))
	data := blobtest.Bytes(1, 1<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		_, err := s.Put(b.Context(), data)
		require.NoError(b, err)
	}
}
