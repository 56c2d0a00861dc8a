package curator_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/curator"
	"millrace/curator/dedup"

	"github.com/stretchr/testify/require"
)

const repeatsRecipe = `
name: repeats
sources:
  - {name: first, folder: %q}
  - {name: second, jsonl: %q}
  - {name: talk, chat: %q}
clean: {}
attributes: true
dedup: minhash
dedup_lines: {min_doc_words: 20}
dedup_sentences: {min_doc_words: 20}
dedup_substrings: {words: 20, min_doc_words: 20}
tokenizer: {kind: byte}
held_out: 0
`

// tale is words that no other tale has, n of them, in sentences of eight.
func tale(name string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s%s", name, noun(i))
		if b.WriteByte(' '); i%8 == 7 {
			b.WriteString("ends. ")
		}
	}
	return b.String()
}

// repeatsCorpus is a recipe with all levels, and what is left of its documents, in order.
func repeatsCorpus(t *testing.T) (curator.Recipe, map[string]string) {
	t.Helper()
	const boiler = "All rights are reserved, wherever you may be.\n"
	sentences := "They came at dawn! Nobody had seen them. The mill stood still."
	run := strings.TrimSpace(strings.ReplaceAll(tale("run", 40), " ends.", ""))
	dir := folder(t, map[string]string{
		"a.txt": boiler + tale("a", 40) + sentences + "\n" + tale("aa", 40) + run + "\n",
		"b.txt": tale("b", 80) + "\n" + boiler,                                     // loses a line
		"c.txt": boiler + tale("c", 10),                                            // has too little left
		"d.txt": tale("d", 40) + strings.ToLower(sentences) + " " + tale("dd", 40), // loses sentences
		"e.txt": tale("e", 40) + sentences,                                         // likewise, at the end
		"f.txt": tale("f", 40) + run + " " + tale("ff", 40),                        // loses words
		"g.txt": strings.Replace(tale("a", 40), "a", "a ", 1) + "not much.",        // nothing: a's sentences go on otherwise
		"h.txt": tale("b", 80) + "\n" + boiler + "and so on",                       // nearly b: goes before anything is cut
	})
	more := filepath.Join(t.TempDir(), "more.jsonl")
	require.NoError(t, os.WriteFile(more, []byte(fmt.Sprintf("{\"text\":%q}\n", boiler+tale("i", 50)+boiler)), 0o644))
	talk := filepath.Join(t.TempDir(), "talk.jsonl")
	require.NoError(t, os.WriteFile(talk, []byte(fmt.Sprintf("{\"messages\":[{\"role\":\"user\",\"content\":%q},{\"role\":\"assistant\",\"content\":\"Yes.\"}]}\n", boiler+run)), 0o644))
	r, err := curator.ParseRecipe(fmt.Appendf(nil, repeatsRecipe, dir, more, talk))
	require.NoError(t, err)
	return r, map[string]string{
		"a.txt": boiler + tale("a", 40) + sentences + "\n" + tale("aa", 40) + run + "\n",
		"b.txt": strings.TrimSpace(tale("b", 80)),
		"d.txt": strings.TrimSpace(tale("d", 40)) + " " + tale("dd", 40),
		"e.txt": strings.TrimSpace(tale("e", 40)),
	}
}

