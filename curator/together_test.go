package curator_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/curator"
	"millrace/curator/attribute"
	"millrace/curator/dedup"
	"millrace/curator/leak"

	"github.com/stretchr/testify/require"
)

const togetherRecipe = `
name: together
sources: [{name: files, folder: %q}]
clean: {}
filters: {gopher_quality: {min_word_length: 2}, c4: {}}
privacy: {}
attributes: true
decontaminate: {against: [{jsonl: %q, name: riddles, text_field: q}]}
dedup: minhash
tokenizer: {kind: byte}
held_out: 0
`

// together is a recipe that does everything to documents, and its corpus. One of three alike documents is first in order,
// one is alike only after filters have rewritten it and data was taken out of it.
func together(t *testing.T) curator.Recipe {
	t.Helper()
	tasks := filepath.Join(t.TempDir(), "riddles.jsonl")
	require.NoError(t, os.WriteFile(tasks, []byte(`{"q":"`+question+`"}`+"\n"), 0o644))
	files := map[string]string{
		"a.txt": prose(500) + "Write to jane@example.com of it.\r\n",
		"b.txt": strings.Replace(prose(500), "turned", "came", 1) + "Write to john@example.org of it.\n",
		"c.txt": prose(500) + "Our javascript is off.\nWrite to jim@example.net of it.\n",
		"d.txt": "We use cookies and all that.\n" + prose(910) + question + "\n",
		"e.txt": short,
		"f.txt": " \n",
	}
	for i := range 40 {
		files[fmt.Sprintf("g/%02d.txt", i)] = prose(i*20) + fmt.Sprintf("Call 8.8.8.%d of it.\n", i)
	}
	r, err := curator.ParseRecipe(fmt.Appendf(nil, togetherRecipe, folder(t, files), tasks))
	require.NoError(t, err)
	return r
}

// placeless is an explanation without what depends on where the text went.
func placeless(e curator.Explanation) curator.Explanation {
	e.Places = nil
	return e
}

func runTogether(t *testing.T, r curator.Recipe, workers int) (*memory, curator.Manifest, map[string]curator.Explanation) {
	t.Helper()
	var sink memory
	temp := t.TempDir()
	m, err := curator.Curator{Sink: &sink, Workers: workers, TempDir: temp}.Run(context.Background(), r)
	require.NoError(t, err)
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
	why := map[string]curator.Explanation{}
	if len(m.Attributes) == 0 {
		return &sink, m, why
	}
	set := sink.dataset(m)
	same, err := set.Redecide(context.Background(), m.Recipe.Filters, nil)
	require.NoError(t, err)
	for _, rule := range append(same.Rules, same.Kept) {
		require.Equal(t, rule.Before, rule.After, "the same filters decide the same")
		require.Zero(t, rule.In)
	}
	for _, blob := range m.Attributes {
		_, records, err := attribute.Read(sink.blobs[blob.Digest])
		require.NoError(t, err)
		for r, err := range records {
			require.NoError(t, err)
			require.NotContains(t, why, r.ID)
			why[r.ID] = ask(t, set, r.ID)
			why[r.ID] = placeless(why[r.ID])
		}
	}
	return &sink, m, why
}

func TestEverythingTogether(t *testing.T) {
	r := together(t)
	sink, m, why := runTogether(t, r, 1)
	for workers := 2; workers <= 4; workers++ {
		_, again, _ := runTogether(t, r, workers)
		require.Equal(t, string(m.JSON()), string(again.JSON()))
	}
	parsed, err := curator.ParseManifest(m.JSON())
	require.NoError(t, err)
	require.Equal(t, m, parsed)

	require.Len(t, why, 46, "each document once")
	rules := map[string]string{}
	for id, w := range why {
		if !w.Kept {
			rules[id] = w.Rule
		}
		require.Equal(t, id != "f.txt", w.Values != nil, id)
		require.NotEmpty(t, w.Digest)
		require.NotZero(t, w.Bytes)
	}
	require.Equal(t, dedup.NearDuplicate, rules["b.txt"])
	require.Equal(t, dedup.Duplicate, rules["c.txt"], "alike when rewritten and redacted")
	require.Equal(t, leak.Contaminated, rules["d.txt"])
	require.Equal(t, "gopher_quality.min_words", rules["e.txt"])
	require.Equal(t, "empty", rules["f.txt"])
	require.Equal(t, dedup.NearDuplicate, rules["g/25.txt"], "as a.txt")
	require.Equal(t, &curator.Repeated{Source: "files", Document: "a.txt"}, why["g/25.txt"].Repeats)
	require.Equal(t, &curator.Repeated{Source: "files", Document: "a.txt"}, why["b.txt"].Repeats)
	require.Equal(t, &curator.Repeated{Source: "riddles", Document: "riddles.jsonl#1", Text: "how many sheep does the farmer have when all but nine of his"}, why["d.txt"].Repeats)
	require.Nil(t, why["a.txt"].Repeats)

	kept := texts(t, sink, m, curator.Train)
	require.Len(t, kept, 46-len(rules))
	require.EqualValues(t, len(kept), m.Sources[0].KeptDocuments)
	require.Contains(t, kept[0], "Write to [EMAIL] of it.")
	require.Equal(t, []curator.Change{{"line_ending", 1, 1}}, m.Cleaned, "of kept documents only")
	require.Equal(t, []curator.Change{{"email", 1, 1}, {"ipv4", int64(len(kept) - 1), int64(len(kept) - 1)}}, m.Redacted)
}

// Attributes are a record of what happens: with and without them the same happens.
func TestAttributesDecideNothing(t *testing.T) {
	r := together(t)
	_, with, why := runTogether(t, r, 2)
	r.Attributes = false
	_, without, none := runTogether(t, r, 2)
	require.Empty(t, none)
	require.Equal(t, with.Splits, without.Splits)
	require.Equal(t, with.Dropped, without.Dropped)
	require.Equal(t, with.Redacted, without.Redacted)
	require.Equal(t, with.Cleaned, without.Cleaned)

	r.Attributes, r.Decontaminate.Action = true, curator.ActionFlag
	_, flagged, whyFlagged := runTogether(t, r, 2)
	require.Len(t, flagged.Flagged, 1)
	require.Equal(t, "d.txt", flagged.Flagged[0].Examples[0].Document)
	require.Equal(t, leak.Contaminated, flagged.Flagged[0].Reason)
	require.NotEqual(t, leak.Contaminated, whyFlagged["d.txt"].Rule)
	before, after := maps.Clone(why), maps.Clone(whyFlagged)
	delete(before, "d.txt")
	delete(after, "d.txt")
	for id := range before {
		require.Equal(t, before[id].Rule, after[id].Rule, id)
	}
}
