package dedup_test

import (
	"context"
	"fmt"
	"os"
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

// exactly runs a search over texts, whose ids are their positions.
func exactly(t require.TestingT, how dedup.Exact, texts []string) []dedup.Verdict {
	s, err := how.Search(context.Background())
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for i, text := range texts {
		d := corpus.New(i%3, fmt.Sprint(i), text)
		d.Ordinal = int64(2 * i)
		require.NoError(t, s.Add(d, []byte(fmt.Sprint("note ", i))))
	}
	var out []dedup.Verdict
	for v, err := range s.Verdicts() {
		require.NoError(t, err)
		out = append(out, v)
	}
	require.Len(t, out, len(texts))
	return out
}

func TestFirstWins(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("aB \n")), 0, 3, -1), 0, 60).Draw(t, "texts")
		got := exactly(t, dedup.Exact{Dir: dir, Workers: rapid.IntRange(1, 5).Draw(t, "workers"), SpillBytes: rapid.Int64Range(0, 500).Draw(t, "spill")}, texts)
		first := map[string]int{}
		for i, v := range got {
			require.Equal(t, corpus.Doc{Source: i % 3, ID: fmt.Sprint(i), Ordinal: int64(2 * i), Digest: corpus.New(0, "", texts[i]).Digest}, v.Doc)
			require.Equal(t, fmt.Sprint("note ", i), string(v.Note))
			require.EqualValues(t, len(texts[i]), v.Bytes)
			key := strings.Join(strings.Fields(texts[i]), " ")
			of, again := first[key]
			if !again {
				first[key] = i
				require.Nil(t, v.Of)
				require.Empty(t, v.Why)
				continue
			}
			require.Equal(t, corpus.Doc{Source: of % 3, ID: fmt.Sprint(of), Ordinal: int64(2 * of), Digest: corpus.New(0, "", texts[of]).Digest}, *v.Of)
			require.Equal(t, corpus.Why{Reason: dedup.Duplicate, Value: float64(len(texts[i]))}, v.Why)
		}
	})
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "temporary files stay")
}
