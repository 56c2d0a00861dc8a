package curator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"millrace/curator"
	"millrace/event"

	"github.com/stretchr/testify/require"
)

// prose is a text that every filter keeps; n makes it different from others.
func prose(n int) string {
	var b strings.Builder
	for i := range 12 {
		fmt.Fprintf(&b, "The %s of %s turned to %s, and %s that %s have %s with the %s.\n",
			noun(n+i), noun(n*5+i*7), noun(n*7+i*3+1), noun(n*3+i*5+2), noun(n+i*11+3), noun(n+i*13+5), noun(n*11+i*17+7))
	}
	return b.String()
}

func noun(i int) string {
	syllables := []string{"ba", "cor", "dim", "fel", "gan", "hul", "jor", "kip", "lum", "mor", "nid", "pes"}
	return syllables[i%12] + syllables[i/12%12] + syllables[(i*5+i/7)%12]
}

const short = "It is a short note of thirteen quite remarkably uninteresting words, published elsewhere."

const qualityRecipe = `
name: quality
sources: [{name: files, folder: %q}]
clean: {}
filters:
  gopher_repetition: {}
  gopher_quality: {min_word_length: 2}
  c4: {}
  fineweb: {}
  bad_words: {words: [darn]}
privacy: {}
attributes: true
tokenizer: {kind: byte}
held_out: 0.3
`

func qualityFolder(t *testing.T) string {
	files := map[string]string{
		"short.txt": short, "code.txt": prose(900) + "func main() { return of it }\n", "same.txt": strings.Repeat("The mill turns again and again.\n", 20),
		"bad.txt": prose(901) + "Darn it all, said he.\n", "blank.txt": " \n", "latin1.txt": "Caf\xe9 of the mill.\n" + prose(902),
		"utf16.txt": "\xff\xfe" + wide(prose(903)), "mail.txt": prose(904) + "Write to jane@example.com or 8.8.8.8 about version 1.2.3.4 of it.\r\n",
		"policy.txt": "We use cookies and all that.\n" + prose(905),
	}
	for i := range 30 {
		files[fmt.Sprintf("good/%02d.txt", i)] = prose(i * 20)
	}
	files["good/again.txt"] = files["good/07.txt"]
	return folder(t, files)
}

func wide(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteByte(c)
		b.WriteByte(0)
	}
	return b.String()
}

func runQuality(t *testing.T, dir string, workers int) (*memory, curator.Manifest) {
	t.Helper()
	r, err := curator.ParseRecipe(fmt.Appendf(nil, qualityRecipe, dir))
	require.NoError(t, err)
	var sink memory
	m, err := curator.Curator{Sink: &sink, Workers: workers}.Run(context.Background(), r)
	require.NoError(t, err)
	return &sink, m
}

func TestFiltersCleaningAndPrivacy(t *testing.T) {
	dir := qualityFolder(t)
	sink, m := runQuality(t, dir, 1)
	_, again := runQuality(t, dir, 3)
	require.Equal(t, string(m.JSON()), string(again.JSON()), "whatever the number of workers")
	parsed, err := curator.ParseManifest(m.JSON())
	require.NoError(t, err)
	require.Equal(t, m, parsed)
	var size int64
	for _, blob := range sink.blobs {
		size += int64(len(blob))
	}
	require.Equal(t, size, m.Size())

	reasons := map[string]string{}
	for _, d := range m.Dropped {
		require.Len(t, d.Examples, 1)
		reasons[d.Examples[0].Document] = d.Reason
	}
	require.Equal(t, map[string]string{"short.txt": "gopher_quality.min_words", "code.txt": "c4.curly_bracket", "same.txt": "gopher_repetition.max_dup_lines",
		"bad.txt": "bad_words", "blank.txt": "empty", "good/again.txt": "duplicate"}, reasons)

	all := strings.Join(append(texts(t, sink, m, curator.Train), texts(t, sink, m, curator.HeldOut)...), "\x00")
	require.Contains(t, all, "Café of the mill.")
	require.Contains(t, all, strings.TrimSpace(prose(903)), "UTF-16")
	require.Contains(t, all, "Write to [EMAIL] or [IPV4] about version 1.2.3.4 of it.")
	require.NotContains(t, all, "cookies")
	require.NotContains(t, all, "\r")
	require.Equal(t, []curator.Change{{"utf16", 1, 1}, {"latin1", 1, 1}, {"line_ending", 1, 1}}, m.Cleaned)
	require.Equal(t, []curator.Change{{"email", 1, 1}, {"ipv4", 1, 1}}, m.Redacted)
	require.EqualValues(t, len(all)-strings.Count(all, "\x00"), m.Sources[0].KeptBytes)
}

