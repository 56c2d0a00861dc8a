package read_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/curator/corpus"
	"millrace/curator/read"
	"millrace/trainer/token"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func gz(t require.TestingT, text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func zst(t require.TestingT, text string) string {
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return string(w.EncodeAll([]byte(text), nil))
}

func texts(docs []corpus.Doc) []string {
	var out []string
	for _, d := range docs {
		out = append(out, d.Text)
	}
	return out
}

func reasons(drops []corpus.Drop) []string {
	var out []string
	for _, d := range drops {
		out = append(out, d.ID+" "+d.Reason)
	}
	return out
}

func TestPackedJSONL(t *testing.T) {
	dir := t.TempDir()
	const lines = "{\"text\":\"one\",\"license\":\"MIT\"}\n{\"text\":\"two\",\"licence\":\"CC0-1.0\",\"url\":\"https://x/\"}\n{\"text\":\"three\",\"license\":null}"
	write(t, dir, map[string]string{"a.jsonl": lines, "b.jsonl.gz": gz(t, lines), "c.jsonl.zst": zst(t, lines), "d.ndjson.zst": zst(t, lines[:31]) + zst(t, lines[31:])})
	docs, drops := all(t, read.Source{JSONL: dir, License: "CC-BY-4.0"})
	require.Empty(t, drops)
	require.Equal(t, []string{"a.jsonl#1", "a.jsonl#2", "a.jsonl#3", "b.jsonl.gz#1", "b.jsonl.gz#2", "b.jsonl.gz#3", "c.jsonl.zst#1", "c.jsonl.zst#2",
		"c.jsonl.zst#3", "d.ndjson.zst#1", "d.ndjson.zst#2", "d.ndjson.zst#3"}, ids(docs))
	for i, d := range docs {
		require.Equal(t, []string{"one", "two", "three"}[i%3], d.Text)
		require.Equal(t, []string{"MIT", "CC0-1.0", "CC-BY-4.0"}[i%3], d.License)
		require.Equal(t, []string{"", "https://x/", ""}[i%3], d.URL)
	}
	docs, _ = all(t, read.Source{JSONL: filepath.Join(dir, "a.jsonl"), TextField: "license", LicenseField: "text", URLField: "license"})
	require.Equal(t, []string{"MIT"}, texts(docs))
	require.Equal(t, "one", docs[0].License)
	require.Equal(t, "MIT", docs[0].URL)
}

func TestFilesFoldersAndGlobs(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a/x.md": "1", "a/b/y.md": "2", "a/b/z.txt": "3", "w.md": "4", "odd[1]/q.md": "5", "lines.json": "{\"text\":\"6\"}",
	})
	for where, want := range map[string][]string{
		"a/x.md":     {"x.md"},
		"a":          {"b/y.md", "b/z.txt", "x.md"},
		"*.md":       {"w.md"},
		"*/*.md":     {"a/x.md", "odd[1]/q.md"},
		"**/*.md":    {"a/b/y.md", "a/x.md", "odd[1]/q.md", "w.md"},
		"a/**/?.txt": {"b/z.txt"},
		"odd[1]":     {"q.md"},
	} {
		docs, drops := all(t, read.Source{Folder: filepath.Join(dir, where)})
		require.Equal(t, want, ids(docs), where)
		require.Empty(t, drops)
	}
	docs, _ := all(t, read.Source{Folder: filepath.Join(dir, "**"), Exclude: []string{"b"}, Include: []string{"*.md"}})
	require.Equal(t, []string{"a/x.md", "odd[1]/q.md", "w.md"}, ids(docs))
	docs, _ = all(t, read.Source{JSONL: filepath.Join(dir, "*.json")})
	require.Equal(t, []string{"6"}, texts(docs), "a glob says itself what files have lines")
	require.Equal(t, "a", read.Source{Folder: "a/**/*.md"}.Resolve().Name)

	_, err := read.List(context.Background(), nil, []read.Source{{Folder: filepath.Join(dir, "none", "*.md")}}, func(corpus.Drop) {})
	require.ErrorIs(t, err, read.ErrSource)
	require.ErrorContains(t, err, "correct the path")
}

