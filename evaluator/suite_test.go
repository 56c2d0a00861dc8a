package evaluator_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"millrace/evaluator"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The digests of the embedded suites are pinned: a change without a new version would make old scores incomparable
// silently.
func TestEmbeddedSuitesArePinned(t *testing.T) {
	all, err := evaluator.Suites()
	require.NoError(t, err)
	var b strings.Builder
	for _, s := range all {
		fmt.Fprintf(&b, "%s %d %s\n", s.Name, s.Version, s.Digest())
		again, err := evaluator.ParseSuite(s.JSON())
		require.NoError(t, err)
		require.Equal(t, s.Digest(), again.Digest())
	}
	const path = "testdata/golden/suites.txt"
	if *update {
		require.NoError(t, os.MkdirAll("testdata/golden", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "a suite was changed: give it a new version, then go test -update")
}

func TestParseSuiteNamesWhatIsWrong(t *testing.T) {
	ok := func(task string) string {
		return `{"format":"millrace.suite/1","name":"x","version":1,"tasks":[` + task + `]}`
	}
	for text, want := range map[string]string{
		`{"format":"millrace.suite/2"}`:             "this version reads",
		`{"format":"millrace.suite/1","version":1}`: "name has 0 bytes",
		`{"format":"millrace.suite/1","name":"x"}`:  "versions begin at 1",
		ok(``): "0 tasks",
		ok(`{"name":"a","kind":"perplexity","x":1}`):                                         `unknown field "x"`,
		ok(`{"name":"a","kind":"magic"}`):                                                    "kind \"magic\"",
		ok(`{"kind":"perplexity"}`):                                                          "is empty, too long or taken",
		ok(`{"name":"a","kind":"perplexity"},{"name":"a","kind":"perplexity"}`):              "is empty, too long or taken",
		ok(`{"name":"a","kind":"perplexity","prompts":["x"]}`):                               "are for generate",
		ok(`{"name":"a","kind":"perplexity","stride":-1}`):                                   "must not be negative",
		ok(`{"name":"a","kind":"generate","max_tokens":1}`):                                  "0 prompts",
		ok(`{"name":"a","kind":"generate","prompts":["x"]}`):                                 "max_tokens 0",
		ok(`{"name":"a","kind":"generate","prompts":["x"],"max_tokens":1,"temperature":-1}`): "must not be negative",
		ok(`{"name":"a","kind":"generate","prompts":["x"],"max_tokens":1,"stride":1}`):       "are for perplexity",
		ok(`{"name":"a","kind":"perplexity"}`) + "{}":                                        "more than one",
		"nonsense": "suite",
	} {
		_, err := evaluator.ParseSuite([]byte(text))
		require.ErrorIs(t, err, evaluator.ErrSuite, text)
		require.ErrorContains(t, err, want, text)
	}
}

func FuzzParseSuite(f *testing.F) {
	all, err := evaluator.Suites()
	require.NoError(f, err)
	for _, s := range all {
		f.Add(s.JSON())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := evaluator.ParseSuite(data)
		if err != nil {
			require.ErrorIs(t, err, evaluator.ErrSuite)
			return
		}
		again, err := evaluator.ParseSuite(s.JSON())
		require.NoError(t, err)
		require.Equal(t, s.Digest(), again.Digest())
	})
}
