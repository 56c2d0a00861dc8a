package spool_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/curator/corpus"
	"millrace/curator/spool"
	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fill makes a spool of docs.
func fill(t require.TestingT, dir string, workers int, docs []corpus.Doc) *spool.Spool {
	s, err := spool.Create(context.Background(), dir, workers)
	require.NoError(t, err)
	for _, d := range docs {
		require.NoError(t, s.Add(d))
	}
	require.NoError(t, s.Finish())
	return s
}

func drain(t require.TestingT, s *spool.Spool, wanted spool.Wanted, see func(*corpus.Doc) bool) []corpus.Doc {
	var out []corpus.Doc
	for batch, err := range s.Docs(context.Background(), 2, wanted, see) {
		require.NoError(t, err)
		out = append(out, batch...)
	}
	return out
}

func TestWhatGoesInComesOut(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.IntRange(0, 3<<16), func(n int) string { return strings.Repeat("long ", n) }))
		var docs []corpus.Doc
		for i := range rapid.IntRange(0, 12).Draw(t, "documents") {
			d := corpus.Doc{ID: rapid.String().Draw(t, "id"), Source: rapid.IntRange(0, 300).Draw(t, "source"), Ordinal: int64(3 * i),
				URL: rapid.String().Draw(t, "url"), License: rapid.String().Draw(t, "license"), Code: rapid.String().Draw(t, "code"),
				Language: rapid.String().Draw(t, "language"), Text: text.Draw(t, "text")}
			for range rapid.IntRange(0, 3).Draw(t, "messages") {
				d.Chat = append(d.Chat, token.Message{Role: rapid.String().Draw(t, "role"), Content: text.Draw(t, "content")})
			}
			if d.Chat != nil {
				d.Text = corpus.ChatText(d.Chat)
			}
			d.Seal()
			docs = append(docs, d)
		}
		s := fill(t, dir, rapid.IntRange(1, 4).Draw(t, "workers"), docs)
		for range 2 {
			require.Equal(t, docs, drain(t, s, nil, nil))
		}
		var some []corpus.Doc
		for _, d := range docs {
			if d.Ordinal%2 == 0 {
				d.Code = "seen"
				some = append(some, d)
			}
		}
		require.Equal(t, some, drain(t, s, nil, func(d *corpus.Doc) bool {
			d.Code = "seen"
			return d.Ordinal%2 == 0
		}))
		require.NoError(t, s.Close())
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

// prose is documents of made-up words, of about size bytes together.
func prose(size int) []corpus.Doc {
	r := rand.New(rand.NewPCG(1, 2))
	var docs []corpus.Doc
	for n := 0; n < size; {
		var b strings.Builder
		for range 50 + r.IntN(500) {
			fmt.Fprintf(&b, "%s ", strings.Repeat(string(rune('a'+r.IntN(26))), 1+r.IntN(3)))
		}
		docs = append(docs, corpus.Doc{ID: fmt.Sprintf("some/folder/file.jsonl#%d", len(docs)), Source: len(docs) / 1000, Ordinal: int64(len(docs)), Text: b.String()})
		n += b.Len()
	}
	return docs
}

func TestBlocksThatAreNotWantedAreNotRead(t *testing.T) {
	docs := prose(8 << 20)
	s := fill(t, t.TempDir(), 2, docs)
	defer func() { require.NoError(t, s.Close()) }()
	seen := 0
	got := drain(t, s, func(first, last int64, low, high int) bool {
		require.Equal(t, int(first)/1000, low)
		require.Equal(t, int(last)/1000, high)
		return low <= 2 && high >= 2
	}, func(d *corpus.Doc) bool { return d.Source == 2 })
	for _, d := range docs {
		if d.Source == 2 {
			require.Equal(t, d.ID, got[seen].ID)
			seen++
		}
	}
	require.Len(t, got, seen)
}

func TestIsSmallerThanItsInput(t *testing.T) {
	docs := prose(4 << 20)
	s := fill(t, t.TempDir(), 2, docs)
	require.Less(t, s.Size(), s.Bytes()*2/3)
	require.NoError(t, s.Close())

	random := rand.NewChaCha8([32]byte{1}) // what cannot be compressed is not blown up
	for i := range docs {
		b := make([]byte, len(docs[i].Text))
		_, err := random.Read(b)
		require.NoError(t, err)
		docs[i].Text = string(b)
	}
	s = fill(t, t.TempDir(), 2, docs)
	require.Less(t, s.Size(), s.Bytes()+s.Bytes()/1000)
	require.NoError(t, s.Close())
}

func TestErrors(t *testing.T) {
	_, err := spool.Create(context.Background(), filepath.Join(t.TempDir(), "nowhere"), 1)
	require.ErrorContains(t, err, "nowhere")
	require.ErrorContains(t, err, "TMPDIR")

	ctx, cancel := context.WithCancel(context.Background())
	s, err := spool.Create(ctx, t.TempDir(), 2)
	require.NoError(t, err)
	cancel()
	docs := prose(2 << 20)
	for i := 0; err == nil; i++ {
		err = s.Add(docs[i%len(docs)])
	}
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.Finish(), context.Canceled)
	require.NoError(t, s.Close())

	s = fill(t, t.TempDir(), 2, docs)
	var failed error
	for _, err := range s.Docs(ctx, 2, nil, nil) {
		failed = err
	}
	require.ErrorIs(t, failed, context.Canceled)
	require.NoError(t, s.Close())
}
