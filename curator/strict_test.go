package curator_test

import (
	"errors"
	"testing"

	"millrace/curator"

	"github.com/stretchr/testify/require"
)

// Every key that is wrong is named by its path, with what may have been meant.
func TestWrongKeysAreNamedByTheirPath(t *testing.T) {
	const start = `{"name": "x", "sources": [{"folder": "a"}], `
	for recipe, want := range map[string][2]string{
		`{"name": "x", "sources": [{"folder": "a", "incldue": ["b"]}]}`:      {"sources[0].incldue is not a known key", "did you mean include?"},
		`{"nmae": "x", "sources": [{"folder": "a"}]}`:                        {"nmae is not a known key", "did you mean name?"},
		start + `"Filters": {"min_chars": 3}}`:                               {"Filters is not a known key", "did you mean filters?"},
		start + `"filters": {"gopher_quality": {"min_wrds": 3}}}`:            {"filters.gopher_quality.min_wrds is not a known key", "did you mean min_words?"},
		start + `"filters": {"gopher_quality": {"min_words": "3"}}}`:         {`filters.gopher_quality.min_words is the text "3": want a whole number`, ""},
		start + `"filters": {"gopher_quality": {"min_words": 3.5}}}`:         {"filters.gopher_quality.min_words is a number: want a whole number", ""},
		start + `"filters": {"gopher_quality": {"stop_words": ["a", 7]}}}`:   {"filters.gopher_quality.stop_words[1] is a number: want text", ""},
		start + `"filters": {"gopher_quality": {"stop_words": "a"}}}`:        {"filters.gopher_quality.stop_words is the text \"a\": want a list", ""},
		start + `"filters": []}`:                                             {"filters is a list: want keys", ""},
		start + `"held_out": "much"}`:                                        {`held_out is the text "much": want a number`, ""},
		start + `"attributes": 1}`:                                           {"attributes is a number: want true or false", ""},
		start + `"clean": {"nfd": true}}`:                                    {"clean.nfd is not a known key", "did you mean nfc?"},
		start + `"mixture": {"sources": {"a": {"epoch": 2}}}}`:               {"mixture.sources.a.epoch is not a known key", "did you mean epochs?"},
		start + `"decontaminate": {"against": [{"folder": "b", "zzz": 1}]}}`: {"decontaminate.against[0].zzz is not a known key", "known are "},
		start + `"tokenizer": {"kind": "bpe", "vocab_sze": 300}, "sed": 1}`:  {"sed is not a known key\ntokenizer.vocab_sze is not a known key", "did you mean seed?"},
	} {
		_, err := curator.ParseRecipe([]byte(recipe))
		require.ErrorIs(t, err, curator.ErrRecipe)
		require.ErrorContains(t, err, want[0])
		var hinted interface{ Hint() string }
		require.True(t, errors.As(err, &hinted))
		require.Contains(t, hinted.Hint(), want[1])
	}
	_, err := curator.ParseRecipe([]byte(`"text"`))
	require.ErrorContains(t, err, `the text "text": want keys`)
	_, err = curator.ParseFilters([]byte(`{"filters": {"c4": {"min_sentence": 3}}}`))
	require.ErrorContains(t, err, "filters.c4.min_sentence is not a known key")
	r, err := curator.ParseRecipe([]byte(start + `"clean": null, "limit_bytes": 3e3, "held_out": 0}`))
	require.NoError(t, err, "nothing said is the default, and a whole number is one however it is written")
	require.EqualValues(t, 3000, r.LimitBytes)
}
