package read_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"millrace/curator/corpus"
	"millrace/curator/read"

	"github.com/stretchr/testify/require"
)

// mostMemory is the most heap that a reading holds, in bytes, looked at after every record.
func mostMemory(t *testing.T, s read.Source) (docs int, drops []corpus.Drop, most uint64) {
	l, err := read.List(context.Background(), nil, []read.Source{s}, func(corpus.Drop) {})
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, err := range l.Docs(context.Background(), func(d corpus.Drop) { drops = append(drops, d) }, func(int64) {
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
	}) {
		require.NoError(t, err)
		docs++
	}
	runtime.ReadMemStats(&now)
	return docs, drops, max(most, now.TotalAlloc-before.TotalAlloc)
}

// TestHugeRecordsAreNotHeld reads a line of a gigabyte, and what unpacks to 64 MiB, with all that was ever
// allocated bounded.
func TestHugeRecordsAreNotHeld(t *testing.T) {
	dir := t.TempDir()
	const size = 1 << 30
	for _, name := range []string{"x.jsonl", "x.txt", "x.csv", "x.html"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("text\n"), 0o600))
		require.NoError(t, os.Truncate(filepath.Join(dir, name), map[bool]int64{true: size, false: size / 16}[name == "x.jsonl"])) // a hole, which takes no room
	}
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	_, err := w.Write([]byte("text\n"))
	require.NoError(t, err)
	for range 64 {
		_, err := w.Write(make([]byte, 1<<20))
		require.NoError(t, err)
	}
	_, err = w.Write([]byte("\n{\"text\":\"after\"}\n"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	write(t, dir, map[string]string{"bomb.jsonl.gz": bomb.String(), "bomb.csv.gz": bomb.String(), "bomb.txt.gz": bomb.String()})
	const limit = 1 << 20
	for name, c := range map[string]struct {
		source read.Source
		docs   int
		size   float64
	}{
		"x.jsonl":       {read.Source{JSONL: filepath.Join(dir, "x.jsonl")}, 0, size - 5},
		"x.txt":         {read.Source{Folder: filepath.Join(dir, "x.txt"), Separator: "\n"}, 1, size/16 - 5},
		"x.csv":         {read.Source{CSV: filepath.Join(dir, "x.csv")}, 0, size/16 - 5},
		"x.html":        {read.Source{Folder: filepath.Join(dir, "x*"), Format: read.FormatHTML, Include: []string{"*.html"}}, 0, 0},
		"bomb.jsonl.gz": {read.Source{JSONL: filepath.Join(dir, "bomb.jsonl.gz")}, 1, 64 << 20},
		"bomb.csv.gz":   {read.Source{CSV: filepath.Join(dir, "bomb.csv.gz")}, 0, 64 << 20},
		"bomb.txt.gz":   {read.Source{Folder: filepath.Join(dir, "bomb.txt.gz"), Format: read.FormatAuto}, 0, 0},
	} {
		c.source.MaxBytes = limit
		docs, drops, most := mostMemory(t, c.source)
		require.Equal(t, c.docs, docs, name)
		if c.size > 0 {
			large := slices.IndexFunc(drops, func(d corpus.Drop) bool { return d.Reason == read.TooLarge })
			require.GreaterOrEqual(t, large, 0, name)
			require.Equal(t, c.size, drops[large].Value, name)
		}
		require.Less(t, most, uint64(16*limit), name)
	}
}

// TestRecordsAtTheLimit: of max_bytes bytes is kept, one more is not.
func TestRecordsAtTheLimit(t *testing.T) {
	dir := t.TempDir()
	line := `{"text":"` + strings.Repeat("x", 300_000) + `"}`
	write(t, dir, map[string]string{"x.jsonl": line + "\n" + line[:9] + "x" + line[9:] + "\n" + line})
	docs, drops := all(t, read.Source{JSONL: dir, MaxBytes: int64(len(line))})
	require.Equal(t, []string{"x.jsonl#1", "x.jsonl#3"}, ids(docs))
	require.Equal(t, []string{"x.jsonl#2 too_large"}, reasons(drops))
	require.EqualValues(t, len(line)+1, drops[0].Value)
}

// shelf is an object store of folders: a bucket each.
type shelf string

func (s shelf) List(_ context.Context, bucket, prefix string) iter.Seq2[read.Object, error] {
	return func(yield func(read.Object, error) bool) {
		var keys []string
		err := fs.WalkDir(os.DirFS(filepath.Join(string(s), bucket)), ".", func(p string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasPrefix(p, prefix) {
				keys = append(keys, p)
			}
			return err
		})
		if err != nil {
			yield(read.Object{}, err)
			return
		}
		for _, key := range keys {
			info, err := os.Stat(filepath.Join(string(s), bucket, key))
			if !yield(read.Object{Key: key, Size: info.Size()}, err) {
				return
			}
		}
	}
}

func (s shelf) Open(_ context.Context, bucket, key string) (read.Opened, error) {
	return os.Open(filepath.Join(string(s), bucket, key))
}

// TestBucketsAreFolders: the same files give the same documents.
func TestBucketsAreFolders(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"b/data/a/z.txt": "1", "b/data/a.txt": "2", "b/data/.git/config": "3", "b/data/old/a/x.txt": "4", "b/data/table.parquet": parquetFile(t, rows(3)),
		"b/data/lines.jsonl.gz": gz(t, "{\"text\":\"5\"}\n"), "b/data-2/q.txt": "6", "b/data/a/y.txt": "7",
	})
	for where, s := range map[string]read.Source{
		"data":           {Format: read.FormatAuto, Exclude: []string{"old"}},
		"data/":          {Include: []string{"*.txt"}},
		"data/a.txt":     {},
		"data/**/?.txt":  {},
		"data*/*.txt":    {},
		"data/a":         {},
		"data/*.parquet": {Format: read.FormatAuto},
	} {
		s.Folder = filepath.Join(dir, "b", where)
		want, wantDrops := all(t, s)
		require.NotEmpty(t, want)
		s.Folder = "s3://b/" + where
		l, err := read.List(context.Background(), shelf(dir), []read.Source{s}, func(corpus.Drop) {})
		require.NoError(t, err)
		var got []corpus.Doc
		var drops []corpus.Drop
		for d, err := range l.Docs(context.Background(), func(d corpus.Drop) { drops = append(drops, d) }, nil) {
			require.NoError(t, err)
			got = append(got, d)
		}
		require.NoError(t, l.Close())
		require.Equal(t, want, got, where)
		require.Equal(t, wantDrops, drops)
	}
	for where, says := range map[string]string{"s3://b/nothing": "no object is there", "s3://b/data/q*": "", "s3://nobucket/x": "nobucket"} {
		l, err := read.List(context.Background(), shelf(dir), []read.Source{{Folder: where}}, func(corpus.Drop) {})
		if says == "" {
			require.NoError(t, err)
			require.Empty(t, l.Files)
			continue
		}
		require.ErrorIs(t, err, read.ErrSource)
		require.ErrorContains(t, err, says)
	}
	_, err := read.List(context.Background(), nil, []read.Source{{Folder: "s3://b/x"}}, func(corpus.Drop) {})
	require.ErrorContains(t, err, "no S3 source configured")
	require.ErrorContains(t, read.Source{Folder: "s3:///x"}.Check(), "names no bucket")
	require.Equal(t, []string{"b", "x", "y"}, []string{read.Source{WARC: "s3://b/*.gz"}.Resolve().Name, read.Source{Folder: "s3://b/x/"}.Resolve().Name, read.Source{Chat: "s3://b/x/y/**"}.Resolve().Name})
}

