package blob_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"millrace/storage/blob"
)

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