// ask is the only explanation of a document.
func ask(t require.TestingT, d curator.Dataset, document string) curator.Explanation {
	all, err := d.Why(context.Background(), document)
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}

func TestWhy(t *testing.T) {
	dir := qualityFolder(t)
	sink, m := runQuality(t, dir, 2)
	require.Len(t, m.Attributes, 1)
	require.EqualValues(t, 40, m.Attributes[0].Documents)
	set := sink.dataset(m)

	why := ask(t, set, "short.txt")
	require.Equal(t, "gopher_quality.min_words", why.Rule)
	require.EqualValues(t, 13, why.Value)
	require.EqualValues(t, 50, why.Threshold)
	require.Equal(t, m.RecipeDigest, why.Recipe)
	require.EqualValues(t, 15, why.Values["words"])
	require.Empty(t, why.Places)
	require.Equal(t, why, ask(t, set, string(event.DigestOf([]byte(short)))))
	require.Equal(t, why, ask(t, set, "files/short.txt"))

	why = ask(t, set, "good/03.txt")
	require.True(t, why.Kept)
	require.Empty(t, why.Rule)
	require.Len(t, why.Places, 1)
	why = ask(t, set, "blank.txt")
	require.Equal(t, "empty", why.Rule)
	require.Nil(t, why.Values)
	why = ask(t, set, "good/again.txt")
	require.Equal(t, "duplicate", why.Rule)
	require.NotNil(t, why.Values)
	for _, unknown := range []string{"nowhere.txt", "", "files/", string(event.DigestOf(nil))} {
		_, err := set.Why(context.Background(), unknown)
		require.ErrorIs(t, err, curator.ErrNoDocument)
	}
}

func TestWhyOfAText(t *testing.T) {
	sink, m := runQuality(t, qualityFolder(t), 2)
	set := sink.dataset(m)
	find := func(text string) ([]curator.Explanation, curator.Match) {
		found, match, err := set.WhyText(context.Background(), text)
		require.NoError(t, err)
		return found, match
	}
	found, match := find(prose(140))
	require.Equal(t, curator.Exact, match)
	require.Len(t, found, 2, "a text that two documents have")
	require.True(t, found[0].Kept != found[1].Kept)

	found, match = find("\r\n " + strings.ReplaceAll(short, " ", "  "))
	require.Equal(t, curator.Nearly, match)
	require.Equal(t, "short.txt", found[0].Document)

	// As it is in the shards: redacted, or without the lines that C4 drops.
	found, match = find(prose(904) + "Write to [EMAIL] or [IPV4] about version 1.2.3.4 of it.")
	require.Equal(t, curator.Nearly, match)
	require.Equal(t, "mail.txt", found[0].Document)
	found, match = find(prose(905))
	require.Equal(t, curator.Nearly, match)
	require.Equal(t, "policy.txt", found[0].Document)

	// One that nobody read is judged all the same.
	found, match = find(short + " And more.")
	require.Equal(t, curator.NoText, match)
	require.Len(t, found, 1)
	require.Equal(t, "gopher_quality.min_words", found[0].Rule)
	require.EqualValues(t, 15, found[0].Value)
	require.Empty(t, found[0].Document)
	found, _ = find(prose(999))
	require.True(t, found[0].Kept)
	require.Empty(t, found[0].Places)
}

// The text of every kept document is in the shards where the index says, and its source has it as it was read.
func TestTextBeforeAndAfter(t *testing.T) {
	dir := qualityFolder(t)
	for _, by := range []string{"held_out_by: document", "held_out_by: tail"} {
		r, err := curator.ParseRecipe(fmt.Appendf(nil, qualityRecipe+by+"\nshard_tokens: 5000\n", dir))
		require.NoError(t, err)
		var sink memory
		m, err := curator.Curator{Sink: &sink}.Run(context.Background(), r)
		require.NoError(t, err)
		set := sink.dataset(m)
		all := strings.Join(append(texts(t, &sink, m, curator.Train), texts(t, &sink, m, curator.HeldOut)...), "\x00")
		kept, cut := 0, 0
		require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			raw, err := os.ReadFile(filepath.Join(dir, path))
			require.NoError(t, err)
			why := ask(t, set, path)
			before, err := set.Before(context.Background(), nil, why)
			require.NoError(t, err)
			require.Equal(t, string(raw), before)
			after, err := set.Text(context.Background(), why)
			if !why.Kept {
				require.ErrorIs(t, err, curator.ErrNotKept)
				return nil
			}
			require.NoError(t, err)
			kept++
			if len(why.Places) > 1 {
				cut++
			} else {
				require.Contains(t, all, after)
			}
			if strings.HasPrefix(path, "good/") {
				require.Equal(t, strings.TrimSpace(before), after)
			}
			return nil
		}))
		require.EqualValues(t, m.Sources[0].KeptDocuments, kept)
		if by == "held_out_by: tail" {
			require.LessOrEqual(t, cut, 1)
			require.Greater(t, len(m.Splits[0].Shards), 1)
		}
	}
	sink, m := runQuality(t, dir, 1)
	set := sink.dataset(m)
	why := ask(t, set, "good/03.txt")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "good/03.txt"), []byte("other"), 0o644))
	_, err := set.Before(context.Background(), nil, why)
	require.ErrorIs(t, err, curator.ErrNotAsRead)
	require.NoError(t, os.Remove(filepath.Join(dir, "good/03.txt")))
	_, err = set.Before(context.Background(), nil, why)
	require.ErrorIs(t, err, curator.ErrNotAsRead)
	require.NoError(t, os.RemoveAll(dir))
	_, err = set.Before(context.Background(), nil, why)
	require.ErrorIs(t, err, curator.ErrSource)
}

