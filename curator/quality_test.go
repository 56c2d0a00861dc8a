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

func attributes(sink *memory, m curator.Manifest) []byte { return sink.blobs[m.Attributes[0].Digest] }

func TestWhy(t *testing.T) {
	dir := qualityFolder(t)
	sink, m := runQuality(t, dir, 2)
	require.Len(t, m.Attributes, 1)
	require.EqualValues(t, 40, m.Attributes[0].Documents)
	blob := attributes(sink, m)

	why, found, err := curator.Why(blob, "short.txt")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "gopher_quality.min_words", why.Rule)
	require.EqualValues(t, 13, why.Value)
	require.EqualValues(t, 50, why.Threshold)
	require.Equal(t, m.RecipeDigest, why.Recipe)
	require.EqualValues(t, 15, why.Values["words"])
	byText, found, err := curator.Why(blob, string(event.DigestOf([]byte(short))))
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, why, byText)
	byName, _, err := curator.Why(blob, "files/short.txt")
	require.NoError(t, err)
	require.Equal(t, why, byName)

	why, _, err = curator.Why(blob, "good/03.txt")
	require.NoError(t, err)
	require.True(t, why.Kept)
	require.Empty(t, why.Rule)
	why, _, err = curator.Why(blob, "blank.txt")
	require.NoError(t, err)
	require.Equal(t, "empty", why.Rule)
	require.Nil(t, why.Values)
	why, _, err = curator.Why(blob, "good/again.txt")
	require.NoError(t, err)
	require.Equal(t, "duplicate", why.Rule)
	require.NotNil(t, why.Values)
	_, found, err = curator.Why(blob, "nowhere.txt")
	require.NoError(t, err)
	require.False(t, found)
	_, _, err = curator.Why(blob[:len(blob)-1], "nowhere.txt")
	require.ErrorIs(t, err, curator.ErrAttributes)
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
	quality.MinWords, quality.MaxWords = 1, 290
	c4.MinSentences = 1
	other.Filters.GopherQuality, other.Filters.C4, other.Filters.BadWords = &quality, &c4, nil
	var again memory
	ran, err := curator.Curator{Sink: &again}.Run(context.Background(), other)
	require.NoError(t, err)

	same, differ := 0, 0
	err = curator.Redecide(attributes(sink, m), m.Recipe, other.Filters, func(before, after curator.Explanation) {
		want, found, err := curator.Why(attributes(&again, ran), after.Document)
		require.NoError(t, err)
		require.True(t, found)
		want.Recipe, want.Values, after.Values = after.Recipe, nil, nil
		require.Equal(t, want, after)
		if before.Rule == after.Rule {
			same++
		} else {
			differ++
		}
	})
	require.NoError(t, err)
	require.Positive(t, same)
	require.Positive(t, differ)

	other.Filters.Words = "whitespace"
	require.ErrorIs(t, curator.Redecide(attributes(sink, m), m.Recipe, other.Filters, nil), curator.ErrReread)
	require.ErrorIs(t, curator.Redecide(attributes(sink, m), other, m.Recipe.Filters, nil), curator.ErrAttributes)
	other.Filters.MinWords = -1
	require.ErrorIs(t, curator.Redecide(attributes(sink, m), m.Recipe, other.Filters, nil), curator.ErrRecipe)
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
	why, found, err := curator.Why(attributes(&noted, with), "link.txt")
	require.NoError(t, err)
	require.True(t, found)
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
		"bad_words":{"words":["x"],"keep_fraction":0.5}}}`))
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