func TestRepeatsAreTakenOut(t *testing.T) {
	r, want := repeatsCorpus(t)
	temp := t.TempDir()
	var first curator.Manifest
	for _, workers := range []int{1, 2, 5} {
		var sink memory
		m, err := curator.Curator{Sink: &sink, Workers: workers, TempDir: temp}.Run(context.Background(), r)
		require.NoError(t, err)
		if workers > 1 {
			require.Equal(t, string(first.JSON()), string(m.JSON()))
			continue
		}
		first = m
		again, err := curator.ParseManifest(m.JSON())
		require.NoError(t, err)
		require.Equal(t, m, again)

		data := sink.dataset(m)
		for document, text := range want {
			e := ask(t, data, document)
			require.True(t, e.Kept, document)
			got, err := data.Text(context.Background(), e)
			require.NoError(t, err)
			require.Equal(t, text, got, document)
		}
		f, err := data.Text(context.Background(), ask(t, data, "f.txt"))
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(f, strings.TrimSuffix(tale("f", 40), "ends. ")) && strings.HasSuffix(f, tale("ff", 40)))
		require.LessOrEqual(t, strings.Count(f, "run"), 2*15, "at most 15 words at each end stay")
		talk, err := data.Text(context.Background(), ask(t, data, "talk/talk.jsonl#1"))
		require.NoError(t, err)
		require.Contains(t, talk, "All rights are reserved", "a conversation stays as it is")

		c := ask(t, data, "c.txt")
		require.False(t, c.Kept)
		require.Equal(t, "dedup_lines.min_doc_words", c.Rule)
		require.Equal(t, []float64{12, 20}, []float64{c.Value, c.Threshold})
		h := ask(t, data, "h.txt")
		require.Equal(t, dedup.NearDuplicate, h.Rule)
		require.Equal(t, "b.txt", h.Repeats.Document)

		var levels []string
		documents := map[string]int64{}
		for _, x := range m.Removed {
			levels = append(levels, x.Level)
			documents[x.Level] = x.Documents
			require.Len(t, x.Examples, int(x.Documents))
		}
		require.Equal(t, []string{"dedup_lines", "dedup_sentences", "dedup_substrings"}, levels)
		require.Equal(t, map[string]int64{"dedup_lines": 2, "dedup_sentences": 2, "dedup_substrings": 1}, documents)
		require.Equal(t, curator.RemovedExample{Source: "first", Document: "b.txt", Text: "All rights are reserved, wherever you may be."}, m.Removed[0].Examples[0])
		require.Equal(t, "second", m.Removed[0].Examples[1].Source)
		require.EqualValues(t, 2*len("All rights are reserved, wherever you may be.\n"), m.Removed[0].Bytes-2, "the last line and the space before the end of b.txt, which goes with it")
		require.EqualValues(t, m.Splits[0].Bytes, m.Sources[0].KeptBytes+m.Sources[1].KeptBytes+m.Sources[2].KeptBytes)

		// A text that was cut is found by what is left of it.
		found, how, err := data.WhyText(context.Background(), want["b.txt"])
		require.NoError(t, err)
		require.Equal(t, curator.Nearly, how)
		require.Equal(t, "b.txt", found[0].Document)
	}
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestRepeatsErrors(t *testing.T) {
	r, _ := repeatsCorpus(t)
	for phase := range 3 {
		ctx, cancel := context.WithCancel(context.Background())
		temp := t.TempDir()
		n := 0
		_, err := curator.Curator{Sink: &memory{}, TempDir: temp, Progress: func(p curator.Progress) {
			if p.Phase == curator.PhaseRepeats {
				if n++; n > phase*8 {
					cancel()
				}
			}
		}}.Run(ctx, r)
		require.ErrorIs(t, err, context.Canceled)
		left, err := os.ReadDir(temp)
		require.NoError(t, err)
		require.Empty(t, left)
		cancel()
	}
	everything := r
	everything.DedupLines = &dedup.Lines{MinChars: 1, MinDocWords: 10_000}
	everything.Sources = r.Sources[1:2]
	everything.Sources = append(everything.Sources, curator.Source{Name: "again", JSONL: r.Sources[1].JSONL})
	everything.Dedup = curator.DedupNone
	m, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), everything)
	require.NoError(t, err)
	require.EqualValues(t, 1, m.Splits[0].Documents)
	require.Equal(t, "dedup_lines.nothing_left", m.Dropped[0].Reason)

	for text, says := range map[string]string{
		"dedup_lines: {min_chars: 0}":      "dedup_lines: min_chars is 0",
		"dedup_sentences: {spam: 3}":       "spam",
		"dedup_substrings: {words: 15}":    "dedup_substrings: words is 15: want 16",
		"dedup_sentences: {span: 1.5}":     "span",
		"dedup_lines: {min_doc_words: -1}": "min_doc_words is -1",
	} {
		_, err := curator.ParseRecipe([]byte("name: x\nsources: [{folder: .}]\n" + text))
		require.ErrorIs(t, err, curator.ErrRecipe, text)
		require.ErrorContains(t, err, says)
	}
}

// A recipe without levels has no trace of them.
func TestLevelsLeaveNoKeyBehind(t *testing.T) {
	r, err := curator.ParseRecipe([]byte("name: x\nsources: [{folder: .}]\n"))
	require.NoError(t, err)
	require.NotContains(t, string(r.JSON()), "dedup_")
	r, err = curator.ParseRecipe([]byte("name: x\nsources: [{folder: .}]\ndedup_sentences: {}\n"))
	require.NoError(t, err)
	require.Contains(t, string(r.JSON()), `"dedup_sentences":{"min_doc_sentences":3,"min_doc_words":50,"span":3}`)
}