// fuzzed reads foreign bytes as a file: whatever they are, it ends without a panic, with documents within the limit, or an
// error about the source; and with on_error: skip never with an error.
func fuzzed(f *testing.F, name string, source func(path string) read.Source, expand int, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
		f.Add([]byte(s[:len(s)/2]))
		f.Add([]byte(gz(f, s)))
		f.Add([]byte(zst(f, s)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		s := source(path)
		s.MaxBytes = 4096
		var counts [2]int
		for i, onError := range []string{read.Fail, read.Skip} {
			s.OnError = onError
			l, err := read.List(context.Background(), nil, []read.Source{s}, func(corpus.Drop) {})
			require.NoError(t, err)
			for d, err := range l.Docs(context.Background(), nil, nil) {
				if err != nil {
					require.ErrorIs(t, err, read.ErrSource)
					require.True(t, onError == read.Fail || strings.Contains(err.Error(), "no text field"), err)
					break
				}
				counts[i]++
				require.LessOrEqual(t, len(d.Text), 4096*expand)
			}
			require.NoError(t, l.Close())
		}
		require.Equal(t, counts[0], counts[1], "the same documents before the fault")
	})
}

func FuzzJSONL(f *testing.F) {
	fuzzed(f, "x.jsonl", func(p string) read.Source { return read.Source{JSONL: p} }, 3, "{\"text\":\"a\"}\n{\"text\":\"\\u00e9\",\"url\":\"u\"}\n")
}

