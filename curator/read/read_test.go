package read_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"millrace/curator/corpus"
	"millrace/curator/read"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// write makes files in dir; a name ending in a slash is an empty folder.
func write(t require.TestingT, dir string, files map[string]string) {
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

// all reads the documents of sources, and what was dropped.
func all(t require.TestingT, sources ...read.Source) ([]corpus.Doc, []corpus.Drop) {
	var drops []corpus.Drop
	drop := func(d corpus.Drop) { drops = append(drops, d) }
	l, err := read.List(context.Background(), nil, sources, drop)
	require.NoError(t, err)
	var docs []corpus.Doc
	var done int64
	for d, err := range l.Docs(context.Background(), drop, func(n int64) { done += n }) {
		require.NoError(t, err)
		require.GreaterOrEqual(t, d.Ordinal, int64(len(docs)))
		docs = append(docs, d)
	}
	require.Equal(t, l.Bytes(), done)
	require.NoError(t, l.Close())
	return docs, drops
}

func ids(docs []corpus.Doc) []string {
	var out []string
	for _, d := range docs {
		out = append(out, d.ID)
	}
	return out
}

func TestFolderOrderAndPatterns(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"b.txt": "b", "a.txt": "a", "a/z.txt": "z", "a/y.go": "y", "a/sub/deep.go": "d", "vendor/v.go": "v", "a/vendor/w.go": "w",
		".git/config": "g", "a/.git/x.go": "g", "a/testdata/t.go": "t", "README": "r", ".hidden.txt": "h",
	})
	for name, c := range map[string]struct {
		include, exclude, want []string
	}{
		"all":                {nil, nil, []string{".hidden.txt", "README", "a/sub/deep.go", "a/testdata/t.go", "a/vendor/w.go", "a/y.go", "a/z.txt", "a.txt", "b.txt", "vendor/v.go"}},
		"by extension":       {[]string{"*.txt"}, nil, []string{".hidden.txt", "a/z.txt", "a.txt", "b.txt"}},
		"two":                {[]string{"*.go", "README"}, nil, []string{"README", "a/sub/deep.go", "a/testdata/t.go", "a/vendor/w.go", "a/y.go", "vendor/v.go"}},
		"folder anywhere":    {[]string{"*.go"}, []string{"vendor", "testdata"}, []string{"a/sub/deep.go", "a/y.go"}},
		"folder at the root": {[]string{"*.go"}, []string{"vendor/**"}, []string{"a/sub/deep.go", "a/testdata/t.go", "a/vendor/w.go", "a/y.go"}},
		"deep":               {[]string{"a/**/*.go"}, []string{"**/vendor/**"}, []string{"a/sub/deep.go", "a/testdata/t.go", "a/y.go"}},
		"one level":          {[]string{"a/*.go"}, nil, []string{"a/y.go"}},
		"everything twice":   {[]string{"**", "*"}, []string{"a", "README"}, []string{".hidden.txt", "a.txt", "b.txt", "vendor/v.go"}},
	} {
		docs, drops := all(t, read.Source{Folder: dir, Include: c.include, Exclude: c.exclude})
		require.Equal(t, c.want, ids(docs), name)
		require.Empty(t, drops, name)
	}
}

func TestNothingOutsideIsRead(t *testing.T) {
	outside := t.TempDir()
	write(t, outside, map[string]string{"secret.txt": "secret", "in/x.txt": "x"})
	dir := t.TempDir()
	write(t, dir, map[string]string{"own.txt": "own"})
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret.txt"), filepath.Join(dir, "link.txt")))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "folder")))
	docs, drops := all(t, read.Source{Folder: dir})
	require.Equal(t, []string{"own.txt"}, ids(docs))
	require.Len(t, drops, 2)
	require.Equal(t, read.Symlink, drops[0].Reason)

	// A file that becomes a link after it was listed is not followed either.
	l, err := read.List(context.Background(), nil, []read.Source{{Folder: dir}}, func(corpus.Drop) {})
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, "own.txt")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret.txt"), filepath.Join(dir, "own.txt")))
	for d, err := range l.Docs(context.Background(), nil, nil) {
		require.Error(t, err, "read %q", d.Text)
	}
	require.NoError(t, l.Close())
}

func TestWholeFilesThatAreNoDocuments(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"big": strings.Repeat("x", 11), "fits": strings.Repeat("x", 10), "nul": "ab\x00cd", "late": "x"})
	docs, drops := all(t, read.Source{Folder: dir, MaxBytes: 10})
	require.Equal(t, []string{"fits", "late"}, ids(docs))
	require.Equal(t, []corpus.Drop{
		{Why: corpus.Why{Reason: read.TooLarge, Value: 11, Limit: 10}, ID: "big", Bytes: 11},
		{Why: corpus.Why{Reason: read.Binary, Value: 2}, ID: "nul", Bytes: 5},
	}, drops)

	l, err := read.List(context.Background(), nil, []read.Source{{Folder: dir, MaxBytes: 10}}, func(corpus.Drop) {})
	require.NoError(t, err)
	write(t, dir, map[string]string{"late": strings.Repeat("grown", 10)})
	drops = nil
	for _, err := range l.Docs(context.Background(), func(d corpus.Drop) { drops = append(drops, d) }, nil) {
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())
	require.Equal(t, "late", drops[0].ID, "it was small when it was listed")
}

