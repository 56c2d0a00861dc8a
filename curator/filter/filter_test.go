package filter_test

import (
	"slices"
	"strings"
	"testing"

	"millrace/curator/corpus"
	"millrace/curator/filter"

	"github.com/stretchr/testify/require"
)

func TestJudges(t *testing.T) {
	for name, c := range map[string]struct {
		judge corpus.Judge
		text  string
		want  corpus.Why
	}{
		"utf8":            {filter.UTF8(), "日本�", corpus.Why{}},
		"latin1":          {filter.UTF8(), "日\xe9", corpus.Why{Reason: filter.NotUTF8, Value: 3}},
		"surrogate":       {filter.UTF8(), "a\xed\xa0\x80", corpus.Why{Reason: filter.NotUTF8, Value: 1}},
		"blank":           {filter.NotEmpty(), " \n\u3000", corpus.Why{Reason: filter.Empty, Value: 5}},
		"nothing":         {filter.NotEmpty(), "", corpus.Why{Reason: filter.Empty}},
		"one letter":      {filter.NotEmpty(), " x ", corpus.Why{}},
		"chars not bytes": {filter.Chars(3, 3), "日本語", corpus.Why{}},
		"short":           {filter.Chars(4, 0), "日本語", corpus.Why{Reason: filter.TooShort, Value: 3, Limit: 4}},
		"long":            {filter.Chars(0, 2), "日本語", corpus.Why{Reason: filter.TooLong, Value: 3, Limit: 2}},
		"no bounds":       {filter.Chars(0, 0), strings.Repeat("x", 1000), corpus.Why{}},
	} {
		why, keep := c.judge(corpus.New(0, "d", c.text))
		require.Equal(t, c.want == corpus.Why{}, keep, name)
		if !keep {
			require.Equal(t, c.want, why, name)
		}
	}
}

func TestSieveTellsTheFirstReason(t *testing.T) {
	var drops []corpus.Drop
	sieve := corpus.Sieve(func(d corpus.Drop) { drops = append(drops, d) }, filter.UTF8(), filter.NotEmpty(), filter.Chars(2, 0))
	docs := []corpus.Doc{corpus.New(0, "a", "\xff"), corpus.New(1, "b", " "), corpus.New(2, "c", "ok"), corpus.New(3, "d", "x"), corpus.New(4, "e", "fine")}
	var kept []string
	for d := range sieve(slices.Values(docs)) {
		kept = append(kept, d.ID)
	}
	require.Equal(t, []string{"c", "e"}, kept)
	require.Len(t, drops, 3)
	require.Equal(t, corpus.Drop{Why: corpus.Why{Reason: filter.TooShort, Value: 1, Limit: 2}, Source: 3, ID: "d", Bytes: 1}, drops[2])
	for range sieve(slices.Values(docs)) {
		break // a consumer may stop early
	}
}
