package read_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"millrace/curator/corpus"
	"millrace/curator/read"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// prose is English of about n bytes with what JSON has to escape.
func prose(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "The %dth wheel of the mill, called \"the old one\", turned before the others did; nobody knew why.\n", i)
	}
	return b.String()
}

// benchmark reads a source, of so many bytes unpacked: cut alone, and cut and made into documents, by one goroutine and by all.
func benchmark(b *testing.B, name, data string, unpacked int, source func(path string) read.Source) {
	dir := b.TempDir()
	write(b, dir, map[string]string{name: data})
	l, err := read.List(context.Background(), nil, []read.Source{source(filepath.Join(dir, name))}, func(corpus.Drop) {})
	require.NoError(b, err)
	defer func() { require.NoError(b, l.Close()) }()
	b.Run("cut", func(b *testing.B) {
		b.SetBytes(int64(unpacked))
		for b.Loop() {
			for _, err := range l.Records(context.Background(), nil) {
				require.NoError(b, err)
			}
		}
	})
	b.Run("documents", func(b *testing.B) {
		b.SetBytes(int64(unpacked))
		for b.Loop() {
			for _, err := range l.Docs(context.Background(), nil, nil) {
				require.NoError(b, err)
			}
		}
	})
	b.Run(fmt.Sprintf("documents-by-%d", runtime.GOMAXPROCS(0)), func(b *testing.B) {
		b.SetBytes(int64(unpacked))
		for b.Loop() {
			batches := func(yield func([]read.Record, error) bool) {
				var batch []read.Record
				size := 0
				for r, err := range l.Records(context.Background(), nil) {
					require.NoError(b, err)
					batch = append(batch, r)
					if size += r.Size(); size > 256<<10 {
						if !yield(batch, nil) {
							return
						}
						batch, size = nil, 0
					}
				}
				yield(batch, nil)
			}
			for _, err := range corpus.Parallel(context.Background(), runtime.GOMAXPROCS(0), batches, func(batch []read.Record) (int, error) {
				for _, r := range batch {
					if _, drop := l.Extract(r); drop != nil {
						return 0, fmt.Errorf("%s: %s", drop.ID, drop.Reason)
					}
				}
				return len(batch), nil
			}) {
				require.NoError(b, err)
			}
		}
	})
}

func jsonLines(b *testing.B) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	for i := range 5000 {
		require.NoError(b, e.Encode(map[string]any{"id": i, "text": prose(4000), "url": "https://example.org/" + fmt.Sprint(i), "meta": map[string]any{"score": 0.5}}))
	}
	return out.String()
}

func BenchmarkJSONL(b *testing.B) {
	lines := jsonLines(b)
	benchmark(b, "x.jsonl", lines, len(lines), func(p string) read.Source { return read.Source{JSONL: p} })
}

func BenchmarkJSONLGzip(b *testing.B) {
	lines := jsonLines(b)
	benchmark(b, "x.jsonl.gz", gz(b, lines), len(lines), func(p string) read.Source { return read.Source{JSONL: p} })
}

func BenchmarkJSONLZstd(b *testing.B) {
	lines := jsonLines(b)
	benchmark(b, "x.jsonl.zst", zst(b, lines), len(lines), func(p string) read.Source { return read.Source{JSONL: p} })
}

func BenchmarkCSV(b *testing.B) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	require.NoError(b, w.Write([]string{"id", "text"}))
	for i := range 5000 {
		require.NoError(b, w.Write([]string{fmt.Sprint(i), prose(4000)}))
	}
	w.Flush()
	benchmark(b, "x.csv", out.String(), out.Len(), func(p string) read.Source { return read.Source{CSV: p} })
}

func BenchmarkParquet(b *testing.B) {
	list := make([]row, 5000)
	for i := range list {
		text := prose(4000)[i%100:]
		list[i] = row{ID: int64(i), Text: &text, URL: fmt.Sprint("https://example.org/", i)}
	}
	table := parquetFile(b, list, parquet.Compression(&parquet.Uncompressed))
	benchmark(b, "x.parquet", table, len(table), func(p string) read.Source { return read.Source{Parquet: p} })
}

func BenchmarkWARC(b *testing.B) {
	var out strings.Builder
	for i := range 200 {
		out.WriteString(warcRecord("response", fmt.Sprint("https://example.org/", i), "application/http", answer("Content-Type: text/html; charset=utf-8\r\n", page(fmt.Sprint("mill ", i))+prose(20_000))))
	}
	benchmark(b, "x.warc", out.String(), out.Len(), func(p string) read.Source { return read.Source{WARC: p} })
}

func BenchmarkWET(b *testing.B) {
	text := warcRecord("conversion", "https://example.org/", "text/plain", prose(4000))
	benchmark(b, "x.warc.wet", strings.Repeat(text, 5000), 5000*len(text), func(p string) read.Source { return read.Source{WARC: p} })
}

func BenchmarkCode(b *testing.B) {
	dir := b.TempDir()
	files := map[string]string{}
	for i := range 200 {
		files[fmt.Sprintf("f%d.go", i)] = "package f\n" + strings.Repeat("func f(a, b int) int { return a + b }\n", 200)
	}
	write(b, dir, files)
	l, err := read.List(context.Background(), nil, []read.Source{{Folder: dir, Format: read.FormatCode}}, func(corpus.Drop) {})
	require.NoError(b, err)
	b.SetBytes(l.Bytes())
	for b.Loop() {
		for _, err := range l.Docs(context.Background(), nil, nil) {
			require.NoError(b, err)
		}
	}
	require.NoError(b, l.Close())
}