func TestRecordsAreStringsSplit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sep := rapid.SampledFrom([]string{"\n", "\n\n", "<|endoftext|>", "aab", "|"}).Draw(rt, "separator")
		part := rapid.OneOf(rapid.StringOfN(rapid.RuneFrom([]rune("ab\n|<>é")), 0, 20, -1), rapid.SampledFrom([]string{sep, sep + sep, sep[:len(sep)-1]}),
			rapid.Map(rapid.IntRange(65_500, 65_560), func(n int) string { return strings.Repeat("b", n) }))
		text := strings.Join(rapid.SliceOfN(part, 0, 12).Draw(rt, "parts"), "")
		limit := rapid.SampledFrom([]int64{3, 30, 65_540, 1 << 20}).Draw(rt, "limit")
		var want, large []string
		for i, record := range strings.Split(text, sep) {
			id := fmt.Sprintf("f#%d %s", i+1, record)
			switch {
			case int64(len(record)) > limit:
				large = append(large, fmt.Sprintf("f#%d %d", i+1, len(record)))
			case record != "":
				want = append(want, id)
			}
		}
		dir, err := os.MkdirTemp(t.TempDir(), "")
		require.NoError(rt, err)
		write(rt, dir, map[string]string{"f": text})
		docs, drops := all(rt, read.Source{Folder: dir, Separator: sep, MaxBytes: limit})
		var got, dropped []string
		for _, d := range docs {
			got = append(got, d.ID+" "+d.Text)
		}
		for _, d := range drops {
			require.Equal(rt, read.TooLarge, d.Reason)
			dropped = append(dropped, fmt.Sprintf("%s %d", d.ID, d.Bytes))
		}
		require.Equal(rt, want, got)
		require.Equal(rt, large, dropped)
	})
}

func TestRecordsWithNulBytesAreBinary(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"f": "one|t\x00wo|three"})
	docs, drops := all(t, read.Source{Folder: dir, Separator: "|"})
	require.Equal(t, []string{"f#1", "f#3"}, ids(docs))
	require.Equal(t, read.Binary, drops[0].Reason)
}

func TestJSONL(t *testing.T) {
	var lines []string
	for i := range 3 {
		b, err := json.Marshal(map[string]any{"content": fmt.Sprint("text <", i, "> é 日"), "url": fmt.Sprint("https://", i), "other": i})
		require.NoError(t, err)
		lines = append(lines, string(b))
	}
	lines = append(lines, "", "{broken", `{"content": 5}`, `[1]`, `{"text":"wrong field"}`, `{"content":"url is no string","url":5}`+"\r", `{"content":"last"}`)
	text := strings.Join(lines, "\n")
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.jsonl": text, "b.jsonl.gz": z.String(), "c.txt": "not taken"})
	require.NoError(t, os.Symlink(filepath.Join(dir, "b.jsonl.gz"), filepath.Join(t.TempDir(), "link")))
	link := filepath.Join(t.TempDir(), "named.jsonl.gz")
	require.NoError(t, os.Symlink(filepath.Join(dir, "b.jsonl.gz"), link))

	want := []string{"text <0> é 日", "text <1> é 日", "text <2> é 日", "url is no string", "last"}
	for source, files := range map[string]int{dir: 2, filepath.Join(dir, "a.jsonl"): 1, filepath.Join(dir, "b.jsonl.gz"): 1, link: 1} {
		docs, drops := all(t, read.Source{JSONL: source, TextField: "content"})
		var got []string
		for _, d := range docs {
			got = append(got, d.Text)
		}
		require.Equal(t, slices.Concat(slices.Repeat(want, files)), got, source)
		require.Len(t, drops, 4*files)
		require.Equal(t, "https://1", docs[1].URL)
		require.Empty(t, docs[3].URL)
		if source == link {
			require.Equal(t, "named.jsonl.gz#1", docs[0].ID)
		}
	}
}

func TestDamagedGzipIsAnError(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.jsonl.gz": "\x1f\x8bgarbage that is no gzip"})
	l, err := read.List(context.Background(), nil, []read.Source{{JSONL: dir}}, func(corpus.Drop) {})
	require.NoError(t, err)
	var failed error
	for _, err := range l.Docs(context.Background(), nil, nil) {
		failed = err
	}
	require.ErrorIs(t, failed, read.ErrSource)
	require.ErrorContains(t, failed, "a.jsonl.gz")
	require.NoError(t, l.Close())
}

func TestShuffleIsFixedBySeed(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{}
	for i := range 50 {
		files[fmt.Sprintf("%02d", i)] = "x"
	}
	write(t, dir, files)
	order := func(seed int64) []read.File {
		l, err := read.List(context.Background(), nil, []read.Source{{Name: "n", Folder: dir}}, func(corpus.Drop) {})
		require.NoError(t, err)
		l.Shuffle(seed)
		require.NoError(t, l.Close())
		return l.Files
	}
	require.Equal(t, order(1), order(1))
	require.NotEqual(t, order(1), order(2))
	require.ElementsMatch(t, order(1), order(2))
	require.Equal(t, "42", order(1)[0].Path, "the order is part of what a recipe means: it must not change")
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte("{\"text\":\"a\"}\n{\"text\":\"b\",\"url\":\"u\"}\n"))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		write(t, dir, map[string]string{"x.jsonl": string(data)})
		l, err := read.List(context.Background(), nil, []read.Source{{JSONL: dir, MaxBytes: 64}}, func(corpus.Drop) {})
		require.NoError(t, err)
		for d, err := range l.Docs(context.Background(), nil, nil) {
			if err != nil {
				require.ErrorIs(t, err, read.ErrSource)
			}
			require.LessOrEqual(t, len(d.Text), 64*3)
		}
		require.NoError(t, l.Close())
	})
}
