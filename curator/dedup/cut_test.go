package dedup_test

import (
	"encoding/json"
	"strings"
	"testing"

	"millrace/curator/corpus"
	"millrace/curator/dedup"

	"github.com/stretchr/testify/require"
)

func TestCutGolden(t *testing.T) {
	ten := strings.Repeat("word ", 10)
	for name, c := range map[string]struct {
		level  dedup.Level
		text   string
		ranges []dedup.Range
		left   string
		why    corpus.Why
	}{
		"nothing":                   {dedup.DefaultLines(), " short ", nil, " short ", corpus.Why{}},
		"a line":                    {dedup.Lines{}, "one\n two\nthree", []dedup.Range{{0, 4}}, "two\nthree", corpus.Why{}},
		"the middle":                {dedup.Lines{}, " one\n two\nthree\n", []dedup.Range{{5, 10}}, " one\nthree\n", corpus.Why{}},
		"the end":                   {dedup.Lines{}, "one\n two\nthree\n ", []dedup.Range{{4, 9}, {9, 15}}, "one", corpus.Why{}},
		"everything":                {dedup.Lines{}, "one\n ", []dedup.Range{{0, 4}}, "", corpus.Why{Reason: "dedup_lines.nothing_left"}},
		"enough words":              {dedup.Lines{MinDocWords: 10}, "x\n" + ten, []dedup.Range{{0, 2}}, ten, corpus.Why{}},
		"too few words":             {dedup.Lines{MinDocWords: 11}, "x\n" + ten, []dedup.Range{{0, 2}}, ten, corpus.Why{Reason: "dedup_lines.min_doc_words", Value: 10, Limit: 11}},
		"enough sentences":          {dedup.Sentences{MinDocWords: 4, MinDocSentences: 2}, "A. B. C.", []dedup.Range{{2, 5}}, "A. C.", corpus.Why{}},
		"too few sentences":         {dedup.Sentences{MinDocWords: 4, MinDocSentences: 3}, "A. B. C.", []dedup.Range{{2, 5}}, "A. C.", corpus.Why{Reason: "dedup_sentences.min_doc_sentences", Value: 2, Limit: 3}},
		"too few of both":           {dedup.Sentences{MinDocWords: 5, MinDocSentences: 3}, "A. B. C.", []dedup.Range{{2, 5}}, "A. C.", corpus.Why{Reason: "dedup_sentences.min_doc_words", Value: 4, Limit: 5}},
		"words of a line":           {dedup.Substrings{}, "a b c d", []dedup.Range{{2, 5}}, "a d", corpus.Why{}},
		"words before a paragraph":  {dedup.Substrings{}, "a b\n\nc", []dedup.Range{{2, 3}}, "a\n\nc", corpus.Why{}},
		"words behind a paragraph":  {dedup.Substrings{}, "a\n\nb c", []dedup.Range{{3, 4}}, "a\n\nc", corpus.Why{}},
		"words with space between":  {dedup.Substrings{}, "a\n\nb c\nd e", []dedup.Range{{3, 4}, {5, 6}}, "a\n\nd e", corpus.Why{}},
		"words at the end":          {dedup.Substrings{MinDocWords: 2}, "a b c \n", []dedup.Range{{4, 5}}, "a b", corpus.Why{}},
		"words with too few before": {dedup.Substrings{MinDocWords: 3}, "a b c \n", []dedup.Range{{4, 5}}, "a b", corpus.Why{Reason: "dedup_substrings.min_doc_words", Value: 2, Limit: 3}},
	} {
		left, why, err := dedup.Cut(c.level, c.text, c.ranges)
		require.NoError(t, err, name)
		require.Equal(t, c.left, left, name)
		require.Equal(t, c.why, why, name)
	}
}

func FuzzCut(f *testing.F) {
	f.Add("one two\nthree", 0, 3, 4, 8)
	f.Add(" \n ", 0, 1, 1, 2)
	f.Fuzz(func(t *testing.T, text string, a, b, c, d int) {
		ranges := []dedup.Range{{a, b}, {c, d}}
		for _, level := range []dedup.Level{dedup.DefaultLines(), dedup.DefaultSentences(), dedup.DefaultSubstrings()} {
			left, _, err := dedup.Cut(level, text, ranges)
			if a < 0 || b <= a || c < b || d <= c || d > len(text) {
				require.ErrorIs(t, err, dedup.ErrOtherText)
				continue
			}
			require.NoError(t, err)
			require.LessOrEqual(t, len(left), len(text)-(b-a)-(d-c))
		}
	})
}

func TestLevelsInRecipes(t *testing.T) {
	var l dedup.Lines
	require.NoError(t, json.Unmarshal([]byte(`{"min_chars": 7}`), &l))
	require.Equal(t, dedup.Lines{MinChars: 7, MinDocWords: 50}, l)
	var s dedup.Sentences
	require.NoError(t, json.Unmarshal([]byte(`{"min_doc_words": 0}`), &s))
	require.Equal(t, dedup.Sentences{Span: 3, MinDocSentences: 3}, s)
	var r dedup.Substrings
	require.NoError(t, json.Unmarshal([]byte(`{}`), &r))
	require.Equal(t, dedup.DefaultSubstrings(), r)
	for _, into := range []any{&l, &s, &r} {
		require.ErrorContains(t, json.Unmarshal([]byte(`{"max": 1}`), into), "max")
	}
	for _, good := range []dedup.Level{dedup.Lines{MinChars: 1}, dedup.Sentences{Span: 100}, dedup.Substrings{Words: 16}, dedup.Substrings{Words: 10_000}} {
		require.NoError(t, good.Check())
	}
	for _, bad := range []dedup.Level{dedup.Lines{}, dedup.Lines{MinChars: 1, MinDocWords: -1}, dedup.Sentences{}, dedup.Sentences{Span: 101},
		dedup.Sentences{Span: 1, MinDocSentences: -1}, dedup.Substrings{Words: 15}, dedup.Substrings{Words: 10_001}} {
		require.ErrorContains(t, bad.Check(), "want", "%#v", bad)
	}
}
