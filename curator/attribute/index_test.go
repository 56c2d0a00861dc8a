package attribute_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"testing"

	"millrace/curator/attribute"
	"millrace/event"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var indexRecipe = event.DigestOf([]byte("recipe"))

// built is the blobs of an index of entries, which are sorted in memory of so many.
func built(t require.TestingT, most int, entries []attribute.Entry) (blobs [][]byte, first []attribute.Key) {
	dir, err := os.MkdirTemp("", "index-test-")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	x := attribute.Indexer{Dir: dir}
	x.Hold(most)
	for _, e := range entries {
		require.NoError(t, x.Add(e))
	}
	for part, err := range x.Blobs(context.Background(), indexRecipe) {
		require.NoError(t, err)
		blobs, first = append(blobs, slices.Clone(part.Data)), append(first, part.First)
	}
	require.NoError(t, x.Close())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	return blobs, first
}

func TestIndexGolden(t *testing.T) {
	const path = "testdata/golden/index.bin"
	a, b := attribute.DocumentKey("files", "a.txt"), attribute.DocumentKey("lines", "b.jsonl#2")
	text := sha256.Sum256([]byte("the text"))
	blobs, first := built(t, 2, []attribute.Entry{
		{Key: a, Kind: attribute.Number, Value: 0}, {Key: b, Kind: attribute.Number, Value: 1}, attribute.TextEntry(text, attribute.AsRead, a), attribute.TextEntry(text, attribute.Nearly, b),
		attribute.PlaceEntry(a, false, 3, 70_000), attribute.PlaceEntry(a, true, 0, 1), {Key: a, Kind: attribute.Number, Value: 0},
	})
	require.Len(t, blobs, 1)
	if *update {
		require.NoError(t, os.WriteFile(path, blobs[0], 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, blobs[0])

	x, err := attribute.ReadIndex(want)
	require.NoError(t, err)
	require.Equal(t, indexRecipe, x.Recipe)
	require.Equal(t, 6, x.Len())
	entries := slices.Collect(x.Between(0, ^attribute.Key(0)))
	require.Equal(t, first[0], entries[0].Key)
	of := slices.Collect(x.Between(attribute.IDKeys("a.txt")))
	require.Len(t, of, 3)
	require.Equal(t, []attribute.Kind{attribute.Number, attribute.InTrain, attribute.InHeldOut}, []attribute.Kind{of[0].Kind, of[1].Kind, of[2].Kind})
	shard, n := of[1].Place()
	require.Equal(t, []int64{3, 70_000}, []int64{shard, n})
	texts := slices.Collect(x.Between(attribute.TextKey(text), attribute.TextKey(text)))
	require.Len(t, texts, 2)
	from, to := texts[0].Documents()
	require.True(t, from <= a && a <= to)
	require.Equal(t, attribute.AsRead, texts[0].Kind)
	for n := range want {
		if _, err := attribute.ReadIndex(want[:n]); err != nil {
			require.ErrorIs(t, err, attribute.ErrIndex)
		} else {
			require.Zero(t, (len(want)-n)%16)
		}
	}
}

// However little is held in memory, and in whatever order entries come, the index is the same, and every entry is found in it.
func TestIndexIsTheSameInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "entries")
		var entries []attribute.Entry
		for range n {
			e := attribute.Entry{Key: attribute.Key(rapid.Uint64Range(0, 40).Draw(t, "key")), Kind: attribute.Kind(rapid.IntRange(0, 4).Draw(t, "kind")), Value: uint64(rapid.IntRange(0, 5).Draw(t, "value"))}
			entries = append(entries, e)
		}
		whole, _ := built(t, 1<<20, entries)
		again, _ := built(t, rapid.IntRange(1, 50).Draw(t, "held"), rapid.Permutation(entries).Draw(t, "order"))
		require.Equal(t, whole, again)
		x, err := attribute.ReadIndex(whole[0])
		require.NoError(t, err)
		for _, e := range entries {
			require.Contains(t, slices.Collect(x.Between(e.Key, e.Key)), e)
		}
	})
}

func TestIndexIsCutIntoBlobsAndBoundsWhatIsAlike(t *testing.T) {
	var entries []attribute.Entry
	for i := range 1<<17 + 100 {
		entries = append(entries, attribute.Entry{Key: attribute.Key(i / 100 * 7), Kind: attribute.Nearly, Value: uint64(i)})
		entries = append(entries, attribute.Entry{Key: attribute.Key(i * 7), Kind: attribute.Number, Value: uint64(i)})
	}
	blobs, first := built(t, 10_000, entries)
	require.Len(t, blobs, 2)
	total := 0
	for i, b := range blobs {
		x, err := attribute.ReadIndex(b)
		require.NoError(t, err)
		total += x.Len()
		require.LessOrEqual(t, x.Len(), 1<<17)
		same := map[string]int{}
		for e := range x.Between(0, ^attribute.Key(0)) {
			same[fmt.Sprint(e.Key, e.Kind)]++
			require.GreaterOrEqual(t, e.Key, first[i])
		}
		for _, n := range same {
			require.LessOrEqual(t, n, 64)
		}
	}
	texts := 0
	for i := range (1<<17+100)/100 + 1 {
		texts += min(64, max(0, 1<<17+100-i*100))
	}
	require.Equal(t, 1<<17+100+texts, total)
}

func TestIndexStopsWithItsContext(t *testing.T) {
	var x attribute.Indexer
	for i := range 1 << 17 {
		require.NoError(t, x.Add(attribute.Entry{Key: attribute.Key(i)}))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var failed error
	for _, err := range x.Blobs(ctx, indexRecipe) {
		failed = err
	}
	require.ErrorIs(t, failed, context.Canceled)
	require.NoError(t, x.Close())
}

func FuzzReadIndex(f *testing.F) {
	golden, err := os.ReadFile("testdata/golden/index.bin")
	require.NoError(f, err)
	f.Add(golden)
	f.Add([]byte(`{"format":"millrace.attribute_index/1"}` + "\n0123456789abcdef"))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := attribute.ReadIndex(data)
		if err != nil {
			require.ErrorIs(t, err, attribute.ErrIndex)
			return
		}
		n := 0
		for e := range x.Between(0, ^attribute.Key(0)) {
			n++
			_, _ = e.Place() // must not panic
			first, last := e.Documents()
			require.LessOrEqual(t, first, last)
		}
		require.Equal(t, x.Len(), n)
	})
}
