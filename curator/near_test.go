package curator_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/curator"
	"millrace/curator/dedup"
	"millrace/event"

	"github.com/stretchr/testify/require"
)

// alike are files in threes: a text, one with a word changed, and one that is written in capitals; the first word of a
// text tells which it is.
func alike(n int) map[string]string {
	random := rand.New(rand.NewPCG(9, 9))
	files := map[string]string{}
	for i := range n {
		words := []string{strings.Repeat(string(rune('a'+i%26)), 1+i/26)}
		for range 200 {
			var w [7]byte
			for j := range w {
				w[j] = byte('a' + random.IntN(26))
			}
			words = append(words, string(w[:]))
		}
		name := fmt.Sprintf("%03d", i)
		files[name+"a.txt"] = strings.Join(words, " ")
		files[name+"c.txt"] = strings.ToUpper(strings.Join(words, ", "))
		words[100] = "changed"
		files[name+"b.txt"] = strings.Join(words, " ") + "\n"
	}
	return files
}

func TestMinHashKeepsTheFirst(t *testing.T) {
	dir := folder(t, alike(20))
	temp := t.TempDir()
	r := recipe(curator.Source{Name: "x", Folder: dir})
	r.Dedup, r.HeldOut = curator.DedupMinHash, 0
	var first curator.Manifest
	for workers := 1; workers <= 4; workers++ {
		var sink memory
		m, err := curator.Curator{Sink: &sink, Workers: workers, TempDir: temp}.Run(context.Background(), r)
		require.NoError(t, err)
		if workers > 1 {
			require.Equal(t, string(first.JSON()), string(m.JSON()))
			continue
		}
		first = m
		kept := texts(t, &sink, m, curator.Train)
		require.Len(t, kept, 20)
		for i, text := range kept {
			require.Equal(t, strings.Repeat(string(rune('a'+i%26)), 1+i/26), strings.Fields(text)[0])
			require.NotContains(t, text, "changed")
		}
		require.EqualValues(t, 60, m.Sources[0].Documents)
		require.EqualValues(t, 20, m.Sources[0].KeptDocuments)
		require.Len(t, m.Dropped, 1)
		d := m.Dropped[0]
		require.Equal(t, dedup.NearDuplicate, d.Reason)
		require.EqualValues(t, 40, d.Documents)
		for i, e := range d.Examples {
			require.Equal(t, fmt.Sprintf("%03d%c.txt", i/2, 'b'+i%2), e.Document)
			require.Equal(t, &curator.Repeated{Source: "x", Document: fmt.Sprintf("%03da.txt", i/2)}, e.Repeats)
			require.Equal(t, dedup.Threshold, e.Limit)
			require.Greater(t, e.Value, 0.8)
		}
		again, err := curator.ParseManifest(m.JSON())
		require.NoError(t, err)
		require.Equal(t, m, again)
	}
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}

// limit_bytes ends the corpus before near duplicates are looked for.
func TestMinHashWithinALimit(t *testing.T) {
	r := recipe(curator.Source{Name: "x", Folder: folder(t, alike(20))})
	r.HeldOut = 0
	found := int64(0)
	for seed := range int64(5) {
		r.LimitBytes, r.Seed, r.Dedup = 20_000, seed, curator.DedupNone
		all, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
		require.NoError(t, err)
		r.Dedup = curator.DedupMinHash
		m, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
		require.NoError(t, err)
		dropped := int64(0)
		for _, d := range m.Dropped {
			dropped += d.Documents
		}
		require.Equal(t, all.Splits[0].Documents, m.Splits[0].Documents+dropped)
		require.Equal(t, all.Source, m.Source)
		found += dropped
	}
	require.NotZero(t, found)
	r.LimitBytes = 10
	_, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.ErrorIs(t, err, curator.ErrEmpty)
	require.ErrorContains(t, err, "limit_bytes is 10")
}

func TestMinHashErrors(t *testing.T) {
	dir := folder(t, alike(3))
	r := recipe(curator.Source{Name: "x", Folder: dir})
	r.Dedup = curator.DedupMinHash
	_, err := curator.Curator{Sink: &memory{}, TempDir: filepath.Join(dir, "nowhere")}.Run(context.Background(), r)
	require.ErrorContains(t, err, "nowhere")

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, err = curator.Curator{Sink: &memory{}, Progress: func(curator.Progress) { cancel() }}.Run(ctx, r)
	require.ErrorIs(t, err, context.Canceled)

	// A source that breaks off midway is what is reported, not what was found of it.
	broken := filepath.Join(t.TempDir(), "broken.jsonl.gz")
	require.NoError(t, os.WriteFile(broken, []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01\x05"), 0o644))
	r.Sources = append(r.Sources, curator.Source{Name: "y", JSONL: broken})
	_, err = curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.ErrorIs(t, err, curator.ErrSource)
	require.ErrorContains(t, err, "broken.jsonl.gz")
}

func TestMinHashIsReused(t *testing.T) {
	r := recipe(curator.Source{Name: "x", Folder: folder(t, alike(30))})
	r.Dedup, r.HeldOut = curator.DedupMinHash, 0.3
	made, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.NoError(t, err)
	var sink memory
	again, err := curator.Curator{Sink: &sink, Reuse: offer(made)}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, made, again)
	require.Empty(t, sink.names)
}

// offer is a Reuse that always has m.
func offer(m curator.Manifest) func(context.Context, event.Digest) (curator.Manifest, bool) {
	return func(context.Context, event.Digest) (curator.Manifest, bool) { return m, true }
}