func TestCSV(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a.csv": "\ufeffid,text,url,license\r\n1,plain,https://a/,MIT\r\n2,\"with, comma and \"\"quotes\"\"\nand a line\",,\r\n\r\n3,too,many,fields,here\r\n4,ba\"re,,\r\n5,\"x\"y,,\r\n6,last,,",
		"b.tsv": "text\tid\nwith, comma\t1\n",
	})
	docs, drops := all(t, read.Source{CSV: dir})
	require.Equal(t, []string{"plain", "with, comma and \"quotes\"\nand a line", "last", "with, comma"}, texts(docs))
	require.Equal(t, []string{"a.csv#2", "a.csv#3", "a.csv#8", "b.tsv#2"}, ids(docs))
	require.Equal(t, "https://a/", docs[0].URL)
	require.Equal(t, "MIT", docs[0].License)
	require.Equal(t, []string{"a.csv#5 not_csv", "a.csv#6 not_csv", "a.csv#7 not_csv"}, reasons(drops))
	require.Equal(t, [2]float64{5, 4}, [2]float64{drops[0].Value, drops[0].Limit})

	write(t, dir, map[string]string{"a.csv": "a|b\n1|2\n"})
	docs, _ = all(t, read.Source{CSV: filepath.Join(dir, "a.csv"), Delimiter: "|", TextField: "b"})
	require.Equal(t, []string{"2"}, texts(docs))
	require.ErrorContains(t, failure(t, read.Source{CSV: filepath.Join(dir, "a.csv"), Delimiter: "|"}), `a.csv: there is no text field "text": it has a, b; say text_field`)
	require.ErrorContains(t, failure(t, read.Source{CSV: filepath.Join(dir, "a.csv"), Delimiter: "|", OnError: read.Skip}), "no text field", "a recipe that is wrong is not a file that is")
}

// failure is the error of reading a source.
func failure(t require.TestingT, s read.Source) error {
	l, err := read.List(context.Background(), nil, []read.Source{s}, func(corpus.Drop) {})
	require.NoError(t, err)
	for _, e := range l.Docs(context.Background(), nil, nil) {
		err = e
	}
	require.NoError(t, l.Close())
	require.ErrorIs(t, err, read.ErrSource)
	return err
}

// TestCSVIsTheStandardLibrarys compares with encoding/csv, which leaves out the \r of \r\n within quotes.
func TestCSVIsTheStandardLibrarys(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		field := rapid.OneOf(rapid.StringOfN(rapid.RuneFrom([]rune("a,\n\"é \r")), 0, 8, -1), rapid.Map(rapid.IntRange(65_000, 66_000), func(n int) string { return strings.Repeat("\"", n) }))
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.UseCRLF = rapid.Bool().Draw(rt, "crlf")
		require.NoError(rt, w.Write([]string{"id", "text"}))
		var want []string
		for i := range rapid.IntRange(0, 6).Draw(rt, "records") {
			text := strings.ReplaceAll(field.Draw(rt, "text"), "\r", "")
			require.NoError(rt, w.Write([]string{fmt.Sprint(i), text}))
			if w.UseCRLF {
				text = strings.ReplaceAll(text, "\n", "\r\n")
			}
			want = append(want, text)
		}
		w.Flush()
		write(rt, dir, map[string]string{"x.csv": b.String()})
		docs, drops := all(rt, read.Source{CSV: filepath.Join(dir, "x.csv")})
		require.Empty(rt, drops)
		require.Equal(rt, want, texts(docs))
	})
}

type row struct {
	ID      int64   `parquet:"id"`
	Text    *string `parquet:"text,optional"`
	URL     string  `parquet:"url,dict"`
	Licence string  `parquet:"licence"`
	Meta    struct {
		Body string `parquet:"body,zstd"`
	} `parquet:"meta"`
	Tags []string `parquet:"tags,list"`
}

func parquetFile(t require.TestingT, rows []row, options ...parquet.WriterOption) string {
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b, options...)
	_, err := w.Write(rows)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func rows(n int) []row {
	out := make([]row, n)
	for i := range out {
		text := fmt.Sprintf("text %d %s", i, strings.Repeat("é", i%50))
		out[i] = row{ID: int64(i), Text: &text, URL: fmt.Sprintf("https://%d/", i%7), Licence: "MIT", Tags: make([]string, i%3)}
		out[i].Meta.Body = fmt.Sprint("body ", i)
	}
	return out
}

