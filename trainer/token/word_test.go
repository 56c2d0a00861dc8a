package token_test

import (
	"context"
	"slices"
	"testing"

	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func words(t require.TestingT, vocab int, docs ...string) *token.Word {
	w, err := token.Trainer{VocabSize: vocab}.TrainWords(context.Background(), slices.Values(docs))
	require.NoError(t, err)
	return w
}

func TestWordKnownAnswer(t *testing.T) {
	w := words(t, 5, "to be or not to be, to be sure to be")
	// " be" 4, " to" 3, then nothing twice but "be", "to" once each: three words fit, two occur twice or more.
	require.Equal(t, 4, w.VocabSize())
	ids, err := token.Encode(w, "to be to see")
	require.NoError(t, err)
	require.Equal(t, []int32{2, 0, 1, 2}, ids)
	back, err := token.Decode(w, ids)
	require.NoError(t, err)
	require.Equal(t, " be to", string(back), "<|unk|> stands for nothing")
	require.Equal(t, []token.Special{{Name: token.Unknown, ID: 2}, {Name: token.EndOfText, ID: 3}}, w.Special())
}

func TestWordKnowsWhatItSaw(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := text().Draw(rt, "text")
		p := rapid.SampledFrom(token.Patterns()).Draw(rt, "pattern")
		w, err := token.Trainer{VocabSize: 1000, Pattern: p, MinPairCount: 1}.TrainWords(context.Background(), slices.Values([]string{s}))
		if s == "" {
			require.ErrorIs(rt, err, token.ErrInvalid)
			return
		}
		require.NoError(rt, err)
		again, err := token.Parse(w.JSON())
		require.NoError(rt, err)
		require.Equal(rt, token.ID(w), token.ID(again))
		ids, err := token.Encode(again, s)
		require.NoError(rt, err)
		require.NotContains(rt, ids, w.Unknown())
		back, err := token.Decode(again, ids)
		require.NoError(rt, err)
		require.Equal(rt, s, string(back))
	})
}

func TestWordRefuses(t *testing.T) {
	for bad, want := range map[string]string{
		`{"format":"millrace.tokenizer.word/1","pattern":"gpt2","words":[]}`:          "0 words",
		`{"format":"millrace.tokenizer.word/1","pattern":"x","words":["a"]}`:          "unknown pattern",
		`{"format":"millrace.tokenizer.word/1","pattern":"gpt2","words":["a","a"]}`:   "both",
		`{"format":"millrace.tokenizer.word/1","pattern":"gpt2","words":["aĠb"]}`:     "is no pre-token",
		`{"format":"millrace.tokenizer.word/1","pattern":"gpt2","words":[" a"]}`:      "byte alphabet",
		`{"format":"millrace.tokenizer.word/1","pattern":"gpt2","words":[""]}`:        "is no pre-token",
		`{"format":"millrace.tokenizer.word/1","pattern":"gpt2","words":["a"],"x":1}`: "unknown field",
	} {
		_, err := token.Parse([]byte(bad))
		require.ErrorIs(t, err, token.ErrInvalid)
		require.ErrorContains(t, err, want)
	}
	_, err := token.Trainer{VocabSize: 2}.TrainWords(context.Background(), slices.Values([]string{"x"}))
	require.ErrorContains(t, err, "vocab_size")
}
