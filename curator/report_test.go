package curator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/curator"

	"github.com/stretchr/testify/require"
)

// web writes documents that say where they are from.
func web(t *testing.T, docs []map[string]string) string {
	t.Helper()
	var lines []byte
	for _, d := range docs {
		raw, err := json.Marshal(d)
		require.NoError(t, err)
		lines = append(append(lines, raw...), '\n')
	}
	path := filepath.Join(t.TempDir(), "web.jsonl")
	require.NoError(t, os.WriteFile(path, lines, 0o644))
	return path
}

func TestReport(t *testing.T) {
	path := web(t, []map[string]string{
		{"text": strings.Repeat("a", 100), "url": "https://www.example.co.uk/x", "license": "MIT"},
		{"text": strings.Repeat("b", 50), "url": "http://Blog.Example.co.uk:80/y", "license": "MIT"},
		{"text": strings.Repeat("é", 31), "url": "https://10.1.2.3/"},
		{"text": "ab", "url": "::no url"},
		{"text": strings.Repeat("d", 64), "url": "https://someone.github.io/"},
	})
	code := folder(t, map[string]string{"a/main.go": "package main\n\nfunc main() {}\n"})
	r, err := curator.ParseRecipe(fmt.Appendf(nil, "name: x\nsources: [{jsonl: %q}, {name: code, folder: %q, format: code}]\nheld_out: 0\nreport: true\ntokenizer: {kind: byte}\nmixture: {sources: {code: {epochs: 2}}}\n", path, code))
	require.NoError(t, err)
	m, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.NoError(t, err)
	again, err := curator.ParseManifest(m.JSON())
	require.NoError(t, err)
	require.Equal(t, m, again)
	require.Equal(t, &curator.Report{
		Documents: 7, Bytes: 336, Tokens: 336,
		Sources:      []curator.Portion{{Value: "web.jsonl", Documents: 5, Bytes: 278}, {Value: "code", Documents: 2, Bytes: 58}},
		Languages:    []curator.Portion{{Documents: 7, Bytes: 336}},
		Code:         []curator.Portion{{Documents: 5, Bytes: 278}, {Value: "Go", Documents: 2, Bytes: 58}},
		Domains:      []curator.Portion{{Value: "example.co.uk", Documents: 2, Bytes: 150}, {Value: "someone.github.io", Documents: 1, Bytes: 64}, {Value: "10.1.2.3", Documents: 1, Bytes: 62}, {Documents: 3, Bytes: 60}},
		Licenses:     []curator.Portion{{Documents: 5, Bytes: 186}, {Value: "MIT", Documents: 2, Bytes: 150}},
		Characters:   []int64{0, 0, 1, 0, 0, 3, 1, 2},
		LengthTokens: []int64{0, 0, 1, 0, 0, 2, 2, 2},
	}, m.Report)
	require.Equal(t, []string{
		"by source: web.jsonl 82.7% (5), code 17.3% (2)",
		"by programming language: unknown 82.7% (5), Go 17.3% (2)",
		"by domain: example.co.uk 44.6% (2), someone.github.io 19.0% (1), 10.1.2.3 18.5% (1), unknown 17.9% (3)",
		"by licence: unknown 55.4% (5), MIT 44.6% (2)",
		"characters a document: <4 14.3%, <32 42.9%, <64 14.3%, <128 28.6%",
		"tokens a document: <4 14.3%, <32 28.6%, <64 28.6%, <128 28.6%",
	}, m.Report.Lines())

	// What it tells of is content: where a text is from has changed.
	before := m.Source
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(raw), "MIT", "BSD")), 0o644))
	m, err = curator.Curator{Sink: &memory{}, Reuse: offer(m)}.Run(context.Background(), r)
	require.NoError(t, err)
	require.NotEqual(t, before, m.Source)
	require.Contains(t, m.Report.Licenses, curator.Portion{Value: "BSD", Documents: 2, Bytes: 150})
	r.Report = false
	m, err = curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Nil(t, m.Report)
}

func TestReportOfManyDomains(t *testing.T) {
	var docs []map[string]string
	for i := range 200 {
		docs = append(docs, map[string]string{"text": strings.Repeat("x", 300-i) + fmt.Sprint(i), "url": fmt.Sprintf("https://site%03d.org/", i)})
	}
	r := recipe(curator.Source{JSONL: web(t, docs)})
	r.Report = true
	m, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Len(t, m.Report.Domains, 51)
	require.Equal(t, "site000.org", m.Report.Domains[0].Value)
	last := m.Report.Domains[50]
	require.Equal(t, "", last.Value)
	require.EqualValues(t, 150, last.Others)
	require.EqualValues(t, 150, last.Documents)
	require.Contains(t, strings.Join(m.Report.Lines(), "\n"), "43 more")
}
