package fetch_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"millrace/curator/fetch"
)

// TestTake: a directory is one taker's, until it is closed, removed or its process killed.
func TestTake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	d, err := fetch.Take(path)
	require.NoError(t, err)
	_, err = fetch.Take(path)
	require.ErrorIs(t, err, fetch.ErrBusy)
	require.ErrorContains(t, err, path)
	require.NoError(t, os.WriteFile(d.Path("x"), []byte("x"), 0o600))
	require.NoError(t, d.Close())
	d, err = fetch.Take(path)
	require.NoError(t, err)
	require.FileExists(t, d.Path("x"))
	require.NoError(t, d.Remove())
	require.NoDirExists(t, path)

	// Many who take and remove: never two at once.
	var inside, times atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				d, err := fetch.Take(path)
				if errors.Is(err, fetch.ErrBusy) {
					continue
				}
				if err != nil || inside.Add(1) != 1 {
					t.Errorf("%v, or two inside", err)
					return
				}
				times.Add(1)
				inside.Add(-1)
				if err := d.Remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.Positive(t, times.Load())
}