func FuzzChat(f *testing.F) {
	fuzzed(f, "x.jsonl", func(p string) read.Source { return read.Source{Chat: p} }, 3, `{"messages":[{"role":"user","content":"a"}]}`, `{"conversations":[{"from":"gpt","value":"a"}]}`, `{"instruction":"a","output":"b"}`)
}

func FuzzCSV(f *testing.F) {
	fuzzed(f, "x.csv", func(p string) read.Source { return read.Source{CSV: p} }, 1, "id,text\n1,\"a \"\"b\"\"\nc\"\r\n2,d\n")
}

func FuzzParquet(f *testing.F) {
	fuzzed(f, "x.parquet", func(p string) read.Source { return read.Source{Parquet: p} }, 1, parquetFile(f, rows(20)), parquetFile(f, nil))
}

func FuzzWARC(f *testing.F) {
	fuzzed(f, "x.warc", func(p string) read.Source { return read.Source{WARC: p} }, 3, warcRecord("response", "https://a/", "application/http", answer("Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n", "5\r\n<p>ab\r\n0\r\n\r\n")),
		warcRecord("conversion", "u", "text/plain", "text")+warcRecord("resource", "u", "text/html", page("x")))
}

func FuzzHTML(f *testing.F) {
	fuzzed(f, "x.html", func(p string) read.Source { return read.Source{Folder: p, Format: read.FormatHTML} }, 8, page("mill"), "<meta charset=utf-16>\xff\xfea\x00")
}

func FuzzCode(f *testing.F) {
	fuzzed(f, "x.h", func(p string) read.Source { return read.Source{Folder: p, Format: read.FormatCode} }, 1, "#include <a>\n", "// Code generated by x. DO NOT EDIT.\n", "#!/bin/sh\n")
}

// TestObjectThatFails: an error of a store is an error of the source, wherever it happens.
func TestObjectThatFails(t *testing.T) {
	l, err := read.List(context.Background(), broken{}, []read.Source{{JSONL: "s3://b/x.jsonl"}}, func(corpus.Drop) {})
	require.NoError(t, err)
	n := 0
	for _, e := range l.Docs(context.Background(), nil, nil) {
		if e != nil {
			err = e
			break
		}
		n++
	}
	require.Equal(t, 1, n)
	require.ErrorIs(t, err, read.ErrSource)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "x.jsonl, at byte 13: unexpected EOF")
}

// broken is a store whose connection breaks in the second line.
type broken struct{}

func (broken) List(context.Context, string, string) iter.Seq2[read.Object, error] {
	return func(yield func(read.Object, error) bool) { yield(read.Object{Key: "x.jsonl", Size: 100}, nil) }
}

func (broken) Open(context.Context, string, string) (read.Opened, error) {
	return brokenObject{io.MultiReader(strings.NewReader("{\"text\":\"a\"}\n{\"te"), failing{})}, nil
}

type brokenObject struct{ io.Reader }

func (brokenObject) ReadAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
func (brokenObject) Close() error                      { return nil }

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
