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
	"millrace/curator/classify"
	"millrace/curator/ngram"
	"millrace/event"

	"github.com/stretchr/testify/require"
)

// deutsch is a text of German words; n makes it different from others.
func deutsch(n int) string {
	var b strings.Builder
	for i := range 12 {
		fmt.Fprintf(&b, "Die %s und der %s sind nicht mit dem %s gegangen, weil sie es für eine %s hielten.\n", noun(n+i), noun(n*5+i*7), noun(n*7+i*3+1), noun(n+i*11+3))
	}
	return b.String()
}

func put(t *testing.T, path string, write func(*os.File) error) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, write(f))
	require.NoError(t, f.Close())
}

// modelFolder has a classifier that knows prose from German, a model of prose, and a list.
func modelFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	good, _, err := classify.Train(context.Background(), classify.Options{Bits: 12}, func(yield func(classify.Example, error) bool) {
		for i := range 120 {
			text := prose(2000 + i)
			if i%2 == 1 {
				text = deutsch(2000 + i)
			}
			if !yield(classify.Example{Text: text, Good: i%2 == 0}, nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	put(t, filepath.Join(dir, "quality.model"), func(f *os.File) error { _, err := good.WriteTo(f); return err })
	language, _, err := ngram.Train(context.Background(), ngram.Options{Order: 3}, func(yield func(string) bool) {
		for i := range 40 {
			if !yield(prose(3000 + i)) {
				return
			}
		}
	})
	require.NoError(t, err)
	put(t, filepath.Join(dir, "prose.ngram"), func(f *os.File) error { _, err := language.WriteTo(f); return err })
	require.NoError(t, os.WriteFile(filepath.Join(dir, "domains.txt"), []byte("spam.example\n"), 0o600))
	return dir
}

const askedRecipe = `
name: asked
sources: [{name: pages, jsonl: %q}]
filters:
  url: {domains: [%q]}
  language: {keep: [en], min_score: 0.2}
  classifier: {model: %q, min_score: 0.5}
  perplexity: {model: %q, max: 300}
attributes: %v
report: true
tokenizer: {kind: byte}
held_out: 0.3
`

func askedSource(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "pages.jsonl")
	put(t, path, func(f *os.File) error {
		enc := json.NewEncoder(f)
		page := func(url, text string) error { return enc.Encode(map[string]string{"url": url, "text": text}) }
		for i := range 20 {
			if err := page(fmt.Sprintf("http://fine.example/%d", i), prose(i*20)); err != nil {
				return err
			}
		}
		if err := page("http://www.spam.example/", prose(901)); err != nil {
			return err
		}
		if err := page("http://fine.example/de", deutsch(902)); err != nil {
			return err
		}
		return page("http://fine.example/odd", prose(903)+strings.Repeat("The cat and that of the be have with zygote quux xylem.\nZorn of quark have vexed the jynx that klutz be.\n", 40))
	})
	return path
}

func runAsked(t *testing.T, source, models string, attributes bool, workers int) (*memory, curator.Manifest, error) {
	t.Helper()
	r, err := curator.ParseRecipe(fmt.Appendf(nil, askedRecipe, source, filepath.Join(models, "domains.txt"), filepath.Join(models, "quality.model"), filepath.Join(models, "prose.ngram"), attributes))
	require.NoError(t, err)
	var sink memory
	m, err := curator.Curator{Sink: &sink, Workers: workers, TempDir: t.TempDir()}.Run(context.Background(), r)
	return &sink, m, err
}

func reasons(m curator.Manifest) map[string]string {
	out := map[string]string{}
	for _, d := range m.Dropped {
		for _, e := range d.Examples {
			out[e.Document] = d.Reason
		}
	}
	return out
}

func TestListsAndModelsDecide(t *testing.T) {
	source, models := askedSource(t), modelFolder(t)
	sink, m, err := runAsked(t, source, models, true, 1)
	require.NoError(t, err)
	_, again, err := runAsked(t, source, models, true, 3)
	require.NoError(t, err)
	require.Equal(t, string(m.JSON()), string(again.JSON()), "whatever the number of workers")
	parsed, err := curator.ParseManifest(m.JSON())
	require.NoError(t, err)
	require.Equal(t, m, parsed)

	want := map[string]string{"pages.jsonl#21": "url.domains", "pages.jsonl#22": "language.keep", "pages.jsonl#23": "perplexity.max"}
	require.Equal(t, want, reasons(m))
	_, hasty, err := runAsked(t, source, models, false, 2)
	require.NoError(t, err)
	require.Equal(t, m.Dropped, hasty.Dropped, "without attributes the same is decided")
	require.Equal(t, m.Splits, hasty.Splits)

	require.Len(t, m.Report.Languages, 1)
	require.Equal(t, "en", m.Report.Languages[0].Value)
	require.EqualValues(t, 20, m.Report.Languages[0].Documents)
	require.Len(t, m.FilterFiles, 3)
	require.Equal(t, "classifier.model", m.FilterFiles[1].Filter)
	data, err := os.ReadFile(filepath.Join(models, "quality.model"))
	require.NoError(t, err)
	require.EqualValues(t, event.DigestOf(data), m.FilterFiles[1].Digest)
	require.EqualValues(t, len(data), m.FilterFiles[1].Size)

	set := sink.dataset(m)
	found, err := set.Why(context.Background(), "pages.jsonl#22")
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "de", found[0].Language)
	require.Less(t, found[0].Values["classifier_score"], int64(500_000), "asked although it was dropped before")
	require.Greater(t, found[0].Values["perplexity"], int64(300_000_000))
	new, match, err := set.WhyText(context.Background(), deutsch(77))
	require.NoError(t, err)
	require.Equal(t, curator.NoText, match)
	require.Equal(t, "de", new[0].Language)
	require.Equal(t, "language.keep", new[0].Rule)
}

// Other thresholds are decided from what is stored, as a run would; other models are not.
func TestRedecideWhatWasAsked(t *testing.T) {
	source, models := askedSource(t), modelFolder(t)
	sink, m, err := runAsked(t, source, models, true, 2)
	require.NoError(t, err)
	set := sink.dataset(m)
	other := m.Recipe
	f := other.Filters.Pin(func(string) (string, bool) { return "", false })
	f.Language.Keep, f.Classifier.MinScore, f.Perplexity.Max, f.URL = []string{"de", "en"}, 0, 0, nil
	other.Filters = f
	var again memory
	ran, err := curator.Curator{Sink: &again, TempDir: t.TempDir()}.Run(context.Background(), other)
	require.NoError(t, err)
	re, err := set.Redecide(context.Background(), f, nil)
	require.NoError(t, err)
	require.Empty(t, reasons(ran))
	require.EqualValues(t, 20, re.Kept.Before.Documents)
	require.EqualValues(t, 23, re.Kept.After.Documents)

	strict := m.Recipe.Filters.Pin(func(string) (string, bool) { return "", false })
	strict.Classifier.MinScore = 0.9999
	re, err = set.Redecide(context.Background(), strict, nil)
	require.NoError(t, err)
	require.Less(t, re.Kept.After.Documents, int64(20))

	require.NoError(t, os.WriteFile(filepath.Join(models, "quality.model"), []byte("another"), 0o600))
	pinned := strict.Pin(func(path string) (string, bool) {
		data, err := os.ReadFile(path)
		return string(event.DigestOf(data)), err == nil
	})
	_, err = set.Redecide(context.Background(), pinned, nil)
	require.ErrorIs(t, err, curator.ErrReread)
	require.ErrorContains(t, err, "classifier.model")
	strict.Classifier.Model = "elsewhere"
	_, err = set.Redecide(context.Background(), strict, nil)
	require.ErrorIs(t, err, curator.ErrReread)
	strict.Classifier.Digest = m.FilterFiles[1].Digest
	_, err = set.Redecide(context.Background(), strict, nil)
	require.NoError(t, err, "the same file under another name")
	strict.Language.Model = "lid.176.bin"
	_, err = set.Redecide(context.Background(), strict, nil)
	require.ErrorIs(t, err, curator.ErrReread)

	would, match, err := set.WhyText(context.Background(), "a text")
	require.NoError(t, err)
	require.Equal(t, curator.NoText, match)
	require.Empty(t, would, "the model is not what it was, so nothing is said of what it would decide")
}

// A model that is changed makes another dataset, or none where the recipe says which it must be.
func TestAChangedModelIsNoticed(t *testing.T) {
	source, models := askedSource(t), modelFolder(t)
	_, m, err := runAsked(t, source, models, false, 2)
	require.NoError(t, err)
	pinned := m.Recipe
	pinned.Filters = pinned.Filters.Pin(func(path string) (string, bool) {
		data, err := os.ReadFile(path)
		return string(event.DigestOf(data)), err == nil
	})
	var sink memory
	_, err = curator.Curator{Sink: &sink, TempDir: t.TempDir()}.Run(context.Background(), pinned)
	require.NoError(t, err)

	list := filepath.Join(models, "domains.txt")
	require.NoError(t, os.WriteFile(list, []byte("# nothing else changes\nspam.example\n"), 0o600))
	_, other, err := runAsked(t, source, models, false, 2)
	require.NoError(t, err)
	require.Equal(t, m.Splits, other.Splits)
	require.NotEqual(t, m.Digest(), other.Digest())

	require.NoError(t, os.Remove(filepath.Join(models, "prose.ngram")))
	_, _, err = runAsked(t, source, models, false, 2)
	require.ErrorIs(t, err, curator.ErrRecipe)
	require.ErrorContains(t, err, "perplexity.model")
	require.NoError(t, os.WriteFile(filepath.Join(models, "quality.model"), []byte(`{"format":"millrace.classifier/1","words":"simple","ngrams":1,"bits":6,"bias":0,"weights":0}`+"\n"), 0o600))
	_, err = curator.Curator{Sink: &sink, TempDir: t.TempDir()}.Run(context.Background(), pinned)
	require.ErrorIs(t, err, curator.ErrRecipe)
	require.ErrorContains(t, err, "has changed")
}