// What is stored is believed only as far as its digest goes.
func TestDamagedRecordsAreErrors(t *testing.T) {
	sink, m := runQuality(t, qualityFolder(t), 1)
	for _, digest := range []event.Digest{m.Attributes[0].Digest, m.AttributeIndex[0].Digest} {
		good := sink.blobs[digest]
		sink.blobs[digest] = append(slices.Clone(good[:len(good)-1]), good[len(good)-1]^1)
		_, err := sink.dataset(m).Why(context.Background(), "short.txt")
		require.ErrorIs(t, err, curator.ErrBlob)
		delete(sink.blobs, digest)
		_, err = sink.dataset(m).Why(context.Background(), "short.txt")
		require.ErrorIs(t, err, fs.ErrNotExist)
		sink.blobs[digest] = good
	}
	m.AttributeIndex[0].First = "zz"
	_, err := curator.ParseManifest(m.JSON())
	require.ErrorContains(t, err, "attribute_index[0]: first")
	_, err = curator.OpenDataset(context.Background(), m.Attributes[0].Digest, sink.open)
	require.ErrorIs(t, err, curator.ErrManifest)
}

// What is decided again from attributes is what a run with the other thresholds decides.
func TestRedecideIsARun(t *testing.T) {
	dir := qualityFolder(t)
	sink, m := runQuality(t, dir, 2)
	other := m.Recipe
	changed, err := json.Marshal(other.Filters)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(changed, &other.Filters))
	quality, c4 := *other.Filters.GopherQuality, *other.Filters.C4
	quality.MinWords, quality.MaxWords = 1, 200
	c4.MinSentences = 1
	other.Filters.GopherQuality, other.Filters.C4, other.Filters.BadWords = &quality, &c4, nil
	var again memory
	ran, err := curator.Curator{Sink: &again}.Run(context.Background(), other)
	require.NoError(t, err)

	set := sink.dataset(m)
	was, is := rules(m), rules(ran)
	got, err := set.Redecide(context.Background(), other.Filters, nil)
	require.NoError(t, err)
	require.EqualValues(t, 40, got.All.Documents)
	require.Equal(t, m.RecipeDigest, got.Recipe)
	require.EqualValues(t, m.Sources[0].KeptDocuments, got.Kept.Before.Documents)
	require.EqualValues(t, ran.Sources[0].KeptDocuments, got.Kept.After.Documents)
	require.Positive(t, got.Kept.In.Documents)
	require.Positive(t, got.Kept.Out.Documents)
	for _, r := range got.Rules {
		require.Equal(t, was[r.Rule], r.Before.Documents, r.Rule)
		require.Equal(t, is[r.Rule], r.After.Documents, r.Rule)
		require.Equal(t, r.Before.Documents+r.In.Documents-r.Out.Documents, r.After.Documents)
		require.Equal(t, r.Before.Bytes+r.In.Bytes-r.Out.Bytes, r.After.Bytes)
		delete(was, r.Rule)
		delete(is, r.Rule)
	}
	require.Empty(t, was)
	require.Empty(t, is)
	moves := 0
	for _, e := range got.Kept.Examples {
		before, after := ask(t, set, e.Document), ask(t, again.dataset(ran), e.Document)
		require.Equal(t, before.Rule, e.From)
		require.Equal(t, after.Rule, e.To)
		if e.To != "" {
			require.Equal(t, []float64{after.Value, after.Threshold}, []float64{e.Value, e.Threshold})
		} else {
			require.Equal(t, []float64{before.Value, before.Threshold}, []float64{e.Value, e.Threshold})
		}
		moves++
	}
	require.Positive(t, moves)

	ctx := context.Background()
	other.Filters.Words = "whitespace"
	_, err = set.Redecide(ctx, other.Filters, nil)
	require.ErrorIs(t, err, curator.ErrReread)
	other.Filters.MinWords = -1
	_, err = set.Redecide(ctx, other.Filters, nil)
	require.ErrorIs(t, err, curator.ErrRecipe)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err = set.Redecide(ended, m.Recipe.Filters, nil)
	require.ErrorIs(t, err, context.Canceled)
	set.Manifest.RecipeDigest = event.DigestOf(nil)
	_, err = set.Redecide(ctx, m.Recipe.Filters, nil)
	require.ErrorIs(t, err, curator.ErrAttributes)
	set.Manifest.Attributes = nil
	_, err = set.Redecide(ctx, m.Recipe.Filters, nil)
	require.ErrorIs(t, err, curator.ErrNotNoted)
}

