package blob_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"millrace/storage/blob"
	"millrace/storage/blob/blobtest"
	"millrace/storage/s3embed"
)

// parts joins an object's parts, and tells their lengths.
func parts(list ...[]byte) (whole []byte, lengths []int64) {
	for _, p := range list {
		whole, lengths = append(whole, p...), append(lengths, int64(len(p)))
	}
	return whole, lengths
}

// TestPiecesAreTheWholeAndStoredOnce stores objects that have parts in common: each is read as if it were whole, by every way of reading, and what
// is in common is there once.
func TestPiecesAreTheWholeAndStoredOnce(t *testing.T) {
	srv := serve(t)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		if round > 15 {
			return
		}
		ctx := t.Context()
		cfg := config(srv.Endpoint())
		cfg.Prefix, cfg.PieceFrom = fmt.Sprintf("round%d/", round), 1000
		s := connect(t, cfg)
		pool := make([][]byte, 6)
		for i := range pool {
			pool[i] = blobtest.Bytes(uint64(100*round+i), rapid.SampledFrom([]int{0, 1, 999, 1000, 1001, 300_000}).Draw(rt, "size"))
		}
		big := map[string]bool{} // pieces that are objects of their own
		for range rapid.IntRange(1, 4).Draw(rt, "objects") {
			var list [][]byte
			for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(pool)-1), 0, 9).Draw(rt, "parts") {
				list = append(list, pool[i])
			}
			whole, lengths := parts(list...)
			ref, err := s.PutPieces(ctx, bytes.NewReader(whole), lengths)
			require.NoError(rt, err)
			require.Equal(rt, blob.Ref{Digest: blob.DigestOf(whole), Size: int64(len(whole))}, ref)
			again, err := s.PutPieces(ctx, bytes.NewReader(whole), lengths)
			require.NoError(rt, err)
			require.Equal(rt, ref, again)
			got, err := s.Get(ctx, ref.Digest)
			require.NoError(rt, err)
			require.True(rt, bytes.Equal(whole, got))
			info, err := s.Stat(ctx, ref.Digest)
			require.NoError(rt, err)
			require.Equal(rt, ref, info.Ref)
			info, err = s.Refresh(ctx, ref.Digest)
			require.NoError(rt, err)
			require.Equal(rt, ref, info.Ref)
			at := filepath.Join(t.TempDir(), "file")
			require.NoError(rt, s.Fetch(ctx, ref.Digest, at))
			file, err := os.ReadFile(at)
			require.NoError(rt, err)
			require.True(rt, bytes.Equal(whole, file))
			r, err := s.Reader(ctx, ref.Digest)
			require.NoError(rt, err)
			slow, err := io.ReadAll(struct{ io.Reader }{io.LimitReader(r, 1<<30)})
			require.NoError(rt, err)
			require.NoError(rt, r.Close())
			require.True(rt, bytes.Equal(whole, slow))
			for _, p := range list {
				if len(p) >= 1000 {
					big[string(p)] = true
				}
			}
		}
		n, objects := int64(0), map[blob.Digest]bool{}
		for o, err := range s.List(ctx) {
			require.NoError(rt, err)
			objects[o.Digest], n = true, n+1
		}
		for p := range big {
			require.True(rt, objects[blob.DigestOf([]byte(p))])
		}
		lists := 0
		for l, err := range s.Lists(ctx) {
			require.NoError(rt, err)
			refs, err := s.Pieces(ctx, l.Digest)
			require.NoError(rt, err)
			require.NotEmpty(rt, refs)
			lists++
		}
		if len(big) > 0 {
			require.Positive(rt, lists)
		} else {
			require.Zero(rt, lists, "what has no large part is one object")
		}
		require.LessOrEqual(rt, int(n), len(big)+4, "an object a large part, and a rest or a whole for each")
	})
}

