package evaluator_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"millrace/evaluator"
	"millrace/event"

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
	tasks, err := evaluator.Tasks()
	require.NoError(t, err)
	for _, task := range tasks {
		fmt.Fprintf(&b, "task %s %d %s\n", task.Name, task.Version, task.Digest())
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
	two := func(task string) string { return strings.Replace(ok(task), "suite/1", "suite/2", 1) }
	for text, want := range map[string]string{
		`{"format":"millrace.suite/9"}`:             "this version reads",
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
		"nonsense":           "suite",
		two(`"hellaswag"`):   "write name@version",
		two(`"hellaswag@0"`): "write name@version",
		two(`"hellasweg@1"`): "hellaswag@1",
		two(`{"name":"a","version":-1,"kind":"perplexity"}`):                                                                         "versions begin at 1",
		two(`{"name":"a","kind":"multiple_choice"}`):                                                                                 "needs a source and a template",
		two(`{"name":"a","kind":"multiple_choice","source":{"form":"hellasweg"},"template":{"prompt":""}}`):                          "hellaswag",
		two(`{"name":"a","kind":"perplexity","source":{"form":"hellaswag"}}`):                                                        "not for perplexity",
		two(`{"name":"a","kind":"multiple_choice","source":{"form":"arc","digest":"sha256:1"},"template":{"prompt":""}}`):            "is no digest",
		two(`{"name":"a","kind":"multiple_choice","source":{"form":"arc"},"template":{"prompt":""},"metrics":["ac"]}`):               "acc_norm",
		two(`{"name":"a","kind":"multiple_choice","source":{"form":"arc"},"template":{"prompt":""},"few_shot_seed":1}`):              "without few_shot",
		two(`{"name":"a","kind":"generate","source":{"form":"jsonl"},"template":{"prompt":""},"max_tokens":1,"metrics":["pass@2"]}`): "which is 1",
		two(`{"name":"a","kind":"generate","prompts":["x"],"max_tokens":1,"metrics":["bleu"]}`):                                      "want a source",
		two(`{"name":"a","kind":"generate","prompts":["x"],"max_tokens":1,"top_p":2}`):                                               "between 0 and 1",
		two(`{"name":"a","kind":"generate","prompts":["x"],"max_tokens":1,"stop":[""]}`):                                             "none may be empty",
		ok(`{"name":"a","kind":"generate","prompts":["x"],"max_tokens":1,"stop":["."]}`):                                             `only "millrace.suite/2" can ask this`,
		ok(`"hellaswag@1"`): "cannot unmarshal string",
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

// A suite's JSON has its tasks inline, so that one blob is all that was asked; what is asked has the same digest however it was written.
func TestASuiteNamesTasks(t *testing.T) {
	named, err := evaluator.ParseSuite([]byte(`{"format":"millrace.suite/2","name":"s","version":3,"tasks":["hellaswag@1",{"name":"mine","kind":"perplexity"}]}`))
	require.NoError(t, err)
	require.Len(t, named.Tasks, 2)
	require.Equal(t, "hellaswag", named.Tasks[0].Name)
	require.Equal(t, "hellaswag", named.Tasks[0].Source.Form)
	inline, err := evaluator.ParseSuiteWith(named.JSON(), func(string, int) (evaluator.Task, error) { return evaluator.Task{}, evaluator.ErrNoTask })
	require.NoError(t, err)
	require.Equal(t, named, inline)
	require.Equal(t, named.Digest(), inline.Digest())
	require.Equal(t, []evaluator.Failure{{Task: "hellaswag", Code: evaluator.CodeNoData, Message: named.Warnings()[0].Message}}, named.Warnings())

	pinned := named.Tasks[0]
	pinned.Source = &evaluator.Source{Form: "hellaswag", Digest: event.DigestOf([]byte("data"))}
	require.NotEqual(t, named.Tasks[0].Digest(), pinned.Digest(), "other data is another task")
	require.Empty(t, pinned.Warnings())
	pinned.Template = &evaluator.Template{Prompt: "a\n {{b"}
	require.Equal(t, evaluator.CodeTemplate, pinned.Warnings()[0].Code)
	require.Contains(t, pinned.Warnings()[0].Message, "line 2, column 2")

	_, err = evaluator.ParseSuite([]byte(`{"format":"millrace.suite/2","name":"s","version":3,"tasks":["hellaswag@7"]}`))
	require.ErrorIs(t, err, evaluator.ErrNoTask)
}

func TestParseTaskNamesWhatIsWrong(t *testing.T) {
	all, err := evaluator.Tasks()
	require.NoError(t, err)
	for _, task := range all {
		again, err := evaluator.ParseTask(task.JSON())
		require.NoError(t, err)
		require.Equal(t, task.Digest(), again.Digest())
		require.NoError(t, task.Suite().Check())
	}
	for text, want := range map[string]string{
		`{"name":"a"}`: "millrace.task/1",
		`{"format":"millrace.task/1","name":"a@1","version":1,"kind":"perplexity"}`: "without @ and /",
		`{"format":"millrace.task/1","name":"a","kind":"perplexity"}`:               "versions begin at 1",
		`{"format":"millrace.task/1","name":"a","version":1,"kind":"p"}`:            "kind",
		`{"format":"millrace.task/1","nom":"a"}`:                                    `"nom"`,
	} {
		_, err := evaluator.ParseTask([]byte(text))
		require.ErrorIs(t, err, evaluator.ErrSuite, text)
		require.ErrorContains(t, err, want, text)
	}
}

func FuzzParseTask(f *testing.F) {
	all, err := evaluator.Tasks()
	require.NoError(f, err)
	for _, task := range all {
		f.Add(task.JSON())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		task, err := evaluator.ParseTask(data)
		if err != nil {
			require.ErrorIs(t, err, evaluator.ErrSuite)
			return
		}
		again, err := evaluator.ParseTask(task.JSON())
		require.NoError(t, err)
		require.Equal(t, task.Digest(), again.Digest())
		task.Warnings()
	})
}
