package blob_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"millrace/storage/blob"
)

// TestWhatIsFoundAgainIsYoungAgain finds an object instead of storing it, and removes what is old and only that.
func TestWhatIsFoundAgainIsYoungAgain(t *testing.T) {
	ctx := t.Context()
	srv := serve(t)
	cfg := config(srv.Endpoint())
	s := connect(t, cfg)
	cfg.Fresh = time.Nanosecond
	strict := connect(t, cfg)
	ref, err := s.Put(ctx, []byte("object"))
	require.NoError(t, err)
	was, err := s.Stat(ctx, ref.Digest)
	require.NoError(t, err)
	time.Sleep(1100 * time.Millisecond) // times of objects are whole seconds
	is, err := s.Refresh(ctx, ref.Digest)
	require.NoError(t, err)
	require.Equal(t, was, is)
	_, err = strict.Refresh(ctx, ref.Digest)
	require.NoError(t, err)
	is, err = s.Stat(ctx, ref.Digest)
	require.NoError(t, err)
	require.Greater(t, is.Modified, was.Modified)

	deleted, err := s.DeleteOld(ctx, ref.Digest, was.Modified)
	require.NoError(t, err)
	require.False(t, deleted)
	deleted, err = s.DeleteOld(ctx, ref.Digest, is.Modified)
	require.NoError(t, err)
	require.True(t, deleted)
	_, err = s.Refresh(ctx, ref.Digest)
	require.ErrorIs(t, err, blob.ErrNotFound)
	_, err = s.DeleteOld(ctx, ref.Digest, is.Modified)
	require.ErrorIs(t, err, blob.ErrNotFound)
}

// TestWhatIsStoredAgainIsYoungAgain stores a small and a large object again when they are older than is fresh: they are young again, and
// their bytes are the same. Young ones are left alone.
func TestWhatIsStoredAgainIsYoungAgain(t *testing.T) {
	ctx := t.Context()
	srv := serve(t)
	cfg := config(srv.Endpoint())
	s := connect(t, cfg)
	cfg.Fresh = time.Nanosecond
	strict := connect(t, cfg)
	contents := [][]byte{[]byte("small"), bytes.Repeat([]byte("large"), 100_000)}
	was := map[blob.Digest]blob.Info{}
	for _, content := range contents {
		ref, err := s.Put(ctx, content)
		require.NoError(t, err)
		was[ref.Digest], err = s.Stat(ctx, ref.Digest)
		require.NoError(t, err)
	}
	time.Sleep(1100 * time.Millisecond) // times of objects are whole seconds
	for _, content := range contents {
		ref, err := s.Put(ctx, content)
		require.NoError(t, err)
		is, err := s.Stat(ctx, ref.Digest)
		require.NoError(t, err)
		require.Equal(t, was[ref.Digest], is)

		_, err = strict.Put(ctx, content)
		require.NoError(t, err)
		is, err = s.Stat(ctx, ref.Digest)
		require.NoError(t, err)
		require.Greater(t, is.Modified, was[ref.Digest].Modified)
		got, err := s.Get(ctx, ref.Digest)
		require.NoError(t, err)
		require.Equal(t, content, got)
	}
}