// rules is how many documents each reason has dropped.
func rules(m curator.Manifest) map[string]int64 {
	dropped := map[string]int64{}
	for _, d := range m.Dropped {
		dropped[d.Reason] = d.Documents
	}
	return dropped
}

func TestFiltersAreReadStrictly(t *testing.T) {
	for _, text := range []string{"gopher_quality: {min_words: 30}", "filters:\n  gopher_quality: {min_words: 30}\nname: x", `{"gopher_quality": {"min_words": 30}}`} {
		f, err := curator.ParseFilters([]byte(text))
		require.NoError(t, err)
		require.EqualValues(t, 30, f.GopherQuality.MinWords)
		require.EqualValues(t, 10, f.GopherQuality.MaxWordLength, "the published threshold")
		require.Equal(t, "simple", f.Words)
	}
	for text, says := range map[string]string{"gopher_qualty: {}": "gopher_qualty", "gopher_quality: {min_wrds: 1}": "min_wrds", "min_words: -1": "min_words", "[": "yaml", "- 1": "map",
		"filters: 7": "filters", "1: 2": "1"} {
		_, err := curator.ParseFilters([]byte(text))
		require.ErrorIs(t, err, curator.ErrRecipe)
		require.ErrorContains(t, err, says)
	}
}

func TestAttributesOfPlainRecipes(t *testing.T) {
	dir := many(t, 20)
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "link.txt")))
	r := recipe(curator.Source{Name: "x", Folder: dir})
	r.HeldOut = 0
	var plain, noted memory
	without, err := curator.Curator{Sink: &plain}.Run(context.Background(), r)
	require.NoError(t, err)
	require.NotContains(t, string(without.JSON()), "attributes")
	r.Attributes = true
	with, err := curator.Curator{Sink: &noted}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, without.Splits, with.Splits)
	require.EqualValues(t, 21, with.Attributes[0].Documents)
	why := ask(t, noted.dataset(with), "link.txt")
	require.Equal(t, "symlink", why.Rule)
	require.Empty(t, why.Digest)
}

// The recipe of docs/curation.md runs as it stands, and the page names every key there is.
func TestDocumentedRecipe(t *testing.T) {
	page, err := os.ReadFile("../docs/curation.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), "```yaml\n")
	require.True(t, found)
	text, _, _ := strings.Cut(rest, "```")
	r, err := curator.ParseRecipe([]byte(text))
	require.NoError(t, err)
	r.Sources[0].Folder = ".."
	var sink memory
	m, err := curator.Curator{Sink: &sink}.Run(context.Background(), r)
	require.NoError(t, err)
	require.NotEmpty(t, m.Attributes)

	all, err := curator.ParseRecipe([]byte(`{"name":"x","sources":[{"folder":"a"}],"clean":{},"privacy":{},"attributes":true,"seed":1,
		"decontaminate":{"against":[{"folder":"b"}]},"dedup":"minhash",
		"filters":{"min_chars":1,"max_chars":2,"min_words":1,"max_words":2,"gopher_repetition":{},"gopher_quality":{},"c4":{},"c4_paragraphs":{},"fineweb":{},
		"bad_words":{"words":["x"],"keep_fraction":0.5},"url":{"domains":["d"],"urls":["u"],"words":["w"],"soft_words":["s"],"subwords":["b"]},
		"language":{"keep":["en"],"model":"m","digest":"sha256:` + strings.Repeat("0", 64) + `"},"unigram":{"frequencies":"f"},"classifier":{"model":"m","label":"l"},"perplexity":{"model":"m","min":1,"max":2}}}`))
	require.NoError(t, err)
	var tree any
	require.NoError(t, json.Unmarshal(all.JSON(), &tree))
	var check func(any)
	check = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				if !strings.HasPrefix(key, "max_dup_") || !strings.HasSuffix(key, "_gram_chars") { // a range on the page
					require.Contains(t, string(page), "`"+key+"`")
				}
				check(value)
			}
		case []any:
			for _, value := range v {
				check(value)
			}
		}
	}
	check(tree)
}
