package curator_test

import (
	"context"
	"fmt"
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