func TestParquet(t *testing.T) {
	list := rows(1000)
	list[3].Text = nil
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a.parquet": parquetFile(t, list, parquet.MaxRowsPerRowGroup(300), parquet.PageBufferSize(1000), parquet.Compression(&parquet.Snappy)),
		"b.parquet": parquetFile(t, list[:2], parquet.DataPageVersion(1), parquet.Compression(&parquet.Zstd)),
		"c.parquet": parquetFile(t, nil),
	})
	docs, drops := all(t, read.Source{Parquet: dir})
	require.Len(t, docs, 1001)
	require.Equal(t, []string{"a.parquet#4 no_text"}, reasons(drops))
	for _, d := range docs[:999] {
		var n int
		_, err := fmt.Sscanf(d.ID, "a.parquet#%d", &n)
		require.NoError(t, err)
		require.Equal(t, *list[n-1].Text, d.Text)
		require.Equal(t, list[n-1].URL, d.URL)
		require.Equal(t, "MIT", d.License)
	}
	docs, _ = all(t, read.Source{Parquet: filepath.Join(dir, "b.parquet"), TextField: "meta.body", LicenseField: "url"})
	require.Equal(t, []string{"body 0", "body 1"}, texts(docs))
	require.Equal(t, "https://0/", docs[0].License)
	docs, drops = all(t, read.Source{Parquet: filepath.Join(dir, "a.parquet"), MaxBytes: 8})
	require.Equal(t, []string{"text 0 ", "text 50 "}, texts(docs)[:2], "nothing beyond 8 bytes")
	require.Equal(t, "too_large", drops[0].Reason)
	for _, field := range []string{"nothing", "id", "tags.list.element"} {
		require.ErrorContains(t, failure(t, read.Source{Parquet: filepath.Join(dir, "b.parquet"), TextField: field}), "it has id, text, url, licence, meta.body, tags")
	}
}

func TestChat(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.jsonl": strings.Join([]string{
		`{"messages":[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}],"license":"MIT"}`,
		`{"conversations":[{"from":"human","value":"u"},{"from":"gpt","value":"a"},{"from":"tool","value":"t"}],"url":"https://x/"}`,
		`{"instruction":"do","input":"","output":"done"}`,
		`{"instruction":"do","input":"this","output":"done"}`,
		`{"instruction":"do"}`,
		`{"messages":[{"role":"","content":"u"}]}`,
		`{"messages":[{"role":"user","content":null}]}`,
		`{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}`,
		`{"messages":[{"role":"user","content":" "}]}`,
		`{"messages":[]}`,
		`{"conversations":[{"from":"nobody","value":"u"}]}`,
		`{"text":"none"}`,
		`{broken`,
	}, "\n")})
	docs, drops := all(t, read.Source{Chat: dir})
	require.Equal(t, []string{"s\n\nu\n\na\nb", "u\n\na\n\nt", "do\n\ndone", "do\n\nthis\n\ndone"}, texts(docs))
	require.Equal(t, []token.Message{{Role: "system", Content: "s"}, {Role: "user", Content: "u"}, {Role: "assistant", Content: "a\nb"}}, docs[0].Chat)
	require.Equal(t, []token.Message{{Role: "user", Content: "u"}, {Role: "assistant", Content: "a"}, {Role: "tool", Content: "t"}}, docs[1].Chat)
	require.Equal(t, []token.Message{{Role: "user", Content: "do\n\nthis"}, {Role: "assistant", Content: "done"}}, docs[3].Chat)
	require.Equal(t, "MIT", docs[0].License)
	require.Equal(t, "https://x/", docs[1].URL)
	require.Len(t, drops, 9)
	for i, d := range drops {
		require.Equal(t, map[bool]string{true: read.NotJSON, false: read.NotChat}[i == 8], d.Reason)
	}
}

func TestCode(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a.go": "package a\n", "b.py": "import os\n", "run": "#!/bin/sh\necho\n", "page.css": "a{}\n", "README.md": "# Read\n", "data.json": "{}",
		"vendor/x.go": "package x\n", "node_modules/y/y.js": "y\n", "gen.pb.go": "// Code generated by protoc-gen-go. DO NOT EDIT.\npackage g\n", "bin.c": "a\x00b",
		"h.h": "#include <vector>\nclass A { public: std::vector<int> a; };\n",
	})
	docs, drops := all(t, read.Source{Folder: dir, Format: read.FormatCode})
	code := map[string]string{}
	for _, d := range docs {
		code[d.ID] = d.Code
	}
	require.Equal(t, map[string]string{"a.go": "Go", "b.py": "Python", "run": "Shell", "page.css": "CSS", "h.h": "C++"}, code)
	require.ElementsMatch(t, []string{"README.md not_code", "data.json not_code", "vendor/x.go vendored", "node_modules/y/y.js vendored", "gen.pb.go generated", "bin.c binary"}, reasons(drops))
	docs, drops = all(t, read.Source{Folder: dir, Format: read.FormatCode, NotCode: read.Keep})
	require.Len(t, docs, 7)
	require.Len(t, drops, 4)
	require.Empty(t, docs[0].Code, "README.md is text")
}