// TestDamagedPieces: a piece that is gone, cut short or damaged is named, and nothing wrong is read.
func TestDamagedPieces(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	srv, err := s3embed.Open(ctx, s3embed.Config{Dir: dir, AccessKey: testKey, SecretKey: testSecret})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	cfg := config(srv.Endpoint())
	cfg.PieceFrom = 1000
	s := connect(t, cfg)
	head, one, two := blobtest.Bytes(1, 300), blobtest.Bytes(2, 5000), blobtest.Bytes(3, 70_000)
	whole, lengths := parts(head, one, two, head)
	ref, err := s.PutPieces(ctx, bytes.NewReader(whole), lengths)
	require.NoError(t, err)
	refs, err := s.Pieces(ctx, ref.Digest)
	require.NoError(t, err)
	require.Len(t, refs, 3)
	h := ref.Digest.Hex()
	list := filepath.Join(dir, "buckets", "millrace", "keys", "pieces", h[:2], h+".object")
	raw, err := os.ReadFile(list)
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(raw, fmt.Appendf(nil, `{"format":"millrace.pieces.v1","size":75600,"rest":{"digest":"%s","size":600},"pieces":[{"size":300},{"digest":"%s","size":5000},{"digest":"%s","size":70000},{"size":300}]}`,
		blob.DigestOf(slices.Concat(head, head)), blob.DigestOf(one), blob.DigestOf(two))), "%s", raw)

	for _, piece := range refs {
		path := objectFile(dir, piece.Digest)
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		for how, bad := range map[string][]byte{"turned": append([]byte{file[0] ^ 1}, file[1:]...), "shorter": file[1:], "cut": file[:9]} {
			require.NoError(t, os.WriteFile(path, bad, 0o600))
			_, err = s.Get(ctx, ref.Digest)
			require.ErrorIs(t, err, blob.ErrCorrupt, how)
			require.ErrorContains(t, err, string(piece.Digest), how)
			require.ErrorContains(t, err, string(ref.Digest), how)
		}
		require.NoError(t, os.Remove(path))
		_, err = s.Get(ctx, ref.Digest)
		require.ErrorIs(t, err, blob.ErrNotFound)
		require.ErrorContains(t, err, string(piece.Digest))
		_, err = s.Refresh(ctx, ref.Digest)
		require.ErrorIs(t, err, blob.ErrNotFound, "it cannot be named as it is")

		// Stored again, it is whole again.
		_, err = s.PutPieces(ctx, bytes.NewReader(whole), lengths)
		require.NoError(t, err)
		got, err := s.Get(ctx, ref.Digest)
		require.NoError(t, err)
		require.True(t, bytes.Equal(whole, got))
	}
	other := bytes.Replace(raw, []byte(`{"size":300},{`), []byte(`{"size":301},{`), 1)
	require.NoError(t, os.WriteFile(list, other, 0o600))
	_, err = s.Get(ctx, ref.Digest)
	require.ErrorIs(t, err, blob.ErrCorrupt)

	require.NoError(t, s.Delete(ctx, ref.Digest))
	_, err = s.Get(ctx, ref.Digest)
	require.ErrorIs(t, err, blob.ErrNotFound)
	require.ErrorContains(t, err, string(ref.Digest))
	_, err = s.Pieces(ctx, ref.Digest)
	require.ErrorIs(t, err, blob.ErrNotFound)
	got, err := s.Get(ctx, refs[1].Digest)
	require.NoError(t, err, "the pieces are others' too")
	require.Equal(t, one, got)
}

// TestPiecesAreMadeYoung: the list and every piece of what is stored again, or refreshed, is young again.
func TestPiecesAreMadeYoung(t *testing.T) {
	ctx := t.Context()
	srv := serve(t)
	cfg := config(srv.Endpoint())
	cfg.PieceFrom = 1000
	s := connect(t, cfg)
	cfg.Fresh = 2 * time.Nanosecond
	strict := connect(t, cfg)
	whole, lengths := parts([]byte("head"), blobtest.Bytes(2, 5000), blobtest.Bytes(3, 70_000))
	ref, err := s.PutPieces(ctx, bytes.NewReader(whole), lengths)
	require.NoError(t, err)
	refs, err := s.Pieces(ctx, ref.Digest)
	require.NoError(t, err)
	oldest := func() time.Time {
		at := time.Now().Add(time.Hour)
		for _, r := range append(refs, ref) {
			info, err := s.Stat(ctx, r.Digest)
			require.NoError(t, err)
			if info.Modified.Before(at) {
				at = info.Modified
			}
		}
		return at
	}
	was := oldest()
	for _, again := range []func() error{
		func() error { _, err := strict.PutPieces(ctx, bytes.NewReader(whole), lengths); return err },
		func() error { _, err := strict.Refresh(ctx, ref.Digest); return err },
	} {
		time.Sleep(1100 * time.Millisecond) // times of objects are whole seconds
		require.NoError(t, again())
		is := oldest()
		require.Greater(t, is, was)
		was = is
	}
	deleted, err := s.DeleteOldList(ctx, ref.Digest, was.Add(-time.Second))
	require.NoError(t, err)
	require.False(t, deleted)
	deleted, err = s.DeleteOldList(ctx, ref.Digest, time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.True(t, deleted)
	_, err = s.Stat(ctx, ref.Digest)
	require.ErrorIs(t, err, blob.ErrNotFound)
}

// BenchmarkPutPieces stores a file of GPT-2 124M's size and parts again and again, as one object, in pieces, and in pieces of which three
// quarters were there.
func BenchmarkPutPieces(b *testing.B) {
	s := connect(b, config(serve(b).Endpoint()))
	lengths := []int64{16 << 10, 154_389_504, 3_145_728}
	for range 12 {
		lengths = append(lengths, 6144, 7_077_888, 9216, 2_359_296, 3072, 6144, 9_437_184, 12_288, 9_437_184, 3072)
	}
	size := int64(0)
	for _, n := range lengths {
		size += n
	}
	data := blobtest.Bytes(1, int(size))
	n := byte(0)
	change := func(every int) { // one tensor in so many
		n++
		at := int64(0)
		for i, l := range lengths {
			if i%every == 0 {
				data[at]++
				data[at+1] = n
			}
			at += l
		}
	}
	for name, put := range map[string]func() error{
		"whole": func() error { change(1); _, err := s.Put(b.Context(), data); return err },
		"pieces": func() error {
			change(1)
			_, err := s.PutPieces(b.Context(), bytes.NewReader(data), lengths)
			return err
		},
		"quarter": func() error {
			change(4)
			_, err := s.PutPieces(b.Context(), bytes.NewReader(data), lengths)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				require.NoError(b, put())
			}
		})
	}
}
