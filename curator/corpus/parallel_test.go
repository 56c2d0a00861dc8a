package corpus_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"millrace/curator/corpus"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func count(n int, end error) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
		if end != nil {
			yield(0, end)
		}
	}
}

func TestParallelKeepsOrder(t *testing.T) {
	broken := errors.New("broken")
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 50).Draw(t, "items")
		workers := rapid.IntRange(1, 6).Draw(t, "workers")
		failIn := rapid.Bool().Draw(t, "in fails")
		failAt := rapid.IntRange(0, 80).Draw(t, "do fails at")
		stopAt := rapid.IntRange(0, 80).Draw(t, "consumer stops at")
		var end error
		if failIn {
			end = broken
		}
		got := 0
		var failed error
		for r, err := range corpus.Parallel(context.Background(), workers, count(n, end), func(i int) (int, error) {
			if i == failAt {
				return 0, broken
			}
			if i%3 == 0 {
				time.Sleep(time.Microsecond) // so that later items overtake
			}
			return i * i, nil
		}) {
			if err != nil {
				failed = err
				continue // nothing may come after an error
			}
			require.NoError(t, failed)
			require.Equal(t, got*got, r)
			got++
			if got == stopAt {
				break
			}
		}
		want := min(n, failAt)
		if stopAt > 0 && stopAt <= want {
			require.Equal(t, stopAt, got)
			return
		}
		require.Equal(t, want, got)
		if failAt < n || failIn {
			require.ErrorIs(t, failed, broken)
		} else {
			require.NoError(t, failed)
		}
	})
}

func TestParallelEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	forever := func(yield func(int, error) bool) {
		for i := 0; yield(i, nil); i++ {
		}
	}
	n := 0
	var failed error
	for _, err := range corpus.Parallel(ctx, 3, forever, func(i int) (int, error) { return i, nil }) {
		failed = err
		if n++; n == 10 {
			cancel()
		}
	}
	require.ErrorIs(t, failed, context.Canceled)
}