func TestAuto(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a.txt": "text", "b.md.gz": gz(t, "packed"), "c.go": "package c\n", "d.jsonl.zst": zst(t, `{"text":"line"}`), "e.csv": "text\nfield\n",
		"f.parquet": parquetFile(t, rows(1)), "g.html": page("main"), "LICENSE": "words", "h.png": "\x89PNG\x00", "i.json": "{}", "vendor/v.go": "package v\n",
		"x.warc.gz": gz(t, warcRecord("conversion", "https://x/", "text/plain", "wet")), "j.adoc": "= Title",
	})
	docs, drops := all(t, read.Source{Folder: dir, Format: read.FormatAuto})
	require.Equal(t, []string{"LICENSE", "a.txt", "b.md.gz", "c.go", "d.jsonl.zst#1", "e.csv#2", "f.parquet#1", "g.html", "j.adoc", "x.warc.gz#1"}, ids(docs))
	require.Equal(t, "Go", docs[3].Code)
	require.Equal(t, []string{"h.png unknown_format", "i.json unknown_format", "vendor/v.go vendored"}, reasons(drops))
}

func TestDamage(t *testing.T) {
	dir := t.TempDir()
	var lines strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&lines, "{\"text\":\"line %d of a file that is cut off\"}\n", i*i)
	}
	packed, frames := gz(t, lines.String()), zst(t, lines.String())
	table := parquetFile(t, rows(1000), parquet.MaxRowsPerRowGroup(300))
	archive := gz(t, warcRecord("conversion", "https://x/", "text/plain", "whole")+warcRecord("conversion", "https://y/", "text/plain", strings.Repeat("cut ", 1000)))
	broken := []byte(table)
	for i := len(broken) / 2; i < len(broken)/2+3000; i++ {
		broken[i] ^= 0x55
	}
	for name, c := range map[string]struct {
		source read.Source
		data   string
		least  int // documents before the fault
	}{
		"x.jsonl.gz":  {read.Source{JSONL: "x.jsonl.gz"}, packed[:len(packed)/2], 1000},
		"y.jsonl.gz":  {read.Source{JSONL: "y.jsonl.gz"}, packed[:len(packed)-1], 5000},
		"h.jsonl.gz":  {read.Source{JSONL: "h.jsonl.gz"}, packed[:5], 0},
		"x.jsonl.zst": {read.Source{JSONL: "x.jsonl.zst"}, frames[:len(frames)-5], 1000},
		"a.parquet":   {read.Source{Parquet: "a.parquet"}, table[:len(table)/2], 0},
		"b.parquet":   {read.Source{Parquet: "b.parquet"}, string(broken), 100},
		"x.warc.gz":   {read.Source{WARC: "x.warc.gz"}, archive[:len(archive)-20], 1},
		"x.csv":       {read.Source{CSV: "x.csv"}, "text\none\n\"never closed\n", 1},
		"w.warc":      {read.Source{WARC: "w.warc"}, warcRecord("conversion", "", "text/plain", "one") + "garbage\n", 1},
	} {
		write(t, dir, map[string]string{name: c.data})
		s := c.source
		for _, p := range []*string{&s.JSONL, &s.Parquet, &s.WARC, &s.CSV} {
			if *p != "" {
				*p = filepath.Join(dir, *p)
			}
		}
		err := failure(t, s)
		require.ErrorContains(t, err, name)
		require.Regexp(t, `(at|to) byte \d+: .*on_error: skip`, err.Error())
		s.OnError = read.Skip
		docs, drops := all(t, s)
		require.GreaterOrEqual(t, len(docs), c.least, name)
		require.Len(t, drops, 1, name)
		require.Equal(t, read.Damaged, drops[0].Reason)
		require.Equal(t, name, drops[0].ID)
		if c.least > 0 {
			require.Positive(t, drops[0].Value, "where")
		}
	}
}

func TestVanishedFile(t *testing.T) {
	for _, onError := range []string{"", read.Skip} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"a": "a", "b": "b", "c": "c"})
		l, err := read.List(context.Background(), nil, []read.Source{{Folder: dir, OnError: onError}}, func(corpus.Drop) {})
		require.NoError(t, err)
		require.NoError(t, os.Remove(filepath.Join(dir, "b")))
		var got []string
		var drops []corpus.Drop
		for d, e := range l.Docs(context.Background(), func(d corpus.Drop) { drops = append(drops, d) }, nil) {
			if e != nil {
				err = e
				break
			}
			got = append(got, d.Text)
		}
		require.NoError(t, l.Close())
		if onError == "" {
			require.ErrorContains(t, err, "b, at byte 0: ")
			require.Equal(t, []string{"a"}, got)
		} else {
			require.NoError(t, err)
			require.Equal(t, []string{"a", "c"}, got)
			require.Equal(t, []string{"b damaged"}, reasons(drops))
		}
	}
}
