package curator_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"millrace/curator"
	"millrace/curator/leak"

	"github.com/stretchr/testify/require"
)

const question = "How many sheep does the farmer have when all but nine of his seventeen have run away?"

// contaminated is a recipe whose corpus has a question of its evaluation, and the evaluation's file.
func contaminated(t *testing.T) (curator.Recipe, string) {
	t.Helper()
	corpus := folder(t, map[string]string{
		"a.txt": "An old farmer walked along the river, counting whatever he met on the way to the mill.",
		"b.txt": "Riddles, collected. 12. how many SHEEP does the farmer have\nwhen all but nine of his 17 have gone? And so on.",
		"c.txt": "Forum: \"" + question + "\" I say nine.",
		"d.txt": "How many sheep does the farmer have? Nobody knows what became of them, or of him.",
	})
	tasks := filepath.Join(t.TempDir(), "riddles.jsonl")
	require.NoError(t, os.WriteFile(tasks, []byte(`{"q":"Too short."}
{"q":"`+question+`"}
`), 0o644))
	r := recipe(curator.Source{Name: "x", Folder: corpus})
	r.HeldOut = 0
	r.Decontaminate = &curator.Decontaminate{Against: []curator.Source{{JSONL: tasks, TextField: "q"}}}
	return r, tasks
}

func TestDecontaminateNamesTaskAndWords(t *testing.T) {
	r, _ := contaminated(t)
	var sink memory
	m, err := curator.Curator{Sink: &sink}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Len(t, texts(t, &sink, m, curator.Train), 2)
	require.Equal(t, []curator.Dropped{{Reason: leak.Contaminated, Documents: 2, Bytes: m.Dropped[0].Bytes, Examples: []curator.Example{
		{Source: "x", Document: "b.txt", Value: 1, Repeats: &curator.Repeated{
			Source: "riddles.jsonl", Document: "riddles.jsonl#2", Text: "how many sheep does the farmer have when all but nine of his"}},
		{Source: "x", Document: "c.txt", Value: 5, Repeats: &curator.Repeated{
			Source: "riddles.jsonl", Document: "riddles.jsonl#2", Text: "how many sheep does the farmer have when all but nine of his"}},
	}}}, m.Dropped)
	require.Equal(t, &curator.Evaluations{Digest: m.Evaluations.Digest, Texts: 1, Short: 1, NGrams: 5}, m.Evaluations)
	again, err := curator.ParseManifest(m.JSON())
	require.NoError(t, err)
	require.Equal(t, m, again)

	for name, change := range map[string]func(m map[string]any){
		"evaluations belong to": func(m map[string]any) { delete(m, "evaluations") },
		"evaluations {":         func(m map[string]any) { m["evaluations"].(map[string]any)["ngrams"] = 0 },
	} {
		var tree map[string]any
		require.NoError(t, json.Unmarshal(m.JSON(), &tree))
		change(tree)
		data, err := json.Marshal(tree)
		require.NoError(t, err)
		_, err = curator.ParseManifest(data)
		require.ErrorIs(t, err, curator.ErrManifest)
		require.ErrorContains(t, err, name)
	}
}

func TestOtherEvaluationsAreAnotherDataset(t *testing.T) {
	r, tasks := contaminated(t)
	made, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.NoError(t, err)
	again, err := curator.Curator{Sink: &memory{}, Reuse: offer(made)}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, made, again)
	require.NoError(t, os.WriteFile(tasks, []byte(`{"q":"`+question+` Say!"}`), 0o644))
	var sink memory
	other, err := curator.Curator{Sink: &sink, Reuse: offer(made)}.Run(context.Background(), r)
	require.NoError(t, err)
	require.NotEqual(t, made.Digest(), other.Digest())
	require.NotEmpty(t, sink.names)
}

// An evaluation that is not read as a whole would leak: that is an error, not a smaller index.
func TestDecontaminateRefusesWhatItCannotRead(t *testing.T) {
	r, tasks := contaminated(t)
	run := func(text string) error {
		t.Helper()
		require.NoError(t, os.WriteFile(tasks, []byte(text), 0o644))
		_, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
		return err
	}
	for text, want := range map[string]string{
		`{"q":"` + question + `"}` + "\n{\"question\":1}": "riddles.jsonl#2 of \"riddles.jsonl\" is no_text",
		"{\"question\":1}\n" + `{"q":"` + question + `"}`: "riddles.jsonl#1 of",
		`{"q":"A few words."}`:                            "none of the 1 texts has 13 words",
		"":                                                "has no texts",
		"nonsense":                                        "is not_json",
	} {
		err := run(text)
		require.ErrorIs(t, err, curator.ErrRecipe, text)
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, os.Remove(tasks))
	_, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.ErrorIs(t, err, curator.ErrSource)

	r, _ = contaminated(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = curator.Curator{Sink: &memory{}}.Run(ctx, r)
	require.ErrorIs(t, err, context.Canceled)
}

func TestFlaggedDocumentsStay(t *testing.T) {
	r, _ := contaminated(t)
	dropped, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Empty(t, dropped.Flagged)
	r.Decontaminate.Action = curator.ActionFlag
	m, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, dropped.Dropped, m.Flagged)
	require.Empty(t, m.Dropped)
	require.EqualValues(t, 4, m.Splits[0].Documents)
	require.Equal(t, dropped.Evaluations, m.Evaluations)
	again, err := curator.ParseManifest(m.JSON())
	require.NoError(t, err)
	require.Equal(t, m, again)
}
