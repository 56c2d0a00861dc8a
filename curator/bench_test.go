package curator_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/curator"
	"millrace/event"
	"millrace/trainer/token"
)

// discard hashes and forgets.
type discard struct{}

func (discard) Put(_ context.Context, _ string, data []byte) (event.Digest, error) {
	return event.DigestOf(data), nil
}

// BenchmarkRun curates 2,000 files of about 8 KB, from the page cache.
func BenchmarkRun(b *testing.B) {
	dir := b.TempDir()
	var size int64
	for i := range 2000 {
		var s strings.Builder
		for j := 0; s.Len() < 8000; j++ {
			fmt.Fprintf(&s, "Sentence %d of file %d turns on the word %s, and the mill wheel turns with it.\n", j, i, strings.Repeat("ab", 1+(i*j)%7))
		}
		size += int64(s.Len())
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i, ".txt")), []byte(s.String()), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for _, kind := range []token.Kind{token.KindBPE, token.KindByte} {
		b.Run(string(kind), func(b *testing.B) {
			b.SetBytes(size)
			r := recipe(curator.Source{Folder: dir})
			r.Tokenizer.Kind = kind
			for b.Loop() {
				if _, err := (curator.Curator{Sink: discard{}}).Run(context.Background(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// writeJSONL writes about size bytes of documents, one a line, of sentences of words whose frequencies are as Zipf's law has it.
func writeJSONL(tb testing.TB, path string, size int) {
	tb.Helper()
	random := rand.New(rand.NewPCG(5, 6))
	words := make([]string, 40_000)
	for i := range words {
		var w strings.Builder
		for range 1 + i%4 {
			w.WriteString([]string{"be", "lo", "ran", "ti", "st", "en", "u", "gar", "mi", "ll", "é", "to", "ph"}[random.IntN(13)])
		}
		words[i] = w.String()
	}
	zipf := rand.NewZipf(random, 1.1, 2, uint64(len(words)-1))
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	out := bufio.NewWriter(f)
	for n := 0; n < size; {
		var text strings.Builder
		for range 5 + random.IntN(60) {
			for i := range 4 + random.IntN(16) {
				if i > 0 {
					text.WriteByte(' ')
				}
				text.WriteString(words[zipf.Uint64()])
			}
			text.WriteString(". ")
		}
		k, err := fmt.Fprintf(out, "{\"text\":%q,\"url\":\"https://example.org/%d\"}\n", text.String(), n)
		if err != nil {
			tb.Fatal(err)
		}
		n += k
	}
	if err := out.Flush(); err != nil {
		tb.Fatal(err)
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkJSONL is the whole way from JSONL to shards, with filters, privacy and a vocabulary to learn; run it with -cpu 1,2.
func BenchmarkJSONL(b *testing.B) {
	path := filepath.Join(b.TempDir(), "corpus.jsonl")
	const size = 32 << 20
	writeJSONL(b, path, size)
	r, err := curator.ParseRecipe(fmt.Appendf(nil, `{"name":"bench","sources":[{"jsonl":%q}],"clean":{},"filters":{"gopher_quality":{"min_stop_words":0},"gopher_repetition":{}},"privacy":{},
		"tokenizer":{"kind":"bpe","vocab_size":8192}}`, path))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	for b.Loop() {
		if _, err := (curator.Curator{Sink: discard{}}).Run(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}
