package dedup_test

import (
	"crypto/sha256"
	"slices"
	"strings"
	"testing"

	"millrace/curator/corpus"
	"millrace/curator/dedup"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestNormalizeIsFields(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("aB \n\t\u00a0\u3000é\u200b")))).Draw(t, "text")
		require.Equal(t, "x"+strings.Join(strings.Fields(s), " "), string(dedup.Normalize([]byte("x"), s)))
	})
}

func TestFirstWins(t *testing.T) {
	var docs []corpus.Doc
	for i, text := range []string{"a b", "c", " a\n\nb ", "A b", "c", "ab"} {
		docs = append(docs, corpus.New(0, string(rune('0'+i)), text))
	}
	var dropped []string
	key := func(d corpus.Doc) [16]byte {
		sum := sha256.Sum256(dedup.Normalize(nil, d.Text))
		return [16]byte(sum[:16])
	}
	step := dedup.Exact(key, func(d corpus.Drop) {
		require.Equal(t, dedup.Duplicate, d.Reason)
		dropped = append(dropped, d.ID)
	})
	for range 2 { // a step has no memory between runs
		dropped = nil
		var kept []string
		for d := range step(slices.Values(docs)) {
			kept = append(kept, d.ID)
		}
		require.Equal(t, []string{"0", "1", "3", "5"}, kept)
		require.Equal(t, []string{"2", "4"}, dropped)
	}
}
