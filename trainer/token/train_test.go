package token_test

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func train(t require.TestingT, vocab int, docs ...string) *token.BPE {
	b, err := token.Trainer{VocabSize: vocab}.Train(context.Background(), slices.Values(docs))
	require.NoError(t, err)
	return b
}

// slowMerges is the definition of training: count all pairs of all words again for every merge.
func slowMerges(docs []string, level func(byte) int32, want int) [][2]int32 {
	counts := map[string]int{}
	for _, d := range docs {
		for p := range token.Split(d) {
			counts[p]++
		}
	}
	words := map[string][]int32{}
	for w := range counts {
		for i := range len(w) {
			words[w] = append(words[w], level(w[i]))
		}
	}
	var merges [][2]int32
	for len(merges) < want {
		pairs := map[[2]int32]int{}
		for w, ids := range words {
			for i := 1; i < len(ids); i++ {
				pairs[[2]int32{ids[i-1], ids[i]}] += counts[w]
			}
		}
		var best [2]int32
		for p, n := range pairs {
			if n > pairs[best] || n == pairs[best] && cmp.Or(cmp.Compare(p[0], best[0]), cmp.Compare(p[1], best[1])) < 0 {
				best = p
			}
		}
		if pairs[best] < 2 {
			break
		}
		id := int32(256 + len(merges))
		for w, ids := range words {
			out := ids[:0:0]
			for i := 0; i < len(ids); i++ {
				if i+1 < len(ids) && ids[i] == best[0] && ids[i+1] == best[1] {
					out = append(out, id)
					i++
				} else {
					out = append(out, ids[i])
				}
			}
			words[w] = out
		}
		merges = append(merges, best)
	}
	return merges
}

func TestTrainIsTheDefinition(t *testing.T) {
	none := train(t, 257)
	level := func(b byte) int32 {
		ids, _ := none.Append(nil, string([]byte{b}))
		return ids[0]
	}
	rapid.Check(t, func(rt *rapid.T) {
		docs := rapid.SliceOfN(rapid.OneOf(text(), rapid.StringOfN(rapid.RuneFrom([]rune("aab ")), 0, 60, -1)), 0, 6).Draw(rt, "docs")
		vocab := rapid.IntRange(257, 330).Draw(rt, "vocab")
		var workers [2]int
		for i := range workers {
			workers[i] = rapid.IntRange(1, 5).Draw(rt, "workers")
		}
		want := slowMerges(docs, level, vocab-257)
		var files [2][]byte
		for i, n := range workers {
			b, err := token.Trainer{VocabSize: vocab, Workers: n}.Train(context.Background(), slices.Values(docs))
			require.NoError(rt, err)
			require.Equal(rt, len(want), b.Merges())
			if len(want) > 0 {
				require.Equal(rt, want, b.MergePairs())
			}
			files[i] = b.JSON()
		}
		require.True(rt, bytes.Equal(files[0], files[1]))
	})
}

const sample = `It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness,
it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of Darkness,
it was the spring of hope, it was the winter of despair. "I don't know," she said; they're 1,859 – naïve – 日本.
`

func TestTokenizerFileGolden(t *testing.T) {
	for name, tok := range map[string]token.Tokenizer{
		"bpe":  train(t, 300, sample),
		"byte": token.NewByte(),
		"char": char(t, sample),
		"word": words(t, 40, sample),
	} {
		path := "testdata/golden/" + name + ".json"
		if *update {
			require.NoError(t, os.MkdirAll("testdata/golden", 0o755))
			require.NoError(t, os.WriteFile(path, tok.JSON(), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), string(tok.JSON()), name)
		again, err := token.Parse(want)
		require.NoError(t, err)
		require.Equal(t, token.ID(tok), token.ID(again))
		require.Equal(t, tok.Kind(), again.Kind())
	}
}

func char(t require.TestingT, s string) token.Tokenizer {
	c, err := token.NewChar([]rune(s))
	require.NoError(t, err)
	return c
}

func TestTrainStopsWhenThereIsNothingToMerge(t *testing.T) {
	b := train(t, 1000, "ab ab cd")
	require.Equal(t, 1, b.Merges(), "a+b; space+ab occurs once only")
	b, err := token.Trainer{VocabSize: 1000, MinPairCount: 1}.Train(context.Background(), slices.Values([]string{"ab ab cd"}))
	require.NoError(t, err)
	require.Equal(t, 4, b.Merges())
	ids, err := token.Encode(b, "ab ab cd")
	require.NoError(t, err)
	require.Len(t, ids, 3)
}

func TestTrainRefusesSizes(t *testing.T) {
	for _, n := range []int{-1, 0, 256, token.MaxVocabSize + 1} {
		_, err := token.Trainer{VocabSize: n}.Train(context.Background(), slices.Values([]string{"x"}))
		require.ErrorContains(t, err, "vocab_size")
	}
}

func TestTrainTellsProgressAndStops(t *testing.T) {
	docs := slices.Repeat([]string{prose(100_000)}, 60)
	var last token.TrainProgress
	calls := 0
	_, err := token.Trainer{VocabSize: 600, Progress: func(p token.TrainProgress) {
		require.GreaterOrEqual(t, p.Bytes, last.Bytes)
		require.GreaterOrEqual(t, p.Merges, last.Merges)
		last = p
		calls++
	}}.Train(context.Background(), slices.Values(docs))
	require.NoError(t, err)
	require.Greater(t, calls, 3)
	require.EqualValues(t, 60*100_000, last.Bytes)
	require.Positive(t, last.UniqueWords)
	require.Positive(t, last.Merges)

	ctx, cancel := context.WithCancel(context.Background())
	_, err = token.Trainer{VocabSize: 600, Progress: func(p token.TrainProgress) {
		if p.Merges > 0 {
			cancel()
		}
	}}.Train(ctx, slices.Values(docs))
	require.ErrorIs(t, err, context.Canceled)
	_, err = token.Trainer{VocabSize: 600}.Train(ctx, slices.Values(docs))
	require.ErrorIs(t, err, context.Canceled)
}

// A single word without spaces must not make training quadratic: this would take minutes if merging scanned whole words.
func TestTrainOnOneLongWord(t *testing.T) {
	var b strings.Builder
	state := uint32(1)
	for range 300_000 {
		state = state*1664525 + 1013904223
		b.WriteByte('a' + byte(state>>24)%26)
	}
	tok := train(t, 2000, b.String())
	ids, err := token.Encode(tok, b.String())
	require.NoError(t, err)
	back, err := token.Decode(tok, ids)
	require.NoError(t, err)
	require.Equal(t, b.String(), string(back))
}
